import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from box import KEY, MISSING, Client, alive, write_adapter
from hosted import assemble, cells

HASH = hashlib.sha256(KEY.encode()).hexdigest()
# Tells an address in a box, as cloudflared does, and goes when the file that it is told of appears.
STAND_IN = """#!%s
import os, sys, time
assert sys.argv[1:3] == ['tunnel', '--no-autoupdate'], sys.argv
assert 'SECRET' not in os.environ
print('Thank you for trying ... https://elsewhere.example', flush=True)
if os.path.exists(%r):
    sys.exit('failed to request a quick tunnel')
print('INF |  %%s/  |' %% sys.argv[4].replace('127.0.0.1', 'localhost'), flush=True)
while not os.path.exists(%r):
    time.sleep(0.05)
os.remove(%r)
"""


@unittest.skipIf(MISSING, MISSING)
@unittest.skipUnless(sys.platform == 'linux', 'looks at /proc')
class Hosting(unittest.TestCase):
    """The last cells of the serving notebook as they stand, over a generator without a model."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        assemble(self.root)
        sha256 = write_adapter(self.root / 'versions' / 'v1')
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.client = Client(self.port, KEY)
        self.parameters = {
            'ADAPTER_DIR': str(self.root / 'versions' / 'v1'), 'ADAPTER_FILES': '',
            'ADAPTER_SHA256': sha256, 'BASE_MODEL': '', 'SECONDS': 60, 'PORT': self.port,
            'SERVE_KEY_SHA256': HASH, 'MAX_TOKENS': 2000, 'TUNNEL': ''}
        self.log = self.root / 'log'

    def start(self, env=None, **parameters):
        lines = ['%s = %r' % item for item in {**self.parameters, **parameters}.items()]
        program = self.root / 'notebook.py'
        program.write_text('\n'.join(
            ['import time', 'began = time.monotonic()', *lines,
             cells('store', 'model', 'tunnel', 'serve'), 'print("after")']))
        with open(self.log, 'wb') as log:
            self.notebook = subprocess.Popen([sys.executable, '-u', program.name], cwd=self.root,
                                             stdout=log, stderr=log,
                                             env={**os.environ, 'SECRET': 'x', **(env or {})})
        self.addCleanup(self.notebook.wait, 10)
        self.addCleanup(self.notebook.kill)

    def wait_for(self, text, count=1):
        until = time.monotonic() + 20
        while self.log.read_text().count(text) < count:
            self.assertLess(time.monotonic(), until, self.log.read_text())
            self.assertIsNone(self.notebook.poll(), self.log.read_text())
            time.sleep(0.02)

    def serving(self, *arguments, **options):
        self.start(*arguments, **options)
        self.wait_for('RODIZIO_SERVING')

    def children(self):
        return [int(pid) for pid in Path('/proc/%d/task/%d/children' % (
            self.notebook.pid, self.notebook.pid)).read_text().split()]

    def ended(self, status, sentence=' '):
        """It has ended so, said that, and left nobody."""
        self.assertEqual(self.notebook.wait(20), status, self.log.read_text())
        self.assertRegex(self.log.read_text(), sentence)
        for pid in self.started:
            self.assertFalse(alive(pid))

    def lines(self):
        return [json.loads(line.split(' ', 1)[1]) for line in self.log.read_text().splitlines()
                if line.startswith('RODIZIO_SERVING ')]

    def test_asked_to_end_in_mid_answer_it_ends_in_order(self):
        for number, tokens, why in ((signal.SIGTERM, 40, 'the notebook was asked to end'),
                                    (signal.SIGINT, 1000, 'the cell was interrupted')):
            with self.subTest(why):  # a short answer is said to its end, a long one cut off
                self.serving()
                self.started = self.children()
                self.assertEqual(len(self.started), 1)
                stream = self.client.open_stream('slow endless', stream=True, max_tokens=tokens)
                self.addCleanup(stream.close)
                answer = stream.getresponse()
                self.notebook.send_signal(number)
                if tokens == 40:
                    self.assertIn(b'[DONE]', answer.read())
                else:
                    self.assertRaises(http.client.IncompleteRead, answer.read)
                self.ended(0, 'the server leaves: %s\n(?:.*\n)?after' % why)

    def test_asked_to_end_while_the_model_is_loaded_it_ends_at_once(self):
        self.start({'LOAD_SECONDS': '60'})
        until = time.monotonic() + 20
        while not self.children() and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.3)
        self.started = self.children()
        self.notebook.terminate()
        self.ended(1, 'the notebook was asked to end')

    def test_kill_9_leaves_neither_server_nor_tunnel(self):
        self.serving({'PATH': self.stand_in()}, TUNNEL='cloudflared')
        self.started = self.children()
        self.assertEqual(len(self.started), 2)
        for pid in self.started:  # should the promise not hold
            self.addCleanup(lambda pid=pid: alive(pid) and os.kill(pid, signal.SIGKILL))
        self.notebook.kill()
        self.notebook.wait()
        until = time.monotonic() + 5
        while any(alive(pid) for pid in self.started) and time.monotonic() < until:
            time.sleep(0.02)
        self.ended(-9)

    def test_a_server_that_dies_ends_the_cell_with_its_last_line(self):
        self.serving()
        self.started = self.children()
        os.kill(self.started[0], signal.SIGKILL)
        self.ended(1, r'the server has ended \(signal 9\): serving v1 at step 60')
        self.assertNotIn('\nafter', self.log.read_text())

    def test_one_that_cannot_start_says_why(self):
        self.started = []
        self.start(SERVE_KEY_SHA256='short')
        self.ended(1, r'has ended \(status 1\): the server cannot start: SERVE_KEY_SHA256 is no')

    def test_the_time_is_over_before_or_after_the_model_is_loaded(self):
        self.started = []
        self.start({'LOAD_SECONDS': '60'}, SECONDS=2)
        self.ended(1, 'its time was over before the .*: raise SECONDS')
        self.serving(SECONDS=5)
        first = self.client.health()['seconds_left']
        self.assertTrue(0 < first < 5)
        self.started = self.children()
        self.ended(0, 'the server leaves: its time is over\nafter')

    def test_a_place_that_is_taken_is_refused(self):
        self.serving()
        mine, self.started = self.notebook, []
        (self.root / 'versions' / 'v1').rename(self.root / 'versions' / 'v0')
        sha256 = write_adapter(self.root / 'versions' / 'v1', b'others')
        self.start({'LOAD_SECONDS': '3'}, ADAPTER_SHA256=sha256)
        self.ended(1, 'another server answers at .*: choose another PORT')
        self.assertIsNone(mine.poll())

    def stand_in(self):
        folder = self.root / 'bin'
        folder.mkdir()
        (folder / 'cloudflared').write_text(STAND_IN % (
            sys.executable, *[str(self.root / name) for name in ('dead', 'go', 'go')]))
        (folder / 'cloudflared').chmod(0o755)
        return '%s:%s' % (folder, os.environ['PATH'])

    def test_a_tunnel_is_told_and_opened_anew_when_it_is_lost(self):
        self.serving({'PATH': self.stand_in()}, TUNNEL='cloudflared')
        [line] = self.lines()
        self.assertEqual((line['url'], line['local']), (
            'http://localhost:%d' % self.port, 'http://127.0.0.1:%d' % self.port))
        (self.root / 'go').touch()
        self.wait_for('RODIZIO_SERVING', 2)
        self.assertIn('the tunnel is lost', self.log.read_text())
        self.started = self.children()
        (self.root / 'dead').touch()
        (self.root / 'go').touch()
        self.ended(1, 'cloudflared has ended: failed to request a quick tunnel')

    def test_a_tunnel_whose_program_is_not_there_is_refused(self):
        self.started = []
        self.start({'PATH': str(self.root)}, TUNNEL='cloudflared')
        self.ended(1, 'wants the program cloudflared, and there is none on the PATH: put that of')
        self.start(TUNNEL='ngrok')
        self.ended(1, "TUNNEL is 'ngrok', and there is only cloudflared")


if __name__ == '__main__':
    unittest.main()
