"""Plays `python -m jupyter_server` for tests of what stands in front of it: no kernels, the same
doors.

It says where it listens as the real one does, lets nobody in without its token, and echoes what
it was asked. The state of its one kernel stands in the file `state` of its working folder. What
passes for that kernel leads a session of its own, as real ones do, and its number stands in
`kernel.pid`.
"""
import http.server
import json
import os
import subprocess
import sys

if sys.argv[1:2] == ['-c']:
    print(os.environ['STAND_IN'])
    sys.exit()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        if self.headers.get('authorization') != 'token ' + os.environ['JUPYTER_TOKEN']:
            return self.answer(403, {'message': 'Forbidden'})
        if self.headers.get('upgrade') == 'websocket':
            return self.echo()
        if self.path == '/api/kernels' and self.command == 'GET':
            state = open('state').read() if os.path.exists('state') else 'idle'
            return self.answer(200, [{'id': 'k', 'execution_state': state}])
        size = int(self.headers.get('content-length') or 0)
        body = self.rfile.read(size).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(200, {'method': self.command, 'path': self.path, 'headers': headers,
                          'body': body})

    do_POST = do_PUT = do_DELETE = do_GET

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def echo(self):
        self.close_connection = True
        self.send_response(101)
        self.send_header('upgrade', 'websocket')
        self.send_header('connection', 'upgrade')
        self.end_headers()
        while True:
            data = self.connection.recv(1024)
            if not data:
                return
            self.connection.sendall(data)

    def log_message(self, *args):
        pass


kernel = subprocess.Popen(['sleep', '120'], start_new_session=True)
with open('kernel.pid', 'w') as file:
    file.write(str(kernel.pid))

server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
name = 'jpserver-%d.json' % os.getpid()
with open(os.path.join(os.environ['JUPYTER_RUNTIME_DIR'], name), 'w') as file:
    json.dump({'port': server.server_address[1]}, file)
server.serve_forever()
