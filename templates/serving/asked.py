"""Whether this notebook has been asked to end, by SIGTERM."""
import signal
import threading


class Asked:
    """True from the signal on. A handler that was there hears it too; on another thread than the
    main one there can be none, and nothing is heard."""

    def __init__(self):
        self._asked = False
        self._previous = None
        if threading.current_thread() is not threading.main_thread():
            return
        self._previous = previous = signal.getsignal(signal.SIGTERM)

        def on_term(number, frame):
            self._asked = True
            if callable(previous):
                previous(number, frame)

        signal.signal(signal.SIGTERM, on_term)

    def __bool__(self):
        return self._asked

    def listen_no_more(self):
        """Puts the handler back that was there before."""
        if self._previous is not None:
            signal.signal(signal.SIGTERM, self._previous)
            self._previous = None
