import shutil
import subprocess
import tempfile
import threading
import time
import unittest
import unittest.mock
from pathlib import Path

from relay_service import TOKEN, HandServer, RelayService

from rodizio_serving_session.relay import Relay
from rodizio_session.wire import Wire

LINES = [b'data: %d\n\n' % number for number in range(5)]


def slowly(handler):
    """Five lines, each a while after the one before."""
    handler.begin()
    for line in LINES:
        handler.piece(line)
        time.sleep(0.15)
    handler.piece(b'')


def endless(handler):
    handler.begin()
    while True:
        handler.piece(b'x' * 1000)
        time.sleep(0.005)


def flood(handler):
    """60 MB, as fast as they are taken."""
    handler.begin()
    for megabyte in range(60):
        handler.server.flooded = megabyte
        handler.piece(b'x' * (1 << 20))
    handler.piece(b'')


def never(handler):
    """Reads nothing but the end of its client."""
    handler.connection.settimeout(10)
    if handler.connection.recv(1) == b'':
        handler.server.gone.set()


def whole(handler):
    handler.begin(('content-length', '4'), ('content-type', 'x/y'))
    handler.wfile.write(b'done')


def short(handler):
    """Dies before it has said all that it promised."""
    handler.begin(('content-length', '4'))
    handler.wfile.write(b'do')
    handler.close_connection = True


def cut(handler):
    handler.begin()
    handler.piece(b'half')
    time.sleep(0.1)
    handler.close_connection = True


