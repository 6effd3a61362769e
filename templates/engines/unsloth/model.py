# The training program: that of the engine trl, with Unsloth's ways to load the base and to add the
# adapter; a process of its own, so that a stop, a crash and the GPU stay manageable.
from pathlib import Path

# write: harness.py = engines/harness.py
# write: train.py = engine/train.py
# write: fast.py = engine/fast.py
# write: trl_train.py = engines/trl/train.py
Path('rodizio_engine').mkdir(exist_ok=True)
# write: rodizio_engine = engines/trl/program

# Some bases the service alone has addresses for; any other the program finds by its name.
with session.phase('install'):  # noqa: F821
    session.fetch_base()  # noqa: F821
