"""Where a platform shows a model of its own that it was asked to mount."""
from pathlib import Path

PREFIX = 'kaggle:'
# Seen from the working directory: the two ways in which Kaggle mounts a model.
PLACES = ('../input/models/%(owner)s/%(rest)s', '../input/%(rest)s')


def mounted_base(base):
    """The folder of a base `kaggle:owner/model/framework/variation/version`, or None.

    None for one of another kind, and for one that is not mounted here.
    """
    if not is_mounted(base):
        return None
    owner, _, rest = base[len(PREFIX):].lower().partition('/')  # its folders are in lower case
    for place in PLACES:
        folder = Path(place % {'owner': owner, 'rest': rest})
        if (folder / 'config.json').is_file():
            return folder.resolve()
    return None


def is_mounted(base):
    """Whether a base is one that the platform mounts."""
    return isinstance(base, str) and base.startswith(PREFIX)
