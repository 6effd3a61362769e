import json
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

from box import KEY, MISSING, Box, write_adapter
from serve.adapter import Rejected, verified_adapter


class Verification(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name) / 'v1'
        self.sha256 = write_adapter(self.folder)

    def rejected(self, code, pattern, sha256=None):
        with self.assertRaisesRegex(Rejected, pattern) as caught:
            verified_adapter(self.folder, sha256)
        self.assertEqual(caught.exception.code, code)

    def test_a_whole_adapter_is_known_by_the_hash_of_its_manifest(self):
        adapter = verified_adapter(self.folder, self.sha256.upper())
        self.assertEqual((adapter.version, adapter.sha256, adapter.step, adapter.generation),
                         ('v1', self.sha256, 60, 3))

    def test_each_file_changed_cut_or_missing_is_named(self):
        for path in sorted(self.folder.glob('[at]*')):
            whole = path.read_bytes()
            for damaged in (whole[:-1], bytes([whole[0] ^ 1]) + whole[1:]):
                path.write_bytes(damaged)
                self.rejected('adapter_damaged', path.name + '.*damaged')
            path.unlink()
            self.rejected('adapter_damaged', path.name)
            path.write_bytes(whole)
        verified_adapter(self.folder)

    def test_a_file_that_no_hash_vouches_for_is_refused(self):
        (self.folder / 'chat_template.jinja').write_text('{{ messages }}')
        self.rejected('adapter_damaged', 'chat_template.jinja is not in the manifest')

    def test_other_formats_that_a_box_keeps_beside_it_are_left_alone(self):
        (self.folder / 'ollama').mkdir()
        (self.folder / 'ollama' / 'Modelfile').write_text('FROM mistral')
        verified_adapter(self.folder)
        (self.folder / 'gguf').write_text('a file')
        self.rejected('adapter_damaged', 'gguf is not in the manifest')

    def test_another_manifest_than_was_asked_for_is_refused(self):
        self.rejected('adapter_damaged', 'another hash', 'a' * 64)

    def test_a_manifest_that_is_none_is_refused(self):
        path = self.folder / 'manifest.json'
        for text in (b'', b'{}', b'[]', b'\xff', b'{"kind": "artifact"}', b' ' * (2 << 20),
                     path.read_bytes().replace(b'adapter_config.json', b'../v1/adapter.json'),
                     path.read_bytes().replace(b'"step": 60', b'"step": null')):
            path.write_bytes(text)
            self.rejected('adapter_damaged', '')
        path.unlink()
        self.rejected('adapter_not_found', 'no adapter v1')

    def test_a_checkpoint_is_no_adapter(self):
        self.folder = self.folder.with_name('step-60')
        write_adapter(self.folder, kind='checkpoint')
        self.rejected('adapter_damaged', 'holds a checkpoint')


@unittest.skipIf(MISSING, MISSING)
class HotSwitch(unittest.TestCase):
    def setUp(self):
        type(self).box = self.box = Box(type(self)).start()
        self.addCleanup(self.box.kill)

    def load(self, **body):
        status, _headers, answer = self.box.call('POST', '/adapters/load', body)
        return status, answer

    def served(self):
        return self.box.health()['adapter']['version']

    def text(self):
        return self.box.ask('Qual é a maré?')[2]['choices'][0]['message']['content']

    def test_two_adapters_answer_differently_and_the_first_as_before(self):
        first = self.text()
        self.assertEqual(self.load(version='v2', sha256=self.box.hashes['v2'])[0], 200)
        self.assertNotEqual(self.text(), first)
        self.assertEqual(self.served(), 'v2')
        self.load(version='v1')
        self.assertEqual(self.text(), first)

    def test_without_a_version_it_is_the_current_one(self):
        self.box.point('v2')
        self.assertEqual(self.served(), 'v1')
        self.assertEqual(self.load()[1]['adapter']['sha256'], self.box.hashes['v2'])
        self.assertEqual(self.load()[0], 200)  # once more changes nothing
        self.assertEqual(self.served(), 'v2')

    def test_what_is_not_what_it_says_is_refused_and_the_one_before_goes_on(self):
        first = self.text()
        (self.box.root / 'versions/v2/adapter_model.safetensors').write_bytes(b'v3')
        write_adapter(self.box.root / 'versions/v3', b'v3', base='other')
        for body, status, code in (
                ({'version': 'v2'}, 409, 'adapter_damaged'),
                ({'version': 'v1', 'sha256': 'a' * 64}, 409, 'adapter_damaged'),
                ({'version': 'v3'}, 409, 'adapter_unusable'),
                ({'version': 'v9'}, 404, 'adapter_not_found'),
                ({'version': '../v2'}, 422, 'invalid_request'),
                ({'version': '..'}, 422, 'invalid_request'),
                ({'sha256': 'short'}, 422, 'invalid_request')):
            with self.subTest(body):
                got, answer = self.load(**body)
                self.assertEqual((got, answer['error']['code']), (status, code))
        self.assertEqual((self.served(), self.text()), ('v1', first))

    def test_an_answer_under_way_ends_with_the_adapter_it_began_with(self):
        answers = []
        asking = threading.Thread(target=lambda: answers.append(
            self.box.ask('slow endless', max_tokens=25)[2]))
        asking.start()
        self.box.wait_for((1, 0))
        self.assertEqual(self.load(version='v2')[0], 200)
        asking.join()
        self.assertEqual(answers[0]['system_fingerprint'], self.box.hashes['v1'][:16])
        self.assertEqual(answers[0]['usage']['completion_tokens'], 25)
        again = self.box.ask('slow endless', max_tokens=25)[2]
        self.assertEqual(again['system_fingerprint'], self.box.hashes['v2'][:16])

    def test_of_two_switches_that_wait_the_last_one_wins(self):
        stream = self.box.open_stream('slow endless', max_tokens=40)
        self.addCleanup(stream.close)
        self.box.wait_for((1, 0))
        waiting = []
        for version in ('v2', 'v1'):
            connection = self.box.connect()
            self.addCleanup(connection.close)
            connection.request('POST', '/adapters/load', json.dumps({'version': version}), {
                'content-type': 'application/json', 'authorization': 'Bearer ' + KEY})
            waiting.append(connection)
            time.sleep(0.1)  # hashing takes a moment: the second is to be the second
        answers = [json.loads(each.getresponse().read()) for each in waiting]
        self.assertEqual([each['adapter']['version'] for each in answers], ['v2', 'v1'])
        self.assertEqual(self.served(), 'v1')

    def test_killed_it_comes_back_with_the_current_adapter(self):
        self.load(version='v2')
        self.box.kill(signal.SIGKILL)
        self.box.start()
        self.assertEqual(self.served(), 'v1')
        self.box.point('v2')
        self.box.kill(signal.SIGKILL)
        self.box.start()
        self.assertEqual(self.served(), 'v2')


if __name__ == '__main__':
    unittest.main()
