import json
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from rotation import PROGRAM, Rotation, call
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
        self.serves(rotation, run['artifact']['sha256'])

    def serves(self, rotation, sha256):
        """What was trained goes up at the emulated Kaggle, once its rule is accepted."""
        for account in ('local', 'ana-colab'):
            self.assertIsNotNone(rotation.ask('accounts', 'rm', account), rotation.told())
        added = rotation.ask('serve', 'add', 'house', '--adapter', 'real')
        self.assertIsNotNone(added, rotation.told())
        waiting = self.until(lambda: self.policy(rotation)['waiting'], 30)
        self.assertIn('rodizio accounts accept', waiting)
        self.assertIsNotNone(rotation.ask('accounts', 'accept', 'ana', '--serving', '--yes'))
        node = self.until(lambda: self.node(rotation), 200)
        self.assertEqual(node['adapter'], sha256, rotation.told())
        self.assertTrue(node['url'].endswith('/v1/nodes/house/openai/v1'), node['url'])
        key = {'authorization': 'Bearer ' + added['key']}
        model = call(node['url'] + '/models', key)['data'][0]['id']
        said = call(node['url'] + '/chat/completions', key,
                    {'model': model, 'max_tokens': 4,
                     'messages': [{'role': 'user', 'content': 'Bom dia'}]})
        self.assertEqual(said['choices'][0]['message']['role'], 'assistant')
        self.assertEqual(self.policy(rotation)['recent'][0]['account'], 'ana')
        self.assertIsNotNone(rotation.ask('serve', 'stop', 'house'))
        ended = self.until(lambda: self.policy(rotation)['recent'][0]['outcome'], 120)
        self.assertEqual(ended, 'cancelled', rotation.told())
        self.until(lambda: self.policy(rotation)['state'] == 'stopped', 30)

    def policy(self, rotation):
        return rotation.ask('serve', 'show', 'house')

    def node(self, rotation):
        recent = self.policy(rotation)['recent']
        return recent[0]['node'] if recent else None

    def until(self, probe, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = probe()
            if found:
                return found
            time.sleep(1)
        self.fail('not within %d s' % seconds)


if __name__ == '__main__':
    unittest.main()
