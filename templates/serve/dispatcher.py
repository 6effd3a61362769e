"""One generation at a time on a thread of its own, a few that wait, and no more.

The event loop only hands over and takes back: it answers `/health` while the model computes.
"""
import asyncio
import logging
import math
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from .generator import OutOfMemory
from .stop_text import StopText

LONGEST_RETRY_SECONDS = 60
log = logging.getLogger('serve')


class QueueFull(Exception):
    """One is being answered and as many wait as may; the first may be done in `retry_seconds`."""

    def __init__(self, retry_seconds):
        super().__init__('the queue is full: try again in %d s' % retry_seconds)
        self.retry_seconds = retry_seconds


class Left(Exception):
    """The answer was given up: its client has left, or the server is leaving."""


class GenerationFailed(Exception):
    """The model has failed, and not for want of memory; the log has the place."""


class Answer:
    """One answer on its way: text by `pieces()`, then `result`; `adapter` is what answers."""

    def __init__(self, order):
        self.order = order
        self.result = None
        self.adapter = None
        self.gone = threading.Event()
        self.started = False
        self.task = None
        self._events = asyncio.Queue()

    async def pieces(self):
        """Yields text as it comes; raises what the generation raised."""
        while True:
            event = await self._events.get()
            if isinstance(event, Exception):
                raise event
            if not isinstance(event, str):
                self.result = event
                return
            yield event

    def leave(self):
        """Nobody listens any more: the place in the queue, or the model, is given back."""
        self.gone.set()
        self.put(Left())
        if not self.started:
            self.task.cancel()

    def put(self, event):
        self._events.put_nowait(event)


class Dispatcher:
    """All methods are for the event loop's thread alone."""

    def __init__(self, generator, waiting):
        self.generator = generator
        self.failed = False  # the last answer ended in an error that is not the client's
        self._waiting = waiting
        self._answers = set()
        self._model = asyncio.Lock()  # first come, first served
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='model')
        self._mean_seconds = 1.0
        self._began = None

    def refuse_when_full(self):
        if len(self._answers) > self._waiting:
            seconds = math.ceil(self._mean_seconds)
            raise QueueFull(min(max(seconds, 1), LONGEST_RETRY_SECONDS))

    def submit(self, order):
        """The answer to `order`, in its place of the queue; raises QueueFull."""
        self.refuse_when_full()
        answer = Answer(order)
        self._answers.add(answer)
        answer.task = asyncio.get_running_loop().create_task(self._produce(answer))
        answer.task.add_done_callback(lambda _task: self._answers.discard(answer))
        return answer

    async def switch(self, adapter):
        """Switches between two answers; those that wait are answered with the new adapter.

        The last of several calls wins; one for what is served already changes nothing."""
        async with self._model:
            if adapter.sha256 != self.generator.adapter.sha256:
                await self._on_thread(self.generator.switch, adapter)

    def state(self):
        busy = self._began is not None
        return {'running': int(busy), 'waiting': max(0, len(self._answers) - int(busy)),
                'limit': self._waiting,
                'running_seconds': round(time.monotonic() - self._began, 3) if busy else None}

    def close(self):
        """Ends every answer; the model's thread is free after the token that it computes."""
        for answer in list(self._answers):
            answer.leave()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _on_thread(self, work, *arguments):
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    async def _produce(self, answer):
        async with self._model:
            answer.started = True
            self._began = time.monotonic()
            try:
                event = await self._on_thread(self._generate, answer, asyncio.get_running_loop())
                self.failed = False
            except OutOfMemory as error:
                event = error
            except Exception as error:  # a model's own troubles have no common name
                self.failed = True
                event = GenerationFailed()
                # Without its message, which may repeat what somebody has asked.
                log.error('a generation failed: %s\n%s', type(error).__name__,
                          ''.join(traceback.format_tb(error.__traceback__)))
            finally:
                taken = time.monotonic() - self._began
                self._mean_seconds = 0.7 * self._mean_seconds + 0.3 * taken
                self._began = None
        answer.put(event)

    def _generate(self, answer, loop):
        stop = StopText(answer.order.stop)
        answer.adapter = self.generator.adapter

        def pass_on(text):
            if text and not answer.gone.is_set():
                loop.call_soon_threadsafe(answer.put, text)

        result = self.generator.generate(
            answer.order, lambda piece: pass_on(stop.feed(piece)),
            lambda: answer.gone.is_set() or stop.reached)
        pass_on(stop.rest())
        return result
