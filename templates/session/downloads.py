"""Fetches files by range, goes on where a cut left off, and believes only their hash."""
import hashlib
import os
import time
import urllib.request

from .wire import TRANSFER_SECONDS, TROUBLE, LONGEST_WAIT, Refused

WHOLE_TRIES = 3  # of a file that came whole and wrong
SPENT = (401, 403, 404, 409, 410)  # the address is no good any more; a fresh one may be


class Damaged(Exception):
    """A file keeps coming with another hash than the one promised."""


def download(wire, file, target, fresh_entry):
    """Puts the file at `target`, a Path, whole and verified.

    `fresh_entry()` gives the file's entry anew when its address, or what it is opened with, is
    spent. Raises Damaged, OutOfTime, and what `wire.check` raises.
    """
    part = target.with_name(target.name + '.part')
    url, headers = file['url'], file.get('headers') or {}
    wait, damaged, moved = wire.first_wait, 0, 0
    while True:
        wire.check()
        before = part.stat().st_size if part.exists() else 0
        pause = wait
        try:
            if before < file['bytes'] or not part.exists():
                _fetch(wire, url, headers, part, file['bytes'])
        except Refused as refused:
            if refused.status in SPENT and moved < 5:
                moved += 1
                fresh = fresh_entry()
                url, headers = fresh['url'], fresh.get('headers') or {}
            elif refused.status == 416:  # the store holds less than it should
                part.unlink()
                damaged += 1
                if damaged >= WHOLE_TRIES:
                    raise Damaged('%s is shorter than it should be' % file['name'])
            elif refused.status != 429 and refused.status < 500:
                raise
            pause = max(wait, getattr(refused, 'retry_after', 0.0))
        except TROUBLE:
            pass
        size = part.stat().st_size if part.exists() else 0
        if part.exists() and size >= file['bytes']:
            if size == file['bytes'] and _sha256(part) == file['sha256']:
                os.replace(part, target)
                return
            part.unlink()
            damaged += 1
            if damaged >= WHOLE_TRIES:
                raise Damaged('%s came %d times with another content than its hash says'
                              % (file['name'], damaged))
        elif size > before:
            wait = pause = wire.first_wait  # it moves: the line is bad, not dead
        wire.sleep(pause)
        wait = min(LONGEST_WAIT, wait * 2)


def _fetch(wire, url, headers, part, size):
    """Appends what is missing to `part`; returns when the body ends, whole or not."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(wire.absolute(url))
    for name, value in headers.items():
        wire.learn_secret(value.split(' ')[-1])
        request.add_header(name, value)
    if have:
        request.add_header('range', 'bytes=%d-' % have)
    with wire.open(request, wire.patience(TRANSFER_SECONDS)) as response:
        goes_on = (response.status == 206 and have > 0
                   and (response.headers.get('content-range') or '').startswith('bytes %d-' % have))
        if response.status == 206 and not goes_on:
            raise ValueError('another range than the one asked for')
        with open(part, 'ab' if goes_on else 'wb') as out:
            written = have if goes_on else 0
            while written <= size:
                wire.check()
                if wire.deadline is not None and time.monotonic() > wire.deadline:
                    return
                block = response.read1(1 << 18)
                if not block:
                    return
                out.write(block)
                written += len(block)


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
