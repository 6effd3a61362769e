"""The one door to the service: JSON calls and raw transfers, with the protocol's retries.

Addresses and tokens are secrets here: no error of this module carries one.
"""
import http.client
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request

CALL_SECONDS = 30.0
TRANSFER_SECONDS = 60.0  # silence on a transfer, not its length
LONGEST_WAIT = 30.0
TROUBLE = (OSError, http.client.HTTPException, ValueError)  # what a broken connection raises


class Refused(Exception):
    """The service said no: its stable code, the HTTP status, its sentence."""

    def __init__(self, status, code, detail):
        super().__init__(detail or 'the service answered %d' % status)
        self.status = status
        self.code = code
        self.headers = {}  # of the answer, names in lower case


class Fenced(Exception):
    """Another generation has the run, or this session is over: nothing may be written any more."""


class OutOfTime(Exception):
    """The session's deadline came before an answer did."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the token to another host."""

    def redirect_request(self, *_arguments):
        return None


def is_loopback(url):
    host = urllib.parse.urlsplit(url).hostname or ''
    try:
        return host == 'localhost' or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Wire:
    """Calls to one service for one session.

    `deadline` is on the monotonic clock; `check` is called before every attempt and in every wait,
    and may raise to end it. `secrets` is told of every address that works without a token.
    """

    def __init__(self, control_url, check=None, secrets=None, first_wait=1.0):
        self.control_url = control_url.rstrip('/')
        self.token = None
        self.deadline = None
        self.check = check or (lambda: None)
        self.learn_secret = secrets or (lambda _text: None)
        self.first_wait = first_wait
        handlers = [_NoRedirect()]
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), *handlers)
        self._usual = urllib.request.build_opener(*handlers)

    def open(self, request, timeout):
        """The response to one attempt. Raises Refused, Fenced, or one of TROUBLE."""
        opener = self._direct if is_loopback(request.full_url) else self._usual
        try:
            return opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None

    def once(self, method, path, body=None, timeout=CALL_SECONDS):
        """One attempt at a JSON call."""
        data = None if body is None else json.dumps(body, allow_nan=False).encode('utf-8')
        request = urllib.request.Request(self.control_url + path, data=data, method=method)
        request.add_header('accept', 'application/json')
        if data is not None:
            request.add_header('content-type', 'application/json')
        if self.token:
            request.add_header('authorization', 'Bearer ' + self.token)
        with self.open(request, timeout) as response:
            answer = json.loads(response.read().decode('utf-8'))
        if not isinstance(answer, dict):
            raise ValueError('the answer is no object')
        return answer

    def call(self, method, path, body=None):
        """A JSON call repeated until it is answered. Raises Refused, Fenced or OutOfTime."""
        return self.repeat(lambda: self.once(method, path, body, self.patience(CALL_SECONDS)))

    def repeat(self, attempt, give_up=None):
        """`attempt()` until it returns; `give_up()` may raise after a failed one."""
        wait = self.first_wait
        while True:
            self.check()
            try:
                return attempt()
            except Refused as refused:
                if refused.status != 429 and refused.status < 500:
                    raise
                pause = max(wait, getattr(refused, 'retry_after', 0.0))
            except TROUBLE:
                pause = wait
            if give_up:
                give_up()
            self.sleep(pause)
            wait = min(LONGEST_WAIT, wait * 2)

    def absolute(self, url):
        """The address of a transfer, learnt as a secret: it works without a token."""
        whole = urllib.parse.urljoin(self.control_url + '/', url)
        parts = urllib.parse.urlsplit(whole)
        self.learn_secret(parts.path + ('?' + parts.query if parts.query else ''))
        return whole

    def patience(self, seconds):
        """`seconds`, or less when the deadline is nearer."""
        if self.deadline is None:
            return seconds
        return max(0.5, min(seconds, self.deadline - time.monotonic()))

    def sleep(self, seconds):
        """Waits in short slices, so that a stop is noticed. Raises OutOfTime at the deadline."""
        until = time.monotonic() + seconds
        if self.deadline is not None and until >= self.deadline:
            raise OutOfTime('the time of the session ran out while the service gave no answer')
        while time.monotonic() < until:
            self.check()
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))


def _refusal(error):
    """What an HTTP error means; its code only where the service itself is speaking."""
    code, detail = None, None
    try:
        with error:
            problem = json.loads(error.read(65536).decode('utf-8'))
        code, detail = problem.get('code'), problem.get('detail') or problem.get('title')
    except TROUBLE + (AttributeError,):
        pass
    if code in ('fenced', 'token_unknown') and error.code in (401, 403, 409):
        return Fenced(str(detail or 'this session no longer holds the run'))
    refused = Refused(error.code, code, detail)
    refused.headers = {name.lower(): value for name, value in error.headers.items()}
    try:
        refused.retry_after = max(0.0, float(error.headers.get('retry-after') or 0))
    except ValueError:  # a date: the back-off does as well
        pass
    return refused
