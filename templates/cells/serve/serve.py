# Busy until the time is over: a notebook that has ended is a session that has ended.
server.stay(tunnel)  # noqa: F821
