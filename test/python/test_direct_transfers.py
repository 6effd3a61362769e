"""Bytes that go straight to a store: resumable uploads, and downloads with a token of their own."""
import hashlib
import http.server
import json
import tempfile
import threading
import unittest
from pathlib import Path

import sample  # noqa: F401  (puts the repository on the path)
from templates.session import uploads
from templates.session.downloads import download
from templates.session.uploads import upload_folder
from templates.session.wire import Wire


class Store(http.server.BaseHTTPRequestHandler):
    """A service and a store in one: it announces resumable addresses and takes chunks."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *_arguments):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['content-length'])))
        state = self.server.state
        if self.path == '/v1/session/uploads':
            state['opened'] += 1
            state['got'] = b''
            url = '%s/resumable/%d' % (self.server.url, state['opened'])
            files = [{'name': file['name'], 'url': url, 'how': 'resumable'}
                     for file in body['files']]
            return self.answer(200, {'uploadId': 'upl_1', 'files': files})
        state['committed'] = body
        return self.answer(200, {'step': 4, 'committed': True})

    def do_PUT(self):
        state = self.server.state
        size = int(self.headers['content-length'])
        span = self.headers['content-range']
        state['spans'].append(span)
        if state['faults'] and state['faults'][0] == 'gone':
            state['faults'].pop(0)
            self.rfile.read(size)
            return self.answer(404, {})
        if size and state['faults'] and state['faults'][0] == 'cut':
            state['faults'].pop(0)
            state['got'] += self.rfile.read(size // 2)  # half of it, then the line is dead
            self.close_connection = True
            return None
        if size:
            begin = int(span.split(' ')[1].split('-')[0])
            self.server.test.assertEqual(begin, len(state['got']))
            state['got'] += self.rfile.read(size)
        if len(state['got']) == state['size']:
            return self.answer(200, {'id': 'file'})
        self.send_response(308)
        if state['got']:
            self.send_header('range', 'bytes=0-%d' % (len(state['got']) - 1))
        self.send_header('content-length', '0')
        self.end_headers()
        return None

    def do_GET(self):
        state = self.server.state
        state['tokens'].append(self.headers.get('authorization'))
        if self.headers.get('authorization') != 'Bearer ' + state['token']:
            return self.answer(401, {})
        self.send_response(200)
        self.send_header('content-length', str(len(state['content'])))
        self.end_headers()
        self.wfile.write(state['content'])
        return None

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header('content-length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class DirectTransfers(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Store)
        self.server.daemon_threads = True
        self.server.url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        self.server.test = self
        self.state = self.server.state = {
            'opened': 0, 'got': b'', 'spans': [], 'faults': [], 'committed': None, 'size': 0,
            'token': 'ya29.good-token', 'tokens': [], 'content': b'abc' * 1000}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.secrets = []
        self.wire = Wire(self.server.url, secrets=self.secrets.append, first_wait=0.01)
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.chunk, uploads.CHUNK = uploads.CHUNK, 1000

    def tearDown(self):
        uploads.CHUNK = self.chunk
        self.server.shutdown()
        self.server.server_close()

    def checkpoint(self, content):
        self.state['size'] = len(content)
        (self.folder / 'weights.bin').write_bytes(content)
        file = {'name': 'weights.bin', 'bytes': len(content),
                'sha256': hashlib.sha256(content).hexdigest()}
        (self.folder / 'manifest.json').write_text(json.dumps({'files': [file]}))

    def test_a_file_goes_up_in_chunks_and_is_committed(self):
        content = bytes(range(256)) * 18
        self.checkpoint(content)
        upload_folder(self.wire, 'checkpoint', 4, self.folder)
        self.assertEqual(self.state['got'], content)
        self.assertIsNotNone(self.state['committed'])
        self.assertEqual(self.state['spans'][0], 'bytes */4608')
        self.assertEqual(self.state['spans'][-1], 'bytes 4000-4607/4608')

    def test_a_cut_goes_on_from_what_arrived_and_an_expired_address_begins_anew(self):
        content = bytes(range(256)) * 18
        self.checkpoint(content)
        self.state['faults'] = ['cut', 'cut', 'gone']
        upload_folder(self.wire, 'checkpoint', 4, self.folder)
        self.assertEqual(self.state['got'], content)
        self.assertEqual(self.state['opened'], 2)
        self.assertIsNotNone(self.state['committed'])

    def test_an_empty_file_is_whole_at_once(self):
        self.checkpoint(b'')
        upload_folder(self.wire, 'checkpoint', 4, self.folder)
        self.assertEqual(self.state['spans'], ['bytes */0'])

    def test_a_download_shows_its_own_token_and_takes_a_fresh_one(self):
        content = self.state['content']
        entry = {'name': 'a.bin', 'url': self.server.url + '/file', 'bytes': len(content),
                 'sha256': hashlib.sha256(content).hexdigest(),
                 'headers': {'authorization': 'Bearer ya29.old-token'}}
        fresh = dict(entry, headers={'authorization': 'Bearer ya29.good-token'})
        target = self.folder / 'a.bin'
        download(self.wire, entry, target, lambda: fresh)
        self.assertEqual(target.read_bytes(), content)
        self.assertEqual(self.state['tokens'], ['Bearer ya29.old-token', 'Bearer ya29.good-token'])
        self.assertIn('ya29.old-token', self.secrets)


if __name__ == '__main__':
    unittest.main()
