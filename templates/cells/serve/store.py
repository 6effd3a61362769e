# The adapter, each file of it verified by hash.
from rodizio_serving.adapter_source import find_adapter

adapter = find_adapter(ADAPTER_DIR, ADAPTER_FILES, ADAPTER_SHA256, 'adapters')  # noqa: F821
print('the adapter %s of the run %s at step %d, for %s at %s' % (
    adapter.version, adapter.run, adapter.step, adapter.base, adapter.revision))
