# Trains until the steps are done, the time is nearly over, or the service says stop.
with session.phase('train'):  # noqa: F821
    session.train('train.py')  # noqa: F821
