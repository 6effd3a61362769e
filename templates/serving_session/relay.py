"""The way by which callers reach the model although this notebook only calls out.

Threads poll the service for requests; each that comes is asked of the server here, and its answer
is sent up as it comes. docs/relay.md has the calls.
"""
import random
import threading
import time

from rodizio_session.wire import TROUBLE, Fenced, Refused

from .answering import SEND_SECONDS, answer
from .line import Line

POLLERS = 2  # one waits while the other brings what it was given
POLL_SECONDS = 25.0
PATIENCE_SECONDS = 15.0  # beyond the poll's own length
MOST = 8  # requests that one poll takes
FIRST_WAIT = 0.5
LONGEST_WAIT = 15.0


class Relay:
    """Serves callers from the moment it is made until `leave`.

    `wire` is the session's; its address is asked for each time. `server_url()` is where the server
    answers, None while there is none. Lines go to `say(text)`.
    """

    def __init__(self, wire, key_sha256, server_url, say):
        self._wire = wire
        self._key_sha256 = key_sha256
        self._server_url = server_url
        self._say = say
        self._ready = False
        self._left = False
        self._silent = False  # it has been said that the service does not answer
        self._under_way = set()
        self._lock = threading.Lock()
        for number in range(POLLERS):
            self._thread(self._poll, 'relay-%d' % number)

    def tell(self, ready):
        """Whether callers may be sent here; a change is said at once, and waited for by nobody."""
        if ready != self._ready:
            self._ready = ready
            self._thread(self._say_once, 'relay-word')

    def leave(self):
        """Takes no more requests; those under way go on."""
        last = self._server_url()  # for a request that was taken a moment ago
        self._server_url = lambda: last
        self._left = True
        self._ready = False
        self._thread(self._say_once, 'relay-word')

    def drain(self, seconds):
        """Waits until answers under way are sent, so long at the most."""
        until = time.monotonic() + seconds
        for thread in list(self._under_way):
            thread.join(max(0.0, until - time.monotonic()))

    def _thread(self, work, name, *arguments):
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    def _line(self, seconds):
        return Line(self._wire.control_url, self._wire.token, seconds)

    def _words(self, wait_seconds):
        return {'ready': self._ready, 'keySha256': self._key_sha256, 'most': MOST,
                'waitSeconds': wait_seconds}

    def _say_once(self):
        line = self._line(PATIENCE_SECONDS)
        try:
            given = line.call('/v1/relay/take', self._words(0))
            self._begin_all(given)
        except (Refused, Fenced) + TROUBLE:
            pass  # the next poll says it
        finally:
            line.close()

    def _poll(self):
        line, wait = None, FIRST_WAIT
        while not self._left:
            line = line or self._line(POLL_SECONDS + PATIENCE_SECONDS)
            was_used = line.used
            try:
                given = line.call('/v1/relay/take', self._words(POLL_SECONDS))
                self._heard()
                wait = FIRST_WAIT
                self._begin_all(given)
                continue
            except Fenced:
                break  # the heartbeat hears it too, and ends the session
            except Refused as refused:
                pause = max(wait, getattr(refused, 'retry_after', 0.0))
                self._unheard('it answers %d' % refused.status)
            except TROUBLE as error:
                # An idle connection may have been closed meanwhile: the next try is a new one.
                pause = 0.0 if was_used else wait
                if not was_used:
                    self._unheard(type(error).__name__)
            line.close()
            line = None
            self._sleep(pause * random.uniform(0.5, 1.0))
            if pause:
                wait = min(LONGEST_WAIT, wait * 2)
        if line is not None:
            line.close()

    def _begin_all(self, given):
        for request in (given or {}).get('requests', ()):
            if self._left:
                return  # nobody takes it up: the service hands it to another
            with self._lock:
                thread = threading.Thread(target=self._answer, args=(request,), daemon=True,
                                          name='relay-answer')
                self._under_way.add(thread)
            thread.start()

    def _answer(self, request):
        try:
            answer(request, self._line(SEND_SECONDS), self._server_url())
        finally:
            self._under_way.discard(threading.current_thread())

    def _heard(self):
        if self._silent:
            self._silent = False
            self._say('the relay is there again')

    def _unheard(self, why):
        if not self._silent and not self._left:
            self._silent = True
            self._say('the relay waits: the service does not take the call (%s)' % why)

    def _sleep(self, seconds):
        until = time.monotonic() + seconds
        while not self._left and time.monotonic() < until:
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))
