# The probe of the engine trl, which a GPU has to pass here in any case: Unsloth cannot even be
# imported without one. One GPU is used.
import importlib.util

REQUIRE_GPU = True
WANTED = ['unsloth', 'unsloth_zoo', 'transformers', 'peft', 'trl', 'datasets', 'bitsandbytes']

with session.phase('probe'):  # noqa: F821
    if importlib.util.find_spec('torch') is None:
        raise Failure('no_gpu', 'the engine unsloth trains on a GPU alone, '  # noqa: F821
                      'and here is not even a torch that could use one')
# include: engines/trl/probe.py
session.gpus = 1  # noqa: F821
with session.phase('probe'):  # noqa: F821
    lacking = [name for name in WANTED if importlib.util.find_spec(name) is None]
    if lacking:
        raise Failure('notebook_bug', 'this environment lacks %s: prepare it '  # noqa: F821
                      'before starting the engine unsloth here' % ', '.join(lacking))
