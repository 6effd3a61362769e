"""The product itself, as a person starts it, on a data folder of its own; what it started is ended
by its pid."""
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

from training import ROOT

NODE = ROOT / 'node_modules' / '.bin' / 'node'
PROGRAM = ROOT / 'dist' / 'rodizio.js'
CLIENT = 'emulated-client.apps.example.invalid'  # of the service, at the emulated Google


def free_port():
    """A port that was free a moment ago, below those that a system gives to clients."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(('127.0.0.1', port))
            return port


class Rotation:
    """A service on a temporary data folder; `close` ends it, its emulators and their sessions.
    `variables` are settings of its own."""

    def __init__(self, *flags, **variables):
        self.holder = Path(tempfile.mkdtemp(prefix='rotation-'))
        self.data = self.holder / 'data'
        self.environment = {
            'PATH': '%s:%s' % (NODE.parent, os.environ['PATH']), 'HOME': str(self.holder),
            'RODIZIO_DATA_DIR': str(self.data), 'RODIZIO_PORT': str(free_port()), **variables}
        self.log = self.holder / 'service.log'
        with open(self.log, 'wb') as log:
            self.service = subprocess.Popen([str(NODE), str(PROGRAM), 'up', *flags],
                                            env=self.environment, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=subprocess.STDOUT)

    def told(self):
        return self.log.read_text(encoding='utf-8')

    def ask(self, *arguments):
        """What a command answers as JSON; None where it fails."""
        asked = subprocess.run([str(NODE), str(PROGRAM), *arguments, '--json'],
                               env=self.environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        return json.loads(asked.stdout) if asked.returncode == 0 else None

    def run(self, name):
        """The run as `train show` tells it; None while there is no such run, or no service."""
        return self.ask('train', 'show', name)

    def wait_for(self, name, seconds):
        """The run once it is over; AssertionError when it takes longer, or the service ends."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.service.poll() is None, 'the service ended: %s' % self.told()
            run = self.run(name)
            if run and run['state'] in ('completed', 'failed', 'stopped'):
                return run
            time.sleep(2)
        raise AssertionError('not over within %d s: %s' % (seconds, self.told()))

    def fetch(self, path, target):
        """Copies a folder of the emulated Drive, whose names lie below its root, to this disk."""
        found = json.loads((self.data / 'emulators' / 'emulators.json').read_text())
        drive = found['urls']['drive']
        granted = call(drive + '/_emulator/grant', {'x-emulator-token': found['adminToken']},
                       {'clientId': CLIENT})
        header = {'authorization': 'Bearer ' + granted['accessToken']}

        def inside(folder):
            query = urllib.parse.urlencode({'q': "'%s' in parents and trashed = false" % folder,
                                            'fields': 'files(id,name)', 'pageSize': 1000})
            return call('%s/drive/v3/files?%s' % (drive, query), header)['files']

        at = 'root'
        for name in path.split('/'):
            at = next(entry['id'] for entry in inside(at) if entry['name'] == name)
        target.mkdir()
        for entry in inside(at):
            address = '%s/drive/v3/files/%s?alt=media' % (drive, entry['id'])
            request = urllib.request.Request(address, headers=header)
            with urllib.request.urlopen(request, timeout=30) as answer:
                (target / entry['name']).write_bytes(answer.read())

    def close(self):
        pid = self._emulators()  # they outlive the service, and take their sessions with them
        if self.service.poll() is None:
            self.service.terminate()
            try:
                self.service.wait(60)
            except subprocess.TimeoutExpired:
                self.service.kill()
                self.service.wait()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 20
            while self._emulators() is not None and time.monotonic() < deadline:
                time.sleep(0.1)
        shutil.rmtree(str(self.holder), ignore_errors=True)

    def _emulators(self):
        try:
            return json.loads((self.data / 'emulators' / 'emulators.json').read_text())['pid']
        except (OSError, ValueError):
            return None  # not started, or ended


def call(address, headers, body=None):
    data = None if body is None else json.dumps(body).encode('utf-8')
    request = urllib.request.Request(address, data, dict(headers))
    request.add_header('content-type', 'application/json')
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())
