"""Carries an adapter on to where it is published, while the session that made it still has it.

The service says which files are missing there and signs an address for each; whether they have
arrived it asks for itself. What fails here is gone on with later, by somebody else.
"""
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path

from .uploads import Superseded
from .wire import TRANSFER_SECONDS, OutOfTime, Refused, is_loopback

ROUNDS = 4  # of asking for addresses anew
PATIENCE_SECONDS = 300.0  # a GPU waits no longer for a place that has trouble
BLOCK = 1 << 20


class GivenUp(Exception):
    """What stands in the way takes longer than a session waits."""


def publish_folder(wire, folder, say):
    """Sends what the service names of a committed folder; says where it is published then.

    Raises GivenUp, Refused, Fenced, OutOfTime, Superseded.
    """
    folder = Path(folder)
    patience = Patience()
    for _round in range(ROUNDS):
        answer = wire.repeat(lambda: wire.once('POST', '/v1/session/publications', {},
                                               wire.patience(TRANSFER_SECONDS)), patience.check)
        for target in answer.get('published') or ():
            say('the adapter is published to %s' % target)
        if not answer.get('uploads'):
            return
        for upload in answer['uploads']:
            begun = time.monotonic()
            try:
                send_signed(wire, upload, folder, patience.check)
            except Refused:
                continue  # its address takes nothing any more: the next round has another
            patience.renew()
            say('%s of the adapter (%.1f MB) is on its way to be published, %.1f s'
                % (upload['name'], upload['bytes'] / 1e6, time.monotonic() - begun))
    raise GivenUp('addresses that the service gave were refused %d times' % ROUNDS)


def send_signed(wire, upload, folder, give_up=None):
    """One file to the address that was signed for it, whole or in parts."""
    if '/' in upload['name'] or upload['name'].startswith('.'):
        raise Refused(400, 'name', 'the service named a file outside of the adapter')
    path = folder / upload['name']
    size = upload['bytes']
    parts = upload.get('parts')
    if not parts:
        wire.repeat(lambda: _put(wire, upload['href'], upload['headers'], path, 0, size), give_up)
        return
    told = []
    for number, href in enumerate(parts['hrefs']):
        start = number * parts['partBytes']
        end = min(size, start + parts['partBytes'])
        etag = wire.repeat(lambda href=href, start=start, end=end:
                           _put(wire, href, {}, path, start, end), give_up)
        if not etag:
            raise Refused(400, 'etag', 'a part was taken without a tag')
        told.append({'partNumber': number + 1, 'etag': etag})
    body = json.dumps({'oid': upload['sha256'], 'parts': told}).encode('utf-8')
    wire.repeat(lambda: _complete(wire, upload['href'], body), give_up)


def _request(wire, url, data, method, length):
    """A request to a signed address: https, or this machine's own. No token of ours goes along."""
    wire.absolute(url)  # learnt as a secret
    if urllib.parse.urlsplit(url).scheme != 'https' and not is_loopback(url):
        raise Refused(400, 'address', 'the service named an address that is not https')
    request = urllib.request.Request(url, data=data, method=method)
    request.add_header('content-length', str(length))
    return request


def _put(wire, url, headers, path, start, end):
    """The tag that the store gives the bytes `[start, end)` of a file."""
    try:
        file = open(path, 'rb')
    except FileNotFoundError:
        raise Superseded() from None
    with file:
        file.seek(start)
        request = _request(wire, url, _Part(file, end - start), 'PUT', end - start)
        request.add_header('content-type', 'application/octet-stream')
        for name, value in headers.items():
            request.add_header(name, value)
        with wire.open(request, wire.patience(TRANSFER_SECONDS)) as response:
            response.read()
            return response.headers.get('etag')


def _complete(wire, url, body):
    request = _request(wire, url, body, 'POST', len(body))
    request.add_header('content-type', 'application/vnd.git-lfs+json')
    with wire.open(request, wire.patience(TRANSFER_SECONDS)) as response:
        response.read()


class _Part:
    """So many bytes of a file, as a body that is read in blocks."""

    def __init__(self, file, size):
        self._file = file
        self._left = size

    def read(self, most=BLOCK):
        wanted = self._left if most is None or most < 0 else min(most, self._left)
        block = self._file.read(wanted)
        self._left -= len(block)
        return block


class Patience:
    """Ends the repeating of what fails; begins anew with everything that succeeds."""

    def __init__(self, seconds=PATIENCE_SECONDS):
        self._seconds = seconds
        self.renew()

    def renew(self):
        self._until = time.monotonic() + self._seconds

    def check(self):
        if time.monotonic() >= self._until:
            raise GivenUp('it took longer than %d s' % self._seconds)


TROUBLE_ON_THE_WAY = (GivenUp, Refused, OutOfTime, Superseded, KeyError, TypeError, ValueError)
