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

    def start(self, provider, stack, runner, service):
        notebook = json.loads((ROOT / 'notebooks' / ('train-trl-' + provider) / 'notebook.ipynb')
                              .read_text(encoding='utf-8'))
        at = next(index for index, cell in enumerate(notebook['cells'])
                  if cell['metadata'].get('tags') == ['parameters'])
        # There is no GPU here; that Kaggle and Colab refuse to go without is tried elsewhere.
        source = 'CONTROL_URL = %r\nTICKET = %r\nREQUIRE_GPU = False\n' % (service.url, TICKET)
        notebook['cells'].insert(at + 1, {
            'cell_type': 'code', 'execution_count': None, 'id': 'injected-parameters',
            'metadata': {'tags': ['injected-parameters']}, 'outputs': [], 'source': source})
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


if __name__ == '__main__':
    unittest.main()
