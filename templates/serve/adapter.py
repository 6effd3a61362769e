"""An adapter's folder, believed only when every file is what its manifest says."""
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

NEEDED = {'adapter_config.json', 'adapter_model.safetensors', 'tokenizer_config.json'}
# Folders in which a box keeps the same adapter in other formats: nothing here reads them.
OTHER_FORMATS = {'gguf', 'ollama'}
MOST_MANIFEST_BYTES = 1 << 20


class Rejected(Exception):
    """An adapter that is not served. `code` is stable; the sentence names the file."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Adapter:
    """A verified adapter. `sha256` is its manifest's, and so says what every byte of it is."""

    folder: Path
    version: str
    sha256: str
    run: str
    step: int
    generation: int
    base: str
    revision: str
    quantization: str


def verified_adapter(folder, sha256=None):
    """The adapter in `folder`, a link followed once, every file hashed.

    Raises Rejected: `adapter_not_found`, or `adapter_damaged` when a file is missing, added or
    changed, when the manifest's own hash is not `sha256`, or when the folder holds no adapter.
    """
    folder = Path(folder)
    try:
        folder = folder.resolve(strict=True)  # `current` may point elsewhere a moment later
        path = folder / 'manifest.json'
        if path.stat().st_size > MOST_MANIFEST_BYTES:
            raise Rejected('adapter_damaged', 'manifest.json is too large for a manifest')
        text = path.read_bytes()
    except FileNotFoundError:
        raise Rejected('adapter_not_found', 'there is no adapter %s' % folder.name)
    except (OSError, RuntimeError) as error:
        raise Rejected('adapter_damaged', 'the adapter cannot be read: %s' % type(error).__name__)
    found = hashlib.sha256(text).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise Rejected('adapter_damaged', 'manifest.json of %s has another hash than was asked for'
                       % folder.name)
    try:
        manifest = json.loads(text)
        check_files(folder, manifest)
        plan = manifest['plan']
        return Adapter(folder, folder.name, found, str(manifest['run']), int(manifest['step']),
                       int(manifest['generation']), str(plan['base']), str(plan['revision']),
                       str(plan['quantization']))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected('adapter_damaged', 'the adapter %s cannot be read: %s'
                       % (folder.name, type(error).__name__))


def check_files(folder, manifest):
    """A checkpoint is no adapter, and a file that no hash vouches for could change the answers."""
    if manifest['kind'] != 'artifact' or manifest['engine'] == 'dry':
        raise Rejected('adapter_damaged', '%s holds a %s of the engine %s, and no adapter'
                       % (folder.name, manifest['kind'], manifest['engine']))
    listed = {file['name']: file['sha256'] for file in manifest['files']}
    there = {path.name for path in folder.iterdir()
             if path.name not in OTHER_FORMATS or not path.is_dir()} - {'manifest.json'}
    for name in sorted(NEEDED - set(listed)):
        raise Rejected('adapter_damaged', 'the manifest of %s lists no %s' % (folder.name, name))
    for name in sorted(there - set(listed)):
        raise Rejected('adapter_damaged', '%s is not in the manifest of %s' % (name, folder.name))
    for name, sha256 in sorted(listed.items()):
        if not re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9._-]*', name) or name not in there:
            raise Rejected('adapter_damaged', 'a file of %s is missing: %r' % (folder.name, name))
        if sha256_of(folder / name) != sha256:
            raise Rejected('adapter_damaged', '%s of %s is damaged' % (name, folder.name))


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
