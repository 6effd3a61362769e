"""The engine `unsloth`: the program of the engine `trl` over a base and an adapter by Unsloth.

Never executed: Unsloth wants a GPU. What it shares with `trl` has been, on a CPU and on the
versions of the libraries that Unsloth pins.
"""
import os

os.environ.setdefault('UNSLOTH_DISABLE_STATISTICS', '1')  # it would count its users at a hub

import fast  # noqa: E402
import harness  # noqa: E402
import trl_train  # noqa: E402
from rodizio_engine.crew import prepare_process  # noqa: E402


def main(job):
    """Trains as the engine `trl` does."""
    trl_train.main(job, fast.prepare, fast.load_base, fast.add_adapter)


if __name__ == '__main__':
    harness.run_program(prepare_process(main))
