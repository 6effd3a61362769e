import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from box import KEY, MISSING, Client, alive
from policy import ROOT, TICKET, TOKEN, PolicyService, notebook_of

RUNNER = ROOT / 'templates' / 'run_notebook.py'
# In place of what needs torch, and of waits: a generator without a model, no packages, no GPU.
LIGHT = """
import rodizio_serving_session.session as serving
from rodizio_serving.gpu import DeadGpu, NoGpu
Path('serve/transformers_generator.py').write_text('''
import os, sys, time
sys.path.insert(0, %r)
from fake_generator import FakeGenerator

def load_generator(settings, adapter):
    print('told', settings.base, settings.revision, settings.quantization, settings.grace)
    time.sleep(float(os.environ.get('LOAD_SECONDS', '0')))
    if os.environ.get('LOAD_FAILS'):
        raise RuntimeError(os.environ['LOAD_FAILS'])
    if os.path.exists('loads'):  # from the second start on
        again = open('loads').read()
        time.sleep(float(again) if again.replace('.', '').isdigit() else 0)
        if again == 'fails':
            raise RuntimeError('CUDA out of memory')
    return FakeGenerator(adapter)
''')
serving.prepare = lambda provider: print('packages for', provider)
serving.probe = lambda require_gpu: 'Tesla T4'
serving.TUNNEL_PAUSE_SECONDS = 0.2
""" % str(Path(__file__).parent)
# As cloudflared tells an address, another one each time; it goes when its file appears.
STAND_IN = """#!%s
import http.server, os, sys, threading, time
place = %r
ready = os.path.join(place, 'ready')
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(open(ready).read()) if self.path == '/ready' else 404)
        self.end_headers()
    def log_message(self, *_words):
        pass
if os.path.exists(ready):
    told_at = ('127.0.0.1', int(sys.argv[6].rpartition(':')[2]))
    server = http.server.ThreadingHTTPServer(told_at, Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
count = os.path.join(place, 'count')
number = int(open(count).read()) if os.path.exists(count) else 0
open(count, 'w').write(str(number + 1))
if os.path.exists(os.path.join(place, 'dead')):
    sys.exit('failed to request a quick tunnel')
if number:
    time.sleep(1)
host = ('localhost', '127.0.0.1')[number %% 2]
print('INF |  http://%%s:%%s/  |' %% (host, sys.argv[4].rpartition(':')[2]), flush=True)
go = os.path.join(place, 'go')
while not os.path.exists(go):
    time.sleep(0.05)
os.remove(go)
"""


