"""A service of which a relay takes requests, by hand; and a server that answers them, by hand."""
import atexit
import base64
import json
import os
import queue
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / 'templates'
_packages = Path(tempfile.mkdtemp(prefix='packages-'))
atexit.register(shutil.rmtree, str(_packages), ignore_errors=True)
for _name in ('session', 'serving_session'):  # under the names that notebooks write them
    os.symlink(str(TEMPLATES / _name), str(_packages / ('rodizio_' + _name)))
sys.path.insert(0, str(_packages))

TOKEN = 'rzs_of-this-session'


class Upload:
    """One answer as it arrives: `pieces` with the time of each; `end` is 'whole' or 'broken'."""

    def __init__(self, number):
        self.number = number
        self.pieces = []
        self.end = None
        self.over = threading.Event()

    def head(self):
        return json.loads(self.pieces[0][1])

    def body(self):
        return b''.join(piece for _at, piece in self.pieces[1:])


class RelayService:
    """`with RelayService() as service`; `ask` gives a request to the next poll."""

    def __init__(self, port=0, certificate=None):
        self.port, self.certificate = port, certificate
        self.waiting = queue.Queue()
        self.words = []  # what polls have said, in order
        self.uploads = {}
        self.refuse = None  # (status, code) of every poll
        self.hang_up_after = None  # pieces of an answer, after which nobody wants more
        self.read_pause = 0.0  # before each piece that is read
        self.sockets = set()

    def __enter__(self):
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def setup(self):
                super().setup()
                service.sockets.add(self.connection)

            def do_POST(self):
                assert self.headers['authorization'] == 'Bearer ' + TOKEN
                assert self.headers['host'].startswith(('127.0.0.1', 'localhost'))
                if self.path.endswith('/v1/relay/take'):
                    service.take(self)
                else:
                    service.receive(self)

            def log_message(self, *_arguments):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_request):
                pass  # the other side has gone: that is its right

        self.server = Quiet(('127.0.0.1', self.port), Handler)
        scheme = 'http'
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            scheme = 'https'
        self.port = self.server.server_port
        self.url = '%s://%s:%d' % (scheme, 'localhost' if self.certificate else '127.0.0.1',
                                   self.port)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.server.shutdown()
        self.server.server_close()
        for connection in list(self.sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()

    def ask(self, number, path='/v1/models', method='GET', body=None, **headers):
        self.waiting.put({'id': number, 'method': method, 'path': path, 'headers': headers,
                          'body': body and base64.b64encode(body).decode('ascii')})

    def upload(self, number, seconds=10.0):
        """That answer, once it has begun."""
        until = time.monotonic() + seconds
        while number not in self.uploads:
            assert time.monotonic() < until, 'no answer to %s has come' % number
            time.sleep(0.005)
        return self.uploads[number]

    def whole(self, number, seconds=10.0):
        """That answer, once it is over."""
        upload = self.upload(number, seconds)
        assert upload.over.wait(seconds), 'the answer to %s does not end' % number
        return upload

    def take(self, request):
        said = json.loads(request.rfile.read(int(request.headers['content-length'])))
        self.words.append(said)
        if self.refuse:
            return self.say(request, self.refuse[0], {'code': self.refuse[1]})
        try:
            given = self.waiting.get(timeout=max(0.001, min(said['waitSeconds'], 1.0)))
        except queue.Empty:
            request.send_response(204)
            return request.end_headers()
        return self.say(request, 200, {'requests': [given]})

    def receive(self, request):
        upload = Upload(request.path.rpartition('/')[2])
        self.uploads[upload.number] = upload
        try:
            while True:
                time.sleep(self.read_pause)
                size = int(request.rfile.readline(), 16)
                piece = request.rfile.read(size)
                request.rfile.readline()
                if size == 0:
                    upload.end = 'whole'
                    request.send_response(204)
                    return request.end_headers()
                upload.pieces.append((time.monotonic(), piece))
                if len(upload.pieces) == self.hang_up_after:
                    request.close_connection = True
                    return self.say(request, 409, {'code': 'caller_gone'})
        except (ValueError, OSError):
            upload.end = 'broken'
            request.close_connection = True
        finally:
            upload.over.set()

    def say(self, request, status, value):
        body = json.dumps(value).encode()
        request.send_response(status)
        request.send_header('content-length', str(len(body)))
        request.end_headers()
        request.wfile.write(body)


class HandServer:
    """A server that answers as `answers` (path → function of the handler) says."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []
        self.left = threading.Event()  # a client has gone in the middle of its answer

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            disable_nagle_algorithm = True

            def do_GET(self):
                body = self.rfile.read(int(self.headers.get('content-length') or 0))
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                outer.answers[self.path.rpartition('/')[2]](self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_arguments):
                pass

            def begin(self, *headers):
                self.send_response(200)
                for name, value in headers or (('transfer-encoding', 'chunked'),):
                    self.send_header(name, value)
                self.end_headers()

            def piece(self, text):
                try:
                    self.wfile.write(b'%X\r\n%s\r\n' % (len(text), text))
                except OSError:
                    outer.left.set()
                    raise

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_request):
                pass

        self.server = Quiet(('127.0.0.1', 0), Handler)
        self.url = 'http://127.0.0.1:%d' % self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error):
        self.server.shutdown()
        self.server.server_close()
