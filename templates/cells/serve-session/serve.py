# Puts the model up, and keeps it up until the time is nearly over or the service says stop.
with session.phase('serve'):  # noqa: F821
    session.serve()  # noqa: F821
