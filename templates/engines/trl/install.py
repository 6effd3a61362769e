# Keeps the image's torch, adds what the image lacks, and drops what peft refuses (torchao 0.10).
import importlib
import importlib.util

PINS = ['trl==0.29.1', 'bitsandbytes==0.50.2']  # the newest that both images' versions bear
OLDEST = {'torch': (2, 10), 'transformers': (5, 0), 'peft': (0, 19), 'accelerate': (1, 13),
          'datasets': (4, 0), 'trl': (0, 29)}  # the oldest this program has been executed with
NEWEST = {'torch': (2, 15), 'transformers': (5, 23), 'peft': (0, 21), 'accelerate': (1, 15),
          'datasets': (5, 2), 'trl': (0, 29)}
# include: engines/pip.py

with session.phase('install'):  # noqa: F821
    # Where no GPU is asked for the environment is somebody's own, and stays as it is.
    if PROVIDER in ('kaggle', 'colab') and REQUIRE_GPU:  # noqa: F821
        if importlib.util.find_spec('torchao') is not None:
            pip('uninstall', '-y', 'torchao')  # noqa: F821
        absent = [pin for pin in PINS if not is_here(pin)]  # noqa: F821
        if absent:
            pip('install', '--no-deps', *absent)  # noqa: F821
            importlib.invalidate_caches()
    wanted = list(OLDEST)
    if session.order['plan'].get('quantization') == 'nf4':  # noqa: F821
        wanted.append('bitsandbytes')
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        raise Failure('notebook_bug', 'this environment lacks %s: '  # noqa: F821
                      'prepare it before starting the engine trl here' % ', '.join(missing))
    for name, oldest in OLDEST.items():
        found = version_of(name)  # noqa: F821
        if found is not None and found < oldest:
            raise Failure('notebook_bug', '%s is %d.%d here, and the engine '  # noqa: F821
                          'trl wants %d.%d or newer' % ((name,) + found + oldest))
        if found is not None and found > NEWEST[name]:
            session.say('%s is %d.%d here, newer than any this '  # noqa: F821
                        'was tried with (%d.%d)' % ((name,) + found + NEWEST[name]))
