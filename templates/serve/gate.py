"""What stands before every route: the bearer key, and a limit for what a body may weigh."""
import hashlib
import hmac

from starlette.exceptions import HTTPException

from .errors import error_response

MOST_BODY_BYTES = 1 << 20
MOST_DISCARDED_BYTES = 16 << 20
OPEN_PATHS = ('/health',)


class Gate:
    """Refuses before any of the body is understood; the hashes are compared in constant time."""

    def __init__(self, app, key_sha256):
        self._app = app
        self._key = bytes.fromhex(key_sha256)

    async def __call__(self, scope, receive, send):
        if scope['type'] != 'http' or scope['path'] in OPEN_PATHS:
            return await self._app(scope, receive, send)
        headers = dict(scope['headers'])
        if not self._knows(headers.get(b'authorization', b'')):
            refusal = error_response(401, 'invalid_api_key', 'the bearer key is missing or wrong',
                                     headers={'www-authenticate': 'Bearer'})
            return await refusal(scope, receive, send)
        length = headers.get(b'content-length', b'0')
        if not length.isdigit() or int(length[:10]) > MOST_BODY_BYTES:
            await discard(receive)
            refusal = error_response(413, 'body_too_large', TOO_LARGE,
                                     headers={'connection': 'close'})
            return await refusal(scope, receive, send)
        return await self._app(scope, counted(receive), send)

    def _knows(self, header):
        scheme, _space, key = header.partition(b' ')
        given = hashlib.sha256(key.strip()).digest()
        return hmac.compare_digest(given, self._key) and scheme.lower() == b'bearer'


TOO_LARGE = 'the body has more than %d bytes' % MOST_BODY_BYTES


async def discard(receive):
    """Lets a client write to its end: one that is cut off while it writes sees no answer."""
    discarded = 0
    while discarded < MOST_DISCARDED_BYTES:
        message = await receive()
        discarded += len(message.get('body', b''))
        if not message.get('more_body'):
            return


def counted(receive):
    """A body in chunks tells no length beforehand."""
    total = 0

    async def count():
        nonlocal total
        message = await receive()
        total += len(message.get('body', b''))
        if total > MOST_BODY_BYTES:
            if message.get('more_body'):
                await discard(receive)
            raise HTTPException(413, TOO_LARGE)
        return message

    return count
