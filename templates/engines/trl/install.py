# Keeps the image's torch, adds what the image lacks, and drops what peft refuses (torchao 0.10).
import importlib
import importlib.util
import subprocess
import sys
from importlib import metadata

PINS = ['trl==0.29.1', 'bitsandbytes==0.50.2']  # the newest that both images' versions bear
OLDEST = {'torch': (2, 10), 'transformers': (5, 0), 'peft': (0, 19), 'accelerate': (1, 13),
          'datasets': (4, 0), 'trl': (0, 29)}  # the oldest this program has been executed with
NEWEST = {'torch': (2, 15), 'transformers': (5, 23), 'peft': (0, 21), 'accelerate': (1, 15),
          'datasets': (5, 2), 'trl': (0, 29)}


def pip(*arguments):
    """Runs pip; its last line is the reason when it fails."""
    if importlib.util.find_spec('pip') is None:
        raise Failure('notebook_bug', 'this Python has no pip, and %s is '  # noqa: F821
                      'needed: add pip with "python -m ensurepip"' % ' '.join(arguments))
    ran = subprocess.run(
        [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-input', '-q']
        + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, universal_newlines=True)
    if ran.returncode != 0:
        last = (ran.stdout.strip().splitlines() or ['it gave no reason'])[-1]
        raise Failure('notebook_bug', 'pip could not do %s: %s'  # noqa: F821
                      % (' '.join(arguments), last))


def version_of(name):
    """The first two numbers of an installed version, or None."""
    try:
        numbers = metadata.version(name).split('+')[0].split('.')
        return int(numbers[0]), int(numbers[1])
    except (metadata.PackageNotFoundError, ValueError, IndexError):
        return None


def is_here(pin):
    """Whether exactly that version is installed; then nothing has to come over the network."""
    name, _, version = pin.partition('==')
    try:
        return metadata.version(name) == version
    except metadata.PackageNotFoundError:
        return False


with session.phase('install'):  # noqa: F821
    # Where no GPU is asked for the environment is somebody's own, and stays as it is.
    if PROVIDER in ('kaggle', 'colab') and REQUIRE_GPU:  # noqa: F821
        if importlib.util.find_spec('torchao') is not None:
            pip('uninstall', '-y', 'torchao')
        absent = [pin for pin in PINS if not is_here(pin)]
        if absent:
            pip('install', '--no-deps', *absent)
            importlib.invalidate_caches()
    wanted = list(OLDEST)
    if session.order['plan'].get('quantization') == 'nf4':  # noqa: F821
        wanted.append('bitsandbytes')
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise Failure('notebook_bug', 'this environment lacks %s: '  # noqa: F821
                      'prepare it before starting the engine trl here' % ', '.join(missing))
    for name, oldest in OLDEST.items():
        found = version_of(name)
        if found is not None and found < oldest:
            raise Failure('notebook_bug', '%s is %d.%d here, and the engine '  # noqa: F821
                          'trl wants %d.%d or newer' % ((name,) + found + oldest))
        if found is not None and found > NEWEST[name]:
            session.say('%s is %d.%d here, newer than any this '  # noqa: F821
                        'was tried with (%d.%d)' % ((name,) + found + NEWEST[name]))
