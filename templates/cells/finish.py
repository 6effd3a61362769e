# Waits for the last upload, hands over the artifact of a finished run, and reports.
with session.phase('finish'):  # noqa: F821
    session.finish()  # noqa: F821
