"""Places on this machine where a program can listen."""
import socket


def free_port():
    """A port of the loopback address that nobody has now."""
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        return found.getsockname()[1]
