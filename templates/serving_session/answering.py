"""One request that was taken: asked of the server here, its answer sent up as it comes."""
import base64
import http.client
import json
import queue
import re
import threading
import urllib.parse

from rodizio_session.wire import TROUBLE, Fenced, Refused

from .line import shut

PATH = re.compile(r'/health(\?|$)|/v1/')
HEADERS = ('accept', 'authorization', 'content-type')
PIECE_BYTES = 64 * 1024
PIECES_AHEAD = 8  # read from the server and not sent yet
LOOK_SECONDS = 0.2  # so soon it is seen that nobody waits for an answer any more
SEND_SECONDS = 120.0  # a caller who takes nothing for so long is given up
SERVER_SECONDS = 900.0  # of silence of the server, which may have others to answer first


def answer(request, line, server_url):
    """Takes the request up, asks the server at `server_url` (None: there is none), and sends what
    it answers. An answer that breaks off is broken off towards the service too."""
    path = '/v1/relay/answers/' + urllib.parse.quote(str(request['id']), safe='')
    asked = None
    try:
        line.begin(path)  # from here on nobody else is given the request
        asked = Asked(request, server_url)
        for piece in pieces(asked, line):
            line.send(piece)
        line.end()
    except Left:
        pass  # the service wants no more of it
    except (Refused, Fenced) + TROUBLE:
        pass  # nobody takes it, or the connection broke: the caller is told by its end
    finally:
        line.close()
        if asked is not None:
            asked.leave()


class Left(Exception):
    """Nobody waits for the answer any more, or there is no more of it."""


def pieces(asked, line):
    """The head of the answer as a line of JSON, then its body; raises Left when it shall not or
    cannot go on."""
    while True:
        try:
            kind, piece = asked.events.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            if line.hung_up():
                raise Left()
            continue
        if kind == 'broken':
            raise Left()
        if kind == 'end':
            return
        yield piece


class Asked:
    """A request to the server on a thread of its own; `events` are ('head' | 'body', bytes), then
    ('end', None) or ('broken', None)."""

    def __init__(self, request, server_url):
        self.events = queue.Queue(PIECES_AHEAD)
        self._gone = False
        self._connection = None
        if server_url is not None:
            self._connection = http.client.HTTPConnection(
                urllib.parse.urlsplit(server_url).netloc, timeout=SERVER_SECONDS)
        self._thread = threading.Thread(target=self._run, args=(request,), name='relayed',
                                        daemon=True)
        self._thread.start()

    def leave(self):
        """The server is let go of, which ends what it still computes for this."""
        self._gone = True
        if self._connection is not None:
            shut(self._connection)
            self._connection.close()
        while True:  # the thread may wait to be rid of a piece
            try:
                self.events.get_nowait()
            except queue.Empty:
                return

    def _run(self, request):
        began = False
        try:
            if self._connection is None:
                raise OSError('there is no server')
            response = self._ask(request)
            self._put('head', head_of(response.status, dict(response.headers)))
            began = True
            length = response.headers.get('content-length')
            left = None if length is None else int(length)
            while left != 0 and not self._gone:
                piece = response.read1(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
                if not piece:
                    break
                left = None if left is None else left - len(piece)
                self._put('body', piece)
            self._put('broken' if left else 'end', None)
        except TROUBLE + (AttributeError,):  # closed by `leave` between two reads
            if not began and not self._gone:
                for piece in no_server():
                    self._put('body', piece)
                self._put('end', None)
            else:
                self._put('broken', None)

    def _ask(self, request):
        path, method = str(request['path']), request['method']
        if method not in ('GET', 'POST') or not PATH.match(path):
            raise ValueError('this is passed on to no server')
        given = request.get('headers') or {}
        headers = {name: str(given[name]) for name in HEADERS if name in given}
        body = request.get('body')
        self._connection.request(method, path, None if body is None else base64.b64decode(body),
                                 headers)
        return self._connection.getresponse()

    def _put(self, kind, piece):
        while not self._gone:
            try:
                return self.events.put((kind, piece), timeout=LOOK_SECONDS)
            except queue.Full:
                pass


def head_of(status, headers):
    """Status and headers as an answer's first line."""
    return json.dumps({'status': status, 'headers': headers}).encode('ascii') + b'\n'


def no_server():
    """What a caller is told while no server takes the request."""
    body = {'error': {'message': 'the server of this node does not answer', 'type': 'server_error',
                      'param': None, 'code': 'server_gone'}}
    yield head_of(502, {'content-type': 'application/json'})
    yield json.dumps(body).encode('utf-8')
