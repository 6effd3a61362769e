import contextlib
import io
import json
import tempfile
import threading
import time
import unittest
from functools import partial
from pathlib import Path

import sample  # noqa: F401  (puts the repository on the path)
from templates.session.heartbeat import Heartbeat
from templates.session.log_tail import LogTail
from templates.session.uploads import Uploads, upload_folder
from templates.session.wire import OutOfTime, Refused, Wire, is_loopback


class Parts(unittest.TestCase):
    def test_a_secret_reaches_neither_the_screen_nor_the_tail(self):
        log = LogTail()
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            log.learn_secret('rzs_123')
            log.learn_secret('rzs_12345')
            log.say('token rzs_12345 and rzs_123 end')
            log.say('x' * 9000)
            log.learn_secret('end')  # too short to be one
        self.assertEqual(printed.getvalue().splitlines()[0], 'token [secret] and [secret] end')
        self.assertNotIn('rzs_', log.tail())
        self.assertEqual(len(log.tail()), 4000)

    def test_a_secret_learnt_late_is_struck_out_of_the_tail(self):
        log = LogTail()
        with contextlib.redirect_stdout(io.StringIO()):
            log.say('early: rzs_98765')
        log.learn_secret('rzs_98765')
        self.assertEqual(log.tail(), 'early: [secret]')

    def test_loopback_is_recognised_and_nothing_else(self):
        for url, answer in (('http://127.0.0.1:80/x', True), ('http://127.8.9.1/', True),
                            ('http://localhost:1', True), ('http://[::1]:8080/', True),
                            ('http://example.org', False), ('http://10.0.0.1', False),
                            ('http://127.0.0.1.example.org', False)):
            self.assertEqual(is_loopback(url), answer, url)

    def test_waits_double_and_honour_what_the_service_says(self):
        wire = Wire('http://127.0.0.1:9', first_wait=1.0)
        slept = []
        wire.sleep = slept.append
        refused = Refused(429, None, 'slow down')
        refused.retry_after = 7.0
        failures = [OSError()] * 3 + [refused] + [OSError()] * 4

        def attempt():
            if failures:
                raise failures.pop(0)
            return 'answer'

        self.assertEqual(wire.repeat(attempt), 'answer')
        self.assertEqual(slept, [1, 2, 4, 8, 16, 30, 30, 30])

    def test_a_wait_past_the_deadline_is_not_begun(self):
        wire = Wire('http://127.0.0.1:9', first_wait=5.0)
        wire.deadline = time.monotonic() + 1.0
        with self.assertRaises(OutOfTime):
            wire.call('GET', '/v1/session/work-order')

    def test_of_the_checkpoints_that_wait_only_the_newest_is_carried(self):
        carried, gate = [], threading.Event()
        first_started = threading.Event()

        class Service:
            first_wait = 0.0

            @staticmethod
            def repeat(attempt, give_up=None):
                return attempt()

            @staticmethod
            def once(_method, path, body):
                if path.endswith('/uploads'):
                    carried.append(body['step'])
                    first_started.set()
                    gate.wait(5)
                return {'uploadId': 'upl_1', 'files': []}

        done = []
        uploads = Uploads(partial(upload_folder, Service()), lambda _text: None, lambda _step: None,
                          lambda step, _seconds: done.append(step), lambda _reason: None)
        with tempfile.TemporaryDirectory() as name:
            for step in (1, 2, 3):
                folder = Path(name) / str(step)
                folder.mkdir()
                (folder / 'manifest.json').write_text(json.dumps({'files': []}))
                uploads.offer(step, folder)
                if step == 1:
                    first_started.wait(5)
            self.assertFalse(uploads.wait(time.monotonic() + 0.1))
            gate.set()
            self.assertTrue(uploads.wait(time.monotonic() + 5))
        uploads.close()
        self.assertEqual((carried, done), ([1, 3], [1, 3]))

    def test_history_is_kept_until_a_beat_is_answered(self):
        sent, answers = [], [OSError(), {'order': 'continue'}, {'order': 'continue'}]

        def send(beat):
            sent.append([row[0] for row in beat['history']])
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        heart = Heartbeat(send, 60, lambda _answer: None, lambda _reason: None)
        heart.log(1, 2.0, 0.1)
        heart._beat()
        heart.log(2, 1.9, 0.1)
        heart._beat()
        heart.log(3, 1.8, 0.1)
        heart._beat()
        self.assertEqual(sent, [[1], [1, 2], [3]])


if __name__ == '__main__':
    unittest.main()
