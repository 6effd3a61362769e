"""The server as a child of the notebook: started, waited for, kept until its time is over."""
import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

from .asked import Asked
from .child import Child, print_line
from .ports import free_port
from .tunnel import Tunnel, check_tunnel

GRACE_SECONDS = 10.0  # the server gives answers under way five
SIGN_OF_LIFE_SECONDS = 60.0
_current = None  # a cell that is run again ends the server of its first run


def start_server(adapter, key_sha256, deadline, port=0, say=print_line, **variables):
    """Starts `python -m serve` for a verified adapter, in the working directory.

    `deadline`, on the monotonic clock, is when it leaves by itself. `port` 0 is a free one. Its
    lines go to `say(text)`. `variables` are settings of the server by their names; empty ones are
    left out.
    """
    global _current
    if _current is not None:
        _current.end()
    _current = Server(adapter, key_sha256, deadline, port or free_port(), say, variables)
    return _current


class Server:
    """The child, until it has ended. SIGTERM and an interrupt end it in order."""

    def __init__(self, adapter, key_sha256, deadline, port, say, variables):
        self.adapter, self.deadline = adapter, deadline
        self.port, self.url = port, 'http://127.0.0.1:%d' % port
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        seconds = int(deadline - time.monotonic())
        if seconds < 1:
            raise SystemExit('its time was over before the server could be started: raise SECONDS')
        own = {name: value for name, value in os.environ.items()
               if not name.startswith(('SERVE_', 'BASE_'))}
        told = {'ADAPTER_DIR': str(adapter.folder), 'SERVE_KEY_SHA256': key_sha256,
                'SERVE_PORT': str(port), 'SERVE_SECONDS': str(seconds),
                'HF_HUB_DISABLE_PROGRESS_BARS': '1', 'TOKENIZERS_PARALLELISM': 'false',
                'PYTHONIOENCODING': 'utf-8',
                **{name: str(value) for name, value in variables.items() if value}}
        self._asked = Asked()
        self._child = Child([sys.executable, '-u', '-m', 'serve'], {**own, **told}, say)

    def wait_until_ready(self):
        """Returns when /health answers. Raises SystemExit when the server ends instead, or its
        time does, or the notebook is asked to end."""
        began = said = time.monotonic()
        try:
            while True:
                self._child.show(0.1)
                self.check()
                health = self.health()
                if health is not None:
                    break
                if time.monotonic() > self.deadline:
                    raise SystemExit('its time was over before the model was loaded: raise SECONDS')
                if time.monotonic() > said + SIGN_OF_LIFE_SECONDS:
                    said = time.monotonic()
                    print('loading for %d s' % (said - began), flush=True)
        except BaseException:
            self.end()
            raise
        if health['adapter']['sha256'] != self.adapter.sha256:
            self.end()
            raise SystemExit('another server answers at %s: choose another PORT' % self.url)
        print('ready after %.1f s' % (time.monotonic() - began), flush=True)

    def open_tunnel(self, kind):
        """The tunnel of that kind to the server, or None for ''. Raises SystemExit."""
        try:
            check_tunnel(kind)
            if not kind:
                return None
            return Tunnel(self.url, self.check)
        except BaseException:
            self.end()
            raise

    def stay(self, tunnel):
        """Says where the server is, and returns when its time is over or somebody has asked.

        A tunnel that is lost is opened anew, under another address. Raises SystemExit, with the
        server's last line, when it ends otherwise.
        """
        try:
            self._tell(tunnel)
            while not self._asked and time.monotonic() < self.deadline + GRACE_SECONDS:
                self._child.show(0.2)
                if self._child.status() is not None:
                    break
                if tunnel is not None and tunnel.ended() and self._seconds_left() > 0:
                    print('the tunnel is lost', flush=True)
                    tunnel = Tunnel(self.url, self.check)
                    self._tell(tunnel)
            self.check(asked_is_fine=True)
            print('the server leaves: %s' % ('the notebook was asked to end' if self._asked else
                                             'its time is over'), flush=True)
        except KeyboardInterrupt:
            print('the server leaves: the cell was interrupted', flush=True)
        finally:
            if tunnel is not None:
                tunnel.close()
            self.end()

    def check(self, asked_is_fine=False):
        """Raises SystemExit when the server has ended of itself, or the notebook shall end."""
        died = self.death()
        if died and not self._asked:
            raise SystemExit(died)
        if self._asked and not asked_is_fine:
            raise SystemExit('the notebook was asked to end')

    def asked(self):
        """Whether the notebook was asked to end by SIGTERM since the server was started."""
        return bool(self._asked)

    def show(self, seconds):
        """Says the lines that have come from the server; waits so long for a first one."""
        self._child.show(seconds)

    def gone(self):
        """Whether the server has ended, for whatever cause."""
        return self._child.status() is not None

    def death(self):
        """How the server has ended before its time, in a sentence with its last line, or None."""
        status = self._child.status()
        if status is None or (status == 0 and self._seconds_left() <= 1):
            return None
        return 'the server has ended (%s): %s' % (
            'signal %d' % -status if status < 0 else 'status %d' % status, self._child.last_line)

    def health(self):
        """What /health says; None while nobody answers that all is well."""
        said = self.answer()
        return said if said and said['status'] == 'ok' else None

    def answer(self, timeout=5.0):
        """What /health says, good or bad; None while nobody answers within `timeout` seconds."""
        try:
            try:
                response = self._opener.open(self.url + '/health', timeout=timeout)
            except urllib.error.HTTPError as error:  # the model has failed, and it says so
                response = error
            with response:
                said = json.loads(response.read(65536))
            return said if 'sha256' in said['adapter'] and 'status' in said else None
        except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
            return None

    def end(self, grace_seconds=GRACE_SECONDS):
        """Asks the server to leave, and kills it when it does not; nothing when it has."""
        self._child.end(grace_seconds)
        self._asked.listen_no_more()

    def _seconds_left(self):
        return round(max(0.0, self.deadline - time.monotonic()), 1)

    def _tell(self, tunnel):
        line = {'url': self.url if tunnel is None else tunnel.address, 'local': self.url,
                'adapter': self.adapter.version, 'sha256': self.adapter.sha256,
                'seconds_left': self._seconds_left()}
        print('RODIZIO_SERVING ' + json.dumps(line, sort_keys=True), flush=True)
