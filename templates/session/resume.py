"""The checkpoint to go on from: the furthest whole one of all that this session can reach.

The service names those that it has accepted. An earlier session of the same run may have got
further without being heard: what it left stands in this directory, or where the provider shows
the output of another notebook. A checkpoint that is not whole is said and skipped.
"""
import glob
import hashlib
import json
import re
import shutil
from pathlib import Path

from .downloads import Damaged
from .wire import Refused

# Seen from the working directory: its own, and the two ways in which Kaggle mounts an output.
STORES = ('checkpoints', '../input/*/checkpoints', '../input/*/*/*/checkpoints')
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,99}')  # as the protocol has it
MOST_MANIFEST_BYTES = 1 << 20


def bring_furthest(order, target, fetch, say):
    """Puts the furthest whole checkpoint into `target`, a Path: (its step, whether it was left by a
    session that nobody heard). None when the run has no checkpoint at all.

    `fetch(step, files)` brings the files of one that the order names. Raises Damaged when the order
    names some and none of all could be had.
    """
    offered = [Offered(entry, fetch) for entry in named_in(order)]
    trouble = None
    # At one step the service's own comes first: sorting keeps their order.
    for checkpoint in sorted(offered + left_here(order), key=lambda one: -one.step):
        shutil.rmtree(str(target), ignore_errors=True)
        target.mkdir()
        try:
            checkpoint.bring(target)
            return checkpoint.step, isinstance(checkpoint, Left)
        except (Damaged, Refused) as error:
            trouble = Damaged('the checkpoint of step %d is not whole: %s'
                              % (checkpoint.step, error))
            say('%s; the one before it is used' % trouble)
    shutil.rmtree(str(target), ignore_errors=True)
    if offered:
        raise trouble
    return None


def named_in(order):
    """The checkpoints that a work order names, the furthest first."""
    return [entry for entry in [order.get('resume')] + list(order.get('earlier') or ()) if entry]


class Offered:
    """A checkpoint that the service has accepted and has addresses for."""

    def __init__(self, entry, fetch):
        self.step = entry['step']
        self._files = entry['files']
        self._fetch = fetch

    def bring(self, _target):
        """Raises Damaged, or Refused when it is there no more."""
        self._fetch(self.step, self._files)


class Left:
    """A checkpoint that an earlier session of the run has left on a disk."""

    def __init__(self, folder, manifest, session):
        self.step = manifest['step']
        self._folder = folder
        self._manifest = manifest
        self._session = session

    def bring(self, target):
        """Copies it, every file held against its hash, and makes it this session's own: under the
        old name the service would take it from nobody. Raises Damaged."""
        for file in self._manifest['files']:
            try:
                copied = copy_hashed(self._folder / file['name'], target / file['name'])
            except OSError as error:
                raise Damaged('%s cannot be read: %s' % (file['name'], type(error).__name__))
            if copied != file['sha256']:
                raise Damaged('%s differs from its hash' % file['name'])
        manifest = dict(self._manifest, session=self._session['id'],
                        generation=self._session['generation'])
        text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False) + '\n'
        (target / 'manifest.json').write_text(text, encoding='utf-8')


def left_here(order):
    """What earlier sessions of this run have left in any place that this one can read."""
    found = []
    for store in STORES:
        for path in sorted(glob.glob(store + '/step-*/manifest.json')):
            manifest = read_manifest(Path(path), order)
            if manifest is not None:
                found.append(Left(Path(path).parent, manifest, order['session']))
    return found


def read_manifest(path, order):
    """The manifest of a checkpoint of this very run and plan, or None."""
    try:
        if path.stat().st_size > MOST_MANIFEST_BYTES:
            return None
        manifest = json.loads(path.read_text(encoding='utf-8'))
        ours = (manifest['kind'] == 'checkpoint' and manifest['run'] == order['run']['id']
                and manifest['plan'] == order['plan']
                # A later generation is not an earlier session: this one is out of date then.
                and 0 < manifest['generation'] <= order['session']['generation']
                and 0 < manifest['step'] <= order['run']['targetSteps']
                and all(NAME.fullmatch(file['name']) and isinstance(file['sha256'], str)
                        for file in manifest['files']))
        return manifest if ours else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def copy_hashed(source, target):
    """The hash of what was copied: the source may lie on a disk that is read only once."""
    digest = hashlib.sha256()
    with open(str(source), 'rb') as from_file, open(str(target), 'wb') as to_file:
        for block in iter(lambda: from_file.read(1 << 20), b''):
            digest.update(block)
            to_file.write(block)
    return digest.hexdigest()
