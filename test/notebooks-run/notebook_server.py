"""A serving notebook as a process of its own, and how a test waits for it."""
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from served import lack_of, tried_generator
from training import ROOT, STACKS, environment, python_of

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


class NotebookServer(unittest.TestCase):
    """Starts the committed notebooks as they stand, their parameters set as a tool would."""

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
