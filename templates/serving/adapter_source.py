"""Where an adapter comes from: a folder of this machine, or files fetched by their addresses.

An address may open its file to whoever has it, so that no message of this module shows one.
"""
import json
import re
import shutil
import time
import urllib.request
from pathlib import Path

from serve.adapter import Rejected, sha256_of, verified_adapter

from .downloads import Damaged, download
from .wire import OutOfTime, Refused, Wire

FETCH_SECONDS = 1200.0  # for all files together: an adapter of a 7B model has some 170 MB
NAME = re.compile(r'[A-Za-z0-9_][A-Za-z0-9._-]{0,99}')
SHA256 = re.compile(r'[0-9a-f]{64}')


class OpenLine(Wire):
    """Without a token, so that a redirect gives nothing away: files are believed by their hash."""

    def __init__(self):
        super().__init__('')
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self._usual = urllib.request.build_opener()


def find_adapter(folder, files, sha256, into, name='ADAPTER'):
    """The verified adapter in `folder`, or that of `files`, fetched to a folder below `into`.

    `files`: JSON text, a list of {name, url, bytes, sha256}. `sha256`: of the adapter's
    manifest.json. `name` is what the parameters that these come from begin with. Raises
    SystemExit, with a sentence, for anything but that adapter.
    """
    sha256 = sha256.lower()
    if not SHA256.fullmatch(sha256):
        raise SystemExit('%s_SHA256 is no SHA-256: set it to that of the manifest.json of the '
                         'adapter' % name)
    if bool(folder) == bool(files):
        raise SystemExit('set either %s_DIR or %s_FILES, and not both' % (name, name))
    if files:
        entries = entries_of(files, name + '_FILES')
        manifest = [entry for entry in entries if entry['name'] == 'manifest.json']
        if not manifest or manifest[0]['sha256'] != sha256:
            raise SystemExit('the adapter is refused: the manifest.json of %s_FILES has another '
                             'hash than %s_SHA256' % (name, name))
        folder = fetch(entries, Path(into) / ('adapter-' + sha256[:12]))
    try:
        return verified_adapter(folder, sha256)
    except Rejected as error:
        raise SystemExit('the adapter is refused: %s' % error)


def entries_of(text, parameter):
    """The list in that parameter, every field of it checked."""
    try:
        entries = json.loads(text)
    except ValueError:
        raise SystemExit('%s is no JSON: make the notebook anew' % parameter)
    good = isinstance(entries, list) and entries and all(
        isinstance(entry, dict) and NAME.fullmatch(str(entry.get('name')))
        and re.match(r'https?://', str(entry.get('url')))
        and type(entry.get('bytes')) is int and entry['bytes'] >= 0
        and SHA256.fullmatch(str(entry.get('sha256'))) for entry in entries)
    if not good or len({entry['name'] for entry in entries}) < len(entries):
        raise SystemExit('%s is no list of files, each of its own name and with url, bytes and '
                         'sha256: make the notebook anew' % parameter)
    return entries


def fetch(entries, folder, what='the adapter'):
    """The folder with every file whole, a manifest last; what is there already stays. Raises
    SystemExit, which says `what` could not be fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [entry for entry in entries if not is_whole(folder / entry['name'], entry)]
    size, free = sum(entry['bytes'] for entry in wanted), shutil.disk_usage(folder).free
    if size > free:
        raise SystemExit('%s has %d MB, and this disk only %d MB left'
                         % (what, size >> 20, free >> 20))
    line = OpenLine()
    line.deadline = time.monotonic() + FETCH_SECONDS
    for entry in sorted(wanted, key=lambda entry: entry['name'] == 'manifest.json'):
        def spent(name=entry['name']):
            raise SystemExit('the address of %s does not open it any more: make the notebook anew '
                             'with fresh addresses' % name)
        try:
            download(line, entry, folder / entry['name'], spent)
        except Damaged as error:
            raise SystemExit('%s is refused: %s' % (what, error))
        except Refused as error:
            raise SystemExit('%s cannot be fetched: its server answered %d'
                             % (entry['name'], error.status))
        except OutOfTime:
            raise SystemExit('%s cannot be fetched: its server gave no whole answer within %d min'
                             % (entry['name'], FETCH_SECONDS / 60))
    return folder


def is_whole(path, entry):
    return path.is_file() and sha256_of(path) == entry['sha256']
