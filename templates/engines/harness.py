"""What every training program shares: its job, its orders, its data checks and its commits.

The program reads one job file, prints machine-readable lines that start with RODIZIO_, and looks
for orders in a small file between micro-steps. It knows no address and no secret.
"""
import ctypes
import hashlib
import json
import math
import os
import platform
import shutil
import signal
import sys
import time
from collections import deque
from pathlib import Path


REFUSED = 3  # the status of a program that ends with a Refusal


class Refusal(Exception):
    """A reason to end that the run must hear about: a failure class, a sentence, maybe a line of
    the data, or how many rows went through the model at once when memory ran out."""

    def __init__(self, failure_class, message, line=None, rows_at_once=None):
        super().__init__(message)
        self.failure_class = failure_class
        self.line = line
        self.rows_at_once = rows_at_once


class Leave(Exception):
    """Ends the step under way without finishing it; the state is as before that step."""


def emit(kind, payload):
    """Prints one line for the agent: `RODIZIO_<kind> {json}`."""
    text = json.dumps(payload, sort_keys=True, allow_nan=False)
    print('RODIZIO_%s %s' % (kind, text), flush=True)


def read_job(path):
    """The job that the agent wrote, after tying this process's life to its parent's."""
    job = json.loads(Path(path).read_text(encoding='utf-8'))
    parent = int(os.environ.get('RODIZIO_LAUNCHER') or job.get('parent') or 0)
    if sys.platform == 'linux' and parent:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:  # it died before the line above
            os._exit(137)
    return job


def stop_order(job):
    """The file whose being there is the order to stop, from a process that stands in for this."""
    return Path(job['control'] + '.stop')


def run_program(main):
    """Runs `main(job)` on the job named on the command line; a Refusal becomes a machine line."""
    try:
        main(read_job(sys.argv[1]))
    except Refusal as refusal:
        emit('REFUSED', {'class': refusal.failure_class, 'message': str(refusal),
                         'line': refusal.line, 'rowsAtOnce': refusal.rows_at_once})
        sys.exit(REFUSED)


class Control:
    """The orders to this program, and the time it has left.

    `deadline` is on this process's monotonic clock and only ever moves closer. SIGTERM and SIGINT
    mean the same as the order to stop.
    """

    def __init__(self, job):
        self.path = job['control']
        self.stop_order = stop_order(job)
        self.session_seconds = float(job['sessionSeconds'])
        self.deadline = time.monotonic() + float(job['secondsLeft'])
        self.stop = False  # only ever set: a signal may come in the middle of any line
        self.checkpoint_now = 0
        self.upload_seconds = 0.0
        self.uploading = None
        self._stamp = None
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._on_signal)

    def _on_signal(self, _signal, _frame):
        self.stop = True

    def poll(self):
        """Takes in the newest orders; a file that is not there, or not whole, changes nothing."""
        if self.stop_order.exists():
            self.stop = True
        try:
            stat = os.stat(self.path)
            stamp = (stat.st_mtime_ns, stat.st_ino)
            if stamp == self._stamp:
                return
            orders = json.loads(Path(self.path).read_text(encoding='utf-8'))
        except (OSError, ValueError):
            return
        self._stamp = stamp
        if orders.get('stop'):
            self.stop = True
        self.checkpoint_now = int(orders.get('checkpointNow', 0))
        self.upload_seconds = float(orders.get('uploadSeconds', 0.0))
        self.uploading = orders.get('uploading')
        if orders.get('secondsLeft') is not None:
            self.deadline = min(self.deadline, time.monotonic() + float(orders['secondsLeft']))

    def seconds_left(self):
        return self.deadline - time.monotonic()


class Pace:
    """How long steps and saves take here, and so when to save and when to leave."""

    def __init__(self, control, options, step):
        self.control = control
        self.save_seconds = float(options.get('saveSeconds') or math.inf)
        self.save_steps = int(options.get('saveSteps') or 0)
        self.session_steps = int(options.get('sessionSteps') or 0)
        self.made = 0
        self.margin = min(60.0, max(0.5, 0.05 * control.session_seconds))
        self.steps = deque(maxlen=20)
        self.slowest_save = 0.0
        self.saved_step = step
        self.saved_at = time.monotonic()
        self.ordered = control.checkpoint_now

    def stepped(self, seconds):
        self.steps.append(seconds)
        self.made += 1

    def saved(self, step, seconds):
        self.slowest_save = max(self.slowest_save, seconds)
        self.saved_step = step
        self.saved_at = time.monotonic()
        self.ordered = self.control.checkpoint_now

    def leaving_seconds(self):
        """What a commit takes from here, upload included."""
        return 2 * self.slowest_save + self.control.upload_seconds + self.margin

    def reason_to_leave(self):
        """`stopped`, `limit`, or None while another whole step fits."""
        if self.control.stop:
            return 'stopped'
        slowest = max(self.steps, default=0.0)
        if self.control.seconds_left() < 2 * slowest + self.leaving_seconds():
            return 'limit'
        return None

    def reason_to_hand_over(self):
        """`limit` once this session has made as many steps as it was asked for, and None before."""
        return 'limit' if 0 < self.session_steps <= self.made else None

    def leave_in_mid_step(self):
        """Raises Leave when finishing the step under way would cost the checkpoint."""
        self.control.poll()
        if self.control.stop or self.control.seconds_left() < self.leaving_seconds():
            raise Leave()

    def should_save(self, step):
        """Whether a checkpoint is due: by the clock, by the steps, or because it was ordered."""
        if step == self.saved_step:
            return False
        return (time.monotonic() - self.saved_at >= self.save_seconds
                or (self.save_steps > 0 and step % self.save_steps == 0)
                or self.control.checkpoint_now > self.ordered)


