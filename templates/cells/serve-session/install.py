# The packages that the server wants, before anything large is fetched.
with session.phase('install'):  # noqa: F821
    # Where no GPU is asked for the environment is somebody's own, and stays as it is.
    session.prepare(PROVIDER, own_environment=not REQUIRE_GPU)  # noqa: F821
