# What finds and verifies the adapters, what keeps the comparison, and the packages it wants.
import sys
import time
from pathlib import Path

began = time.monotonic()
for folder in ('rodizio_evaluating', 'serve'):
    Path(folder).mkdir(exist_ok=True)
# write: rodizio_evaluating = evaluating
# write: rodizio_evaluating/adapter_source.py = serving/adapter_source.py
# write: rodizio_evaluating/asked.py = serving/asked.py
# write: rodizio_evaluating/child.py = serving/child.py
# write: rodizio_evaluating/gpu.py = serving/gpu.py
# write: rodizio_evaluating/packages.py = serving/packages.py
# write: rodizio_evaluating/wire.py = session/wire.py
# write: rodizio_evaluating/downloads.py = session/downloads.py
# write: serve/__init__.py = serve/__init__.py
# write: serve/adapter.py = serve/adapter.py
if '' not in sys.path:
    sys.path.insert(0, '')
from rodizio_evaluating.packages import prepare  # noqa: E402

prepare(PROVIDER, 'a comparison',  # noqa: F821
        ('torch', 'transformers', 'peft', 'accelerate'))
