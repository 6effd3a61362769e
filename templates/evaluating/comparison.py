"""The comparison as a child of the notebook, until it is done or its time is over."""
import json
import os
import sys
import time
from pathlib import Path

from .asked import Asked
from .child import Child

REFUSED = 3  # how the program ends with a sentence
LATE = 4  # and when its time does not bear the comparison
GRACE_SECONDS = 10.0
SIGN_OF_LIFE_SECONDS = 60.0
RESULT = Path('evaluation.json')
JOB = Path('judge.json')


def compare(candidate, current, data, deadline, rows, base='', program='judge.py'):
    """Runs `program` on two verified adapters (`current` may be None) and `data`, a path with its
    SHA-256, and returns what it has written to evaluation.json.

    `deadline`, on the monotonic clock, is when it leaves by itself. `base` is another place of the
    same base. Raises SystemExit, with a sentence, when it cannot be done, when the time is over
    before, and when the notebook is asked to end; then there is no evaluation.json.
    """
    RESULT.unlink(missing_ok=True)
    JOB.write_text(json.dumps(job_of(candidate, current, data, deadline, rows, base)),
                   encoding='utf-8')
    own = dict(os.environ, HF_HUB_DISABLE_PROGRESS_BARS='1', TOKENIZERS_PARALLELISM='false',
               PYTHONIOENCODING='utf-8')
    asked = Asked()
    child = Child([sys.executable, '-u', program, str(JOB)], own)
    try:
        status = wait(child, asked, deadline)
    finally:
        child.end(GRACE_SECONDS)
        asked.listen_no_more()
    if status != 0:
        RESULT.unlink(missing_ok=True)
        raise SystemExit(why(status, asked, time.monotonic() > deadline, child.last_line))
    return json.loads(RESULT.read_text(encoding='utf-8'))


def job_of(candidate, current, data, deadline, rows, base):
    """What the program is told; the plan is the one that the candidate was trained under."""
    manifest = json.loads((candidate.folder / 'manifest.json').read_text(encoding='utf-8'))
    left = deadline - time.monotonic()
    if left < 1:
        raise SystemExit('its time was over before anything could be compared: raise SECONDS')
    path, sha256 = data
    return {'plan': dict(manifest['plan'], **({'base': base} if base else {})),
            'candidate': str(candidate.folder), 'current': current and str(current.folder),
            'data': str(path), 'rows': rows, 'result': str(RESULT), 'control': 'control.json',
            'sessionSeconds': left, 'secondsLeft': left, 'parent': os.getpid(),
            'about': {'base': candidate.base, 'revision': candidate.revision,
                      'quantization': candidate.quantization, 'dataSha256': sha256,
                      'candidateSha256': candidate.sha256,
                      'currentSha256': current and current.sha256}}


def wait(child, asked, deadline):
    """The status with which the child has ended; it is asked to end when it is due, and killed when
    it does not."""
    began = said = time.monotonic()
    while child.status() is None:
        if child.show(0.2):
            said = time.monotonic()
        if asked or time.monotonic() > deadline:
            return child.end(GRACE_SECONDS)
        if time.monotonic() > said + SIGN_OF_LIFE_SECONDS:
            said = time.monotonic()
            print('comparing for %d s' % (said - began), flush=True)
    return child.status()


def why(status, asked, late, last_line):
    """Why there is no comparison, as a sentence."""
    if asked:
        return 'the notebook was asked to end before everything was compared'
    if status == LATE or late:
        return 'its time was over before everything was compared: raise SECONDS'
    if status == REFUSED and last_line.startswith('RODIZIO_REFUSED '):
        return json.loads(last_line.split(' ', 1)[1])['message']
    return 'the comparison has ended (%s): %s' % (
        'signal %d' % -status if status < 0 else 'status %d' % status, last_line)
