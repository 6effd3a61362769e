"""A program that lives no longer than this notebook, its lines printed in the cell under way."""
import os
import queue
import signal
import subprocess
import sys
import threading
import time

# A Python that ties itself to this one and becomes the program: the tie outlasts the exec.
TIE = """
import ctypes, os, sys
if sys.platform == 'linux':
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    if os.getppid() != int(sys.argv[1]):  # it died before the line above
        os._exit(137)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def print_line(text):
    print(text, flush=True)


class Child:
    """On Linux the system kills it when the thread that started it is gone: start it on the main
    one. Elsewhere only `end` ends it. Its lines go to `say(text)`."""

    def __init__(self, command, env, say=print_line):
        self._say = say
        self._process = subprocess.Popen(
            [sys.executable, '-c', TIE, str(os.getpid()), *command], env=env,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
            encoding='utf-8', errors='replace')
        self.last_line = 'it printed nothing'
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def show(self, seconds=0.0):
        """Says the lines that have come; waits so long for a first one. Gives those lines."""
        shown = []
        try:
            line = self._lines.get(timeout=seconds) if seconds else self._lines.get_nowait()
            while True:
                if line.strip():
                    self.last_line = line
                self._say(line)
                shown.append(line)
                line = self._lines.get_nowait()
        except queue.Empty:
            return shown

    def status(self):
        """How it has ended, minus the signal's number where that was one; None while it runs.

        Its last lines are said then."""
        status = self._process.poll()
        if status is not None:
            self._reader.join(2.0)
            self.show()
        return status

    def end(self, grace_seconds):
        """Asks it to end, waits so long, then kills it; nothing when it has ended. Its status."""
        for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 5.0)):
            until = time.monotonic() + seconds
            if self.status() is None:
                self._process.send_signal(number)
            while self.status() is None and time.monotonic() < until:
                self.show(0.05)
        return self.status()

    def _read(self):
        for line in self._process.stdout:
            self._lines.put(line.rstrip('\n'))
