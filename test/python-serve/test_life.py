import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from box import KEY, MISSING, TEMPLATES, Box, write_adapter
from fake_generator import WORDS, FakeGenerator
from serve.adapter import verified_adapter
from serve.dispatcher import Dispatcher, Left
from serve.generator import Order
from serve.settings import Unusable, read_settings
from serve.stop_text import StopText


class Settings(unittest.TestCase):
    def test_a_setting_that_cannot_be_is_refused_by_its_name(self):
        good = {'SERVE_KEY': KEY, 'ADAPTER_DIR': '/adapter'}
        self.assertEqual(read_settings(good).waiting, 4)
        for changes, name in (
                ({'SERVE_KEY': 'short'}, 'SERVE_KEY'), ({'SERVE_KEY': KEY + '\n'}, 'SERVE_KEY'),
                ({'SERVE_KEY_FILE': '/nowhere'}, 'SERVE_KEY_FILE'), ({'ADAPTER_DIR': ''}, 'ADAPT'),
                ({'SERVE_KEY': '', 'SERVE_KEY_SHA256': 'a' * 63}, 'SERVE_KEY_SHA256'),
                ({'SERVE_KEY_SHA256': 'a' * 64}, 'SERVE_KEY stands beside SERVE_KEY_SHA256'),
                ({'SERVE_PORT': '70000'}, 'SERVE_PORT'), ({'SERVE_WAITING': '-1'}, 'SERVE_WAITING'),
                ({'SERVE_SECONDS': 'inf'}, 'SERVE_SECONDS'), ({'SERVE_SECONDS': '0'}, 'SERVE_SEC'),
                ({'SERVE_GRACE': '601'}, 'SERVE_GRACE'),
                ({'BASE_QUANTIZATION': 'int8'}, 'BASE_QUANTIZATION')):
            with self.subTest(changes), self.assertRaisesRegex(Unusable, name) as caught:
                read_settings({**good, **changes})
            self.assertNotIn(KEY, str(caught.exception))

    def test_the_key_comes_from_its_file_where_there_is_one(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'key'
            path.write_text('another-key-of-the-tests\n')
            env = {'SERVE_KEY': KEY, 'SERVE_KEY_FILE': str(path), 'ADAPTER_DIR': '/adapter'}
            self.assertEqual(read_settings(env).key_sha256,
                             hashlib.sha256(b'another-key-of-the-tests').hexdigest())

    def test_the_hash_of_the_key_is_enough_and_lets_in_who_has_the_key(self):
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        for text in (digest, digest.upper()):
            told = {'SERVE_KEY_SHA256': text, 'ADAPTER_DIR': '/adapter'}
            self.assertEqual(read_settings(told),
                             read_settings({'SERVE_KEY': KEY, 'ADAPTER_DIR': '/adapter'}))


class Program(unittest.TestCase):
    def test_it_does_not_start_on_what_it_cannot_serve_and_says_why_in_a_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            write_adapter(Path(folder) / 'cut')
            (Path(folder) / 'cut' / 'adapter_model.safetensors').write_bytes(b'')
            for adapter, key, sentence in (
                    ('v1', KEY, 'there is no adapter v1'), ('v1', 'short', 'the key in SERVE_KEY'),
                    ('cut', KEY, 'adapter_model.safetensors of cut is damaged')):
                ran = subprocess.run(
                    [sys.executable, '-m', 'serve'], cwd=TEMPLATES, capture_output=True, text=True,
                    env=dict(os.environ, SERVE_KEY=key, ADAPTER_DIR=str(Path(folder) / adapter)))
                self.assertEqual(ran.returncode, 1)
                self.assertIn('the server cannot start: ' + sentence, ran.stderr)
                self.assertEqual(ran.stderr.count('\n'), 1, ran.stderr)
                self.assertNotIn(key, ran.stderr)


class Closing(unittest.IsolatedAsyncioTestCase):
    async def test_who_is_answered_and_who_waits_is_told_that_the_server_leaves(self):
        with tempfile.TemporaryDirectory() as folder:
            write_adapter(Path(folder) / 'v1')
            generator = FakeGenerator(verified_adapter(Path(folder) / 'v1'))
        dispatcher = Dispatcher(generator, 1)
        order = Order(None, 'slow endless', 1000, 0, 1)
        answers = [dispatcher.submit(order), dispatcher.submit(order)]
        first = await anext(answers[0].pieces())
        dispatcher.close()
        self.assertIn(first.strip(), WORDS)
        for answer in answers:
            with self.assertRaises(Left):
                async with asyncio.timeout(2):
                    async for _piece in answer.pieces():
                        pass
        async with asyncio.timeout(2):
            await answers[0].task


class Stops(unittest.TestCase):
    def test_a_text_ends_at_its_first_stop_however_it_is_cut_into_pieces(self):
        whole = 'um dois\n\ntrês FIM quatro'
        for stops, kept in ((('FIM',), 'um dois\n\ntrês '), (('\n\n', 'FIM'), 'um dois'),
                            (('quatro!', 'nada'), whole), ((), whole), (('u',), '')):
            for size in range(1, len(whole) + 1):
                stop = StopText(stops)
                got = ''.join(stop.feed(whole[at:at + size]) for at in range(0, len(whole), size))
                self.assertEqual((got + stop.rest(), stop.reached), (kept, kept != whole))


@unittest.skipIf(MISSING, MISSING)
class Hashed(unittest.TestCase):
    def test_a_server_that_knows_only_the_hash_takes_the_key_and_not_the_hash(self):
        digest = hashlib.sha256(KEY.encode()).hexdigest()
        box = Box(type(self), SERVE_KEY='', SERVE_KEY_SHA256=digest).start()
        self.assertEqual(box.call('GET', '/v1/models')[0], 200)
        for wrong in (digest, KEY[:-1], KEY + 'x', ''):
            self.assertEqual(box.call('GET', '/v1/models', key=wrong)[0], 401)


@unittest.skipIf(MISSING, MISSING)
class Leaving(unittest.TestCase):
    def test_it_tells_the_seconds_left_and_leaves_when_they_are_over(self):
        box = Box(type(self), SERVE_SECONDS='3').start()
        first = box.health()['seconds_left']
        self.assertTrue(0 < first <= 3, first)
        time.sleep(0.3)
        self.assertLess(box.health()['seconds_left'], first - 0.2)
        self.assertEqual(box.process.wait(10), 0)

    def test_a_box_that_stays_has_no_seconds_left_and_leaves_at_a_signal_in_mid_answer(self):
        box = Box(type(self)).start()
        self.assertIsNone(box.health()['seconds_left'])
        stream = box.open_stream('slow endless', stream=True, max_tokens=1000)
        self.addCleanup(stream.close)
        box.wait_for((1, 0))
        self.assertLess(box.kill(signal.SIGTERM), 9)


if __name__ == '__main__':
    unittest.main()
