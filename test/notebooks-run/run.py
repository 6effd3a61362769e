"""Runs the tests of this folder, two at a time: what they start computes in one thread.

    python run.py [test_training …] [-k PATTERN] [--retry]
"""
import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training import STACKS, tiny_model

HERE = Path(__file__).resolve().parent
# What shares trained folders goes together; the longest first, so that both ends come together.
SHARING = (('test_training', 'test_two_processes', 'test_evaluating_notebooks'),
           ('test_rotation',), ('test_policy',), ('test_faults',))
# They measure time: the machine is theirs.
ALONE = ('test_serving', 'test_serving_notebooks', 'test_pulled')
SUM = re.compile(r'^Ran (\d+) tests? in [\d.]+s$', re.M)
COUNTS = re.compile(r'(failures|errors|skipped)=(\d+)')
BAD = re.compile(r'^(?:FAIL|ERROR): .*?\((test_\w+(?:\.\w+)+)\)', re.M)


def names_of_tests():
    return [path.stem for path in sorted(HERE.glob('test_*.py'))]


def together(names):
    """The files that were asked for, in groups that may run beside each other."""
    known = [name for group in SHARING for name in group]
    groups = SHARING + tuple((name,) for name in names if name not in known + list(ALONE))
    asked = [tuple(name for name in group if name in names) for group in groups]
    return [group for group in asked if group]


def unittest(*arguments):
    return subprocess.run([sys.executable, '-m', 'unittest', '-v', *arguments], cwd=str(HERE),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run_group(group, pattern, retry):
    """What became of some files: (tests, failures, errors, skipped); their output is printed."""
    began = time.monotonic()
    ran = unittest(*group, *(['-k', pattern] if pattern else []))
    tests = sum(int(count) for count in SUM.findall(ran.stdout))
    counts = dict(COUNTS.findall(ran.stdout.strip().rsplit('\n', 1)[-1]))
    found = [int(counts.get(kind, 0)) for kind in ('failures', 'errors', 'skipped')]
    if ran.returncode not in (0, 5) and not found[0] + found[1]:
        found[1] = 1  # it did not even load
    bad = sorted(set(BAD.findall(ran.stdout)))
    if retry and bad and unittest(*bad).returncode == 0:
        ran.stdout = ran.stdout.replace('\n', '\n  ') + ''.join(
            '\n  %s (retry x1)' % name for name in bad)
        found[0] = found[1] = 0
    told = SUM.sub(lambda line: '  ' + line.group(0), ran.stdout)  # the sum is of all files
    sys.stdout.write('%s (%.0f s)\n%s\n' % (', '.join(group), time.monotonic() - began, told))
    sys.stdout.flush()
    return [tests] + found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('files', nargs='*', default=names_of_tests(), metavar='test_…')
    parser.add_argument('-k', dest='pattern', help='only tests whose name holds this')
    parser.add_argument('--retry', action='store_true',
                        help='what fails gets a second try, and is named')
    asked = parser.parse_args()
    names = [name[:-3] if name.endswith('.py') else name for name in asked.files]
    unknown = [name for name in names if not (HERE / (name + '.py')).exists()]
    if unknown:
        parser.error('there is no %s; there are: %s' % (unknown[0], ', '.join(names_of_tests())))
    began = time.monotonic()
    if STACKS:
        os.environ['TINY_BASE'] = tiny_model()  # made once for all
    alone = tuple(name for name in ALONE if name in names)
    found = [run_group(alone, asked.pattern, asked.retry)] if alone else []
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found += pool.map(lambda group: run_group(group, asked.pattern, asked.retry),
                          together(names))
    tests, failures, errors, skipped = (sum(column) for column in zip(*found))
    print('Ran %d tests in %.3fs\n' % (tests, time.monotonic() - began))
    told = ['%s=%d' % pair for pair in (('failures', failures), ('errors', errors),
                                        ('skipped', skipped)) if pair[1]]
    print(('FAILED' if failures + errors else 'OK') + (' (%s)' % ', '.join(told) if told else ''))
    sys.exit(1 if failures + errors else 0)


if __name__ == '__main__':
    main()
