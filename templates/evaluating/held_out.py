"""The conversations to compare on: a file of this machine, or one fetched by its address."""
from pathlib import Path

from serve.adapter import sha256_of

from .adapter_source import entries_of, fetch


def find_data(path, files, sha256, into):
    """The file of conversations and its SHA-256; with `files`, JSON text, it is fetched to a folder
    below `into`. Raises SystemExit, with a sentence, when it is not there or has another hash than
    `sha256`, where that is not empty."""
    if bool(path) == bool(files):
        raise SystemExit('set either DATA or DATA_FILES, and not both')
    if files:
        entries = entries_of(files, 'DATA_FILES')
        if len(entries) != 1:
            raise SystemExit('DATA_FILES lists %d files, and one is compared on: make the notebook '
                             'anew' % len(entries))
        folder = fetch(entries, Path(into) / ('data-' + entries[0]['sha256'][:12]), 'the data')
        path = folder / entries[0]['name']
    path = Path(path)
    if not path.is_file():
        raise SystemExit('there is no file %s: set DATA to a JSONL file of conversations on this '
                         'machine' % path)
    found = sha256_of(path)
    if sha256 and found != sha256.lower():
        raise SystemExit('%s has another hash than DATA_SHA256: it is not the data that this '
                         'notebook was made for' % path)
    return path, found
