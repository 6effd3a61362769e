# The server's program, what keeps it here, and the packages that it wants.
import sys
import time
from pathlib import Path

began = time.monotonic()
for folder in ('rodizio_serving', 'serve'):
    Path(folder).mkdir(exist_ok=True)
# write: rodizio_serving = serving
# write: rodizio_serving/wire.py = session/wire.py
# write: rodizio_serving/downloads.py = session/downloads.py
# write: serve = serve
if '' not in sys.path:
    sys.path.insert(0, '')
from rodizio_serving.packages import prepare  # noqa: E402
from rodizio_serving.tunnel import check_tunnel  # noqa: E402

check_tunnel(TUNNEL)  # noqa: F821
prepare(PROVIDER)  # noqa: F821
