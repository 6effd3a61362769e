"""The program `cloudflared` of an emulated machine: opens its quick tunnels at an emulated edge.

    python3 emulated_cloudflared.py --edge http://127.0.0.1:PORT \\
        tunnel --no-autoupdate --url http://127.0.0.1:PORT [--metrics 127.0.0.1:PORT]

It takes the arguments of the real one, writes its address in the same box to the same stream
(github.com/cloudflare/cloudflared, cmd/cloudflared/tunnel/quick_tunnel.go, read 2026-11), and
answers /ready as that does. Nothing of it reaches Cloudflare: the address leads to the edge, on
this machine alone, and begins with its path. Answers pass on as they come, event streams too,
which Cloudflare does not promise; web sockets do not.
"""
import http.client
import json
import signal
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLAGS = ('--edge', '--url', '--metrics')
HOP_BY_HOP = ('connection', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'upgrade')
ASK_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5  # before it comes to the edge again, doubled up to the longest
LONGEST_PAUSE_SECONDS = 8.0


class Misuse(Exception):
    """What is wrong with the arguments, in a sentence."""


def read_arguments(arguments):
    """The values of the known flags, by name; those that the real one has besides are let pass.

    Raises Misuse for anything but a quick tunnel.
    """
    given, rest = {}, list(arguments)
    while rest:
        word = rest.pop(0)
        name, has_value, value = word.partition('=')
        if name not in FLAGS:
            given.setdefault('words', []).append(word)
            continue
        if not has_value and not rest:
            raise Misuse('%s wants a value' % name)
        given[name] = value if has_value else rest.pop(0)
    if 'tunnel' not in given.get('words', []) or '--url' not in given or '--edge' not in given:
        raise Misuse('emulated, it opens quick tunnels alone: cloudflared tunnel --url ADDRESS')
    return given


def say(level, text):
    moment = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())
    print('%s %s %s' % (moment, level, text), file=sys.stderr, flush=True)


def say_in_box(lines):
    width = max(len(line) for line in lines)
    edge = '+-%s-+' % ('-' * (width + 2))
    for line in [edge, *('|  %s  |' % line.ljust(width) for line in lines), edge]:
        say('INF', line)


