# The adapters, each file of them verified by hash.
from rodizio_evaluating.adapters import find_adapters

candidate, current = find_adapters(
    (CANDIDATE_DIR, CANDIDATE_FILES, CANDIDATE_SHA256),  # noqa: F821
    (CURRENT_DIR, CURRENT_FILES, CURRENT_SHA256), 'adapters')  # noqa: F821
for name, adapter in (('candidate', candidate), ('current', current)):
    if adapter is not None:
        print('%s: %s of the run %s at step %d, for %s at %s' % (
            name, adapter.version, adapter.run, adapter.step, adapter.base, adapter.revision))
