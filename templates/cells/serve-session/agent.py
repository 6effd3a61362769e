# The conversation with the service, and the server; the ticket is used up here.
import sys
from pathlib import Path

for folder in ('rodizio_session', 'rodizio_serving', 'rodizio_serving_session', 'serve'):
    Path(folder).mkdir(exist_ok=True)
# write: rodizio_session = session
# write: rodizio_serving = serving
# write: rodizio_serving/wire.py = session/wire.py
# write: rodizio_serving/downloads.py = session/downloads.py
# write: rodizio_serving_session = serving_session
# write: serve = serve
if '' not in sys.path:
    sys.path.insert(0, '')
from rodizio_serving_session.session import enrol_to_serve  # noqa: E402

session = enrol_to_serve(CONTROL_URL, TICKET)  # noqa: F821
