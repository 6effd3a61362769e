"""How a session gets its base: by addresses that the service has, or mounted by the platform."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from collections import namedtuple
from pathlib import Path
from unittest import mock

from control_plane import TICKET, ControlPlane, sha256
from sample import ROOT, data, plan
from templates.session import mounts, supplies
from templates.session.failures import Failure
from templates.session.supplies import Supplies

BASE = {'config.json': b'{"model_type": "mistral"}',
        'model-00001-of-00002.safetensors': os.urandom(700_000),
        'model-00002-of-00002.safetensors': os.urandom(300_000)}
# What a session does up to its base, and a line that would give an address away.
SESSION = """
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
from templates.session.agent import enrol
session = enrol(sys.argv[2], sys.argv[3], 'dry', first_wait=0.02)
with session.phase('install'):
    session.fetch_base()
    session.say('ADDRESSES ' + ' '.join(file['url'] for file in session.order['base']['files']))
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
             for path in session.base.iterdir()}
    print('FILES ' + json.dumps(found), flush=True)
session.close()
print('LEFT ' + str(session.base.exists()), flush=True)
"""


class FetchedBase(unittest.TestCase):
    def setUp(self):
        self.work = tempfile.mkdtemp(prefix='base-')
        self.addCleanup(shutil.rmtree, self.work)

    def service(self, seconds=60.0):
        service = ControlPlane(plan(), data(), seconds=seconds)
        service.base = dict(BASE)
        return service

    def run_session(self, service):
        """(status, lines) of a session in a process of its own."""
        ran = subprocess.run([sys.executable, '-c', SESSION, str(ROOT), service.url, TICKET],
                             cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True, timeout=60)
        return ran.returncode, ran.stdout.splitlines()

    def files_of(self, output):
        return json.loads(next(line[6:] for line in output if line.startswith('FILES ')))

    def test_it_comes_whole_by_range_through_cuts_and_addresses_that_are_over(self):
        with self.service() as service:
            service.cut = {'base-model-00001': 3}
            service.expire = {'base-model-00002': 1}
            status, output = self.run_session(service)
        self.assertEqual(status, 0, output)
        self.assertEqual(self.files_of(output), {name: sha256(body) for name, body in BASE.items()})
        # Nothing was fetched twice: each part began where the one before was cut off.
        self.assertGreaterEqual(len([begin for begin in service.ranges if begin > 0]), 3)
        self.assertEqual([path for _method, path in service.calls if path.endswith('/work-order')],
                         ['/v1/session/work-order'])
        self.assertIn('LEFT False', output)  # 14.5 GB are not left behind on somebody's disk
        phases = {beat['phase'] for beat in service.beats}
        self.assertLessEqual(phases, {'install'})

    def test_no_address_of_it_is_printed(self):
        with self.service() as service:
            _status, output = self.run_session(service)
        self.assertEqual(sum(line.startswith('ADDRESSES ') for line in output), 1)
        self.assertFalse([line for line in output if '/transfers/base' in line])

    def test_a_licence_that_is_taken_back_meanwhile_ends_it_by_its_sentence_and_not_as_a_bug(self):
        with self.service() as service:
            service.base_refused = 'accept the licence at https://hub.example/owner/base'
            status, output = self.run_session(service)
        self.assertNotEqual(status, 0)
        self.assertEqual(service.report['failure']['class'], 'access_expired')
        self.assertEqual(service.report['failure']['message'], service.base_refused)
        self.assertIn(service.base_refused, '\n'.join(output))

    def test_a_file_that_keeps_coming_otherwise_ends_it_with_its_name(self):
        with self.service() as service:
            service.corrupt = {'model-00002-of-00002.safetensors'}
            self.run_session(service)
        self.assertEqual(service.report['failure']['class'], 'notebook_bug')
        self.assertRegex(service.report['failure']['message'], 'model-00002.*3 times')

    def test_one_that_takes_longer_than_the_session_ends_it_at_its_limit(self):
        with self.service(seconds=2.0) as service:
            service.fail = {'base-model-00001': -1}
            self.run_session(service)
        self.assertEqual(service.report['outcome'], 'limit')


class Parts(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix='base-')).resolve()
        self.addCleanup(shutil.rmtree, str(self.folder))

    def supplies(self, order):
        return Supplies(None, self.folder, order, print, None)

    def test_without_a_word_of_it_the_program_finds_it_by_its_name(self):
        self.assertIsNone(self.supplies({'plan': plan(), 'base': None}).base())
        self.assertIsNone(self.supplies({'plan': plan()}).base())  # of a service before this one

    def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(self):
        entry = {'id': 'owner/base', 'files': [{'name': 'a', 'bytes': 14_500_000_000}]}
        usage = namedtuple('usage', 'total used free')
        with mock.patch.object(supplies.shutil, 'disk_usage', lambda _: usage(0, 0, 9 * 10 ** 9)):
            with self.assertRaisesRegex(Failure, '14.5 GB, and this machine has 9.0 GB'):
                self.supplies({'plan': plan(), 'base': entry}).base()

    def test_a_mounted_base_is_found_in_both_places_of_kaggle(self):
        name = 'kaggle:Owner/Mistral/PyTorch/7b-instruct-hf/1'
        for place in ('input/models/owner/mistral/pytorch/7b-instruct-hf/1',
                      'input/mistral/pytorch/7b-instruct-hf/1'):
            machine = Path(tempfile.mkdtemp(dir=str(self.folder)))
            (machine / 'working').mkdir()
            (machine / place).mkdir(parents=True)
            with mock.patch.object(mounts, 'PLACES', tuple(
                    str(machine / 'working' / one) for one in mounts.PLACES)):
                self.assertIsNone(mounts.mounted_base(name))  # the folder alone is no model
                (machine / place / 'config.json').write_text('{}')
                found = self.supplies({'plan': plan(base=name)}).base()
            self.assertEqual(found, machine / place)

    def test_one_that_is_not_mounted_is_named(self):
        with self.assertRaisesRegex(Failure, 'has not mounted the base kaggle:a/b/c/d/1'):
            self.supplies({'plan': plan(base='kaggle:a/b/c/d/1')}).base()


if __name__ == '__main__':
    unittest.main()
