"""The whole service with a serving policy at the emulated Kaggle, whose sessions are real but for
the model: the generator that needs no library takes its place."""
import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from box import KEY, write_adapter

ROOT = Path(__file__).resolve().parents[2]
NODE = ROOT / 'node_modules' / '.bin' / 'node'
LACK = (None if NODE.exists() and (ROOT / 'dist' / 'rodizio.js').exists()
        else 'the service is not built: `npm ci` and `npm run build` bring it')
NOW = '2026-01-01T00:00:00.000Z'
# Put behind the programs that would ask for torch, in the service's copy of the templates.
LIGHT = {
    'serve/transformers_generator.py': """
import sys
sys.path.insert(0, %r)
from fake_generator import FakeGenerator


def load_generator(settings, adapter):
    return FakeGenerator(adapter)
""" % str(Path(__file__).parent),
    'serving/packages.py': "\n\ndef prepare(provider):\n    print('packages for', provider)\n",
    'serving/gpu.py': "\n\ndef probe(require_gpu, doing='serving'):\n    return None\n",
}


def free_port():
    """A port that was free a moment ago, below those that a system gives to clients."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(('127.0.0.1', port))
            return port


class RelayedPolicy:
    """The service on a data folder of its own, with the policy `nights`; `close` ends all of it."""

    reach = None  # as the policy asks for it

    def __init__(self, **settings):
        self.holder = Path(tempfile.mkdtemp(prefix='relayed-'))
        self.app, self.data = self.holder / 'app', self.holder / 'data'
        self.app.mkdir()
        for name in ('dist', 'templates', 'migrations'):
            shutil.copytree(str(ROOT / name), str(self.app / name))
        shutil.copy(str(ROOT / 'package.json'), str(self.app))
        os.symlink(str(ROOT / 'node_modules'), str(self.app / 'node_modules'))
        for path, text in LIGHT.items():
            with open(str(self.app / 'templates' / path),
                      'w' if 'transformers' in path else 'a', encoding='utf-8') as file:
                file.write(text)
        self.port = free_port()
        self.url = 'http://127.0.0.1:%d' % self.port
        self.environment = {
            'PATH': '%s:%s' % (NODE.parent, os.environ['PATH']), 'HOME': str(self.holder),
            'RODIZIO_DATA_DIR': str(self.data), 'RODIZIO_PORT': str(self.port),
            'RODIZIO_EMULATORS': 'on', 'RODIZIO_SAMPLE': 'off', 'RODIZIO_STORE': 'folder',
            'RODIZIO_TICK_SECONDS': '1', 'RODIZIO_PYTHON': sys.executable, **settings}
        self.log = self.holder / 'service.log'
        self.prepare()
        self.start()
        self.until(lambda: 'ana' in self._accounts(), 60)
        self._begin()

    def prepare(self):
        """What has to stand before the service starts."""

    def start(self):
        with open(self.log, 'ab') as log:
            self.service = subprocess.Popen(
                [str(NODE), str(self.app / 'dist' / 'rodizio.js'), 'up'], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def kill(self):
        """As a machine dies: nothing is written down, nobody is told."""
        self.service.kill()
        self.service.wait()

    def told(self):
        return self.log.read_text(encoding='utf-8')

    def ask(self, *arguments):
        """What a command answers as JSON; None where it fails."""
        asked = subprocess.run([str(NODE), str(self.app / 'dist' / 'rodizio.js'), *arguments,
                                '--json'], env=self.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return json.loads(asked.stdout) if asked.returncode == 0 else None

    def until(self, probe, seconds):
        end = time.monotonic() + seconds
        while True:
            found = probe()
            if found:
                return found
            assert time.monotonic() < end, self.told()
            assert self.service.poll() is None, self.told()
            time.sleep(0.1)

    def policy(self):
        return self.ask('serve', 'show', 'nights')

    def ready(self, generation):
        """That session, once its node is."""
        def found():
            for session in (self.policy() or {'recent': []})['recent']:
                if session['generation'] == generation and session['node']:
                    return session
            return None
        return self.until(found, 60)

    def server(self):
        """The process of the node's server and its port."""
        for entry in Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                if b'-m\0serve\0' not in (entry / 'cmdline').read_bytes():
                    continue
                told = (entry / 'environ').read_bytes().split(b'\0')
                if not any(str(self.holder).encode() in line for line in told):
                    continue
                port = next(line for line in told if line.startswith(b'SERVE_PORT='))
                return int(entry.name), int(port.partition(b'=')[2])
        return None

    def close(self):
        emulators = self._emulators()  # they outlive the service, and take their sessions with them
        if self.service.poll() is None:
            self.service.terminate()
            try:
                self.service.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()
        if emulators is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(emulators, signal.SIGTERM)
            end = time.monotonic() + 20
            while self._emulators() is not None and time.monotonic() < end:
                time.sleep(0.1)
        shutil.rmtree(str(self.holder), ignore_errors=True)

    def _emulators(self):
        with contextlib.suppress(OSError, ValueError, KeyError):
            found = json.loads((self.data / 'emulators' / 'emulators.json').read_text())
            os.kill(found['pid'], 0)
            return found['pid']
        return None

    def _accounts(self):
        listed = self.ask('accounts', 'list')
        return [account['name'] for account in (listed or {'items': []})['items']]

    def _begin(self):
        """Puts the adapter into the store and the policy into the books as its commands would, but
        for the base, which no command knows."""
        store = self.data / 'store' / 'runs' / 'run_made' / 'artifacts' / 'candidate-g1'
        self.sha256 = adapter_of(store)
        plan = {'engine': 'serve', 'adapter': self.sha256, 'base': 'tiny', 'revision': 'main',
                'quantization': 'none', 'reach': self.reach, 'maxTokens': 2000,
                'keySha256': hashlib.sha256(KEY.encode()).hexdigest()}
        options = {'heartbeatSeconds': 1, 'sessionSeconds': 900, 'minSessionSeconds': 20}
        serving = {'windows': 'always', 'overlapSeconds': 60}
        books = sqlite3.connect(str(self.data / 'rodizio.db'), timeout=20)
        with books:
            books.execute("update accounts set serves = provider = 'kaggle'")
            for row in (('run_made', 'made', 'trl', 'completed', '{}', '{}', None),
                        ('run_nights', 'nights', 'serve', 'queued', json.dumps(plan),
                         json.dumps(options), json.dumps(serving))):
                books.execute(
                    'insert into runs (id, name, engine, state, plan, options, serving, '
                    'dataset_version, target_steps, sample, created_at, priority) '
                    "values (?, ?, ?, ?, ?, ?, ?, 'none', 0, 0, ?, 0)", (*row, NOW))
            books.execute(
                'insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, '
                "metrics, committed_at) values ('run_made', 'candidate', 60, 1, ?, '1', '{}', ?)",
                (self.sha256, NOW))
        books.close()


def adapter_of(folder):
    """An adapter as a training leaves it in the store; the hash of its manifest."""
    folder.parent.mkdir(parents=True)
    write_adapter(folder)
    held = json.loads((folder / 'manifest.json').read_text())
    text = json.dumps({**held, 'run': 'run_made', 'session': 'ses_made', 'targetSteps': 60,
                       'epoch': 1, 'label': 'candidate', 'env': {}, 'metrics': {}})
    (folder / 'manifest.json').write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()
