"""A session that reaches no service: its work order came with the notebook, its log is its voice.

    session = unseal(SEALED, ENGINE)

What it would call the service for stands in lines that begin with RODIZIO_SEALED; the service reads
them from the provider's log. Checkpoints go to addresses that were opened before the session began.
"""
import json
import threading
import time
from pathlib import Path

from .agent import Session, take_place
from .failures import Failure
from .uploads import put_in_chunks
from .wire import Refused

FULL = 403  # what Drive answers when there is no room, beside other refusals


def unseal(text, engine):
    """Begins the session of a sealed work order; raises SystemExit when it cannot be read."""
    session = take_place(SealedSession())
    session.unseal(text, engine)
    return session


class SealedSession(Session):
    """See `Session`; it takes no orders, and a second look at the work order there is none."""

    def __init__(self):
        super().__init__('')
        self.slots = None
        self._held = None
        self._told_full = False
        self._told = 0
        self._telling = threading.Lock()

    def unseal(self, text, engine):
        """See `unseal` above."""
        self._listen()
        try:
            order = json.loads(text)
            every = self._take_order(order)
            self.slots = Slots(order['slots'], self.deadline - self.started)
        except (KeyError, TypeError, ValueError):
            self._leave('the work order of this notebook cannot be read: render it again')
        for address in self.slots.addresses():
            self.wire.absolute(address)  # learnt as a secret
        self._begin(every, engine)

    def _send_beat(self, beat):
        self._tell('beat', dict(beat, secondsLeft=round(self.seconds_left(), 1)))
        return {}

    def _send_report(self, body):
        del body['logTail']  # the log itself is read
        self._tell('report', body)

    def _tell(self, kind, news):
        """One line of the log for the service, numbered. Each says again which slots are filled."""
        with self._telling:
            self._told += 1
            line = dict(news, kind=kind, n=self._told, filled=self.slots.filled)
            self.say('RODIZIO_SEALED ' + json.dumps(line, sort_keys=True, allow_nan=False))

    def _offer(self, step, folder):
        if self.slots.is_due():
            self._held = None
            self.slots.hold_pace()
            self.uploads.offer(step, folder)
        else:
            self._held = (step, folder)

    def _offer_last(self):
        """The last checkpoint travels whatever the pace: a slot is kept for it."""
        if self._held is not None:
            (step, folder), self._held = self._held, None
            self.uploads.offer(step, folder)

    def _carry(self, kind, step, folder, give_up=None):
        """Fills one slot. What was begun is finished: half a slot is lost to other checkpoints."""
        folder = Path(folder)
        names = [file['name'] for file in
                 json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))['files']]
        slot, urls = self.slots.take(kind)
        if len(names) + 1 > len(urls):
            raise Failure('notebook_bug', 'the %s has %d files, and its sealed slot holds %d'
                          % (kind, len(names), len(urls) - 1))
        # The manifest last: with it the checkpoint is there.
        for url, name in list(zip(urls[1:], names)) + [(urls[0], 'manifest.json')]:
            self.carrier.repeat(lambda url=url, name=name: self._put(url, folder, name))
        self.slots.filled.append(slot)
        self._tell('slot', {'slot': slot, 'step': step})

    def _publish(self, folder):
        """The service cannot be asked from here."""

    def _put(self, url, folder, name):
        """One attempt at one file. No room is waited out: the service hears of it and lets go of
        what it can."""
        try:
            put_in_chunks(self.carrier, url, folder / name)
        except Refused as refused:
            if refused.status != FULL:
                raise
            if not self._told_full:
                self._tell('full', {'bytes': sum(path.stat().st_size for path in folder.iterdir())})
            self._told_full = True
            raise OSError('the store has no room') from None
        self._told_full = False

    def _on_line(self, line):
        super()._on_line(' ' + line if line.startswith('RODIZIO_SEALED') else line)

    def _fresh_order(self, name):
        raise Failure('access_expired', '%s could not be fetched: the access that this notebook '
                      'brought along is good for an hour, and it began later' % name)


class Slots:
    """Places for checkpoints, each with an address for the manifest and one for every file.

    They are spread over the session: one is always kept for the last checkpoint.
    """

    def __init__(self, slots, seconds):
        self.filled = []
        self._free = {'checkpoint': [], 'artifact': []}
        for number, slot in enumerate(slots):
            self._free[slot['kind']].append((number, slot['urls']))
        self.pace = seconds / max(1, len(self._free['checkpoint']) - 1)
        self._paced_at = None

    def addresses(self):
        return [url for slots in self._free.values() for _number, urls in slots for url in urls]

    def is_due(self):
        """Whether a checkpoint may travel now and still leave a slot for the last one."""
        if len(self._free['checkpoint']) < 2:
            return False
        return self._paced_at is None or time.monotonic() - self._paced_at >= self.pace

    def hold_pace(self):
        self._paced_at = time.monotonic()

    def take(self, kind):
        """The number and the addresses of a free slot. Raises Refused when none is left."""
        if not self._free[kind]:
            raise Refused(409, 'no_slot', 'no slot is left for another %s' % kind)
        return self._free[kind].pop(0)
