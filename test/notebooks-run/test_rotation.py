import json
import subprocess
import tempfile
import unittest
from pathlib import Path

from rotation import PROGRAM, Rotation
from training import MISSING, ROOT, STACKS, environment, python_of

LONGEST = 330  # seconds; on two free cores it takes two minutes


@unittest.skipUnless(STACKS, MISSING)
@unittest.skipUnless(PROGRAM.exists(), 'dist/ is not built: npm run build')
class WholeRotation(unittest.TestCase):
    """`rodizio up --real`, as a person starts it."""

    def test_a_run_moves_between_providers_survives_a_kill_and_leaves_an_adapter(self):
        rotation = Rotation('--real')
        self.addCleanup(rotation.close)
        run = rotation.wait_for('real', LONGEST)
        told = rotation.told()
        self.assertEqual((run['state'], run['engine'], run['step']),
                         ('completed', 'trl', run['targetSteps']), told)
        sessions = run['sessions']
        self.assertGreaterEqual(len(sessions), 3, told)
        generations = [session['generation'] for session in sessions]
        self.assertEqual(generations, sorted(set(generations)))
        self.assertEqual([session['provider'] for session in sessions[:3]],
                         ['kaggle', 'colab', 'kaggle'])
        self.assertEqual(sessions[2]['outcome'], 'preempted', told)
        reached = 0
        for session in sessions:  # each goes on from the furthest checkpoint before it
            self.assertEqual(session['fromStep'], reached, told)
            reached = max(reached, session['lastCheckpointStep'] or 0)
        for words in ('engine trl, base %s' % (rotation.data / 'tiny-base'), 'in 4 bit (nf4)',
                      'Not real: the model', 'What you just saw: real 4-bit LoRA'):
            self.assertIn(words, told)
        self.assertEqual(run['artifact']['label'], 'candidate')

        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        adapter = Path(holder.name) / 'adapter'
        rotation.fetch(run['artifact']['path'].replace('Drive: ', ''), adapter)
        said = json.loads((adapter / 'evaluation.json').read_text())
        self.assertLess(said['candidate']['loss'], said['base']['loss'] - 0.1)
        manifest = json.loads((adapter / 'manifest.json').read_text())
        self.assertEqual(manifest['plan']['quantization'], 'nf4')
        self.assertEqual(manifest['plan']['optimizer'], 'paged_adamw_8bit')
        loaded = subprocess.run(
            [python_of(STACKS[-1]), str(ROOT / 'test' / 'notebooks-run' / 'adapter_answers.py'),
             manifest['plan']['base'], str(adapter)], env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, timeout=120)
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        self.assertEqual(json.loads(loaded.stdout.splitlines()[-1]), {'said': 5, 'changed': True})


if __name__ == '__main__':
    unittest.main()
