# One real CUDA operation on each GPU, in a process of its own: a P100 answers questions but
# computes nothing. Two that are alike are used together; of more or others, the first.
import json
import os
import subprocess
import sys

os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
MOST_GPUS = 2
LEAST_CAPABILITY = (7, 0)  # below, torch's builds have no kernels: a P100 is 6.0, a T4 7.5
PROBE = """
import json, sys, torch
index = int(sys.argv[1])
if not torch.cuda.is_available():
    sys.exit(4)
print('GPU ' + json.dumps({
    'name': torch.cuda.get_device_name(index), 'torch': torch.__version__,
    'capability': list(torch.cuda.get_device_capability(index)),
    'of': torch.cuda.device_count()}), flush=True)
left = torch.full((64, 64), 2.0, device='cuda:%d' % index, dtype=torch.float16)
total = (left @ left).float().sum().item()
torch.cuda.synchronize(index)
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


def look_at(index):
    """What one GPU is, and why it must not be used: None for a good one."""
    probe = subprocess.run([sys.executable, '-c', PROBE, str(index)], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           universal_newlines=True)
    printed = [line for line in probe.stdout.splitlines() if line.strip()]
    for line in printed[-5:]:
        session.say(line)  # noqa: F821
    told = [json.loads(line[4:]) for line in printed if line.startswith('GPU ')]
    return (told or [{}])[0], refusal_of(probe.returncode, printed)


def usable_together(found):
    """The indexes of GPUs that compute and are alike, so that none waits for a slower one."""
    good = [index for index, (_gpu, refusal) in enumerate(found) if refusal is None]
    return [index for index in good if found[index][0]['name'] == found[good[0]][0]['name']]


def show_only(indexes):
    """Hides the other GPUs from every process that this one starts."""
    shown = os.environ.get('CUDA_VISIBLE_DEVICES')
    names = shown.split(',') if shown else [str(index) for index in range(MOST_GPUS)]
    os.environ['CUDA_VISIBLE_DEVICES'] = ','.join(names[index] for index in indexes)


with session.phase('probe'):  # noqa: F821
    gpus = [look_at(0)]
    gpus += [look_at(index) for index in range(1, min(MOST_GPUS, gpus[0][0].get('of', 1)))]
    usable = usable_together(gpus)
    if usable:
        show_only(usable)
        session.gpus = len(usable)  # noqa: F821
        if len(usable) < len(gpus):
            session.say('one of %d GPUs is used: the other computes nothing or is '  # noqa: F821
                        'another kind' % len(gpus))
    refusal = None if usable else gpus[0][1]
    if refusal is not None:
        if refusal[0] != 'no_gpu' or REQUIRE_GPU:  # noqa: F821
            raise Failure(*refusal)  # noqa: F821
        session.say('no GPU here: training on the CPU')  # noqa: F821
