"""What the server is told by its environment, read once at the start."""
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

SHORTEST_KEY = 16
KEYS = ('SERVE_KEY_FILE', 'SERVE_KEY', 'SERVE_KEY_SHA256')


class Unusable(Exception):
    """A setting with which the server cannot start; the sentence names it."""


@dataclass(frozen=True)
class Settings:
    """`key_sha256`: the SHA-256 of the bearer key, in hex; the key itself is kept nowhere.
    `adapter`: the folder of the adapter, or a link to it.
    `base`, `revision`, `quantization`: where the base's weights come from and how they are loaded;
    None takes what the adapter's manifest names. `seconds`: after which the server leaves by
    itself; None for a box that stays. `grace`: seconds that answers under way are given then.
    """

    key_sha256: str
    adapter: Path
    base: str | None = None
    revision: str | None = None
    quantization: str | None = None
    name: str = 'rodizio'
    host: str = '127.0.0.1'
    port: int = 8000
    waiting: int = 4
    max_tokens: int = 1024
    seconds: float | None = None
    grace: int = 5


def read_settings(env=os.environ):
    """The settings of the environment's variables; raises Unusable."""
    quantization = env.get('BASE_QUANTIZATION') or None
    if quantization not in (None, 'nf4', 'none'):
        raise Unusable('BASE_QUANTIZATION is neither nf4 nor none')
    if not env.get('ADAPTER_DIR'):
        raise Unusable('ADAPTER_DIR is not set: it names the folder of the adapter to serve')
    return Settings(
        key_sha256=read_key(env), adapter=Path(env['ADAPTER_DIR']),
        base=env.get('BASE_MODEL') or None, revision=env.get('BASE_REVISION') or None,
        quantization=quantization,
        name=env.get('SERVE_NAME') or 'rodizio', host=env.get('SERVE_HOST') or '127.0.0.1',
        port=number(env, 'SERVE_PORT', 8000, 0, 65535),
        waiting=number(env, 'SERVE_WAITING', 4, 0, 64),
        max_tokens=number(env, 'SERVE_MAX_TOKENS', 1024, 1, 32768),
        seconds=number(env, 'SERVE_SECONDS', None, 1, 10 ** 7),
        grace=number(env, 'SERVE_GRACE', 5, 0, 600))


def read_key(env):
    """The bearer key's SHA-256 in hex.

    The key comes from a file where there is one, since an environment is seen by every child; where
    not even this machine is to know it, its hash is enough.
    """
    path, told, digest = (env.get(name) or '' for name in KEYS)
    if digest and (path or told):
        raise Unusable('%s stands beside SERVE_KEY_SHA256: set one of them'
                       % ('SERVE_KEY_FILE' if path else 'SERVE_KEY'))
    if digest:
        if not re.fullmatch(r'[0-9a-fA-F]{64}', digest):
            raise Unusable('SERVE_KEY_SHA256 is no SHA-256: 64 hex digits are')
        return digest.lower()
    try:
        key = Path(path).read_text(encoding='utf-8').strip() if path else told
    except (OSError, UnicodeDecodeError):
        raise Unusable('SERVE_KEY_FILE cannot be read')
    if not re.fullmatch(r'[!-~]{%d,}' % SHORTEST_KEY, key):
        raise Unusable('the key in %s has fewer than %d characters, or others than plain ASCII'
                       % ('SERVE_KEY_FILE' if path else 'SERVE_KEY', SHORTEST_KEY))
    return hashlib.sha256(key.encode()).hexdigest()


def number(env, name, default, least, most):
    text = env.get(name)
    if not text:
        return default
    if not re.fullmatch(r'[0-9]{1,9}', text) or not least <= int(text) <= most:
        raise Unusable('%s is no whole number from %d to %d' % (name, least, most))
    return int(text)
