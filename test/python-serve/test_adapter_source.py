import hashlib
import http.server
import json
import shutil
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

import hosted  # noqa: F401
from box import write_adapter
from rodizio_serving import adapter_source, wire
from rodizio_serving.adapter_source import find_adapter


class Host(http.server.BaseHTTPRequestHandler):
    """Gives out a folder: `/moved/…` by a redirect, `/cut/…` in halves, `/gone/…` not any more."""

    protocol_version = 'HTTP/1.1'

    def do_GET(self):
        kind, name = self.path.strip('/').split('/')
        self.server.asked.append((kind, name, self.headers.get('range')))
        if kind in ('gone', 'down'):
            return self.answer(410 if kind == 'gone' else 400, b'')
        if kind == 'moved':
            return self.answer(302, b'', location='/plain/' + name)
        body = (self.server.folder / name).read_bytes()
        first = int((self.headers.get('range') or 'bytes=0-')[6:-1])
        span = {'content-range': 'bytes %d-%d/%d' % (first, len(body) - 1, len(body))}
        self.answer(206 if first else 200, body[first:], half=kind == 'cut' and not first,
                    **(span if first else {}))

    def answer(self, status, body, half=False, **headers):
        self.send_response(status)
        for name, value in {'content-length': len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body[:len(body) // 2] if half else body)
        if half:
            self.close_connection = True

    def log_message(self, *_arguments):
        pass


class AdapterSource(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        self.folder = self.root / 'v1'
        self.sha256 = write_adapter(self.folder, b'weights' * 1000)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Host)
        self.server.folder, self.server.asked = self.folder, []
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def files(self, kind='plain', **changes):
        return json.dumps([{
            'name': path.name, 'bytes': path.stat().st_size,
            'sha256': hashlib.sha256(path.read_bytes()).hexdigest(),
            'url': 'http://127.0.0.1:%d/%s/%s' % (self.server.server_port, kind, path.name),
            **changes} for path in sorted(self.folder.iterdir())])

    def fetched(self, files=None):
        return find_adapter('', self.files() if files is None else files, self.sha256,
                            self.root / 'adapters')

    def refused(self, sentence, folder='', files='', sha256=None):
        with self.assertRaisesRegex(SystemExit, sentence) as caught:
            find_adapter(folder, files, sha256 or self.sha256, self.root / 'adapters')
        self.assertNotIn('http', str(caught.exception))

    def test_a_folder_is_taken_as_it_stands_when_its_manifest_is_the_one(self):
        adapter = find_adapter(str(self.folder), '', self.sha256.upper(), self.root)
        self.assertEqual((adapter.version, adapter.sha256), ('v1', self.sha256))

    def test_files_are_fetched_once_in_whatever_way_they_come(self):
        for kind in ('plain', 'moved', 'cut'):
            with self.subTest(kind), mock.patch.object(wire.Wire, 'sleep'):
                shutil.rmtree(self.root / 'adapters', ignore_errors=True)
                adapter = self.fetched(self.files(kind))
                self.assertEqual(adapter.sha256, self.sha256)
                self.assertEqual(adapter.version, 'adapter-' + self.sha256[:12])
        self.assertTrue(any(span for _kind, _name, span in self.server.asked))
        asked = len(self.server.asked)
        self.assertEqual(self.fetched().sha256, self.sha256)
        self.assertEqual(len(self.server.asked), asked)

    def test_the_manifest_comes_last(self):
        self.fetched()
        self.assertEqual(self.server.asked[-1][1], 'manifest.json')

    def test_any_other_adapter_is_refused_and_nothing_is_fetched_for_it(self):
        self.refused('manifest.json of v1 has another hash', str(self.folder), sha256='a' * 64)
        self.refused('has another hash than ADAPTER_SHA256', files=self.files(), sha256='a' * 64)
        self.assertEqual(self.server.asked, [])
        (self.folder / 'adapter_model.safetensors').write_bytes(b'others')
        self.refused('adapter_model.safetensors of v1 is damaged', str(self.folder))

    def test_what_does_not_come_is_said_without_its_address(self):
        self.refused('address of .* does not open it any more', files=self.files('gone'))
        self.refused('its server answered 400', files=self.files('down'))
        with mock.patch.object(adapter_source, 'FETCH_SECONDS', 0.3):
            self.server.shutdown()
            self.server.server_close()
            self.refused('cannot be fetched: its server gave no whole answer', files=self.files())

    def test_a_file_of_another_content_is_refused(self):
        files = self.files()
        path = self.folder / 'adapter_model.safetensors'
        path.write_bytes(path.read_bytes()[::-1])
        with mock.patch.object(wire.Wire, 'sleep'):
            self.refused('came 3 times with another content', files=files)

    def test_a_list_that_is_none_and_settings_that_contradict_are_refused(self):
        for files in ('[', '{}', '[]', '[{}]', self.files(name='../a'), self.files(url='file:///a'),
                      self.files(bytes=-1), self.files(sha256='x'), self.files(name='a')):
            self.refused('ADAPTER_FILES is no', files=files)
        self.refused('set either', str(self.folder), self.files())
        self.refused('set either')
        self.refused('ADAPTER_SHA256 is no', str(self.folder), sha256='abc')
        self.refused('this disk only', files=self.files(bytes=10 ** 18))


if __name__ == '__main__':
    unittest.main()
