# One real CUDA operation, in a process of its own: a P100 answers questions but computes nothing.
import os
import subprocess
import sys

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # a second GPU would be wrapped in DataParallel
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
PROBE = """
import sys, torch
if not torch.cuda.is_available():
    sys.exit(4)
name = torch.cuda.get_device_name(0)
print(name, torch.cuda.get_device_capability(0), torch.__version__, flush=True)
left = torch.full((64, 64), 2.0, device='cuda', dtype=torch.float16)
total = (left @ left).float().sum().item()
torch.cuda.synchronize()
sys.exit(0 if total == 64 * 64 * 64 * 4 else 5)
"""

with session.phase('probe'):  # noqa: F821
    probe = subprocess.run([sys.executable, '-c', PROBE], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True)
    for line in probe.stdout.splitlines()[-5:]:
        session.say(line)  # noqa: F821
    if probe.returncode == 4:
        if PROVIDER != 'local':  # noqa: F821
            raise Failure('no_gpu', 'no GPU was granted to this session')  # noqa: F821
        session.say('no GPU here: training on the CPU')  # noqa: F821
    elif probe.returncode != 0:
        raise Failure('dead_gpu', 'the GPU of this session computes nothing: %s'  # noqa: F821
                      % (probe.stdout.strip().splitlines() or ['it gave no reason'])[-1])
