"""Tells the service how far the session is and brings back its orders; never in anyone's way."""
import threading

from .wire import TROUBLE, Fenced, Refused

BEAT_SECONDS = 10.0  # after this an answer is no news any more
ROWS = 500
MOST_ROWS = 5000


class Heartbeat:
    """Beats on a thread of its own. `send(beat)` gives the answer, `state` is what is sent;
    `on_answer(answer)` and `on_fenced(reason)` are called on that thread."""

    def __init__(self, send, every, on_answer, on_fenced):
        self.send = send
        self.every = every
        self.on_answer = on_answer
        self.on_fenced = on_fenced
        self.state = {'step': 0, 'phase': 'install', 'loss': None, 'learningRate': None,
                      'tokensPerSecond': None, 'gpu': None, 'vramBytes': None,
                      'lastCheckpointStep': 0}
        self._history = []
        self._seq = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='heartbeat', daemon=True)

    def start(self):
        self._thread.start()

    def close(self):
        self._closed = True
        self._wake.set()

    def update(self, **news):
        """Changes what the next beat says; a new phase, and a node's turn, are said at once."""
        with self._lock:
            before = urgent(self.state)
            self.state.update(news)
            turned = urgent(self.state) != before
        if turned:
            self._wake.set()

    def log(self, step, loss, rate):
        with self._lock:
            self._history.append([step, loss, rate])
            if len(self._history) > MOST_ROWS:  # a long silence: keep the shape of the curve
                self._history = self._history[::2]

    def _run(self):
        while not self._closed:
            self._beat()
            self._wake.wait(self.every)
            self._wake.clear()

    def _beat(self):
        with self._lock:
            self._seq += 1
            sent = self._history[:ROWS]
            beat = dict(self.state, seq=self._seq, history=sent)
        try:
            answer = self.send(beat)
        except Fenced as fenced:
            return self._fence(str(fenced))
        except (Refused,) + TROUBLE:
            return None  # news is lost, nothing else
        if self._closed:
            return None
        if sent:
            with self._lock:
                self._history = [row for row in self._history if row[0] > sent[-1][0]]
        try:
            self.every = min(600.0, max(0.1, float(answer.get('heartbeatSeconds') or self.every)))
            if answer.get('order') == 'fenced':
                return self._fence(answer.get('reason') or 'another session has the run now')
            self.on_answer(answer)
        except (TypeError, ValueError):
            pass  # an answer out of shape is no order
        return None

    def _fence(self, reason):
        if self._closed:  # the report is out, and a session that has ended is fenced
            return
        self._closed = True
        self.on_fenced(str(reason))


def urgent(state):
    """What of a beat does not wait for its turn."""
    node = state.get('node') or {}
    return (state['phase'], node.get('ready'), node.get('url'), node.get('tunnel'),
            node.get('restarts'))
