# One real CUDA operation, in a process of its own: a P100 answers questions but computes nothing.
import json
import os
import subprocess
import sys

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # a second GPU would be wrapped in DataParallel
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
LEAST_CAPABILITY = (7, 0)  # below, torch's builds have no kernels: a P100 is 6.0, a T4 7.5
PROBE = """
import json, sys, torch
if not torch.cuda.is_available():
    sys.exit(4)
print('GPU ' + json.dumps({
    'name': torch.cuda.get_device_name(0), 'torch': torch.__version__,
    'capability': list(torch.cuda.get_device_capability(0))}), flush=True)
left = torch.full((64, 64), 2.0, device='cuda', dtype=torch.float16)
total = (left @ left).float().sum().item()
torch.cuda.synchronize()
sys.exit(0 if total == 64 * 64 * 64 * 4 else 5)
"""


def refusal_of(status, lines):
    """Why this session must not train here: (failure class, sentence), or None when it may."""
    if status == 4:
        return 'no_gpu', 'no GPU was granted to this session'
    told = [json.loads(line[4:]) for line in lines if line.startswith('GPU ')]
    name = told[0]['name'] if told else 'the GPU of this session'
    if told and tuple(told[0]['capability']) < LEAST_CAPABILITY:
        return 'dead_gpu', ('%s (compute capability %d.%d) is too old for this torch: ask for a T4'
                            % (name, *told[0]['capability']))
    if status != 0:
        return 'dead_gpu', '%s computes nothing: %s' % (name, (lines or ['it gave no reason'])[-1])
    return None


with session.phase('probe'):  # noqa: F821
    probe = subprocess.run([sys.executable, '-c', PROBE], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           universal_newlines=True)
    printed = [line for line in probe.stdout.splitlines() if line.strip()]
    for line in printed[-5:]:
        session.say(line)  # noqa: F821
    refusal = refusal_of(probe.returncode, printed)
    if refusal is not None:
        if refusal[0] != 'no_gpu' or REQUIRE_GPU:  # noqa: F821
            raise Failure(*refusal)  # noqa: F821
        session.say('no GPU here: training on the CPU')  # noqa: F821
