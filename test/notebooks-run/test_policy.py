import hashlib
import json
import shutil
import sqlite3
import sys
import time
import unittest

from rotation import PROGRAM, Rotation
from served import lack_of, servers_on, tried_generator
from training import MISSING, ROOT, STACKS, python_of, tiny_model

sys.path.insert(0, str(ROOT / 'test' / 'python-serve'))
from box import Client  # noqa: E402

KEY = 'a-key-of-the-tests-that-the-service-never-sees'
NOW = '2026-01-01T00:00:00.000Z'
SESSION_SECONDS = 100  # on two busy cores a server is up after some twenty
OVERLAP_SECONDS = 60


def handed_in(adapter, folder):
    """Copies an adapter as a training leaves it in the store; the hash of its manifest."""
    shutil.copytree(str(adapter), str(folder))
    held = json.loads((folder / 'manifest.json').read_text())
    files = [dict(file, bytes=(folder / file['name']).stat().st_size) for file in held['files']]
    text = json.dumps({**held, 'format': 1, 'run': 'run_made', 'session': 'ses_made',
                       'targetSteps': 1, 'epoch': 1, 'label': 'candidate', 'env': {},
                       'metrics': {}, 'files': files})
    (folder / 'manifest.json').write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


@unittest.skipUnless(STACKS, MISSING)
@unittest.skipUnless(PROGRAM.exists(), 'dist/ is not built: npm run build')
class Policy(unittest.TestCase):
    """A serving policy on this machine, over the whole service and the tiny model."""

    def setUp(self):
        stack = 'colab' if 'colab' in STACKS else STACKS[0]
        if lack_of(stack):
            self.skipTest(lack_of(stack))
        self.service = Rotation(
            RODIZIO_EMULATORS='off', RODIZIO_SAMPLE='off', RODIZIO_STORE='folder',
            RODIZIO_TICK_SECONDS='1', RODIZIO_TRL_PYTHON=python_of(stack))
        self.addCleanup(self.service.close)
        self.until(lambda: self.service.ask('accounts', 'list') is not None, 30)
        added = self.service.ask('accounts', 'add', 'here', '--provider', 'local',
                                 '--accept-rules')
        self.assertIsNotNone(added, self.service.told())
        self.begin(stack)

    def begin(self, stack):
        """Puts the adapter into the store and the policy into the books as its commands would, but
        for its sessions of minutes, which they do not take."""
        store = self.service.data / 'store' / 'runs' / 'run_made' / 'artifacts' / 'candidate-g1'
        store.parent.mkdir(parents=True)
        self.sha256 = handed_in(tried_generator(stack)[1] / 'v1', store)
        plan = {'engine': 'serve', 'adapter': self.sha256, 'base': tiny_model(),
                'revision': 'main', 'quantization': 'none', 'tunnel': '', 'maxTokens': 64,
                'keySha256': hashlib.sha256(KEY.encode()).hexdigest()}
        options = {'heartbeatSeconds': 1, 'sessionSeconds': SESSION_SECONDS,
                   'minSessionSeconds': 20}
        serving = {'windows': 'always', 'overlapSeconds': OVERLAP_SECONDS}
        books = sqlite3.connect(str(self.service.data / 'rodizio.db'), timeout=20)
        with books:
            books.execute("update accounts set serves = 1, max_concurrent = 2")
            for row in (('run_made', 'made', 'trl', 'completed', '{}', '{}', None),
                        ('run_nights', 'nights', 'serve', 'queued', json.dumps(plan),
                         json.dumps(options), json.dumps(serving))):
                books.execute(
                    'insert into runs (id, name, engine, state, plan, options, serving, '
                    'dataset_version, target_steps, sample, created_at, priority) '
                    "values (?, ?, ?, ?, ?, ?, ?, 'none', 0, 0, ?, 0)", (*row, NOW))
            books.execute(
                'insert into artifacts (run_id, label, step, generation, manifest_sha256, bytes, '
                "metrics, committed_at) values ('run_made', 'candidate', 1, 1, ?, '1', '{}', ?)",
                (self.sha256, NOW))
        books.close()

    def until(self, probe, seconds):
        end = time.monotonic() + seconds
        while True:
            found = probe()
            if found:
                return found
            self.assertLess(time.monotonic(), end, self.service.told())
            self.assertIsNone(self.service.service.poll(), self.service.told())
            time.sleep(0.3)

    def sessions(self):
        return (self.service.ask('serve', 'show', 'nights') or {'recent': []})['recent'][::-1]

    def node(self, number):
        """What is known of the node of that session, once it is ready."""
        mine = self.sessions()[number:]
        if mine:
            self.assertIsNone(mine[0]['outcome'], self.service.told())
        return mine[0]['node'] if mine else None

    def port_of(self, node):
        return int(node['url'].rpartition(':')[2])

    def test_it_answers_behind_its_key_and_is_replaced_before_it_ends(self):
        first = self.until(lambda: self.node(0), 90)
        self.assertEqual(first['adapter'], self.sha256)
        self.assertRegex(first['url'], r'^http://127\.0\.0\.1:\d+$')
        client = Client(self.port_of(first), KEY)
        status, _headers, said = client.ask('Qual é a maré?', max_tokens=8)
        self.assertEqual(status, 200, said)
        self.assertEqual(said['usage']['completion_tokens'] > 0, True)
        self.assertEqual(client.call('GET', '/v1/models', key='another key')[0], 401)
        self.assertEqual(client.health()['adapter']['sha256'], self.sha256)

        second = self.until(lambda: self.node(1), SESSION_SECONDS)
        self.assertNotEqual(second['url'], first['url'])
        older = self.until(lambda: self.sessions()[0]['outcome'] and self.sessions()[0], 60)
        told = self.service.told()
        self.assertEqual((older['outcome'], older['node']), ('cancelled', None), told)
        self.assertLess(second['readyAt'], older['endedAt'])
        self.assertLess(older['endedAt'], older['deadlineAt'])
        self.assertEqual(servers_on(self.port_of(first)), [])
        newer = Client(self.port_of(second), KEY)
        self.assertEqual(newer.ask('Qual é a maré?', max_tokens=8)[0], 200)

        ready = self.service.ask('serve', 'logs', 'nights')
        kinds = [event['kind'] for event in ready['items'] if event['kind'].startswith('node.')]
        self.assertEqual(kinds, ['node.ready', 'node.ready'])
        self.assertNotIn(KEY, told)
        self.service.service.terminate()
        self.assertEqual(self.service.service.wait(60), 0, self.service.told())
        self.assertEqual(servers_on(self.port_of(second)), [])
        self.assertIn('session 2 ended (cancelled): stopped as ordered', self.service.told())


if __name__ == '__main__':
    unittest.main()
