"""The packages that the server or a comparison wants, in versions that they were tried with."""
import importlib
import importlib.util
import subprocess
import sys
from importlib import metadata

PIN = ('bitsandbytes', '0.50.2')  # the one that the images lack
OLDEST = {'torch': (2, 10), 'transformers': (5, 0), 'peft': (0, 19), 'accelerate': (1, 13),
          'fastapi': (0, 136), 'uvicorn': (0, 46)}  # the oldest they were executed with
NEWEST = {'torch': (2, 15), 'transformers': (5, 23), 'peft': (0, 21), 'accelerate': (1, 15),
          'fastapi': (0, 165), 'uvicorn': (0, 54)}


def prepare(provider, what='the server', wanted=tuple(OLDEST)):
    """Keeps the image's own packages, adds the one it lacks and drops the one peft refuses.

    `what` wants the packages `wanted`. On a person's own machine nothing is installed. Raises
    SystemExit, with a sentence, when a package is missing or older than any that was tried; says
    so when it is newer.
    """
    if provider in ('kaggle', 'colab'):
        if importlib.util.find_spec('torchao') is not None:  # 0.10: peft raises when it sees it
            pip('uninstall', '-y', 'torchao')
        if installed(PIN[0]) != PIN[1]:
            pip('install', '--no-deps', '%s==%s' % PIN)
        importlib.invalidate_caches()
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit('this environment lacks %s: install it with `pip install %s`, then run '
                         'this again' % (', '.join(missing), ' '.join(missing)))
    for name in wanted:
        found, oldest = numbers_of(installed(name)), OLDEST[name]
        if found is not None and found < oldest:
            raise SystemExit('%s is %d.%d here, and %s wants %d.%d or newer: choose a newer image'
                             % ((name,) + found + (what,) + oldest))
        if found is not None and found > NEWEST[name]:
            print('%s is %d.%d here, newer than any %s was tried with (%d.%d)'
                  % ((name,) + found + (what,) + NEWEST[name]), flush=True)


def pip(*arguments):
    """Runs pip; its last line is the reason when it fails."""
    ran = subprocess.run(
        [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-input', '-q']
        + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, universal_newlines=True)
    if ran.returncode != 0:
        last = (ran.stdout.strip().splitlines() or ['it gave no reason'])[-1]
        raise SystemExit('pip could not do %s: %s' % (' '.join(arguments), last))


def installed(name):
    """The version of an installed package as it is written, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers_of(version):
    """The first two numbers of a version, or None where it has none."""
    try:
        numbers = (version or '').split('+')[0].split('.')
        return int(numbers[0]), int(numbers[1])
    except (ValueError, IndexError):
        return None