class Relaying(unittest.TestCase):
    def setUp(self):
        self.server = self.enter(HandServer(slowly=slowly, endless=endless, whole=whole, cut=cut,
                                            short=short, never=never, flood=flood, load=whole))
        self.server.server.gone = threading.Event()
        self.said = []
        self.server_url = self.server.url

    def enter(self, manager):
        self.addCleanup(manager.__exit__)
        return manager.__enter__()

    def relay(self, service, ready=True):
        self.wire = Wire(service.url)
        self.wire.token = TOKEN
        made = Relay(self.wire, 'a' * 64, lambda: self.server_url, self.said.append)
        self.addCleanup(made.leave)
        made.tell(ready)
        return made

    def until(self, probe, seconds=10.0):
        end = time.monotonic() + seconds
        while not probe():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_a_request_is_asked_as_it_came_and_its_answer_sent_as_it_is(self):
        service = self.enter(RelayService())
        self.relay(service)
        service.ask('req_1', '/v1/whole', 'POST', b'\x00\xff', accept='a/b',
                    authorization='Bearer k', cookie='c')
        answer = service.whole('req_1')
        self.assertEqual((answer.end, answer.head()['status'], answer.body()),
                         ('whole', 200, b'done'))
        self.assertEqual(answer.head()['headers']['content-type'], 'x/y')
        [(method, path, headers, body)] = self.server.asked
        self.assertEqual((method, path, body), ('POST', '/v1/whole', b'\x00\xff'))
        self.assertEqual((headers['accept'], headers['authorization']), ('a/b', 'Bearer k'))
        self.assertNotIn('cookie', headers)
        self.assertEqual(service.words[-1]['keySha256'], 'a' * 64)

    def test_a_stream_is_sent_line_by_line_as_the_lines_come(self):
        service = self.enter(RelayService())
        self.relay(service)
        service.ask('req_1', '/v1/slowly')
        answer = service.whole('req_1')
        self.assertEqual([piece for _at, piece in answer.pieces[1:]], LINES)
        at = [moment for moment, _piece in answer.pieces[1:]]
        for before, after in zip(at, at[1:]):
            self.assertGreater(after - before, 0.05)

    def test_many_are_answered_at_once(self):
        service = self.enter(RelayService())
        self.relay(service)
        began = time.monotonic()
        for number in range(20):
            service.ask('req_%d' % number, '/v1/slowly')
        for number in range(20):
            self.assertEqual(service.whole('req_%d' % number).body(), b''.join(LINES))
        self.assertLess(time.monotonic() - began, 8)

    def test_a_caller_who_leaves_ends_the_answer_at_the_server_as_well(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                service = self.enter(self.secured() if tls else RelayService())
                service.hang_up_after = 3
                self.server.left.clear()
                self.relay(service)
                service.ask('req_1', '/v1/endless')
                service.whole('req_1')
                self.assertTrue(self.server.left.wait(5))

    def test_one_who_leaves_before_the_first_token_ends_it_too(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                service = self.enter(self.secured() if tls else RelayService())
                self.server.server.gone.clear()
                self.relay(service)
                service.ask('req_1', '/v1/never')
                service.upload('req_1')
                self.until(lambda: self.server.asked)
                self.assertFalse(self.server.server.gone.wait(1.0))  # tickets of TLS are no word
                service.__exit__()
                self.assertTrue(self.server.server.gone.wait(3))
                self.server.asked.clear()

    def secured(self):
        """A service under TLS, whose certificate this process believes."""
        if shutil.which('openssl') is None:
            self.skipTest('there is no openssl to make a certificate')
        folder = Path(tempfile.mkdtemp(prefix='tls-'))
        self.addCleanup(shutil.rmtree, str(folder))
        key, certificate = str(folder / 'key.pem'), str(folder / 'cert.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
                        'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj',
                        '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key,
                        '-out', certificate], check=True, capture_output=True)
        patched = unittest.mock.patch.dict('os.environ', SSL_CERT_FILE=certificate)
        self.enter(patched)
        return RelayService(certificate=(certificate, key))

    def test_a_caller_who_is_slow_holds_the_server_back(self):
        service = self.enter(RelayService())
        service.read_pause = 0.05
        self.relay(service)
        service.ask('req_1', '/v1/flood')
        answer = service.upload('req_1')
        time.sleep(1.0)
        self.assertIsNone(answer.end)
        self.assertLess(self.server.server.flooded, 40)
        service.read_pause = 0.0
        self.assertEqual(len(service.whole('req_1', 30).body()), 60 << 20)

    def test_an_answer_that_breaks_off_is_broken_off_and_not_ended(self):
        service = self.enter(RelayService())
        self.relay(service)
        for path in ('cut', 'short'):
            with self.subTest(path):
                service.ask('req_' + path, '/v1/' + path)
                answer = service.whole('req_' + path)
                self.assertEqual(answer.end, 'broken')
                self.assertIn(answer.body(), (b'half', b'do'))

    def test_without_a_server_it_says_so_and_other_paths_are_not_asked(self):
        service = self.enter(RelayService())
        self.relay(service)
        service.ask('req_1', '/adapters/load', 'POST', b'{}')
        service.ask('req_2', '/v1/whole', 'DELETE')
        for number in ('req_1', 'req_2'):
            service.whole(number)
        self.server_url = None
        service.ask('req_3', '/health')
        for number in ('req_1', 'req_2', 'req_3'):
            answer = service.whole(number)
            self.assertEqual((answer.end, answer.head()['status']), ('whole', 502))
            self.assertIn(b'server_gone', answer.body())
        self.assertEqual(self.server.asked, [])

    def test_a_service_that_starts_again_elsewhere_is_found_again(self):
        service = self.enter(RelayService())
        self.relay(service)
        service.ask('req_1', '/v1/whole')
        service.whole('req_1')
        service.__exit__()
        time.sleep(0.5)
        again = self.enter(RelayService(port=service.port))
        again.ask('req_2', '/v1/whole')
        self.assertEqual(again.whole('req_2').body(), b'done')
        again.__exit__()
        moved = self.enter(RelayService())
        self.wire.control_url = moved.url
        moved.ask('req_3', '/v1/whole')
        self.assertEqual(moved.whole('req_3', 20).body(), b'done')
        self.assertIn('the relay is there again', self.said)

    def test_a_turn_is_said_at_once_and_not_by_the_next_poll(self):
        service = self.enter(RelayService())
        relay = self.relay(service, ready=False)
        self.until(lambda: len(service.words) >= 2)
        self.assertEqual({said['ready'] for said in service.words}, {False})
        service.words.clear()
        relay.tell(True)
        self.until(lambda: service.words, 0.8)
        self.assertEqual((service.words[0]['ready'], service.words[0]['waitSeconds']), (True, 0))

    def test_it_leaves_when_answers_under_way_have_ended_and_takes_no_more(self):
        service = self.enter(RelayService())
        relay = self.relay(service)
        service.ask('req_1', '/v1/slowly')
        service.upload('req_1')
        relay.leave()
        relay.drain(5)
        self.assertEqual(service.uploads['req_1'].end, 'whole')
        self.until(lambda: any(not said['ready'] for said in service.words))
        service.ask('req_2', '/v1/whole')
        time.sleep(1.5)
        self.assertNotIn('req_2', service.uploads)

    def test_shut_out_it_polls_no_more(self):
        service = self.enter(RelayService())
        service.refuse = (409, 'fenced')
        self.relay(service)
        self.until(lambda: service.words)
        time.sleep(0.5)
        count = len(service.words)
        self.assertLessEqual(count, 3)
        time.sleep(1.0)
        self.assertEqual(len(service.words), count)

    def test_a_service_in_trouble_is_asked_again_with_pauses(self):
        service = self.enter(RelayService())
        service.refuse = (500, 'internal')
        self.relay(service)
        time.sleep(2.0)
        self.assertLess(len(service.words), 12)
        service.refuse = None
        service.ask('req_1', '/v1/whole')
        self.assertEqual(service.whole('req_1').body(), b'done')


if __name__ == '__main__':
    unittest.main()
