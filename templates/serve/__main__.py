"""`python -m serve`: the server of the adapter that the environment names."""
import time

from .adapter import Rejected, verified_adapter
from .settings import Unusable, read_settings


def main():
    began = time.monotonic()
    try:
        settings = read_settings()
        adapter = verified_adapter(settings.adapter)
        from .transformers_generator import load_generator
        generator = load_generator(settings, adapter)
    except (Unusable, Rejected) as error:
        raise SystemExit('the server cannot start: %s' % error)
    from .server import run_server
    print('serving %s at step %d on %s:%d'
          % (adapter.version, adapter.step, settings.host, settings.port), flush=True)
    run_server(settings, generator, began)


if __name__ == '__main__':
    main()
