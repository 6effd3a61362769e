# Puts Unsloth beside the image's torch, with the libraries that its own notebooks pin. They are
# older than the image's: transformers 5 becomes 4.56.
import importlib
from importlib import metadata

PINS = [
    # They bear transformers 5.5 and trl 0.24 at the most (their metadata, read 2026-11).
    'unsloth==2026.9.14', 'unsloth_zoo==2026.9.9',
    'transformers==4.56.2', 'trl==0.22.2',  # as Unsloth's own notebooks have them
    'datasets==4.3.0',  # the image's 4.0 is refused by Unsloth
    'torchao==0.16.0',  # the image's 0.10 is refused by peft
    'bitsandbytes==0.50.2', 'xformers==0.0.35',
]
# include: engines/pip.py


def changes():
    """What the pins make of the image, such as `transformers 5.15.0 becomes 4.56.2`."""
    for pin in PINS:
        name, _, version = pin.partition('==')
        try:
            before = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if before != version:
            yield '%s %s becomes %s' % (name, before, version)


with session.phase('install'):  # noqa: F821
    # Where no GPU is asked for the environment is somebody's own, and stays as it is.
    if PROVIDER in ('kaggle', 'colab') and REQUIRE_GPU:  # noqa: F821
        if not all(is_here(pin) for pin in PINS):  # noqa: F821
            for change in changes():
                session.say('the engine unsloth changes this image: %s' % change)  # noqa: F821
            held = 'torch==%s' % metadata.version('torch').partition('+')[0]
            pip('install', held, *PINS)  # noqa: F821
            importlib.invalidate_caches()
