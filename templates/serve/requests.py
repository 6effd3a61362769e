"""What clients may ask, checked field by field; what is not served here is refused, not ignored."""
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from .generator import Order

Text = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
Stop = Annotated[str, StringConstraints(min_length=1, max_length=200)]
DEFAULT_TOKENS = 512


class Strict(BaseModel):
    model_config = ConfigDict(extra='forbid')


class TextPart(Strict):
    type: Literal['text']
    text: Text


class Message(Strict):
    role: Literal['system', 'developer', 'user', 'assistant']
    content: Text | Annotated[list[TextPart], Field(min_length=1, max_length=64)]
    name: str | None = None

    def turn(self):
        role = 'system' if self.role == 'developer' else self.role
        text = self.content if isinstance(self.content, str) else ''.join(
            part.text for part in self.content)
        return role, text


class StreamOptions(Strict):
    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Sampling(Strict):
    """What `/v1/chat/completions` and `/v1/completions` have in common."""

    model: str = Field(min_length=1, max_length=200)
    max_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    seed: int | None = Field(None, ge=-2 ** 63, lt=2 ** 63)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    user: str | None = None
    presence_penalty: Annotated[float, Field(ge=0, le=0)] | None = None
    frequency_penalty: Annotated[float, Field(ge=0, le=0)] | None = None

    def order(self, cap, max_tokens=None, **prompt):
        """The order, its missing values filled in as the interface promises them."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Order(
            messages=prompt.get('messages'), prompt=prompt.get('prompt'),
            max_tokens=max_tokens or self.max_tokens or min(DEFAULT_TOKENS, cap),
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p, seed=self.seed, stop=tuple(stops))

    def with_usage(self):
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(Sampling):
    messages: list[Message] = Field(min_length=1, max_length=256)
    max_completion_tokens: int | None = Field(None, ge=1)

    @model_validator(mode='after')
    def turns_alternate(self):
        """The template knows nothing else, and neither does what the adapter was trained on."""
        roles = [message.turn()[0] for message in self.messages]
        turns = roles[1:] if roles[0] == 'system' else roles
        wanted = ['user', 'assistant'] * len(turns)
        if not turns or turns != wanted[:len(turns)] or turns[-1] != 'user':
            raise ValueError('messages must be an optional system one, then user and assistant in '
                             'turn, the last one the user\'s')
        return self

    def as_order(self, cap):
        return self.order(cap, self.max_completion_tokens,
                          messages=tuple(message.turn() for message in self.messages))


class CompletionRequest(Sampling):
    prompt: Text

    def as_order(self, cap):
        return self.order(cap, prompt=self.prompt)


class GenerateRequest(Strict):
    """The project's own plain call: a question, with a context where there is one."""

    prompt: Text
    context: Text | None = None
    max_new_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(0.6, ge=0, le=2)
    top_p: float = Field(0.9, gt=0, le=1)

    def as_order(self, cap):
        before = (('system', self.context),) if self.context else ()
        return Order(messages=(*before, ('user', self.prompt)), prompt=None,
                     max_tokens=self.max_new_tokens or min(DEFAULT_TOKENS, cap),
                     temperature=self.temperature, top_p=self.top_p)


class LoadRequest(Strict):
    """Which adapter to take: a version beside the current one, or what is current by now."""

    version: str | None = Field(None, pattern=r'^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$')
    sha256: str | None = Field(None, pattern=r'^[0-9a-fA-F]{64}$')
