"""The last lines that were printed, with every known secret struck out."""
import sys
import threading
from collections import deque

KEPT_CHARACTERS = 4000
STRUCK_OUT = '[secret]'


class LogTail:
    """Prints lines and remembers the last of them; a secret reaches neither."""

    def __init__(self):
        self._lines = deque(maxlen=400)
        self._secrets = []  # longest first, so that no part of one is left standing
        self._lock = threading.RLock()

    def learn_secret(self, text):
        """From here on `text` is struck out wherever it appears."""
        if text and len(text) >= 6:  # anything shorter would strike out ordinary words
            with self._lock:
                if text not in self._secrets:
                    self._secrets = sorted(self._secrets + [text], key=len, reverse=True)

    def scrub(self, text):
        for secret in self._secrets:
            text = text.replace(secret, STRUCK_OUT)
        return text

    def say(self, text):
        clean = self.scrub(text)
        with self._lock:
            self._lines.append(clean[:KEPT_CHARACTERS])
            sys.stdout.write(clean + '\n')  # in one piece: other threads print as well
            sys.stdout.flush()

    def tail(self):
        with self._lock:
            return self.scrub('\n'.join(self._lines))[-KEPT_CHARACTERS:]
