# The adapter, each file of it verified by hash.
with session.phase('adapter'):  # noqa: F821
    session.fetch_adapter()  # noqa: F821
