# Keeps the image's torch, adds what the image lacks, and drops what peft refuses (torchao 0.10).
import importlib.util
import subprocess
import sys

with session.phase('install'):  # noqa: F821
    if PROVIDER in ('kaggle', 'colab'):  # noqa: F821
        pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '-q']
        subprocess.run(pip + ['uninstall', '-y', 'torchao'], check=True)
        subprocess.run(pip + ['install', '--no-deps', 'trl==0.29.1', 'bitsandbytes==0.50.2'],
                       check=True)
    missing = [name for name in ('torch', 'transformers', 'peft', 'trl', 'datasets')
               if importlib.util.find_spec(name) is None]
    if missing:
        raise Failure('notebook_bug', 'this environment lacks %s: '  # noqa: F821
                      'prepare it before starting the engine trl here' % ', '.join(missing))
