# Plain literals only: a tool may put its own values after this cell.
CONTROL_URL = ''  # the service that made this notebook
TICKET = ''  # good for one session, and worth nothing after it
SEALED = ''  # in place of both: the whole work order, where the service cannot be reached
RUN = ''
SESSION_NAME = ''
GENERATION = 0
PROVIDER = ''
ENGINE = ''
REQUIRE_GPU = True  # without a GPU this session ends at once
