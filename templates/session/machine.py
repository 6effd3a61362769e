"""What this machine runs on, as far as the service asks."""
import contextlib
import platform
import sys
from importlib import metadata

PACKAGES = ('torch', 'transformers', 'peft', 'trl', 'bitsandbytes', 'accelerate', 'datasets')


def runtime():
    """For the enrolment: Python, system and the versions of the packages that are here."""
    packages = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    return {'python': platform.python_version(), 'platform': sys.platform, 'gpu': None,
            'packages': packages}
