"""A serving policy at the emulated Kaggle whose sessions open quick tunnels at an emulated edge."""
import contextlib
import json
import subprocess
import time
import urllib.request
from pathlib import Path

from relayed_policy import NODE, RelayedPolicy

AGENT = b'emulated_cloudflared.py'


class TunnelledPolicy(RelayedPolicy):
    """As RelayedPolicy; the emulators are started with the edges of tunnels, and found by the
    service, and it may look at this machine, where all of them are."""

    reach = 'tunnel'

    def __init__(self, **settings):
        super().__init__(RODIZIO_ALLOW_PRIVATE='127.0.0.1', **settings)

    def prepare(self):
        state = self.data / 'emulators'
        state.mkdir(parents=True)
        with open(state / 'emulators.log', 'ab') as log:
            self.emulators = subprocess.Popen(
                [str(NODE), str(self.app / 'dist' / 'rodizio.js'), 'emulators', '--json',
                 '--state', str(state), '--tunnels-port', '0'], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        end = time.monotonic() + 30
        while not (state / 'emulators.json').exists():
            assert self.emulators.poll() is None and time.monotonic() < end, (
                (state / 'emulators.log').read_text())
            time.sleep(0.05)
        told = json.loads((state / 'emulators.json').read_text())
        self.edge, self._token = told['urls']['tunnels'], told['adminToken']

    def order(self, what, **body):
        """An order to the edge; its answer."""
        request = urllib.request.Request(
            '%s/_emulator/%s' % (self.edge, what), json.dumps(body).encode() if body else None,
            {'x-emulator-token': self._token, 'content-type': 'application/json'})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def agents(self):
        """The processes of the emulated cloudflared."""
        found = []
        for entry in Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                told = (entry / 'cmdline').read_bytes()
                if AGENT in told and str(self.app).encode() in told:
                    found.append(int(entry.name))
        return found

    def printed(self):
        """All that sessions at the emulated Kaggle have printed."""
        logs = (self.data / 'emulators' / 'kaggle').rglob('output.log')
        return '\n'.join(path.read_text(encoding='utf-8') for path in logs)

    def close(self):
        super().close()
        self.emulators.wait(20)
