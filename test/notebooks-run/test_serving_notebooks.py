import hashlib
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from functools import partial
from pathlib import Path

from served import CLIENT, NO_CLIENT, lack_of, run_suite, servers_on, tried_generator
from training import MISSING, ROOT, STACKS, environment, python_of

sys.path.insert(0, str(ROOT / 'test' / 'python-serve'))
from box import Client  # noqa: E402

RUNNER = ROOT / 'templates' / 'run_notebook.py'
JUPYTER = ROOT / 'test' / 'clients' / 'run_with_nbclient.py'
KEY = 'a-key-of-the-tests-that-stands-in-no-notebook'
# The server as it is, over a generator without a model: for what is not the model's business.
LIGHT = """from pathlib import Path
Path('serve/transformers_generator.py').write_text(
    'from fake_generator import FakeGenerator\\n\\n\\n'
    'def load_generator(settings, adapter):\\n    return FakeGenerator(adapter)\\n')
"""


def sha256_of(folder):
    return hashlib.sha256((folder / 'manifest.json').read_bytes()).hexdigest()


def free_port():
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@unittest.skipUnless(STACKS, MISSING)
class ServingNotebooks(unittest.TestCase):
    """The committed notebooks as they stand, their parameters set as a tool would set them."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='serving-notebooks-'))
        self.addCleanup(shutil.rmtree, str(self.root), ignore_errors=True)

    def stack(self, name):
        stack = name if name in STACKS else STACKS[0]
        if lack_of(stack):
            self.skipTest(lack_of(stack))
        self.adapters = tried_generator(stack)[1]
        return stack

    def spawn(self, command, **options):
        """A process in a session of its own, what it prints in a file, gone with the test."""
        self.log = self.root / ('%d.log' % len(list(self.root.iterdir())))
        with open(self.log, 'wb') as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, start_new_session=True,
                                       **options)
        self.addCleanup(self.kill, process)
        return process

    def kill(self, process):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(10)

    def start(self, provider, stack, runner, light=False, **parameters):
        notebook = json.loads((ROOT / 'notebooks' / ('serve-' + provider) / 'notebook.ipynb')
                              .read_text(encoding='utf-8'))
        first = {'ADAPTER_DIR': str(self.adapters / 'v1'),
                 'ADAPTER_SHA256': sha256_of(self.adapters / 'v1'), 'REQUIRE_GPU': False,
                 'SERVE_KEY_SHA256': hashlib.sha256(KEY.encode()).hexdigest()}
        lines = ['%s = %r' % item for item in {**first, **parameters}.items()]
        self.inject(notebook, 'parameters', '\n'.join(lines) + '\n')
        if light:
            self.inject(notebook, 'install', LIGHT)
        folder = self.root / ('%s-%s' % (provider, stack))
        folder.mkdir(exist_ok=True)
        path = folder.with_suffix('.ipynb')
        path.write_text(json.dumps(notebook), encoding='utf-8')
        self.assertNotIn(KEY, path.read_text())
        self.exit_file = folder.with_suffix('.exit')
        own = environment()
        own['PYTHONPATH'] = os.pathsep.join(filter(None, [
            own.get('PYTHONPATH'), str(ROOT / 'test' / 'python-serve') if light else None]))
        return self.spawn([python_of(stack), str(runner), '--notebook', str(path), '--cwd',
                           str(folder), '--exit-file', str(self.exit_file)], env=own)

    def inject(self, notebook, tag, source):
        at = next(index for index, cell in enumerate(notebook['cells'])
                  if cell['metadata'].get('tags') == [tag])
        notebook['cells'].insert(at + 1, {
            'cell_type': 'code', 'execution_count': None, 'id': 'injected-' + tag,
            'metadata': {'tags': ['injected-' + tag]}, 'outputs': [], 'source': source})

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

    def wait_ready(self, process, port, log, ended=None):
        """What /health says; None when it has ended, and `ended` is why."""
        client, until = Client(port, KEY), time.monotonic() + 120
        while time.monotonic() < until and process.poll() is None:
            try:
                return client.health()
            except (OSError, ValueError):
                time.sleep(0.1)
        if not ended or ended not in log.read_text():
            self.fail(log.read_text())

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
