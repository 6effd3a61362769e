import os
import shutil
import signal
import tempfile
import time
import unittest
from pathlib import Path

from sessions import JUPYTER, Service, artifact_of, start_session
from training import MISSING, STACKS, difference, plan, run, sample_data, state_of


@unittest.skipUnless(STACKS, MISSING)
class Notebooks(unittest.TestCase):
    """The committed notebooks, from one provider to the other."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='notebooks-'))
        self.addCleanup(shutil.rmtree, str(self.root), ignore_errors=True)

    def test_killed_at_kaggle_and_resumed_at_colab_a_run_ends_as_if_nothing_had_happened(self):
        """SIGKILL to the notebook and to all it started, between two checkpoints; the second
        session is executed by Jupyter's client."""
        kaggle, colab = (name if name in STACKS else STACKS[0] for name in ('kaggle', 'colab'))
        planned = plan(quantization='nf4', optimizer='paged_adamw_8bit', accumulation=16,
                       targetSteps=8)
        whole = self.root / 'whole'
        status, output = run(kaggle, whole, {'plan': planned})
        self.assertEqual(status, 0, '\n'.join(output))
        with Service(planned, sample_data(), {'saveSteps': 3}, seconds=300.0) as service:
            first = start_session(self.root / 'first', 'kaggle', kaggle, service)
            seen = []
            for line in first.stdout:
                seen.append(line)
                if line.startswith('RODIZIO_LOG') and '"step": 5,' in line:
                    break
            deadline = time.monotonic() + 20
            while service.steps() != [3] and time.monotonic() < deadline:
                time.sleep(0.02)
            os.killpg(first.pid, signal.SIGKILL)
            first.communicate()
            self.assertEqual(service.steps(), [3], ''.join(seen))
            self.assertIsNone(service.report)
            service.generation = 2
            second = start_session(self.root / 'second', 'colab', colab, service, JUPYTER)
            output = second.communicate(timeout=200)[0]
            self.assertEqual(second.returncode, 0, output)
            self.assertIsNotNone(service.report, output)
            self.assertEqual((service.report['outcome'], service.report['step']), ('finished', 8),
                             output)
            self.assertEqual(service.steps(), [3, 6, 8])
            self.assertIn('checkpoint of step 3 fetched', output)
            resumed = artifact_of(service, 8, self.root / 'resumed')
        self.assertLess(difference(resumed, whole), 1e-5)
        if kaggle == colab:
            self.assertEqual(state_of(resumed / 'artifact'), state_of(whole / 'artifact'))

    def test_sigterm_to_the_program_that_stands_for_two_processes_leaves_a_whole_checkpoint(self):
        stack = STACKS[-1]
        planned = plan(accumulation=4, targetSteps=4000)
        with Service(planned, sample_data(), seconds=300.0) as service:
            notebook = start_session(self.root / 'two', 'kaggle', stack, service, gpus=2)
            self.addCleanup(lambda: notebook.poll() is None
                            and os.killpg(notebook.pid, signal.SIGKILL))
            seen = []
            for line in notebook.stdout:
                seen.append(line)
                if line.startswith('RODIZIO_LOG') and '"step": 3,' in line:
                    break
            launcher = [pid for pid, name in children_of(notebook.pid) if 'launch.py' in name]
            self.assertEqual(len(launcher), 1, ''.join(seen))
            os.kill(launcher[0], signal.SIGTERM)
            seen.append(notebook.communicate(timeout=60)[0])
            output = ''.join(seen)
            self.assertEqual(notebook.returncode, 0, output)
            self.assertEqual(service.report['outcome'], 'stopped', output)
            step = service.report['step']
            self.assertEqual(service.steps(), [step])
            self.assertLess(step, 4000)
            names = set(service.stored['checkpoint', step])
            self.assertLess({'rng_state_0.pth', 'rng_state_1.pth', 'optimizer.pt'}, names)


def children_of(pid):
    """(process id, command line) of each process that this one has started."""
    found = []
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            if int(stat.read_text().rpartition(')')[2].split()[1]) == pid:
                found.append((int(stat.parent.name),
                              stat.with_name('cmdline').read_bytes().decode()))
        except (OSError, ValueError):
            continue  # it has gone meanwhile
    return found


if __name__ == '__main__':
    unittest.main()
