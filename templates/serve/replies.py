"""Answers in the shapes of OpenAI's interface: whole, or in server-sent events."""
import json
import time
import uuid

from .errors import describe, error_body


class Reply:
    """One reply's frame: of a chat (`chat` true) or of a raw completion."""

    def __init__(self, answer, model, chat):
        self._answer, self._chat = answer, chat
        self._kind = 'chat.completion' if chat else 'text_completion'
        self._frame = {'id': ('chatcmpl-' if chat else 'cmpl-') + uuid.uuid4().hex,
                       'created': int(time.time()), 'model': model}

    def whole(self, text):
        said = {'message': {'role': 'assistant', 'content': text, 'refusal': None}} \
            if self._chat else {'text': text}
        choice = {'index': 0, **said, 'logprobs': None,
                  'finish_reason': self._answer.result.reason}
        return self._framed(self._kind, choices=[choice], usage=self._usage())

    async def events(self, with_usage):
        """The lines of the stream; a failure in its middle is an event, and then no [DONE]."""
        if self._chat:
            yield self._chunk({'role': 'assistant', 'content': ''})
        try:
            async for piece in self._answer.pieces():
                yield self._chunk({'content': piece} if self._chat else piece)
        except Exception as error:  # the status was sent long ago
            status, code, message, _headers = describe(error)
            yield event(error_body(status, code, message))
            return
        yield self._chunk({} if self._chat else '', self._answer.result.reason)
        if with_usage:
            yield event(self._framed(self._chunk_kind(), choices=[], usage=self._usage()))
        yield 'data: [DONE]\n\n'

    def _chunk(self, said, reason=None):
        choice = {'index': 0, 'delta' if self._chat else 'text': said, 'logprobs': None,
                  'finish_reason': reason}
        return event(self._framed(self._chunk_kind(), choices=[choice]))

    def _chunk_kind(self):
        return 'chat.completion.chunk' if self._chat else self._kind

    def _framed(self, kind, **more):
        adapter = self._answer.adapter  # the one that answers, whatever was switched to since
        return {**self._frame, 'object': kind,
                'system_fingerprint': adapter.sha256[:16] if adapter else None, **more}

    def _usage(self):
        result = self._answer.result
        return {'prompt_tokens': result.prompt_tokens,
                'completion_tokens': result.completion_tokens,
                'total_tokens': result.prompt_tokens + result.completion_tokens}


def event(value):
    return 'data: %s\n\n' % json.dumps(value, ensure_ascii=False)
