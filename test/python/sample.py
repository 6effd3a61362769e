"""What the tests train on, and how they start things."""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / 'templates'
sys.path.insert(0, str(ROOT))  # so that `templates.session` can be imported
WORDS = ('maré onda sal vento areia rede barco peixe coral porto farol duna praia manguezal '
         'corrente baleia').split()


def conversations(count, seed=1):
    """JSONL text of `count` short conversations whose answers have a pattern to learn."""
    chance = random.Random(seed)
    rows = []
    for _index in range(count):
        words = chance.sample(WORDS, 4)
        rows.append({'messages': [
            {'role': 'system', 'content': 'Responda em ordem.'},
            {'role': 'user', 'content': 'Ordene: ' + ' '.join(words)},
            {'role': 'assistant', 'content': ', '.join(sorted(words)) + '.'}]})
    return ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)


def plan(**changes):
    made = {'engine': 'dry', 'base': 'dry/character-trigram', 'revision': '1',
            'quantization': 'none', 'loraRank': 0, 'loraAlpha': 0, 'loraDropout': 0.05,
            'targets': [], 'learningRate': 0.5, 'warmupRatio': 0.03, 'minLearningRateRatio': 0.1,
            'weightDecay': 0, 'adamBeta1': 0, 'adamBeta2': 0, 'optimizer': 'adagrad',
            'batchSize': 2, 'accumulation': 4, 'maxLength': 256, 'targetSteps': 20, 'seed': 3,
            'dataSha256': 'a' * 64}
    made.update(changes)
    return made


def data(rows=60):
    return {'train.jsonl': conversations(rows).encode('utf-8'),
            'validation.jsonl': conversations(10, seed=2).encode('utf-8')}


def program_folder(folder):
    """Puts the training program into `folder`, as the notebook does."""
    shutil.copy(str(TEMPLATES / 'engines' / 'harness.py'), str(folder))
    shutil.copy(str(TEMPLATES / 'engines' / 'dry' / 'train.py'), str(folder))


def run_dry(folder, job, options=None, timeout=30):
    """Runs the dry engine alone: (status, output lines). `job` overrides the usual job."""
    process = start_dry(folder, job, options)
    output, _none = process.communicate(timeout=timeout)
    return process.returncode, output.splitlines()


def start_dry(folder, job, options=None):
    folder = Path(folder)
    program_folder(folder)
    for name, body in data().items():
        if not (folder / name).exists():
            (folder / name).write_bytes(body)
    whole = {'run': 'run_1', 'session': 'ses_1', 'generation': 1, 'label': 'dry', 'plan': plan(),
             'options': dict({'saveSteps': 0, 'logSteps': 1}, **(options or {})),
             'secondsLeft': 60.0, 'sessionSeconds': 60.0, 'train': 'train.jsonl',
             'validation': 'validation.jsonl', 'resume': None, 'checkpoints': 'checkpoints',
             'artifact': 'artifact', 'control': 'control.json', 'parent': os.getpid()}
    whole.update(job)
    (folder / 'job.json').write_text(json.dumps(whole))
    return subprocess.Popen([sys.executable, '-u', 'train.py', 'job.json'], cwd=str(folder),
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines_of(output, kind):
    """The payloads of the machine lines `RODIZIO_<kind>`."""
    start = 'RODIZIO_%s ' % kind
    return [json.loads(line[len(start):]) for line in output if line.startswith(start)]


def state_of(folder):
    """The hash of each of a checkpoint's files, the manifest left out."""
    return hashes_of({path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())
                      if path.name != 'manifest.json'})


def hashes_of(files):
    """Hashes instead of bytes: where they differ, a test should fail at once and legibly."""
    return {name: hashlib.sha256(body).hexdigest() for name, body in files.items()}


def wait_for(condition, seconds=15.0):
    """Waits until `condition()` holds; fails the test when it does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError('waited %g s in vain' % seconds)


def write_notebook(folder, control_url, ticket, sealed=''):
    """The cells of a dry notebook in `folder`, with short waits; the committed renderings are made
    from the same files."""
    folder = Path(folder)
    shutil.copytree(str(TEMPLATES / 'session'), str(folder / 'rodizio_session'),
                    ignore=shutil.ignore_patterns('__pycache__'))
    program_folder(folder)
    parameters = ('CONTROL_URL = %r\nTICKET = %r\nSEALED = %r\nENGINE = "dry"\n'
                  'PROVIDER = "local"\n' % (control_url, ticket, sealed))
    sources = [parameters]
    for name in ('cells/agent', 'engines/dry/install', 'engines/dry/probe', 'cells/store',
                 'cells/data', 'engines/dry/model', 'cells/train', 'cells/finish'):
        source = (TEMPLATES / (name + '.py')).read_text(encoding='utf-8')
        sources.append(source.replace('TICKET, ENGINE)', 'TICKET, ENGINE, first_wait=0.05)'))
    cells = [{'cell_type': 'code', 'id': 'c%d' % number, 'metadata': {}, 'outputs': [],
              'execution_count': None, 'source': source} for number, source in enumerate(sources)]
    path = folder.parent / (folder.name + '.ipynb')
    path.write_text(json.dumps({'nbformat': 4, 'nbformat_minor': 5, 'metadata': {},
                                'cells': cells}), encoding='utf-8')
    return path


def start_notebook(path, cwd=None, *arguments, **more):
    """Starts the runner on a notebook in a process group of its own."""
    command = [sys.executable, str(TEMPLATES / 'run_notebook.py'), '--notebook', str(path)]
    if cwd:
        command += ['--cwd', str(cwd)]
    return subprocess.Popen(command + list(arguments), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True, **more)
