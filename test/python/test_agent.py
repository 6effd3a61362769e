import json
import os
import signal
import tempfile
import time
import unittest
from pathlib import Path

from control_plane import TICKET, TOKEN, ControlPlane
from sample import (ROOT, conversations, data, hashes_of, lines_of, plan, run_dry,
                    start_notebook, state_of, wait_for, write_notebook)


class Agent(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.addCleanup(self.holder.cleanup)
        self.root = Path(self.holder.name)
        self.count = 0

    def start(self, service, ticket=TICKET):
        self.count += 1
        self.work = self.root / ('work%d' % self.count)
        self.work.mkdir()
        self.private = self.root / ('private%d' % self.count)
        self.private.mkdir()
        path = write_notebook(self.work, service.url, ticket)
        env = dict(os.environ, TMPDIR=str(self.private), http_proxy='http://127.0.0.1:9',
                   no_proxy='', NO_PROXY='')
        process = start_notebook(path, self.work, '--stop-grace', '20', env=env)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def run_it(self, service, ticket=TICKET, timeout=30):
        process = self.start(service, ticket)
        output = process.communicate(timeout=timeout)[0]
        self.assert_no_secret(output, service)
        self.assertEqual(list(self.private.iterdir()), [], 'something private was left behind')
        return process.returncode, output

    def assert_no_secret(self, output, service):
        places = [output, json.dumps(service.report)]
        for path in self.work.rglob('*'):
            if path.is_file():
                places.append(path.read_bytes().decode('utf-8', 'replace'))
        for text in places:
            for secret in (TICKET, TOKEN, '/v1/transfers/data', '/v1/transfers/up-'):
                self.assertNotIn(secret, text)

    def test_a_whole_session(self):
        with ControlPlane(plan(), data(), {'saveSteps': 8}) as service:
            status, output = self.run_it(service)
            self.assertEqual(status, 0, output)
            self.assertEqual(service.steps()[-1], 20)
            self.assertEqual(service.steps('artifact'), [20])
            self.assertEqual((service.report['outcome'], service.report['lastCheckpointStep']),
                             ('finished', 20))
            phases = [beat['phase'] for beat in service.beats]
            self.assertLessEqual(set(phases),
                                 {'install', 'probe', 'resume', 'data', 'train', 'finish'})
            self.assertEqual(phases[0], 'install')
            manifest = service.manifests['checkpoint', 20].decode('utf-8')
            self.assertEqual(manifest, json.dumps(json.loads(manifest), sort_keys=True,
                                                  ensure_ascii=False) + '\n')

    def test_what_it_has_made_is_carried_on_to_where_it_is_published(self):
        with ControlPlane(plan(targetSteps=3), data()) as service:
            service.publish = {'weights.bin': 4096, 'README.md': None}
            service.expire = {'signed/README.md': 1}
            service.fail = {'signed/weights.bin': 2, 'publications': 1}
            status, output = self.run_it(service)
            self.assertEqual((status, service.report['outcome']), (0, 'finished'), output)
            self.assertEqual(sorted(service.published_whole()), ['README.md', 'weights.bin'])
            self.assertGreater(len(service.published['weights.bin']), 1)
            self.assertIn('the adapter is published to hub:ana/house', output)
            self.assertNotIn('/signed/', output)
            for headers in service.signed_seen:
                self.assertNotIn('authorization', headers)
            self.assertIn('so', [headers.get('x-told') for headers in service.signed_seen])

    def test_a_place_that_cannot_be_published_to_costs_the_run_nothing(self):
        for refusal, words in (((403, 'hub'), 'was not published from here'), ((404, 'old'), None)):
            with ControlPlane(plan(targetSteps=3), data()) as service:
                service.refuse = {'publications': refusal}
                status, output = self.run_it(service)
                self.assertEqual((status, service.report['outcome']), (0, 'finished'), output)
                self.assertEqual('was not published' in output, words is not None, output)

    def test_the_committed_notebook_runs_with_parameters_put_after_its_own(self):
        path = ROOT / 'notebooks' / 'train-dry-local' / 'notebook.ipynb'
        notebook = json.loads(path.read_text(encoding='utf-8'))
        with ControlPlane(plan(targetSteps=3), data()) as service:
            source = 'CONTROL_URL = %r\nTICKET = %r\n' % (service.url, TICKET)
            notebook['cells'].insert(2, {'cell_type': 'code', 'id': 'injected', 'metadata': {},
                                         'execution_count': None, 'outputs': [], 'source': source})
            given = self.root / 'given.ipynb'
            given.write_text(json.dumps(notebook), encoding='utf-8')
            self.work = self.root / 'given'
            self.work.mkdir()
            process = start_notebook(given, self.work)
            output = process.communicate(timeout=20)[0]
            self.assertEqual((process.returncode, service.report['outcome']), (0, 'finished'),
                             output)
            self.assertEqual(service.steps('artifact'), [3])
            self.assert_no_secret(output, service)

    def test_cut_downloads_and_errors_cost_nothing_but_time(self):
        with ControlPlane(plan(), data(), {'saveSteps': 8}) as service:
            service.cut = {'train.jsonl': 3}
            service.fail = {'enrol': 1, 'transfers/up': 2, 'uploads': 1, 'commit': 1, 'report': 2}
            status, output = self.run_it(service)
            self.assertEqual(status, 0, output)
            self.assertEqual((service.steps()[-1], service.report['outcome']), (20, 'finished'))
            size = len(data()['train.jsonl'])
            left = [size - start for start in service.ranges[:4]]
            self.assertEqual(left[0], size)
            for before, after in zip(left, left[1:]):
                self.assertLess(after, 0.6 * before)

    def test_a_file_that_keeps_coming_wrong_ends_the_session(self):
        with ControlPlane(plan(), data()) as service:
            service.corrupt = {'train.jsonl'}
            status, _output = self.run_it(service)
            self.assertEqual((status, service.report['failure']['class']), (1, 'bad_dataset'))
            self.assertIn('3 times', service.report['failure']['message'])
        with ControlPlane(plan(), data(), {'stepSeconds': 0.05}, seconds=2.0) as service:
            self.run_it(service)
            service.corrupt = {'weights.bin'}
            status, output = self.run_it(service)
            self.assertEqual((status, service.report['failure']['class']),
                             (1, 'damaged_checkpoint'))
            self.assertIn('weights.bin came 3 times', output.splitlines()[-1])

    def test_a_bad_row_is_reported_with_its_line(self):
        rows = conversations(3) + '{"messages": 7}\n'
        with ControlPlane(plan(), dict(data(), **{'train.jsonl': rows.encode()})) as service:
            status, output = self.run_it(service)
            failure = service.report['failure']
            self.assertEqual((status, failure['class'], failure['line']), (1, 'bad_dataset', 4))
            self.assertIn('line 4', output.splitlines()[-1])

    def test_a_service_that_fails_or_hangs_costs_no_step(self):
        with ControlPlane(plan(), data(), {'saveSteps': 5, 'stepSeconds': 0.1},
                          seconds=60.0) as service:
            process = self.start(service)
            wait_for(lambda: 5 in service.steps())
            service.fail = {'heartbeat': -1, 'uploads': -1}
            service.hang = {'heartbeat': 3}
            output = ''
            while '"step": 20,' not in output:
                output += process.stdout.readline()
            seconds = [line['seconds'] for line in lines_of(output.splitlines(), 'LOG')]
            self.assertLess(max(seconds), 0.4)
            self.assertEqual(service.steps(), [5])
            service.fail, service.hang = {}, {}
            output += process.communicate(timeout=20)[0]
            self.assertEqual((service.steps()[-1], service.report['outcome']), (20, 'finished'))

    def test_killed_and_resumed_it_ends_with_the_bytes_of_an_uninterrupted_run(self):
        whole = self.root / 'whole'
        whole.mkdir()
        run_dry(whole, {})
        with ControlPlane(plan(), data(), {'saveSteps': 6, 'stepSeconds': 0.2}) as service:
            process = self.start(service)
            wait_for(lambda: service.beats and service.beats[-1]['step'] >= 8)
            children = self.children(process.pid)
            self.assertEqual(len(children), 1)
            process.kill()
            process.communicate(timeout=5)
            wait_for(lambda: not self.alive(children[0]), 3)
            self.assertEqual(service.steps(), [6])
            service.options['stepSeconds'] = 0
            service.generation = 2
            status, output = self.run_it(service)
            self.assertEqual(status, 0, output)
            self.assertEqual(lines_of(output.splitlines(), 'LOG')[0]['step'], 7)
            self.assertEqual(hashes_of(service.stored['checkpoint', 20]),
                             state_of(whole / 'checkpoints' / 'step-00000020'))
            self.assertEqual(hashes_of(service.stored['artifact', 20]),
                             state_of(whole / 'artifact'))

    def test_the_program_dies_with_the_notebook_even_in_silence(self):
        with ControlPlane(plan(), data(), {'stepSeconds': 30}) as service:
            process = self.start(service)
            wait_for(lambda: any(beat['phase'] == 'train' for beat in service.beats))
            wait_for(lambda: len(self.children(process.pid)) == 1)
            child = self.children(process.pid)[0]
            while 'kinds of character' not in process.stdout.readline():
                pass  # from here on it prints nothing for 30 s, so no broken pipe can end it
            process.kill()
            wait_for(lambda: not self.alive(child), 3)

    @staticmethod
    def children(pid):
        path = Path('/proc/%d/task/%d/children' % (pid, pid))
        return [int(child) for child in path.read_text().split()]

    @staticmethod
    def alive(pid):
        try:
            return Path('/proc/%d/stat' % pid).read_text().rpartition(')')[2].split()[0] != 'Z'
        except OSError:
            return False

    def test_sigterm_saves_uploads_and_reports(self):
        with ControlPlane(plan(), data(), {'stepSeconds': 0.3}, heartbeat=60) as service:
            process = self.start(service)
            while '"step": 2,' not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGTERM)
            output = process.communicate(timeout=10)[0]
            self.assertEqual(process.returncode, 0, output)
            self.assertEqual(service.report['outcome'], 'stopped')
            self.assertEqual(service.steps(), [service.report['step']])

    def test_orders_are_carried_out(self):
        with ControlPlane(plan(targetSteps=400), data(), {'stepSeconds': 0.05}) as service:
            process = self.start(service)
            wait_for(lambda: service.beats and service.beats[-1]['step'] >= 2)
            service.order = 'checkpoint_now'
            wait_for(service.steps)
            service.order = 'stop'
            process.communicate(timeout=10)
            self.assertEqual((process.returncode, service.report['outcome']), (0, 'stopped'))
            self.assertEqual(service.steps()[-1], service.report['step'])

    def test_an_order_that_it_does_not_know_is_none(self):
        with ControlPlane(plan(targetSteps=30), data(), {'stepSeconds': 0.05}) as service:
            service.order = 'restart'
            status, output = self.run_it(service)
            self.assertEqual((status, service.report['outcome']), (0, 'finished'), output)
            self.assertEqual(service.report['step'], 30)

    def test_a_fenced_session_ends_at_once_and_writes_nothing_more(self):
        with ControlPlane(plan(targetSteps=400), data(), {'stepSeconds': 0.1}) as service:
            process = self.start(service)
            wait_for(lambda: service.beats and service.beats[-1]['step'] >= 2)
            service.order = 'fenced'
            output = process.communicate(timeout=5)[0]
            self.assertEqual(process.returncode, 1)
            self.assertIn('writes nothing more', output.splitlines()[-1])
            self.assertEqual((service.steps(), service.report), ([], None))
        with ControlPlane(plan(targetSteps=400), data(),
                          {'saveSteps': 3, 'stepSeconds': 0.1}) as service:
            service.refuse = {'/uploads': (409, 'fenced')}
            status, output = self.run_it(service)
            self.assertEqual((status, service.steps(), service.report), (1, [], None))

    def test_it_ends_before_its_deadline_with_everything_safe(self):
        with ControlPlane(plan(targetSteps=4000), data(), {'stepSeconds': 0.1, 'saveSeconds': 1},
                          seconds=4.5) as service:
            began = time.monotonic()
            status, output = self.run_it(service, timeout=8)
            self.assertLess(time.monotonic() - began, 5.5)
            self.assertEqual((status, service.report['outcome']), (0, 'limit'), output)
            self.assertEqual(service.report['lastCheckpointStep'], service.report['step'])
            self.assertGreater(service.report['step'], 20)

    def test_a_shrinking_deadline_is_kept(self):
        with ControlPlane(plan(targetSteps=4000), data(), {'stepSeconds': 0.1},
                          seconds=60.0) as service:
            process = self.start(service)
            wait_for(lambda: service.beats and service.beats[-1]['step'] >= 2)
            service.seconds = service.seconds - service.seconds_left() + 4.0
            process.communicate(timeout=8)
            self.assertEqual((process.returncode, service.report['outcome']), (0, 'limit'))

    def test_a_refused_ticket_is_one_sentence(self):
        with ControlPlane(plan(), data()) as service:
            status, output = self.run_it(service, ticket='rzt_some-other-ticket')
            self.assertEqual(status, 1)
            self.assertEqual(len(output.splitlines()), 1, output)
            self.assertNotIn('rzt_', output)

    def test_another_engine_than_the_notebook_holds_is_refused(self):
        with ControlPlane(plan(), data()) as service:
            make = service.work_order
            service.work_order = lambda: dict(make(), engine='trl')
            status, _output = self.run_it(service)
            self.assertEqual((status, service.report['failure']['class']), (1, 'refused_plan'))


if __name__ == '__main__':
    unittest.main()
