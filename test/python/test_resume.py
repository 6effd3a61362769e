"""Which checkpoint a session goes on from when the furthest is not whole, or nobody knows it."""
import json
import os
import shutil
import signal
import tempfile
import unittest
from pathlib import Path

from control_plane import TICKET, ControlPlane
from sample import (data, hashes_of, lines_of, plan, run_dry, start_notebook, state_of, wait_for,
                    write_notebook)

SECONDS = 60.0


class Resume(unittest.TestCase):
    """One uninterrupted run with its checkpoints, and sessions that begin beside parts of it."""

    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix='resume-'))
        cls.addClassCleanup(shutil.rmtree, str(cls.root), ignore_errors=True)
        cls.whole = cls.root / 'whole'
        cls.whole.mkdir()
        status, output = run_dry(cls.whole, {}, {'saveSteps': 4, 'keepLocal': 9})
        assert status == 0, output

    def setUp(self):
        self.another_machine()

    def another_machine(self):
        self.machine = Path(tempfile.mkdtemp(dir=str(self.root)))
        self.work = self.machine / 'working'
        self.work.mkdir()

    def checkpoint(self, step):
        return self.whole / 'checkpoints' / ('step-%08d' % step)

    def leave(self, step, store='working/checkpoints', changes=()):
        """Puts a checkpoint of the run where an earlier session would have left it."""
        folder = self.machine / store / ('step-%08d' % step)
        shutil.copytree(str(self.checkpoint(step)), str(folder))
        path = folder / 'manifest.json'
        path.write_text(json.dumps(dict(json.loads(path.read_text()), **dict(changes))))
        return folder

    def service(self, *steps, options=None, seconds=SECONDS):
        service = ControlPlane(plan(), data(), options, seconds)
        for step in steps:
            service.take_over(self.checkpoint(step))
        service.generation = 2
        return service

    def start(self, service):
        env = dict(os.environ, TMPDIR=str(self.machine))
        process = start_notebook(write_notebook(self.work, service.url, TICKET), self.work, env=env)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def finish(self, service):
        """Runs a session to its end, which must be that of the uninterrupted run; what it said."""
        output = self.start(service).communicate(timeout=40)[0]
        self.assertEqual((service.report or {}).get('outcome'), 'finished', output)
        self.assertEqual(hashes_of(service.stored['artifact', 20]),
                         state_of(self.whole / 'artifact'))
        return output

    def first_step(self, output):
        return lines_of(output.splitlines(), 'LOG')[0]['step']

    def test_the_one_before_is_used_when_the_furthest_does_not_come_whole(self):
        for how, words in (('corrupt', 'came 3 times'), ('shortened', 'shorter'),
                           ('lost', 'not there')):
            for file in ('weights.bin', 'manifest.json'):
                with self.subTest(how, file=file), self.service(4, 8) as service:
                    setattr(service, how, {file})
                    output = self.finish(service)
                    self.assertRegex(output, r'checkpoint of step 8 is not whole: .*' + words)
                    self.assertIn('checkpoint of step 4 fetched', output)
                    self.assertEqual(self.first_step(output), 5)
                self.another_machine()

    def test_with_nothing_before_it_the_session_fails_and_never_begins_anew(self):
        with self.service(8) as service:
            service.shortened = {'weights.bin'}
            self.start(service).communicate(timeout=40)
            self.assertEqual(service.report['failure']['class'], 'damaged_checkpoint')
            self.assertIn('step 8', service.report['failure']['message'])

    def test_the_furthest_of_all_places_wins_and_is_handed_in(self):
        for store in ('working/checkpoints', 'input/rodizio-a-run-g1/checkpoints',
                      'input/notebooks/ana/rodizio-a-run-g1/checkpoints'):
            with self.subTest(store), self.service(4, 8) as service:
                self.leave(16, store)
                self.leave(12, store)
                output = self.finish(service)
                self.assertIn('checkpoint of step 16 found', output)
                self.assertEqual(self.first_step(output), 17)
                self.assertEqual(service.steps(), [4, 8, 16, 20])
                manifest = json.loads(service.manifests['checkpoint', 16].decode('utf-8'))
                self.assertEqual((manifest['session'], manifest['generation']), ('ses_1', 2))
                self.assertEqual(hashes_of(service.stored['checkpoint', 16]),
                                 state_of(self.checkpoint(16)))
            self.another_machine()
        with self.service(4, 16) as service:
            self.leave(12)
            self.assertIn('checkpoint of step 16 fetched', self.finish(service))

    def test_one_of_the_last_step_becomes_the_artifact_without_training(self):
        with self.service() as service:
            self.leave(20)
            output = self.finish(service)
            self.assertEqual(lines_of(output.splitlines(), 'LOG'), [])
            self.assertEqual(service.steps(), [20])

    def test_what_was_left_is_believed_by_its_hashes_and_for_this_very_run_alone(self):
        for changes, damage in (({}, 'weights.bin'), ({'run': 'run_2'}, None),
                                ({'generation': 3}, None), ({'kind': 'artifact'}, None),
                                ({'plan': plan(learningRate=0.4)}, None), ({'step': 99}, None),
                                ({'files': [{'name': '../x', 'sha256': 'a' * 64}]}, None),
                                ({'files': 7}, None)):
            with self.subTest(changes, damage=damage), self.service(4) as service:
                folder = self.leave(8, changes=changes)
                if damage:
                    body = (folder / damage).read_bytes()
                    (folder / damage).write_bytes(body[:-1])
                output = self.finish(service)
                self.assertEqual('step 8 is not whole' in output, damage is not None)
                self.assertEqual(self.first_step(output), 5)
            self.another_machine()

    def test_a_service_that_is_gone_for_good_costs_no_step_and_what_was_trained_is_found(self):
        first = self.machine
        with self.service(options={'saveSteps': 4, 'stepSeconds': 0.05}, seconds=8.0) as service:
            process = self.start(service)
            wait_for(lambda: 4 in service.steps())
        output = process.communicate(timeout=30)[0]
        self.assertEqual(process.returncode, 0, output)
        self.assertEqual(len(lines_of(output.splitlines(), 'LOG')), 20)
        self.assertIn('the report did not arrive', output)
        self.another_machine()
        (self.machine / 'input').mkdir()
        os.symlink(str(first / 'working'), str(self.machine / 'input' / 'rodizio-a-run-g1'))
        with self.service(4) as service:
            self.assertIn('checkpoint of step 20 found', self.finish(service))


if __name__ == '__main__':
    unittest.main()
