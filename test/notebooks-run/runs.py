"""Training runs that tests start, resume and compare."""
import atexit
import json
import shutil
import tempfile
import unittest
from pathlib import Path

from training import difference, lines_of, plan, run, start, state_of

_wholes = {}


class Runs(unittest.TestCase):
    """Each test runs the real program; what several compare with is trained once, for all files."""

    @classmethod
    def setUpClass(cls):
        cls.root = Path(tempfile.mkdtemp(prefix='trl-'))
        atexit.register(shutil.rmtree, str(cls.root), ignore_errors=True)

    def folder(self, name):
        return self.root / ('%s-%s' % (self._testMethodName, name))

    def whole(self, stack, processes=1, **changes):
        """The folder of an uninterrupted run of that plan, with all checkpoints of even steps."""
        key = json.dumps([stack, processes, changes], sort_keys=True)
        if key not in _wholes:
            folder = self.root / ('whole-%d' % len(_wholes))
            self.finish(stack, folder, processes=processes, **changes)
            _wholes[key] = folder
        return _wholes[key]

    def follower(self, stack):
        """The folder of a run of four steps that began with the adapter of `whole`, what it printed
        in `printed`; trained once."""
        if ('follower', stack) not in _wholes:
            folder = self.root / 'follower'
            more = plan(fromAdapter='b' * 64, targetSteps=4, learningRate=1e-4)
            job = {'plan': more, 'adapter': str(self.whole(stack) / 'artifact')}
            status, output = run(stack, folder, job, {'saveSteps': 2})
            self.assertEqual(status, 0, '\n'.join(output))
            (folder / 'printed').write_text('\n'.join(output))
            _wholes['follower', stack] = folder, job
        return _wholes['follower', stack]

    def finish(self, stack, folder, resume=None, processes=1, **changes):
        """Trains to the last step and returns what was printed."""
        job = {'plan': plan(**changes), 'resume': str(resume) if resume else None,
               'processes': processes}
        status, output = run(stack, folder, job, {'saveSteps': 2, 'keepLocal': 5})
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertEqual(lines_of(output, 'END'),
                         [{'step': job['plan']['targetSteps'], 'reason': 'finished',
                           'artifact': 'artifact'}])
        self.assertIn("trainable weights: ['torch.float32']", '\n'.join(output))
        return output

    def killed(self, stack, **changes):
        """The checkpoint of step 4 of a run that was killed in its seventh step."""
        folder = Path(tempfile.mkdtemp(dir=str(self.root), prefix='killed-'))
        process = start(stack, folder, {'plan': plan(**changes)}, {'saveSteps': 4})
        seen = []
        for line in process.stdout:
            seen.append(line)
            if line.startswith('RODIZIO_LOG') and '"step": 6,' in line:
                break
        process.kill()
        process.communicate(timeout=20)
        checkpoint = folder / 'checkpoints' / 'step-00000004'
        self.assertTrue((checkpoint / 'manifest.json').exists(), ''.join(seen))
        return checkpoint

    def assert_same(self, one, other):
        last = max(path.relative_to(one) for path in one.glob('checkpoints/step-*'))
        self.assertEqual(without_logs(one / last), without_logs(other / last))
        self.assertEqual(logs_of(one / last), logs_of(other / last))
        self.assertEqual(state_of(one / 'artifact'), state_of(other / 'artifact'))

    def assert_close(self, one, other, most=1e-6):
        self.assertLess(difference(one, other), most)


def without_logs(checkpoint):
    """What training depends on; beside the logs the trainer's own file counts the operations done,
    those of steps that were left among them."""
    return {name: digest for name, digest in state_of(checkpoint).items()
            if name != 'trainer_state.json'}


def logs_of(checkpoint):
    return json.loads((checkpoint / 'trainer_state.json').read_text())['log_history']


def rates_of(folder):
    return [[step, rate] for step, _loss, rate in
            json.loads((folder / 'artifact' / 'loss.json').read_text())]
