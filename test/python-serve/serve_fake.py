"""The server as it is, over the generator that needs no library; settings by the environment."""
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'templates'))

from fake_generator import FakeGenerator  # noqa: E402
from serve.adapter import verified_adapter  # noqa: E402
from serve.server import run_server  # noqa: E402
from serve.settings import read_settings  # noqa: E402



def end_with_the_test():
    sys.stdin.read()
    os._exit(1)


threading.Thread(target=end_with_the_test, daemon=True).start()
began = time.monotonic()
settings = read_settings()
run_server(settings, FakeGenerator(verified_adapter(settings.adapter)), began)
