# The conversations to compare on.
from rodizio_evaluating.held_out import find_data

data = find_data(DATA, DATA_FILES, DATA_SHA256, 'data')  # noqa: F821
print('comparing on %s, SHA-256 %s' % data)
