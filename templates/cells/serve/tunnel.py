# An address on the open net, only where the parameters ask for one.
tunnel = server.open_tunnel(TUNNEL)  # noqa: F821
