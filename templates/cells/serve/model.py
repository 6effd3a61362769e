# The server, a process of its own: it loads the base and the adapter, and then answers.
from rodizio_serving.server import start_server

server = start_server(adapter, SERVE_KEY_SHA256, began + SECONDS, PORT,  # noqa: F821
                      BASE_MODEL=BASE_MODEL, SERVE_MAX_TOKENS=MAX_TOKENS)  # noqa: F821
server.wait_until_ready()
