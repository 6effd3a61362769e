"""What a session fetches before it trains: data, the checkpoint to go on from, an adapter."""
from pathlib import Path

from .downloads import Damaged, download
from .failures import Failure
from .resume import bring_furthest
from .wire import Refused


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


def part_of(order, step):
    """The checkpoint of that step as a work order names it, or None."""
    for checkpoint in [order.get('resume')] + list(order.get('earlier') or ()):
        if checkpoint and checkpoint['step'] == step:
            return checkpoint
    return None
