# The notebook's side of the conversation with the service; the ticket is used up here.
import sys
from pathlib import Path

Path('rodizio_session').mkdir(exist_ok=True)
# write: rodizio_session = session
if '' not in sys.path:
    sys.path.insert(0, '')
from rodizio_session.agent import Failure, enrol  # noqa: E402
from rodizio_session.sealed import unseal  # noqa: E402

session = unseal(SEALED, ENGINE) if SEALED else enrol(CONTROL_URL, TICKET, ENGINE)  # noqa: F821