@unittest.skipIf(MISSING, MISSING)
@unittest.skipUnless(sys.platform == 'linux', 'looks at /proc')
class ServingSession(unittest.TestCase):
    """The committed notebook of a policy's session against a small service."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        for name in ('work', 'private', 'bin'):
            (self.root / name).mkdir()
        self.log = self.root / 'log'
        self.started = []

    def service(self, **options):
        service = PolicyService(self.root / 'adapter', **options)
        self.addCleanup(service.__exit__)
        return service.__enter__()

    def start(self, service, light=LIGHT, **env):
        path = notebook_of(service, self.root, light)
        self.service_of_test = service
        with open(self.log, 'wb') as log:
            self.notebook = subprocess.Popen(
                [sys.executable, '-u', str(RUNNER), '--notebook', str(path), '--cwd',
                 str(self.root / 'work'), '--exit-file', str(self.root / 'exit.json')],
                stdout=log, stderr=log, env={**os.environ, 'TMPDIR': str(self.root / 'private'),
                                             'http_proxy': 'http://127.0.0.1:9', **env})
        self.addCleanup(self.end)

    def end(self):
        for pid in self.started:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.notebook.kill()
        self.notebook.wait(10)

    def until(self, probe, seconds=20):
        end = time.monotonic() + seconds
        while not probe():
            self.assertLess(time.monotonic(), end, self.log.read_text())
            self.assertIsNone(self.notebook.poll(), self.log.read_text())
            time.sleep(0.02)

    def serving(self, service=None, **options):
        service = service or self.service()
        self.start(service, **options)
        self.until(lambda: service.nodes() and service.nodes()[-1])
        self.started = [int(pid) for pid in Path('/proc/%d/task/%d/children' % (
            self.notebook.pid, self.notebook.pid)).read_text().split()]
        port = int(service.nodes()[-1][1].rpartition(':')[2])
        self.client = Client(port, KEY)
        return service

    def ended(self, status, outcome, failure=None, seconds=20):
        """It has ended so and said so, left nobody behind, and no secret anywhere."""
        service = self.service_of_test
        self.assertEqual(self.notebook.wait(seconds), status, self.log.read_text())
        text = self.log.read_text()
        report = service.report
        self.assertEqual(report and report['outcome'], outcome, text)
        if report:
            self.assertEqual((report['failure'] or {}).get('class'), failure, report)
        for pid in self.started:
            self.assertFalse(alive(pid))
        self.assertEqual(list((self.root / 'private').glob('session-*')), [])
        places = [text, json.dumps(report)] + [
            path.read_text(errors='replace') for path in (self.root / 'work').rglob('*')
            if path.is_file()]
        for place in places:
            for secret in (TICKET, TOKEN, KEY, '/v1/transfers/adapter'):
                self.assertNotIn(secret, place)
        return text, report

    def test_it_answers_and_told_to_stop_it_lets_an_answer_end_before_it_reports(self):
        service = self.serving()
        [before, node] = service.nodes()
        self.assertIsNone(before)
        self.assertTrue(node[0])
        self.assertRegex(node[1], r'^http://127\.0\.0\.1:\d+$')
        beat = service.beats[-1]
        self.assertEqual((beat['phase'], beat['gpu'], beat['step']), ('serve', 'Tesla T4', 0))
        self.assertEqual(beat['node'], {'ready': True, 'url': node[1], 'reach': 'local',
                                        'adapter': service.sha256, 'freeVramBytes': None,
                                        'tunnel': None, 'restarts': 0})
        self.assertEqual(self.client.ask('Qual é a maré?')[0], 200)
        self.assertEqual(self.client.call('GET', '/v1/models', key='wrong')[0], 401)
        stream = self.client.open_stream('slow endless', stream=True, max_tokens=150)
        self.addCleanup(stream.close)
        answer = stream.getresponse()
        answer.read(10)
        service.order = 'stop'
        self.assertIn(b'[DONE]', answer.read())
        text, report = self.ended(0, 'stopped')
        self.assertEqual(service.nodes()[2:], [(False, node[1])])
        self.assertEqual((report['step'], report['lastCheckpointStep']), (0, 0))
        self.assertIn('told tiny main none 30', text)
        self.assertIn('packages for local', text)
        self.assertIn('serving adapter at step 60', report['logTail'])
        self.assertIn('to serve the adapter %s' % service.sha256[:12], text)

    def test_sigterm_ends_it_as_an_order_does(self):
        self.serving()
        stream = self.client.open_stream('slow endless', stream=True, max_tokens=60)
        self.addCleanup(stream.close)
        answer = stream.getresponse()
        self.notebook.terminate()
        self.assertIn(b'[DONE]', answer.read())
        self.ended(0, 'stopped')

    def test_near_its_deadline_it_leaves_by_itself_and_in_time(self):
        service = self.service(seconds=9)
        self.serving(service)
        stream = self.client.open_stream('slow endless', stream=True, max_tokens=1900)
        self.addCleanup(stream.close)
        answer = stream.getresponse()
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()  # longer than there is time
        text, _report = self.ended(0, 'limit')
        self.assertGreater(service.seconds_left(), -0.5)
        self.assertIn('the time of this session is over', text)

    def test_fenced_off_it_takes_the_server_down_and_reports_nothing(self):
        service = self.serving()
        service.refuse['/heartbeat'] = (409, 'fenced')
        text, _none = self.ended(1, None)
        self.assertIn('this session ends and writes nothing more', text)

    def test_stopped_while_the_model_is_loaded_it_ends_at_once(self):
        service = self.service()
        self.start(service, LOAD_SECONDS='60')
        self.until(lambda: 'load' in [beat['phase'] for beat in service.beats])
        service.order = 'stop'
        self.ended(0, 'stopped', seconds=8)
        self.assertEqual(service.nodes(), [None])

    def test_its_time_is_over_before_the_model_is_loaded(self):
        for seconds in (3.5, 7):
            with self.subTest(seconds):
                self.start(self.service(seconds=seconds), LOAD_SECONDS='60')
                self.ended(0, 'limit')
            (self.root / 'adapter').rename(self.root / str(seconds))

    def test_a_server_that_dies_is_reported_with_its_last_line(self):
        self.serving()
        os.kill(self.started[0], signal.SIGKILL)
        _text, report = self.ended(1, 'failed', 'notebook_bug')
        self.assertRegex(report['failure']['message'],
                         r'^the server has ended \(signal 9\): serving adapter at step 60')

    def test_one_that_cannot_load_its_model_is_reported_by_its_cause(self):
        for words, known_as in (
                ('CUDA out of memory. Tried to allocate 2.00 GiB', 'out_of_memory'),
                ('the weights make no sense', 'notebook_bug')):
            with self.subTest(words):
                self.start(self.service(), LOAD_FAILS=words)
                _text, report = self.ended(1, 'failed', known_as)
                self.assertIn(words, report['failure']['message'])
            (self.root / 'adapter').rename(self.root / words[:3])

    def test_one_that_hangs_is_told_of_and_taken_up_again_when_it_answers(self):
        service = self.serving()
        url = service.nodes()[-1][1]
        os.kill(self.started[0], signal.SIGSTOP)
        self.until(lambda: service.nodes()[-1] == (False, url))
        self.assertIn('the server hangs', self.log.read_text())
        os.kill(self.started[0], signal.SIGCONT)
        self.until(lambda: service.nodes()[-1] == (True, url))
        service.order = 'stop'
        self.ended(0, 'stopped')

    def servers(self):
        return [int(pid) for pid in Path('/proc/%d/task/%d/children' % (
            self.notebook.pid, self.notebook.pid)).read_text().split()]

    def restarts(self):
        return [beat['node']['restarts'] for beat in list(self.service_of_test.beats)
                if beat.get('node')]

    def test_told_to_restart_it_starts_its_server_anew_at_its_place_once(self):
        service = self.serving()
        url = service.nodes()[-1][1]
        (self.root / 'work' / 'loads').write_text('1.5')
        stream = self.client.open_stream('slow endless', stream=True, max_tokens=50)
        self.addCleanup(stream.close)
        answer = stream.getresponse()
        service.restarts = 1
        self.assertIn(b'[DONE]', answer.read())  # a second is less than the drain
        self.until(lambda: service.nodes()[-1] == (False, url))
        beats = len(service.beats)
        self.until(lambda: service.nodes()[-1] == (True, url))
        self.assertGreater(len(service.beats), beats + 3)  # they go on while it loads
        self.assertEqual(self.client.ask('Qual é a maré?')[0], 200)
        [pid] = self.servers()
        self.assertNotIn(pid, self.started)
        time.sleep(1)  # answers of older heartbeats are no second order
        self.assertEqual(self.servers(), [pid])
        self.assertEqual(sorted(set(self.restarts())), [0, 1])
        service.restarts = 2
        self.until(lambda: self.restarts()[-1] == 2 and service.nodes()[-1] == (True, url))
        service.order = 'stop'
        self.ended(0, 'stopped')

    def test_a_server_that_hangs_is_killed_for_its_restart_and_answers_cut(self):
        service = self.serving()
        url = service.nodes()[-1][1]
        stream = self.client.open_stream('slow endless', stream=True, max_tokens=1900)
        self.addCleanup(stream.close)
        answer = stream.getresponse()
        answer.read(10)
        os.kill(self.started[0], signal.SIGSTOP)
        self.until(lambda: service.nodes()[-1] == (False, url))
        service.restarts, began = 1, time.monotonic()
        self.until(lambda: service.nodes()[-1] == (True, url))
        self.assertGreater(time.monotonic() - began, 5)
        self.assertLess(time.monotonic() - began, 10)
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
        self.assertFalse(alive(self.started[0]))
        service.order = 'stop'
        self.ended(0, 'stopped')

    def test_a_restart_that_fails_is_reported_by_its_cause(self):
        for again, light, known_as, words in (
                ('fails', LIGHT, 'out_of_memory', 'CUDA out of memory'),
                ('60', LIGHT + 'serving.RESTART_SECONDS = 1\n', 'notebook_bug',
                 'the server was started anew and has not answered for 1 s')):
            with self.subTest(again):
                service = self.serving(light=light)
                (self.root / 'work' / 'loads').write_text(again)
                service.restarts = 1
                _text, report = self.ended(1, 'failed', known_as)
                self.assertIn(words, report['failure']['message'])
                self.assertEqual(self.restarts()[-1], 1)
            (self.root / 'work' / 'loads').unlink()
            (self.root / 'adapter').rename(self.root / again)

    def test_an_order_to_stop_ends_a_restart(self):
        service = self.serving()
        (self.root / 'work' / 'loads').write_text('60')
        service.restarts = 1
        self.until(lambda: self.restarts()[-1] == 1)
        service.order = 'stop'
        self.ended(0, 'stopped', seconds=8)

    def test_a_model_that_fails_for_good_ends_it_and_one_failure_does_not(self):
        self.serving(light=LIGHT + 'serving.FAILING_SECONDS = 2\n')
        self.client.ask('broken')
        self.assertEqual(self.client.ask('Olá')[0], 200)
        time.sleep(3)
        self.assertIsNone(self.notebook.poll(), self.log.read_text())
        self.client.ask('broken')
        _text, report = self.ended(1, 'failed', 'notebook_bug')
        self.assertIn('the model has failed', report['failure']['message'])
        self.assertIn('a generation failed: RuntimeError', report['logTail'])

    def test_what_the_probe_finds_is_reported_by_its_class(self):
        for kind, known_as in (('NoGpu', 'no_gpu'), ('DeadGpu', 'dead_gpu')):
            with self.subTest(kind):
                refuses = 'def refuse(_wanted):\n    raise %s("no use")\n' % kind
                self.start(self.service(), LIGHT + refuses + 'serving.probe = refuse\n')
                self.ended(1, 'failed', known_as)
            (self.root / 'adapter').rename(self.root / kind)

    def test_another_adapter_than_the_plans_is_refused(self):
        service = self.service(adapter='c' * 64)
        self.start(service)
        _text, report = self.ended(1, 'failed', 'notebook_bug')
        self.assertIn('the adapter is refused', report['failure']['message'])

    def test_one_that_arrives_damaged_is_not_served(self):
        service = self.service()
        service.corrupt.add('adapter_model.safetensors')
        self.start(service)
        self.ended(1, 'failed', 'notebook_bug')

    def test_a_base_by_the_service_is_served_from_this_disk(self):
        service = self.service()
        service.base = {'config.json': b'{}'}
        self.serving(service)
        service.order = 'stop'
        text, _report = self.ended(0, 'stopped')
        self.assertRegex(text, r'told /\S+/base None none 30')

    def with_tunnel(self):
        path = self.root / 'bin' / 'cloudflared'
        path.write_text(STAND_IN % (sys.executable, str(self.root)))
        path.chmod(0o755)
        return {'PATH': '%s:%s' % (self.root / 'bin', os.environ['PATH']),
                'no_proxy': 'localhost,127.0.0.1'}

    def test_a_lost_tunnel_is_told_opened_anew_and_its_address_told_at_once(self):
        service = self.service(reach='tunnel', provider='kaggle', heartbeat=60.0)
        self.serving(service, **self.with_tunnel())
        port = self.client.port
        self.assertEqual(service.nodes()[1:], [(True, 'http://localhost:%d' % port)])
        (self.root / 'go').touch()
        self.until(lambda: service.nodes()[-1] == (True, 'http://127.0.0.1:%d' % port), 5)
        said = [(node['url'].split(':')[1], node['tunnel'])
                for node in (beat.get('node') for beat in service.beats) if node]
        self.assertEqual(said, [('//localhost', 'up'), ('//localhost', 'down'),
                                ('//127.0.0.1', 'up')])
        self.notebook.terminate()
        self.ended(0, 'stopped')

    def test_it_tells_what_the_tunnels_own_program_says_and_restarts_behind_it(self):
        (self.root / 'ready').write_text('200')
        service = self.service(reach='tunnel', provider='kaggle')
        self.serving(service, **self.with_tunnel())
        tunnel = [pid for pid in self.started if b'--metrics' in
                  Path('/proc/%d/cmdline' % pid).read_bytes()]
        said = lambda: service.beats[-1]['node']['tunnel']  # noqa: E731
        self.assertEqual(said(), 'up')
        (self.root / 'ready').write_text('503')
        self.until(lambda: said() == 'down')
        self.assertTrue(service.beats[-1]['node']['ready'])
        (self.root / 'ready').write_text('200')
        self.until(lambda: said() == 'up')
        (self.root / 'ready').write_text('404')  # another version may know no such place
        time.sleep(1)
        self.assertEqual(said(), 'up')
        service.restarts = 1
        self.until(lambda: self.restarts()[-1] == 1 and service.nodes()[-1][0])
        self.assertEqual(len(tunnel), 1)
        self.assertIn(tunnel[0], self.servers())
        service.order = 'stop'
        self.ended(0, 'stopped')

    def test_a_tunnel_that_cannot_be_had_again_ends_it_and_says_so_before(self):
        service = self.serving(self.service(reach='tunnel', provider='kaggle'),
                               **self.with_tunnel())
        (self.root / 'dead').touch()
        (self.root / 'go').touch()
        _text, report = self.ended(1, 'failed', 'notebook_bug')
        self.assertIn('no tunnel could be opened: cloudflared has ended: failed to request',
                      report['failure']['message'])
        self.assertFalse(service.nodes()[-1][0])
        self.assertEqual((self.root / 'count').read_text(), '4')

    def test_without_a_tunnel_it_is_reached_from_its_own_machine_alone_elsewhere(self):
        service = self.service(provider='kaggle')
        self.start(service)
        self.until(lambda: service.nodes() and service.nodes()[-1])
        self.assertEqual(service.nodes()[-1], (True, None))
        service.order = 'stop'
        self.ended(0, 'stopped')


if __name__ == '__main__':
    unittest.main()
