# The training data, verified by hash; the training program checks every line of it.
with session.phase('data'):  # noqa: F821
    session.fetch_data()  # noqa: F821
