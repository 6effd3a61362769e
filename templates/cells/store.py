# The checkpoint to go on from, if there is one, copied to this machine's own disk.
with session.phase('resume'):  # noqa: F821
    session.fetch_resume()  # noqa: F821
    session.fetch_adapter()  # noqa: F821
