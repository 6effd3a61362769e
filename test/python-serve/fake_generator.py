"""A generator that needs no library: its words follow from the adapter, the prompt and the seed.

A word in the prompt changes what it does: `slow` takes 20 ms a token, `spin` 20 ms in which it
holds the interpreter as much as it can, `endless` uses all its tokens, `oom` and `broken` fail.
"""
import random
import time

from serve.adapter import Rejected
from serve.generator import OutOfMemory, Result

WORDS = 'maré onda sal vento areia rede barco peixe coral porto farol duna'.split()
USUAL_TOKENS = 12


class FakeGenerator:
    context = 2000
    free_bytes = None

    def __init__(self, adapter):
        self.adapter = adapter

    def count_tokens(self, order):
        return len(self._text(order).split())

    def generate(self, order, emit, should_stop):
        text = self._text(order)
        if 'oom' in text:
            raise OutOfMemory()
        if 'broken' in text:
            raise RuntimeError('the device is gone while answering: ' + text)
        seed = None
        if order.temperature == 0 or order.seed is not None:
            seed = '%s %s %s' % (self.adapter.sha256, text, order.seed)
        chance, adapter = random.Random(seed), self.adapter
        most = order.max_tokens if 'endless' in text else min(order.max_tokens, USUAL_TOKENS)
        for count in range(1, most + 1):
            if 'slow' in text:
                time.sleep(0.02)
            until = time.monotonic() + (0.02 if 'spin' in text else 0)
            while time.monotonic() < until:
                pass
            if self.adapter is not adapter:
                raise RuntimeError('the adapter was changed in the middle of an answer')
            emit(chance.choice(WORDS) + ' ')
            if should_stop():
                return Result('stop', len(text.split()), count)
        ended = most < order.max_tokens
        return Result('stop' if ended else 'length', len(text.split()), most)

    def switch(self, adapter):
        if adapter.base != self.adapter.base:
            raise Rejected('adapter_unusable', 'another base')
        self.adapter = adapter

    def _text(self, order):
        return order.prompt or ' '.join(text for _role, text in order.messages)
