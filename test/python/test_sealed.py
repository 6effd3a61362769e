"""A session without a service: its order came along, its log talks, its slots hold checkpoints."""
import hashlib
import http.server
import json
import os
import re
import signal
import tempfile
import threading
import time
import unittest
from pathlib import Path

from sample import data, lines_of, plan, start_notebook, write_notebook
from templates.session.sealed import Slots

ACCESS = 'ya29.an-hour-of-access'


class Drive(http.server.BaseHTTPRequestHandler):
    """The two things that a sealed session asks of its store: bytes by token, chunks by address."""

    protocol_version = 'HTTP/1.1'

    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        state = self.server.state
        if self.headers.get('authorization') != 'Bearer ' + ACCESS or state['expired']:
            return self.answer(401, b'{}')
        return self.answer(200, state['data'][self.path.rpartition('/')[2]])

    def do_PUT(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers['content-length']))
        if state['full'] > 0:
            state['full'] -= 1
            return self.answer(403, b'{"error": {"errors": [{"reason": "storageQuotaExceeded"}]}}')
        got = state['uploads'].setdefault(self.path, b'')
        span = re.match(r'bytes (?:\*|(\d+)-\d+)/(\d+)$', self.headers['content-range'])
        if span.group(1) is not None and int(span.group(1)) == len(got):
            got += body
            state['uploads'][self.path] = got
        if len(got) == int(span.group(2)):
            return self.answer(200, b'{}')
        self.send_response(308)
        if got:
            self.send_header('range', 'bytes=0-%d' % (len(got) - 1))
        self.send_header('content-length', '0')
        return self.end_headers()

    def answer(self, status, body):
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Sealed(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Drive)
        self.server.state = {'data': data(), 'uploads': {}, 'expired': False, 'full': 0}
        self.url = 'http://127.0.0.1:%d' % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def order(self, checkpoints=4, files=6, **changes):
        made = {
            'protocol': 1, 'run': {'id': 'run_1', 'name': 'one', 'targetSteps': 20},
            'session': {'id': 'ses_1', 'generation': 3, 'account': 'ana', 'provider': 'kaggle'},
            'secondsLeft': 60.0, 'heartbeatSeconds': 0.2, 'engine': 'dry', 'plan': plan(),
            'options': {'saveSteps': 8, 'logSteps': 1, 'saveSeconds': 900, 'keepLocal': 2},
            'data': {'version': 'ds_1', 'files': [
                {'name': name, 'url': '%s/files/%s' % (self.url, name), 'bytes': len(body),
                 'sha256': hashlib.sha256(body).hexdigest(), 'rows': 1,
                 'headers': {'authorization': 'Bearer ' + ACCESS}}
                for name, body in data().items()]},
            'resume': None,
            'slots': [{'kind': 'checkpoint' if slot < checkpoints else 'artifact',
                       'urls': ['%s/upload?upload_id=%d-%d-capability' % (self.url, slot, number)
                                for number in range(files + 1)]}
                      for slot in range(checkpoints + 1)]}
        made.update(changes)
        return made

    def start(self, order):
        work = self.root / 'work'
        work.mkdir()
        private = self.root / 'private'
        private.mkdir()
        path = write_notebook(work, '', '', json.dumps(order))
        env = dict(os.environ, TMPDIR=str(private), http_proxy='http://127.0.0.1:9', no_proxy='')
        process = start_notebook(path, work, '--stop-grace', '20', env=env)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def run_it(self, order, timeout=40):
        process = self.start(order)
        output = process.communicate(timeout=timeout)[0]
        for secret in (ACCESS, 'capability'):
            self.assertNotIn(secret, output)
        return process.returncode, output, lines_of(output.splitlines(), 'SEALED')

    def held(self, slot):
        """The manifest of a slot and whether each of its files came as it says."""
        uploads = self.server.state['uploads']
        path = '/upload?upload_id=%d-%%d-capability' % slot
        text = uploads.get(path % 0)
        if text is None:
            return None
        manifest = json.loads(text)
        for number, file in enumerate(manifest['files'], 1):
            self.assertEqual(hashlib.sha256(uploads[path % number]).hexdigest(), file['sha256'])
        return manifest

    def test_a_whole_run_is_told_by_its_log_and_lies_in_its_slots(self):
        # One step takes long enough for the pace to hold some checkpoints back.
        status, output, lines = self.run_it(self.order())
        self.assertEqual(status, 0, output)
        self.assertEqual([line['n'] for line in lines], list(range(1, len(lines) + 1)))
        report = lines[-1]
        self.assertEqual((report['kind'], report['outcome'], report['lastCheckpointStep']),
                         ('report', 'finished', 20))
        self.assertNotIn('logTail', report)
        beats = [line for line in lines if line['kind'] == 'beat']
        self.assertLess(beats[0]['secondsLeft'], 60.1)
        told = [row[0] for beat in beats for row in beat['history']]
        self.assertEqual(len(told), len(set(told)))
        artifact = self.held(4)
        self.assertEqual((artifact['kind'], artifact['step']), ('artifact', 20))
        self.assertIn(4, report['filled'])
        steps = [self.held(slot)['step'] for slot in report['filled'] if slot < 4]
        self.assertEqual(steps[-1], 20)
        self.assertEqual(steps, sorted(steps))

    def test_the_last_checkpoint_has_a_slot_whatever_the_pace(self):
        status, output, lines = self.run_it(self.order(
            checkpoints=2, options={'saveSteps': 2, 'logSteps': 1, 'keepLocal': 2}))
        self.assertEqual(status, 0, output)
        steps = [self.held(slot)['step'] for slot in lines[-1]['filled'] if slot < 2]
        self.assertEqual(len(steps), 2)
        self.assertEqual(steps[-1], 20)

    def test_access_that_ran_out_in_the_queue_is_a_failure_of_its_own(self):
        self.server.state['expired'] = True
        status, output, lines = self.run_it(self.order())
        self.assertNotEqual(status, 0)
        self.assertEqual(lines[-1]['failure']['class'], 'access_expired')
        self.assertIn('good for an hour', output)

    def test_a_full_store_is_told_once_and_waited_out(self):
        self.server.state['full'] = 2
        status, output, lines = self.run_it(self.order())
        self.assertEqual(status, 0, output)
        full = [line for line in lines if line['kind'] == 'full']
        self.assertEqual(len(full), 1)
        self.assertGreater(full[0]['bytes'], 0)

    def test_its_own_clock_ends_it(self):
        order = self.order(secondsLeft=6.0, options={
            'saveSteps': 0, 'saveSeconds': 1, 'logSteps': 1, 'stepSeconds': 0.6, 'keepLocal': 2})
        began = time.monotonic()
        status, output, lines = self.run_it(order)
        self.assertLess(time.monotonic() - began, 8)
        self.assertEqual(status, 0, output)
        self.assertEqual(lines[-1]['outcome'], 'limit')
        self.assertEqual(self.held(max(s for s in lines[-1]['filled']))['step'],
                         lines[-1]['lastCheckpointStep'])

    def test_an_order_that_cannot_be_read_is_one_sentence(self):
        for order in ([], {'protocol': 1}):
            with self.subTest(order=order):
                self.root = self.root / 'again'
                self.root.mkdir()
                status, output, _lines = self.run_it(order)
                self.assertNotEqual(status, 0)
                self.assertIn('render it again', output)
                self.assertNotIn('Traceback', output)

    def test_slots_are_spread_over_the_session(self):
        slots = Slots([{'kind': 'checkpoint', 'urls': ['u']}] * 3, 100.0)
        self.assertEqual(slots.pace, 50.0)
        self.assertTrue(slots.is_due())
        slots.take('checkpoint')
        slots.hold_pace()
        self.assertFalse(slots.is_due(), 'too early')
        slots.pace = 0.0
        self.assertTrue(slots.is_due())
        slots.take('checkpoint')
        self.assertFalse(slots.is_due(), 'the last slot is for the last checkpoint')


if __name__ == '__main__':
    unittest.main()
