import hashlib
import http.server
import json
import os
import signal
import threading
import time
import unittest
from functools import partial
from pathlib import Path

from notebook_server import JUPYTER, KEY, RUNNER, NotebookServer, free_port, sha256_of
from served import CLIENT, NO_CLIENT, run_suite, servers_on
from training import MISSING, ROOT, STACKS, environment, python_of


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@unittest.skipUnless(STACKS, MISSING)
class ServingNotebooks(NotebookServer):
    """The committed notebooks as they stand, their parameters set as a tool would set them."""

    def start_box(self, stack):
        """`python -m serve` as the unit of deploy/inference starts it: (process, port)."""
        port = free_port()
        current, key = self.root / 'current', self.root / 'key'
        current.symlink_to(self.adapters / 'v1')
        key.write_text(KEY + '\n')
        process = self.spawn(
            [python_of(stack), '-m', 'serve'], cwd=ROOT / 'templates',
            env=dict(environment(), SERVE_KEY_FILE=str(key), ADAPTER_DIR=str(current),
                     HF_HOME=str(self.root / 'models'), SERVE_PORT=str(port)))
        return process, port

    def assert_gone(self, port, seconds):
        until = time.monotonic() + seconds
        while servers_on(port) and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(servers_on(port), [])

    def assert_suite_passes(self, port, what, **variables):
        ran = run_suite(port, KEY, self.adapters, **variables)
        self.assertEqual(ran.returncode, 0, '%s\n%s' % (what, ran.stdout))
        self.assertRegex(ran.stdout, r'Ran 1[0-9] tests')
        self.assertNotIn('skipped', ran.stdout)

    def serve_and_try(self, provider, runner):
        """The notebook and the box of one stack, loaded side by side, the same suite for both."""
        stack = self.stack(provider)
        if not CLIENT.exists():
            self.skipTest(NO_CLIENT)
        port = free_port()
        notebook = self.start(provider, stack, runner, PORT=port, SECONDS=400)
        log = self.log
        box, box_port = self.start_box(stack)
        self.wait_ready(box, box_port, self.log)
        self.wait_ready(notebook, port, log)
        self.assertEqual(len(servers_on(port)), 1)
        self.assert_suite_passes(port, 'the notebook', SUITE_ENDS='yes')
        self.assert_suite_passes(box_port, 'the box')
        self.kill(box)
        return notebook, port, log

    def line_of(self, printed):
        told = [line for line in printed.splitlines() if line.startswith('RODIZIO_SERVING ')]
        self.assertEqual(len(told), 1, printed)
        return json.loads(told[0].split(' ', 1)[1])

    def test_kaggles_notebook_and_the_box_pass_one_suite_and_sigterm_ends_it_in_order(self):
        notebook, port, log = self.serve_and_try('kaggle', RUNNER)
        notebook.send_signal(signal.SIGTERM)
        self.assertEqual(notebook.wait(20), 0, log.read_text())
        self.assertEqual(servers_on(port), [])
        printed = log.read_text()
        said = self.line_of(printed)
        self.assertEqual((said['url'], said['adapter'], said['sha256']), (
            'http://127.0.0.1:%d' % port, 'v1', sha256_of(self.adapters / 'v1')))
        self.assertTrue(300 < said['seconds_left'] < 400)
        self.assertIn('serving v1 at step 1', printed)
        self.assertIn('the server leaves: the notebook was asked to end', printed)
        self.assertNotIn(KEY, printed)

    def test_colabs_notebook_under_jupyter_passes_it_and_kill_9_leaves_no_server(self):
        notebook, port, _log = self.serve_and_try('colab', JUPYTER)
        [server] = servers_on(port)
        kernel = int(Path('/proc/%d/stat' % server).read_text().rpartition(')')[2].split()[1])
        self.assertNotEqual(kernel, notebook.pid)
        os.kill(kernel, signal.SIGKILL)
        self.assert_gone(port, 5)

    def test_it_fetches_its_adapter_and_ends_by_itself_at_its_time(self):
        stack = self.stack('colab')
        server = http.server.ThreadingHTTPServer(
            ('127.0.0.1', 0), partial(Quiet, directory=str(self.adapters / 'v2')))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        files = [{'name': path.name, 'bytes': path.stat().st_size,
                  'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
                  'url': 'http://127.0.0.1:%d/%s' % (server.server_port, path.name)}
                 for path in sorted((self.adapters / 'v2').iterdir())]
        port = free_port()
        for seconds in (14, 40, 80):  # a busy machine may not have loaded it in so many
            began = time.monotonic()
            notebook = self.start(
                'colab', stack, JUPYTER, light=True, ADAPTER_DIR='',
                ADAPTER_FILES=json.dumps(files), PORT=port, SECONDS=seconds,
                ADAPTER_SHA256=sha256_of(self.adapters / 'v2'))
            left = self.wait_ready(notebook, port, self.log, ended='its time was over before')
            if left:
                break
        self.assertTrue(0 < left['seconds_left'] < seconds, left)
        self.assertEqual(notebook.wait(seconds + 30), 0, self.log.read_text())
        self.assertGreater(time.monotonic() - began, seconds - 1)
        self.assertEqual(servers_on(port), [])
        printed = self.log.read_text()
        self.assertEqual(self.line_of(printed)['sha256'], sha256_of(self.adapters / 'v2'))
        self.assertIn('the server leaves: its time is over', printed)
        self.assertEqual(json.loads(self.exit_file.read_text())['error'], None)

    def test_kaggles_and_colabs_refuse_a_machine_without_a_gpu_and_another_adapter(self):
        for provider, runner, parameters, sentence in (
                ('colab', RUNNER, {'REQUIRE_GPU': True}, 'no GPU was granted to this session'),
                ('kaggle', RUNNER, {'ADAPTER_SHA256': 'a' * 64}, 'the adapter is refused: manifest'
                 '.json of v1 has another hash')):
            with self.subTest(provider):
                port = free_port()
                notebook = self.start(provider, self.stack(provider), runner, PORT=port,
                                      SECONDS=100, **parameters)
                self.assertEqual(notebook.wait(60), 1)
                self.assertIn(sentence, json.loads(self.exit_file.read_text())['error'])
                self.assertNotIn('serving v1', self.log.read_text())


if __name__ == '__main__':
    unittest.main()
