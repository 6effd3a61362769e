"""What a session fetches before it trains: data, a checkpoint, an adapter, a base."""
import shutil
from pathlib import Path

from .downloads import Damaged, download
from .failures import Failure
from .mounts import is_mounted, mounted_base
from .resume import bring_furthest, named_in
from .wire import Refused

SPARE_BYTES = 1_000_000_000  # for checkpoints beside the base


class Supplies:
    """Fetches into folders of their own below `folder`; everything is believed by its hash alone.

    `fresh_order()` gives the work order anew, with addresses that are good again.
    """

    def __init__(self, wire, folder, order, say, fresh_order):
        self._wire = wire
        self._folder = folder
        self._order = order
        self._say = say
        self._fresh_order = fresh_order

    def checkpoint(self):
        """(folder, step, whether an earlier session has left it here); None at a run's beginning.

        Raises Failure when none of those that there are comes whole.
        """
        folder = self._folder / 'resume'
        try:
            brought = bring_furthest(
                self._order, folder,
                lambda step, files: self._fetch(folder, files, lambda order: part_of(order, step)),
                self._say)
        except Damaged as damaged:
            raise Failure('damaged_checkpoint', str(damaged))
        return (folder, *brought) if brought else None

    def adapter(self):
        """The folder of the adapter that the first step begins with, or None. Raises Failure."""
        if not self._order.get('adapter'):
            return None
        folder = self._folder / 'adapter'
        try:
            self._fetch(folder, self._order['adapter']['files'], lambda order: order.get('adapter'))
        except (Damaged, Refused) as error:
            raise Failure('notebook_bug', 'the adapter to begin with cannot be had: %s' % error)
        self._say('adapter %s fetched' % self._order['adapter']['sha256'][:12])
        return folder

    def base(self):
        """The folder of the base, where the service has addresses for it or the platform mounts it;
        None where the training program finds it by its name. Raises Failure."""
        entry, name = self._order.get('base'), self._order['plan'].get('base')
        if not entry:
            found = mounted_base(name)
            if is_mounted(name) and found is None:
                raise Failure('notebook_bug', 'the platform has not mounted the base %s: look '
                              'whether it is there, and its licence accepted' % name)
            return found
        files = granted(entry)['files']
        folder = self._folder / 'base'
        size = sum(file['bytes'] for file in files)
        room = shutil.disk_usage(str(self._folder)).free
        if room < size + SPARE_BYTES:
            raise Failure('notebook_bug', 'the base %s has %.1f GB, and this machine has %.1f GB '
                          'free for it' % (entry['id'], size / 1e9, room / 1e9))
        self._say('fetching the base %s: %d files, %.2f GB'
                  % (entry['id'], len(files), size / 1e9))
        try:
            self._fetch(folder, files, lambda order: granted(order.get('base')))
        except (Damaged, Refused) as error:
            raise Failure('notebook_bug', 'the base cannot be fetched: %s' % error)
        self._say('base %s fetched' % entry['id'])
        return folder

    def data(self):
        """The folder of the training data. Raises Failure."""
        folder = self._folder / 'data'
        try:
            self._fetch(folder, self._order['data']['files'], lambda order: order.get('data'))
        except Damaged as damaged:
            raise Failure('bad_dataset', str(damaged))
        except Refused as refused:
            raise Failure('notebook_bug', 'the data cannot be fetched: %s' % refused)
        self._say('data %s fetched' % self._order['data'].get('version'))
        return folder

    def _fetch(self, folder, files, part):
        """Brings files there; `part(order)` is what names them. Raises Damaged and Refused."""
        folder.mkdir(exist_ok=True)
        for file in files:
            if Path(file['name']).name != file['name'] or file['name'].startswith('.'):
                raise Failure('notebook_bug', 'the work order names a file outside its folder')
            download(self._wire, file, folder / file['name'],
                     lambda name=file['name']: self._fresh_entry(name, part))

    def _fresh_entry(self, name, part):
        for file in (part(self._fresh_order(name)) or {}).get('files', ()):
            if file['name'] == name:
                return file
        raise Refused(404, 'not_named', '%s is not in the work order any more' % name)


def granted(base):
    """The base of a work order. Raises Failure `access_expired` with the sentence why there is no
    way to it any more: that is no fault of the run."""
    if base and base.get('refused'):
        raise Failure('access_expired', base['refused'])
    return base


def part_of(order, step):
    """The checkpoint of that step as a work order names it, or None."""
    return next((entry for entry in named_in(order) if entry['step'] == step), None)
