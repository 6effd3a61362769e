"""What the server wants from a model: the port, what goes in and what comes out."""
from dataclasses import dataclass
from typing import Callable, Protocol

from .adapter import Adapter


@dataclass(frozen=True)
class Order:
    """One answer asked for: `messages` as (role, text), or a raw `prompt`.

    `temperature` 0 is greedy; with `seed` a drawn answer repeats as well.
    """

    messages: tuple[tuple[str, str], ...] | None
    prompt: str | None
    max_tokens: int
    temperature: float
    top_p: float
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Result:
    """`reason`: `stop` when the model has ended, `length` when its tokens were used up."""

    reason: str
    prompt_tokens: int
    completion_tokens: int


class OutOfMemory(Exception):
    """This one answer did not fit in the device's memory; the model is whole."""


class Generator(Protocol):
    """A base with one adapter. All but `count_tokens` is called on one thread."""

    context: int  # tokens of prompt and answer together
    adapter: Adapter
    free_bytes: int | None  # of the device's memory, as last measured; None without a GPU

    def count_tokens(self, order: Order) -> int:
        """How many tokens the prompt has. May be called on any thread, at any time.

        Raises ValueError for messages that the chat template refuses.
        """

    def generate(self, order: Order, emit: Callable[[str], None],
                 should_stop: Callable[[], bool]) -> Result:
        """Calls `emit` for each piece of the answer; after each token asks whether to stop.

        Raises OutOfMemory; anything else means that the model cannot be trusted any more.
        """

    def switch(self, adapter: Adapter) -> None:
        """Answers with this adapter from now on.

        Raises Rejected `adapter_unusable`; then the one before still answers.
        """
