import os
import shutil
import signal
import tempfile
import time
import unittest
from pathlib import Path

from sessions import JUPYTER, Service, artifact_of, start_session
from training import MISSING, STACKS, lines_of, plan, run, sample_data, state_of

STEPS = 8


@unittest.skipUnless(STACKS, MISSING)
class Faults(unittest.TestCase):
    """What a session meets besides its own death. The cases of a test run side by side: what they
    spend is mostly waiting."""

    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix='faults-'))
        cls.addClassCleanup(shutil.rmtree, str(cls.root), ignore_errors=True)
        cls.plan = plan(targetSteps=STEPS)
        cls.whole = cls.root / 'whole'
        status, output = run(STACKS[0], cls.whole, {'plan': cls.plan},
                             {'saveSteps': 2, 'keepLocal': 9})
        assert status == 0, '\n'.join(output)

    def service(self, seconds, *steps):
        """One that already has these checkpoints of the run."""
        service = Service(self.plan, sample_data(), {'saveSteps': 2}, seconds)
        for step in steps:
            service.take_over(self.whole / 'checkpoints' / ('step-%08d' % step))
        return service

    def start(self, name, service, provider='kaggle', **more):
        process = start_session(self.root / name, provider, STACKS[0], service, **more)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def test_a_service_that_hangs_fails_or_vanishes_costs_no_step(self):
        faults = {'hangs': lambda service: service.hang.update({'/v1/': 600}),
                  'fails': lambda service: service.fail.update({'/v1/': -1}),
                  'vanishes': lambda service: service.__exit__()}
        running = {}
        for name, fault in faults.items():
            service = self.service(75.0).__enter__()
            if name != 'vanishes':
                self.addCleanup(service.__exit__)
            running[name] = service, self.start(name, service), fault
        until = time.monotonic() + 70
        strike = dict(running)
        while strike and time.monotonic() < until:
            for name, (service, _process, fault) in list(strike.items()):
                if service.began is not None and service.steps():
                    fault(service)
                    del strike[name]
            time.sleep(0.01)
        for name, (service, process, _fault) in running.items():
            with self.subTest(name):
                output = process.communicate(timeout=90)[0]
                self.assertEqual(process.returncode, 0, output)
                self.assertEqual([line['step'] for line in lines_of(output.splitlines(), 'LOG')],
                                 list(range(1, STEPS + 1)))
                self.assertLess(service.steps()[-1], STEPS)
                self.assertIsNone(service.report)
                self.assert_same_checkpoint(self.root / name / 'working')
        # The next session, elsewhere, sees what the last one left as its provider shows it.
        machine = self.root / 'next'
        machine.mkdir()
        (machine / 'input').mkdir()
        os.symlink(str(self.root / 'vanishes' / 'working'), str(machine / 'input' / 'a-run-g1'))
        with self.service(120.0, 2) as service:
            service.generation = 2
            output = self.start('next', service, 'colab', runner=JUPYTER).communicate(100)[0]
            self.assertIn('checkpoint of step %d found' % STEPS, output)
            self.assertEqual((service.report or {}).get('outcome'), 'finished', output)
            self.assertEqual(service.steps(), [2, STEPS])
            found = artifact_of(service, STEPS, self.root / 'found')
        self.assertEqual(state_of(found / 'artifact'), state_of(self.whole / 'artifact'))

    def assert_same_checkpoint(self, folder):
        last = 'checkpoints/step-%08d' % STEPS
        here, there = state_of(folder / last), state_of(self.whole / last)
        self.assertEqual(here['adapter_model.safetensors'], there['adapter_model.safetensors'])
        self.assertEqual(here['optimizer.pt'], there['optimizer.pt'])

    def test_a_furthest_checkpoint_that_is_not_whole_is_said_and_the_one_before_used(self):
        cases = {'corrupt': ('optimizer.pt', 'came 3 times'),
                 'shortened': ('adapter_model.safetensors', 'shorter than it should be'),
                 'lost': ('scheduler.pt', 'it is not there')}
        running = {}
        for how, (file, words) in cases.items():
            service = self.service(120.0, 4, 6).__enter__()
            self.addCleanup(service.__exit__)
            service.generation = 2
            setattr(service, how, {file})
            running[how] = service, self.start(how, service), words
        for how, (service, process, words) in running.items():
            with self.subTest(how):
                output = process.communicate(timeout=120)[0]
                self.assertEqual((service.report or {}).get('outcome'), 'finished', output)
                self.assertRegex(output, 'checkpoint of step 6 is not whole: .*' + words)
                self.assertIn('checkpoint of step 4 fetched', output)
                self.assertEqual(lines_of(output.splitlines(), 'LOG')[0]['step'], 5)
                made = artifact_of(service, STEPS, self.root / ('made-' + how))
                self.assertEqual(state_of(made / 'artifact'), state_of(self.whole / 'artifact'))


if __name__ == '__main__':
    unittest.main()
