"""What the tests of the engine `trl` train on, in which environments, and how they start it."""
import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from array import array
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'test' / 'python'))

from control_plane import TICKET, ControlPlane  # noqa: E402, F401
from sample import conversations, hashes_of, lines_of, state_of, wait_for  # noqa: E402, F401

ENGINE = ROOT / 'templates' / 'engines'
SAMPLE = ROOT / 'templates' / 'sample' / 'about-rodizio.jsonl'
WANTED = os.environ.get('RODIZIO_STACKS', 'newest colab kaggle').split()
STACKS = [name for name in WANTED
          if (ROOT / '.venvs' / ('notebooks-' + name) / 'lock.sha256').exists()]
MISSING = ('the environments of the notebooks are not there: `npm run setup:notebooks` makes them '
           '(some 6 GB each)')
STATE = ['adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'rng_state.pth',
         'scheduler.pt', 'trainer_state.json']

_model = None


def python_of(stack):
    return str(ROOT / '.venvs' / ('notebooks-' + stack) / 'bin' / 'python')


def environment():
    """One thread: on a busy machine two are slower by far, and their sums may differ."""
    own = {name: value for name, value in os.environ.items()
           if name != 'PYTHONDONTWRITEBYTECODE'}  # the libraries take thrice as long to load
    return dict(own, OMP_NUM_THREADS='1', MKL_NUM_THREADS='1', HF_HUB_OFFLINE='1')


def tiny_model():
    """The folder of the tiny base, made once for all tests."""
    global _model
    if os.environ.get('TINY_BASE'):
        return os.environ['TINY_BASE']
    if _model is None:
        holder = tempfile.mkdtemp(prefix='tiny-')
        atexit.register(shutil.rmtree, holder, ignore_errors=True)
        folder = Path(holder) / 'tiny-mistral'
        made = subprocess.run(
            [python_of(STACKS[0]), str(SAMPLE.with_name('make_tiny_base.py')), str(folder),
             str(SAMPLE)], env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=180)
        if made.returncode != 0:
            raise AssertionError(made.stdout)
        _model = folder
    return str(_model)


def plan(**changes):
    made = {'engine': 'trl', 'base': tiny_model(), 'revision': 'main', 'quantization': 'none',
            'loraRank': 16, 'loraAlpha': 32, 'loraDropout': 0.05,
            'targets': ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj',
                        'down_proj'],
            'learningRate': 2e-4, 'warmupRatio': 0.1, 'minLearningRateRatio': 0.1,
            'weightDecay': 0.01, 'adamBeta1': 0.9, 'adamBeta2': 0.95, 'optimizer': 'adamw_torch',
            'batchSize': 2, 'accumulation': 2, 'maxLength': 128, 'targetSteps': 10, 'seed': 3,
            'dataSha256': 'a' * 64}
    made.update(changes)
    return made


def sample_data():
    return {'train.jsonl': conversations(26).encode('utf-8'),
            'validation.jsonl': conversations(8, seed=2).encode('utf-8')}


def put_program(folder):
    here = Path(__file__).parent
    for path in [ENGINE / 'harness.py', ENGINE / 'trl' / 'train.py', ENGINE / 'trl' / 'launch.py',
                 ENGINE / 'trl' / 'judge.py', *here.glob('driver_*.py')]:
        shutil.copy(str(path), str(folder))
    shutil.copytree(str(ENGINE / 'trl' / 'program'), str(Path(folder) / 'rodizio_engine'),
                    dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__'))


def start(stack, folder, job=None, options=None, program='train.py', more=None):
    """Starts the training program in the stack's environment. `job` overrides the usual job."""
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    put_program(folder)
    for name, body in sample_data().items():
        if not (folder / name).exists():
            (folder / name).write_bytes(body)
    whole = {'run': 'run_1', 'session': 'ses_1', 'generation': 1, 'label': 'candidate',
             'plan': plan(), 'options': dict({'saveSteps': 0, 'logSteps': 1}, **(options or {})),
             'secondsLeft': 600.0, 'sessionSeconds': 600.0, 'train': 'train.jsonl',
             'validation': 'validation.jsonl', 'resume': None, 'checkpoints': 'checkpoints',
             'artifact': 'artifact', 'control': 'control.json', 'parent': os.getpid()}
    whole.update(job or {})
    (folder / 'job.json').write_text(json.dumps(whole), encoding='utf-8')
    command = ['launch.py', program] if whole.get('processes', 1) > 1 else [program]
    return subprocess.Popen([python_of(stack), '-u', *command, 'job.json'], cwd=str(folder),
                            env=dict(environment(), **(more or {})), stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def run(stack, folder, job=None, options=None, program='train.py', timeout=120, more=None):
    """Runs the training program to its end: (status, output lines)."""
    process = start(stack, folder, job, options, program, more)
    try:
        output = process.communicate(timeout=timeout)[0]
    finally:
        process.kill()
    return process.returncode, output.splitlines()


def weights_of(path):
    """The numbers of a safetensors file in 32 bit, by the name of the tensor."""
    body = Path(path).read_bytes()
    begin = 8 + int.from_bytes(body[:8], 'little')
    header = json.loads(body[8:begin])
    header.pop('__metadata__', None)
    found = {}
    for name, tensor in header.items():
        assert tensor['dtype'] == 'F32', '%s is %s' % (name, tensor['dtype'])
        first, last = tensor['data_offsets']
        found[name] = array('f', body[begin + first:begin + last])
    return found


def difference(one, other):
    """How far the adapters of two finished runs lie apart, in the weight that differs most."""
    left, right = (weights_of(folder / 'artifact' / 'adapter_model.safetensors')
                   for folder in (one, other))
    assert sorted(left) == sorted(right)
    return max(abs(a - b) for name in left for a, b in zip(left[name], right[name]))
