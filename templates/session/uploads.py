"""Carries committed folders to the service behind the training's back.

Of the checkpoints that wait only the newest is worth carrying; an older one is dropped.
"""
import hashlib
import json
import threading
import time
import urllib.request
from collections import deque
from pathlib import Path

from .wire import TRANSFER_SECONDS, Fenced, OutOfTime, Refused

CHUNK = 8 << 20  # of a resumable upload: a multiple of 256 KiB, as the store wants it
ROUNDS = 4  # of asking again for addresses that turned out spent or hashes that did not agree


class Superseded(Exception):
    """A newer checkpoint waits, or this one is no longer on the disk."""


def upload_folder(wire, kind, step, folder, give_up=None):
    """Carries the files of one committed folder and commits its manifest: idempotent.

    Raises Refused, Fenced, OutOfTime, and what `give_up` raises between attempts.
    """
    folder = Path(folder)
    text = (folder / 'manifest.json').read_text(encoding='utf-8')
    files = json.loads(text)['files']
    refusal = None
    for _round in range(ROUNDS):
        asked = {'kind': kind, 'step': step, 'files': files}
        answer = wire.repeat(lambda: wire.once('POST', '/v1/session/uploads', asked), give_up)
        try:
            for file in answer['files']:
                if file.get('url'):
                    send = put_in_chunks if file.get('how') == 'resumable' else _put
                    wire.repeat(lambda send=send, file=file:
                                send(wire, file['url'], folder / file['name']), give_up)
            commit = {'manifest': text, 'sha256': hashlib.sha256(text.encode('utf-8')).hexdigest()}
            path = '/v1/session/uploads/%s/commit' % answer['uploadId']
            wire.repeat(lambda: wire.once('POST', path, commit), give_up)
            return
        except Refused as refused:
            if refused.status not in (404, 409, 410, 422):
                raise
            refusal = refused
            wire.sleep(wire.first_wait)
    raise refusal


def _put(wire, url, path):
    try:
        body = open(path, 'rb')
    except FileNotFoundError:
        raise Superseded() from None
    with body:
        request = urllib.request.Request(wire.absolute(url), data=body, method='PUT')
        request.add_header('content-length', str(path.stat().st_size))
        request.add_header('content-type', 'application/octet-stream')
        with wire.open(request, wire.patience(TRANSFER_SECONDS)) as response:
            response.read()


def put_in_chunks(wire, url, path):
    """Sends a file to a resumable address, from where an earlier attempt was cut.

    The store says by `308` and `Range` what it has; any 2xx is the end. One that has expired is
    Refused, and a fresh one is asked for.
    """
    try:
        body = open(path, 'rb')
    except FileNotFoundError:
        raise Superseded() from None
    with body:
        size = path.stat().st_size
        sent = _chunk(wire, url, b'', 'bytes */%d' % size)
        while sent is not None:
            body.seek(sent)
            block = body.read(CHUNK)
            if not block:
                raise ValueError('the store has more of the file than there is')
            sent = _chunk(wire, url, block,
                          'bytes %d-%d/%d' % (sent, sent + len(block) - 1, size))


def _chunk(wire, url, block, content_range):
    """How much of the file the store has after this chunk; None when it has all of it."""
    request = urllib.request.Request(wire.absolute(url), data=block, method='PUT')
    request.add_header('content-length', str(len(block)))
    request.add_header('content-range', content_range)
    request.add_header('content-type', 'application/octet-stream')
    try:
        with wire.open(request, wire.patience(TRANSFER_SECONDS)) as response:
            response.read()
            return None
    except Refused as refused:
        if refused.status != 308:
            raise
        _, _, last = refused.headers.get('range', '').rpartition('-')
        return int(last) + 1 if last else 0


class Uploads:
    """The background carrier; `carry(kind, step, folder, give_up)` does it. `on_start(step)` comes
    before a checkpoint's first byte, `on_commit(step, seconds)` after it was taken,
    `on_fenced(reason)` when it may not be written."""

    def __init__(self, carry, say, on_start, on_commit, on_fenced):
        self.carry = carry
        self.say = say
        self.on_start = on_start
        self.on_commit = on_commit
        self.on_fenced = on_fenced
        self.seconds = deque(maxlen=3)
        self.refusal = None
        self._pending = None
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name='uploads', daemon=True).start()

    def offer(self, step, folder):
        """Takes a checkpoint to carry; one that still waits gives way to it."""
        with self._changed:
            self._pending = (step, folder)
            self._changed.notify_all()

    def wait(self, until):
        """Whether everything offered was dealt with by `until` on the monotonic clock.

        Waits in slices, so that the signal handler of the main thread can run."""
        while time.monotonic() < until:
            with self._changed:
                if (self._pending is None and not self._busy) or self._closed:
                    return not self._closed
            time.sleep(0.05)
        return False

    def close(self):
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def slowest(self):
        return max(self.seconds, default=0.0)

    def _run(self):
        while True:
            with self._changed:
                while self._pending is None and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                (step, folder), self._pending, self._busy = self._pending, None, True
            try:
                self._carry(step, folder)
            except (Superseded, FileNotFoundError):
                self.say('checkpoint %d was not uploaded: a newer one is there' % step)
            except OutOfTime:
                self.say('checkpoint %d was not uploaded: the time of the session ran out' % step)
            except Refused as refused:
                self.refusal = refused
                self.say('checkpoint %d was not taken: %s' % (step, refused))
            except Fenced as fenced:
                self.on_fenced(str(fenced))
            except Exception as error:  # the carrier must outlive a surprise: the next one may pass
                self.say('checkpoint %d was not uploaded: %s' % (step, type(error).__name__))
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _carry(self, step, folder):
        begun = time.monotonic()
        self.on_start(step)
        self.carry('checkpoint', step, folder, self._give_way)
        took = time.monotonic() - begun
        self.seconds.append(took)
        self.refusal = None
        self.on_commit(step, took)

    def _give_way(self):
        with self._changed:
            if self._pending is not None:
                raise Superseded()
