"""The adapters that are compared: verified, and of one base."""
from .adapter_source import find_adapter


def find_adapters(candidate, current, into):
    """The verified candidate and the adapter beside it, None where there is none. Each is given as
    its parameters (folder, files, sha256).

    Raises SystemExit, with a sentence, for anything but those adapters, and when they were trained
    on two bases.
    """
    found = find_adapter(*candidate, into, 'CANDIDATE')
    folder, files, sha256 = current
    if not folder and not files:
        if sha256:
            raise SystemExit('CURRENT_SHA256 is set and nothing says where that adapter is: set '
                             'CURRENT_DIR or CURRENT_FILES too, or empty CURRENT_SHA256')
        return found, None
    other = find_adapter(*current, into, 'CURRENT')
    if (other.base, other.revision) != (found.base, found.revision):
        raise SystemExit('the current adapter was trained on %s at %s and the candidate on %s at '
                         '%s: only adapters of one base can be compared'
                         % (other.base, other.revision, found.base, found.revision))
    return found, other
