# The training program: a process of its own, so that a stop, a crash and the GPU stay manageable.
from pathlib import Path

# write: harness.py = engines/harness.py
# write: train.py = engine/train.py
# write: launch.py = engine/launch.py
Path('rodizio_engine').mkdir(exist_ok=True)
# write: rodizio_engine = engine/program

# Some bases the service alone has addresses for; any other the program finds by its name.
with session.phase('install'):  # noqa: F821
    session.fetch_base()  # noqa: F821
