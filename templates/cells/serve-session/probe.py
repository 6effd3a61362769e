# One real operation on the GPU.
with session.phase('probe'):  # noqa: F821
    session.probe(REQUIRE_GPU)  # noqa: F821
