# Some bases the service alone has addresses for; any other the server finds by its name.
with session.phase('base'):  # noqa: F821
    session.fetch_base()  # noqa: F821
