"""Whether this session's GPU computes: a P100 answers questions, and does nothing else."""
import json
import os
import subprocess
import sys

LEAST_CAPABILITY = (7, 0)  # below, torch's builds have no kernels: a P100 is 6.0, a T4 7.5
PROBE = """
import json, sys, torch
if not torch.cuda.is_available():
    sys.exit(4)
print('GPU ' + json.dumps({
    'name': torch.cuda.get_device_name(0), 'torch': torch.__version__,
    'capability': list(torch.cuda.get_device_capability(0))}), flush=True)
left = torch.full((64, 64), 2.0, device='cuda:0', dtype=torch.float16)
total = (left @ left).float().sum().item()
torch.cuda.synchronize(0)
sys.exit(0 if total == 64 * 64 * 64 * 4 else 5)
"""


class NoGpu(SystemExit):
    """None was granted."""


class DeadGpu(SystemExit):
    """One is there, and computes nothing."""


def probe(require_gpu, doing='serving'):
    """One real operation on the GPU, in a process of its own; what it is, is printed. Its name, or
    None without one.

    Raises DeadGpu, with a sentence, for a GPU that computes nothing, and NoGpu for none at all
    when `require_gpu`.
    """
    os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # one GPU is used
    ran = subprocess.run([sys.executable, '-c', PROBE], stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                         universal_newlines=True)
    printed = [line for line in ran.stdout.splitlines() if line.strip()]
    for line in printed[-5:]:
        print(line, flush=True)
    if ran.returncode == 4:
        if require_gpu:
            raise NoGpu('no GPU was granted to this session, and the model wants one: choose '
                        'a T4 in the settings of the notebook, then run this again')
        print('no GPU here: %s on the CPU' % doing, flush=True)
        return None
    told = [json.loads(line[4:]) for line in printed if line.startswith('GPU ')]
    name = told[0]['name'] if told else 'the GPU of this session'
    if told and tuple(told[0]['capability']) < LEAST_CAPABILITY:
        raise DeadGpu('%s (compute capability %d.%d) is too old for this torch: choose a T4'
                      % (name, *told[0]['capability']))
    if ran.returncode != 0:
        raise DeadGpu('%s computes nothing: %s'
                      % (name, (printed or ['it gave no reason'])[-1]))
    return name
