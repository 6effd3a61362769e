"""What the tests serve, and how they start a server: a process of its own, as on a box."""
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
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / 'templates'
sys.path.insert(0, str(TEMPLATES))
KEY = 'a-key-that-only-the-tests-have'
OWN = object()
NAMES = ('fastapi', 'uvicorn', 'httpx', 'openai')
try:
    for name in NAMES:
        __import__(name)
    MISSING = None
except ImportError:
    MISSING = ('%s are not installed: `pip install -r test/python-serve/requirements.txt` in an '
               'environment of its own brings them' % ', '.join(NAMES))


def alive(pid):
    """Whether that process runs; one that has ended and is not yet waited for does not."""
    try:
        return Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[0] != 'Z'
    except OSError:
        return False


def write_adapter(folder, weights=b'weights', base='tiny', kind='artifact'):
    """An adapter's folder with its manifest; the hash of the manifest."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    texts = {'adapter_config.json': b'{}', 'adapter_model.safetensors': weights,
             'tokenizer_config.json': b'{}'}
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    files = [{'name': name, 'bytes': len(text), 'sha256': hashlib.sha256(text).hexdigest()}
             for name, text in texts.items()]
    manifest = {'format': 1, 'kind': kind, 'run': 'run_1', 'generation': 3, 'step': 60,
                'engine': 'trl', 'files': files,
                'plan': {'base': base, 'revision': 'main', 'quantization': 'none'}}
    text = json.dumps(manifest).encode()
    (folder / 'manifest.json').write_bytes(text)
    return hashlib.sha256(text).hexdigest()


class Client:
    """Calls to a server on `port` of this machine, with a bearer key."""

    def __init__(self, port, key):
        self.port, self.key = port, key

    def connect(self):
        return http.client.HTTPConnection('127.0.0.1', self.port, timeout=30)

    def call(self, method, path, body=None, key=OWN, headers=None):
        """(status, headers, JSON) of one call; with the client's own key unless told otherwise."""
        key = self.key if key is OWN else key
        connection = self.connect()
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            sent = {'content-type': 'application/json', **(headers or {})}
            if key:
                sent.setdefault('authorization', 'Bearer ' + key)
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, answer.headers, json.loads(answer.read() or b'null')
        finally:
            connection.close()

    def health(self):
        return self.call('GET', '/health', key=None)[2]

    def ask(self, text, **more):
        return self.call('POST', '/v1/chat/completions', chat(text, **more))

    def open_stream(self, text, **more):
        """A connection on which an answer is under way; closing it is leaving."""
        connection = self.connect()
        connection.request('POST', '/v1/chat/completions', json.dumps(chat(text, **more)),
                           {'content-type': 'application/json',
                            'authorization': 'Bearer ' + self.key})
        return connection

    def wait_for(self, wanted, seconds=5.0):
        """Seconds until the queue is (running, waiting)."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            queue = self.health()['queue']
            if (queue['running'], queue['waiting']) == wanted:
                return time.monotonic() - began
            time.sleep(0.002)
        raise AssertionError('the queue is %s, and not %s' % (queue, wanted))


class Box(Client):
    """A folder with two versions, `current` on the first, and the server of it."""

    def __init__(self, test, **variables):
        self.key = KEY
        holder = tempfile.TemporaryDirectory()
        test.addClassCleanup(holder.cleanup)
        self.root = Path(holder.name)
        self.hashes = {version: write_adapter(self.root / 'versions' / version, version.encode())
                       for version in ('v1', 'v2')}
        self.point('v1')
        self.variables = variables
        self.process = None
        test.addClassCleanup(self.kill)

    def point(self, version):
        (self.root / 'next').symlink_to(self.root / 'versions' / version)
        os.replace(self.root / 'next', self.root / 'current')

    def start(self):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        self.log = open(self.root / 'log', 'ab')
        env = {name: value for name, value in os.environ.items() if not name.startswith('SERVE_')}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name('serve_fake.py'))],
            env={**env, 'SERVE_KEY': KEY, 'SERVE_PORT': str(self.port),
                 'ADAPTER_DIR': str(self.root / 'current'), **self.variables},
            stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 30
        while time.monotonic() < until and self.process.poll() is None:
            try:
                self.health()
                return self
            except OSError:
                time.sleep(0.05)
        raise AssertionError((self.root / 'log').read_text())

    def kill(self, number=signal.SIGKILL):
        """Ends the server; how many seconds that took."""
        began = time.monotonic()
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        if self.process is not None:
            self.process.stdin.close()
            self.log.close()
        return time.monotonic() - began


def chat(text, **more):
    return {'model': 'rodizio', 'messages': [{'role': 'user', 'content': text}],
            'temperature': 0, **more}