class Connector:
    """Holds a tunnel open at the edge; `is_up` tells whether the edge has it."""

    def __init__(self, edge, name, secret, upstream):
        self._edge = urllib.parse.urlsplit(edge)
        self._path = '/tunnel/%s/connection' % name
        self._secret = secret
        self._upstream = upstream
        self.is_up = False

    def stay(self, told):
        """Comes to the edge again whenever the connection breaks off; never ends. `told()` is
        called when it is up for the first time."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                why = self._hold(told)
            except (OSError, http.client.HTTPException) as error:
                why = str(error) or type(error).__name__
            if self.is_up:
                pause = FIRST_PAUSE_SECONDS
            self.is_up = False
            say('ERR', 'Connection with the edge (emulated) ended: %s' % why)
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _hold(self, told):
        """One connection, to its end; why it ended."""
        connection = http.client.HTTPConnection(self._edge.netloc, timeout=ASK_SECONDS)
        try:
            connection.request('POST', self._path, json.dumps({'upstream': self._upstream}),
                               {'authorization': 'Bearer ' + self._secret,
                                'content-type': 'application/json'})
            answer = connection.getresponse()
            if answer.status != 200:
                return 'HTTP %d: %s' % (answer.status, answer.read(500).decode('utf-8', 'replace'))
            answer.readline()
            connection.sock.settimeout(None)  # silence is what it is to hear from here on
            self.is_up = True
            say('INF', 'Registered tunnel connection (emulated)')
            told()
            while answer.readline():
                pass
            return 'the edge closed it'
        finally:
            connection.close()


def ask_for_tunnel(edge):
    """Name and secret of a new quick tunnel. Raises OSError or ValueError."""
    request = urllib.request.Request(edge + '/tunnel', b'{}', {'content-type': 'application/json'})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=ASK_SECONDS) as response:
        result = json.loads(response.read().decode('utf-8'))['result']
    return result['name'], result['secret']


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # one side has left in the middle of an answer: that is its right


def forwarding(origin):
    """A server on this machine that passes what the edge brings on to `origin`."""
    there = urllib.parse.urlsplit(origin)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        disable_nagle_algorithm = True

        def pass_on(self):
            body = self._body()
            connection = http.client.HTTPConnection(there.netloc)
            try:
                connection.putrequest(self.command, self.path, skip_host=True,
                                      skip_accept_encoding=True)
                for name, value in self.headers.items():
                    if name.lower() not in HOP_BY_HOP + ('content-length',):
                        connection.putheader(name, value)
                if body or self.command in ('POST', 'PUT', 'PATCH'):
                    connection.putheader('content-length', str(len(body)))
                connection.endheaders(body)
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                return self._refuse(error)
            try:
                self._send(answer)
            finally:
                connection.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = pass_on

        def _body(self):
            if 'chunked' not in self.headers.get('transfer-encoding', ''):
                return self.rfile.read(int(self.headers.get('content-length') or 0))
            parts = []
            while True:
                size = int(self.rfile.readline().split(b';')[0], 16)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return b''.join(parts)

        def _send(self, answer):
            self.send_response_only(answer.status, answer.reason)
            for name, value in answer.getheaders():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            has_no_body = self.command == 'HEAD' or answer.status in (204, 304)
            is_chunked = answer.length is None and not has_no_body
            if is_chunked:
                self.send_header('transfer-encoding', 'chunked')
            self.end_headers()
            self.close_connection = True  # the edge asks each time anew
            while True:
                piece = answer.read1(65536)
                if not piece:
                    break
                self.wfile.write(b'%X\r\n%s\r\n' % (len(piece), piece) if is_chunked else piece)
            if answer.length:  # it broke off, and shall look so
                raise ConnectionError('the origin broke off')
            if is_chunked:
                self.wfile.write(b'0\r\n\r\n')

        def _refuse(self, error):
            say('ERR', 'Unable to reach the origin service: %s' % error)
            body = b'<html><head><title>502 Bad Gateway</title></head><body>Unable to reach ' \
                   b'the origin service. (emulated)</body></html>\n'
            self.send_response_only(502)
            self.send_header('server', 'cloudflare')
            self.send_header('content-type', 'text/html')
            self.send_header('content-length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    return Quiet(('127.0.0.1', 0), Handler)


def metrics(address, connector):
    """Where /ready tells whether the tunnel is up: 200, else 503."""
    host, _, port = address.rpartition(':')

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != '/ready':
                return self.send_error(404)
            status = 200 if connector.is_up else 503
            body = json.dumps({'status': status, 'readyConnections': int(connector.is_up),
                               'connectorId': 'emulated'}).encode()
            self.send_response_only(status)
            self.send_header('content-type', 'application/json')
            self.send_header('content-length', str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    return Quiet((host or '127.0.0.1', int(port)), Handler)


def serve(server):
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()


def main(arguments):
    try:
        given = read_arguments(arguments)
    except Misuse as error:
        raise SystemExit('cloudflared (emulated): %s' % error)
    edge, origin = given['--edge'].rstrip('/'), given['--url'].rstrip('/')
    signal.signal(signal.SIGTERM, lambda *_signal: sys.exit(0))
    say('INF', 'cloudflared, emulated: its tunnels lead to %s, on this machine alone' % edge)
    say('INF', 'Requesting new quick Tunnel on %s...' % edge)
    try:
        name, secret = ask_for_tunnel(edge)
    except (OSError, ValueError, KeyError) as error:
        say('ERR', 'Error unmarshaling or requesting: %s' % error)
        raise SystemExit('failed to request quick Tunnel: %s' % error)
    forwarder = forwarding(origin)
    serve(forwarder)
    connector = Connector(edge, name, secret, 'http://127.0.0.1:%d' % forwarder.server_port)
    if '--metrics' in given:
        serve(metrics(given['--metrics'], connector))
    told = []

    def tell():
        if not told:
            told.append(True)
            say_in_box(['Your quick Tunnel (emulated) has been created! Visit it at:',
                        '%s/%s' % (edge, name)])

    connector.stay(tell)


if __name__ == '__main__':
    main(sys.argv[1:])
