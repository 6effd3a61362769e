"""The training program as a child process: its job, its orders, its lines."""
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path


class Program:
    """One child. Its output is read line by line; what it is told goes through a small file."""

    def __init__(self, folder):
        """`folder`, private and outside the working directory, holds the job and the orders."""
        self.control = Path(folder) / 'control.json'
        self.job = Path(folder) / 'job.json'
        self.child = None
        self._orders = {'stop': False, 'checkpointNow': 0, 'uploadSeconds': 0.0,
                        'secondsLeft': None, 'uploading': None}
        self._lock = threading.Lock()

    def tell(self, seconds_left, **orders):
        """Adds to the orders and puts them where the child looks."""
        with self._lock:
            self._orders.update(orders, secondsLeft=seconds_left)
            self._write(self.control, self._orders)

    def checkpoint_now(self, seconds_left):
        self.tell(seconds_left, checkpointNow=self._orders['checkpointNow'] + 1)

    def run(self, script, job, on_line):
        """Starts `script` and calls `on_line(text)` for each line until it ends; its status."""
        self._write(self.job, dict(job, control=str(self.control), parent=os.getpid()))
        self.child = subprocess.Popen(
            command_line(script, self.job, job.get('processes', 1)), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, encoding='utf-8',
            errors='replace')
        try:
            while True:
                try:
                    for line in self.child.stdout:
                        on_line(line.rstrip('\n'))
                    return self.child.wait()
                except KeyboardInterrupt:  # a person stopped the cell: leave in order
                    self.stop()
        finally:
            self.kill()

    def stop(self):
        """Asks for a checkpoint and the end. Safe in a signal handler: no lock, no file."""
        self._signal(signal.SIGTERM)

    def kill(self):
        """Ends the child at once; a no-op when it has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number):
        child = self.child
        if child is not None and child.returncode is None:
            try:
                os.kill(child.pid, number)
            except ProcessLookupError:
                pass

    @staticmethod
    def _write(path, value):
        part = path.with_name(path.name + '.part')
        part.write_text(json.dumps(value, allow_nan=False), encoding='utf-8')
        os.replace(part, path)


def command_line(script, job, processes):
    """How `script` is started on a job: alone, or as several by the program that calls torchrun and
    takes signals for all of them."""
    together = ['launch.py'] if processes > 1 else []
    return [sys.executable, '-u', *together, script, str(job)]
