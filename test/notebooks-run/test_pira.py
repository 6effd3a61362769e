import json
import subprocess
import unittest
from pathlib import Path

import pira
from runs import Runs
from training import MISSING, STACKS, environment, plan, python_of, start


@unittest.skipUnless(STACKS, MISSING)
@unittest.skipUnless(pira.PIRA.exists(), 'the data set Pirá is not there: %s' % pira.PIRA)
class Pira(Runs):
    """What is learnt from Portuguese is what belongs to what; see pira.py for what is measured."""

    def test_true_answers_lower_the_held_out_loss_by_a_fifth_and_shuffled_ones_do_not(self):
        base = self.folder('base')
        made = subprocess.run(
            [python_of(STACKS[0]), str(Path(__file__).with_name('make_pira_model.py')), str(base)],
            env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=240)
        self.assertEqual(made.returncode, 0, made.stdout)
        changes = {'base': str(base), 'targetSteps': 60, 'learningRate': 1e-2, 'batchSize': 16,
                   'accumulation': 1}
        begun = {}
        for kind in ('true', 'shuffled'):  # both at the same time
            folder = self.folder(kind)
            folder.mkdir()
            for name, body in pira.data(shuffled=kind == 'shuffled').items():
                (folder / name).write_bytes(body)
            begun[kind] = start(STACKS[0], folder, {'plan': plan(**changes)})
            self.addCleanup(begun[kind].kill)
        left = {}
        for kind, process in begun.items():
            output = process.communicate(timeout=240)[0]
            self.assertEqual(process.returncode, 0, output)
            said = json.loads((self.folder(kind) / 'artifact' / 'evaluation.json').read_text())
            self.assertEqual(said['heldOutRows'], pira.QUESTIONS)
            left[kind] = said['candidate']['loss'] / said['base']['loss']
        self.assertLess(left['true'], 0.8)
        self.assertGreater(left['shuffled'], 0.8)


if __name__ == '__main__':
    unittest.main()
