"""The HTTP server around the application, from its first second to the session's last."""
import sys
import threading
import time

import uvicorn

from .app import create_app

SWITCH_SECONDS = 0.001  # threads change turns: at 5 ms the model's one would hold up /health


def run_server(settings, generator, began):
    """Serves until a signal comes or, with `seconds`, until they have passed since `began`."""
    sys.setswitchinterval(SWITCH_SECONDS)
    deadline = None if settings.seconds is None else began + settings.seconds
    server = uvicorn.Server(uvicorn.Config(
        create_app(settings, generator, deadline), host=settings.host, port=settings.port,
        log_level='warning', access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=settings.grace))
    if deadline is not None:
        leaving = threading.Timer(max(0.0, deadline - time.monotonic()), leave, (server,))
        leaving.daemon = True
        leaving.start()
    server.run()


def leave(server):
    server.should_exit = True
