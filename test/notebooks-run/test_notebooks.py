import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from training import (MISSING, ROOT, STACKS, TICKET, ControlPlane, difference, environment,
                      hashes_of, plan, python_of, run, sample_data)

RUNNER = ROOT / 'templates' / 'run_notebook.py'
JUPYTER = ROOT / 'test' / 'clients' / 'run_with_nbclient.py'


class Service(ControlPlane):
    def work_order(self):
        return dict(super().work_order(), engine='trl')


@unittest.skipUnless(STACKS, MISSING)
class Notebooks(unittest.TestCase):
    """The committed notebooks as they stand, their parameters set as a tool would set them."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='notebooks-'))
        self.addCleanup(shutil.rmtree, str(self.root), ignore_errors=True)

    def start(self, provider, stack, runner, service, gpus=None):
        """Starts a committed notebook; `gpus` stands for what its probe has counted."""
        notebook = json.loads((ROOT / 'notebooks' / ('train-trl-' + provider) / 'notebook.ipynb')
                              .read_text(encoding='utf-8'))
        # There is no GPU here; that Kaggle and Colab refuse to go without is tried elsewhere.
        source = 'CONTROL_URL = %r\nTICKET = %r\nREQUIRE_GPU = False\n' % (service.url, TICKET)
        insert_after(notebook, 'parameters', source)
        if gpus:
            insert_after(notebook, 'probe', 'session.gpus = %d\n' % gpus)
        folder = self.root / ('%s-%s' % (provider, stack))
        folder.mkdir()
        path = self.root / (folder.name + '.ipynb')
        path.write_text(json.dumps(notebook), encoding='utf-8')
        return subprocess.Popen(
            [python_of(stack), str(runner), '--notebook', str(path), '--cwd', str(folder),
             '--exit-file', str(self.root / (folder.name + '.exit'))],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True)

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
            first = self.start('kaggle', kaggle, RUNNER, service)
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
            second = self.start('colab', colab, JUPYTER, service)
            output = second.communicate(timeout=200)[0]
            self.assertEqual(second.returncode, 0, output)
            self.assertIsNotNone(service.report, output)
            self.assertEqual((service.report['outcome'], service.report['step']), ('finished', 8),
                             output)
            self.assertEqual(service.steps(), [3, 6, 8])
            self.assertIn('checkpoint of step 3 fetched', output)
            resumed = self.root / 'resumed'
            (resumed / 'artifact').mkdir(parents=True)
            artifact = service.stored['artifact', 8]
            for name, body in artifact.items():
                (resumed / 'artifact' / name).write_bytes(body)
        self.assertLess(difference(resumed, whole), 1e-5)
        if kaggle == colab:
            name = 'adapter_model.safetensors'
            self.assertEqual(hashes_of({name: artifact[name]}),
                             hashes_of({name: (whole / 'artifact' / name).read_bytes()}))

    def test_sigterm_to_the_program_that_stands_for_two_processes_leaves_a_whole_checkpoint(self):
        stack = STACKS[-1]
        planned = plan(accumulation=4, targetSteps=4000)
        with Service(planned, sample_data(), seconds=300.0) as service:
            notebook = self.start('kaggle', stack, RUNNER, service, gpus=2)
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


def insert_after(notebook, tag, source):
    """Puts a cell behind the one of that tag, as a tool puts parameters."""
    at = next(index for index, cell in enumerate(notebook['cells'])
              if cell['metadata'].get('tags') == [tag])
    notebook['cells'].insert(at + 1, {
        'cell_type': 'code', 'execution_count': None, 'id': 'injected-' + tag,
        'metadata': {'tags': ['injected-' + tag]}, 'outputs': [], 'source': source})


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
