# Reports how it ended.
with session.phase('finish'):  # noqa: F821
    session.finish()  # noqa: F821
