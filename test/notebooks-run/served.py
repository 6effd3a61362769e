"""What the tests of serving serve, with what, and how they look at who serves."""
import atexit
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from training import ROOT, environment, python_of, tiny_model

CLIENT = ROOT / '.venvs' / 'serve' / 'bin' / 'python'
SUITE = ROOT / 'test' / 'python-serve' / 'suite.py'
NO_CLIENT = ('the official client is not there: `python3 -m venv .venvs/serve` and '
             '`.venvs/serve/bin/pip install --no-deps -r test/python-serve/requirements.txt` '
             'bring it')


@functools.cache
def tried_generator(stack):
    """The generator's own tests in that environment, run once for all tests: (the finished
    process, the folder in which they leave the adapters `v1` and `v2`)."""
    folder = tempfile.mkdtemp(prefix='serving-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ran = subprocess.run(
        [python_of(stack), str(Path(__file__).with_name('serving.py')), tiny_model(), folder],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240)
    return ran, Path(folder) / 'versions'


@functools.cache
def lack_of(stack):
    """Why no server can be started in that environment, or None."""
    ran = subprocess.run([python_of(stack), '-c', 'import fastapi, uvicorn'],
                         env=environment(), stderr=subprocess.DEVNULL)
    return None if ran.returncode == 0 else (
        'the environment %s has no FastAPI: `npm run setup:notebooks` makes it anew' % stack)


def run_suite(port, key, adapters, **variables):
    """The shared suite against the server on that port, by the official client."""
    return subprocess.run([str(CLIENT), str(SUITE), str(port), str(adapters)],
                          env=dict(os.environ, SUITE_KEY=key, **variables),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180)


def servers_on(port):
    """The processes `python -m serve` of this machine that were told that port."""
    found = []
    for entry in Path('/proc').glob('[0-9]*'):
        try:
            if b'-m\0serve\0' in (entry / 'cmdline').read_bytes() \
                    and b'SERVE_PORT=%d\0' % port in (entry / 'environ').read_bytes():
                found.append(int(entry.name))
        except OSError:  # it has ended, or is somebody else's
            pass
    return found
