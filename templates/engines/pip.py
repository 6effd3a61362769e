# What the cells that install have in common: pip, and what is there already.
import importlib
import importlib.util
import subprocess
import sys
from importlib import metadata


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
