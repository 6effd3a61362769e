"""One connection to the service that a thread of the relay has for itself."""
import http.client
import json
import select
import socket
import urllib.parse
import urllib.request

from rodizio_session.wire import TROUBLE, Fenced, Refused, is_loopback

JSON = 'application/json'


class Line:
    """Speaks to the service under `url`, with the session's token; through a proxy where the
    machine has one. Kept open from call to call. Not for two threads at once."""

    def __init__(self, url, token, timeout):
        parts = urllib.parse.urlsplit(url)
        self._token = token
        self._base = parts.path.rstrip('/')
        self._host = parts.netloc
        secure = parts.scheme == 'https'
        proxy = None if is_loopback(url) else proxy_for(parts)
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(proxy or parts.netloc, timeout=timeout)
        if proxy and secure:
            self._connection.set_tunnel(parts.hostname, parts.port or 443)
        elif proxy:
            self._base = 'http://%s%s' % (parts.netloc, self._base)
        self.used = False  # a call has been answered: a break now may be its idle end alone

    def call(self, path, body):
        """The status and the JSON that one POST is answered with; None for no content.

        Raises Refused or Fenced for a refusal, and one of TROUBLE when the connection breaks.
        """
        data = json.dumps(body).encode('utf-8')
        self._head(path, JSON)
        self._connection.putheader('content-length', str(len(data)))
        self._connection.endheaders(data)
        return self._answer()

    def begin(self, path):
        """Begins a POST whose body is sent piece by piece: `send`, then `end`."""
        self._head(path, 'application/octet-stream')
        self._connection.putheader('transfer-encoding', 'chunked')
        self._connection.endheaders()

    def send(self, piece):
        self._connection.send(b'%X\r\n%s\r\n' % (len(piece), piece))

    def end(self):
        """Ends the body that was begun: without this it counts as broken off."""
        self._connection.send(b'0\r\n\r\n')
        return self._answer()

    def hung_up(self):
        """Whether the service has said something, or gone, while a body is being sent to it: it
        wants no more of it."""
        sock = self._connection.sock
        if sock is None or not readable(sock):
            return sock is None
        if not hasattr(sock, 'pending'):
            return True
        # Under TLS bytes may come that are no word of the other side.
        timeout = sock.gettimeout()
        try:
            sock.settimeout(0.0)
            sock.recv(1)
            return True
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            return type(error).__name__ not in ('SSLWantReadError', 'SSLWantWriteError')
        finally:
            sock.settimeout(timeout)

    def close(self):
        self._connection.close()

    def _head(self, path, content):
        self._connection.putrequest('POST', self._base + path, skip_host=True,
                                    skip_accept_encoding=True)
        self._connection.putheader('host', self._host)
        self._connection.putheader('authorization', 'Bearer ' + self._token)
        self._connection.putheader('accept', JSON)
        self._connection.putheader('content-type', content)

    def _answer(self):
        response = self._connection.getresponse()
        text = response.read()
        self.used = True
        if response.status < 300:
            return json.loads(text.decode('utf-8')) if text else None
        raise refusal_of(response, text)


def refusal_of(response, text):
    """What an answer of another status means, by its code where the service itself speaks."""
    code, detail = None, None
    try:
        problem = json.loads(text.decode('utf-8'))
        code, detail = problem.get('code'), problem.get('detail')
    except TROUBLE + (AttributeError,):
        pass
    if code in ('fenced', 'token_unknown'):
        return Fenced(str(detail))
    refused = Refused(response.status, code, detail)
    try:
        refused.retry_after = max(0.0, float(response.headers.get('retry-after') or 0))
    except ValueError:  # a date: the back-off does as well
        pass
    return refused


def readable(sock):
    if hasattr(select, 'poll'):  # any number of open files; select has room for 1024
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        return bool(poller.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


def proxy_for(parts):
    """The machine's proxy for an address, as host and port, or None."""
    if urllib.request.proxy_bypass(parts.hostname or ''):
        return None
    given = urllib.request.getproxies().get(parts.scheme)
    return urllib.parse.urlsplit(given).netloc.rpartition('@')[2] or None if given else None


def shut(connection):
    """Ends a connection that another thread reads from, so that it reads no more."""
    try:
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it has ended already
