"""Every refusal in the one shape that clients of OpenAI's interface read."""
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from .adapter import Rejected
from .dispatcher import GenerationFailed, Left, QueueFull
from .generator import OutOfMemory

OUT_OF_MEMORY_RETRY_SECONDS = 5


class BadRequest(Exception):
    """A request that is well formed and cannot be served; `param` names the field."""

    def __init__(self, status, code, message, param=None):
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def error_body(status, code, message, param=None):
    kinds = {401: 'authentication_error', 429: 'rate_limit_error'}
    kind = kinds.get(status, 'invalid_request_error' if status < 500 else 'server_error')
    return {'error': {'message': message, 'type': kind, 'param': param, 'code': code}}


def error_response(status, code, message, param=None, headers=None):
    return JSONResponse(error_body(status, code, message, param), status, headers=headers)


def describe(error):
    """(status, code, message, headers) of what an answer or a switch may raise."""
    if isinstance(error, QueueFull):
        return 429, 'queue_full', str(error), {'retry-after': str(error.retry_seconds)}
    if isinstance(error, OutOfMemory):
        return (503, 'out_of_memory', 'the device has too little memory for this request',
                {'retry-after': str(OUT_OF_MEMORY_RETRY_SECONDS)})
    if isinstance(error, Left):
        return 503, 'leaving', 'the server is leaving', {'retry-after': '30'}
    if isinstance(error, Rejected):
        return 404 if error.code == 'adapter_not_found' else 409, error.code, str(error), None
    return 500, 'generation_failed', 'the model has failed: /health tells whether it goes on', None


def install_errors(app):
    """Has `app` answer all failures in that shape; what a client sent is never repeated."""

    async def described(_request, error):
        status, code, message, headers = describe(error)
        return error_response(status, code, message, headers=headers)

    async def bad(_request, error):
        return error_response(error.status, error.code, str(error), error.param)

    async def invalid(_request, error):
        first = error.errors()[0]
        field = '.'.join(str(part) for part in first['loc'] if part != 'body')[:100]
        message = 'is not supported here' if first['type'] == 'extra_forbidden' else first['msg']
        return error_response(422, 'invalid_request', ': '.join(filter(None, (field, message))),
                              field or None)

    async def http(_request, error):
        return error_response(error.status_code, 'http_%d' % error.status_code,
                              str(error.detail), headers=error.headers)

    for kind in (QueueFull, OutOfMemory, Left, GenerationFailed, Rejected):
        app.add_exception_handler(kind, described)
    app.add_exception_handler(BadRequest, bad)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
