"""A quick tunnel of cloudflared to the server: an address on the open net, for who has the key."""
import http.client
import os
import re
import shutil
import tempfile
import time
import urllib.error
import urllib.request

from .child import Child, print_line
from .ports import free_port

ADDRESS_SECONDS = 45.0
ANSWER_SECONDS = 90.0  # its name has to spread first
GRACE_SECONDS = 3.0
READY_SECONDS = 2.0  # it is asked on this machine
# Its address stands in a box; those of terms and downloads do not.
BOXED = re.compile(r'\|\s+(https?://[^\s|]+)\s+\|')


def check_tunnel(kind):
    """Raises SystemExit, with a sentence, for a tunnel that could not be opened later."""
    if kind not in ('', 'cloudflared'):
        raise SystemExit('TUNNEL is %r, and there is only cloudflared' % kind)
    if kind and shutil.which('cloudflared') is None:
        raise SystemExit('TUNNEL wants the program cloudflared, and there is none on the PATH: '
                         'put that of https://github.com/cloudflare/cloudflared/releases there, '
                         'then run this again')


class Tunnel:
    """One quick tunnel; `address` is where it is entered."""

    def __init__(self, target, check, say=print_line):
        """Opens it. `check()` is called while waiting, and may raise; lines go to `say(text)`.

        Raises SystemExit, with its last line, when it ends or tells no address in time.
        """
        check_tunnel('cloudflared')
        # A home of its own: what a person has set up for other tunnels does not meddle.
        env = {'PATH': os.environ.get('PATH', ''), 'HOME': tempfile.mkdtemp(prefix='tunnel-')}
        told_at = '127.0.0.1:%d' % free_port()
        self._child = Child(['cloudflared', 'tunnel', '--no-autoupdate', '--url', target,
                             '--metrics', told_at], env, say)
        self._ready_url = 'http://%s/ready' % told_at
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._say = say
        self.address = None
        try:
            self._wait(check)
        except BaseException:
            self.close()
            raise

    def _wait(self, check):
        until = time.monotonic() + ADDRESS_SECONDS
        while self.address is None:
            check()
            for line in self._child.show(0.2):
                found = BOXED.search(line)
                self.address = self.address or found and found.group(1).rstrip('/')
            if self.ended():
                raise SystemExit('cloudflared has ended: %s' % self._child.last_line)
            if self.address is None and time.monotonic() > until:
                raise SystemExit('cloudflared told no address within %d s: %s'
                                 % (ADDRESS_SECONDS, self._child.last_line))
        until = time.monotonic() + ANSWER_SECONDS
        while not self._answers():
            check()
            self._child.show(0.5)
            if time.monotonic() > until:
                self._say('%s does not answer yet' % self.address)
                return

    def _answers(self):
        try:
            with urllib.request.urlopen(self.address + '/health', timeout=5) as response:
                return response.status == 200
        except OSError:
            return False

    def ended(self):
        """Whether the program is gone; its lines are said."""
        self._child.show()
        return self._child.status() is not None

    def is_up(self):
        """Whether its program runs and says that it is connected.

        It answers /ready with 200 while it has a connection to Cloudflare, else with 503
        (github.com/cloudflare/cloudflared, metrics/readiness.go, read 2026-11). One that is not
        answered says nothing against it.
        """
        if self.ended():
            return False
        try:
            with self._opener.open(self._ready_url, timeout=READY_SECONDS):
                return True
        except urllib.error.HTTPError as error:
            with error:
                return error.code != 503
        except (OSError, http.client.HTTPException):
            return True

    def close(self):
        self._child.end(GRACE_SECONDS)