def learning_rate(plan, step):
    """The rate of step `step` (from 1): linear warm-up, then a cosine down to the minimum ratio."""
    target = plan['targetSteps']
    warm = max(1, round(plan['warmupRatio'] * target))
    if step <= warm:
        return plan['learningRate'] * step / warm
    done = (step - warm) / max(1, target - warm)
    least = plan['minLearningRateRatio']
    return plan['learningRate'] * (least + (1 - least) * 0.5 * (1 + math.cos(math.pi * done)))


def read_conversations(path, system_apart=False):
    """(line number, turns) of every conversation; a turn is (role, text), and the system text is
    folded into the first user turn, or with `system_apart` a turn of its own before it. Raises
    Refusal `bad_dataset` with the first bad line."""
    name = Path(path).name
    rows = []
    with open(path, 'rb') as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append((number, _turns(json.loads(line.decode('utf-8')), system_apart)))
            except ValueError as error:
                raise Refusal('bad_dataset', '%s line %d: %s' % (name, number, error), number)
    return rows


def _turns(row, system_apart):
    messages = row.get('messages') if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError('there is no list of messages')
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get('content'), str):
            raise ValueError('a message has no text')
        if not message['content'].strip():
            raise ValueError('a message is empty')
    turns = [(message.get('role'), message['content']) for message in messages]
    system = turns.pop(0)[1] if turns[0][0] == 'system' else None
    for index, (role, _text) in enumerate(turns):
        wanted = 'user' if index % 2 == 0 else 'assistant'
        if role != wanted:
            raise ValueError('turn %d is %s where %s was due' % (index + 1, role, wanted))
    if not turns or turns[-1][0] != 'assistant':
        raise ValueError('the last turn is not the assistant\'s')
    if system is not None and system_apart:
        turns.insert(0, ('system', system))
    elif system is not None:
        turns[0] = ('user', system + '\n\n' + turns[0][1])
    return turns


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def environment():
    """What the numbers may depend on beside the plan; kept with a checkpoint, never compared."""
    return {'python': platform.python_version(), 'platform': sys.platform}


def commit_folder(job, kind, step, folder, write, epoch, metrics, env):
    """Makes `folder` appear whole: files first, the manifest last, then one rename.

    `write(folder)` puts the files there. Returns their size in bytes together.
    """
    folder = Path(folder)
    part = folder.with_name('.part-' + folder.name)
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    write(part)
    files = [{'name': path.name, 'bytes': path.stat().st_size, 'sha256': sha256_of(path)}
             for path in sorted(part.iterdir())]
    plan = job['plan']
    manifest = {'format': 1, 'kind': kind, 'run': job['run'], 'session': job['session'],
                'generation': job['generation'], 'step': step, 'targetSteps': plan['targetSteps'],
                'epoch': round(epoch, 6), 'engine': plan['engine'], 'label': job['label'],
                'plan': plan, 'env': env, 'metrics': metrics, 'files': files}
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, allow_nan=False) + '\n'
    (part / 'manifest.json').write_text(text, encoding='utf-8')
    for path in part.iterdir():
        with open(path, 'rb') as file:
            os.fsync(file.fileno())
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return sum(file['bytes'] for file in files)


def save_checkpoint(job, control, step, write, epoch, metrics, env, started):
    """Commits a checkpoint on this disk, tells the agent, and keeps only the newest few.

    `started` is when the work for it began, so that the seconds said include all of it.
    """
    root = Path(job['checkpoints'])
    folder = root / ('step-%08d' % step)
    size = commit_folder(job, 'checkpoint', step, folder, write, epoch, metrics, env)
    seconds = time.monotonic() - started
    emit('SAVED', {'kind': 'checkpoint', 'step': step, 'path': str(folder), 'bytes': size,
                   'seconds': round(seconds, 3), 'metrics': metrics})
    control.poll()
    keep = max(1, int(job['options'].get('keepLocal') or 2))
    for old in sorted(root.glob('step-*'))[:-keep]:
        if old.name != 'step-%08d' % (control.uploading or 0):
            shutil.rmtree(old, ignore_errors=True)
    return seconds


def open_checkpoint(job):
    """The manifest of the checkpoint to go on from, or None when there is none.

    Raises Refusal: `damaged_checkpoint` when a file is not what the manifest says, `refused_plan`
    with the name of the first field that differs.
    """
    if not job.get('resume'):
        return None
    folder = Path(job['resume'])
    try:
        manifest = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
        for file in manifest['files']:
            if sha256_of(folder / file['name']) != file['sha256']:
                raise Refusal('damaged_checkpoint', '%s of the checkpoint of step %s is damaged'
                              % (file['name'], manifest['step']))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Refusal('damaged_checkpoint', 'the checkpoint cannot be read: %s' % error)
    refuse_other_plan(manifest['plan'], job['plan'])
    return manifest


def refuse_other_plan(there, here):
    """Raises Refusal `refused_plan` unless both plans are equal, field by field."""
    for field in sorted(set(there) | set(here)):
        if there.get(field) != here.get(field):
            raise Refusal('refused_plan', 'the checkpoint was made under another plan: %s is %s '
                          'there and %s here' % (field, json.dumps(there.get(field)),
                                                 json.dumps(here.get(field))))
