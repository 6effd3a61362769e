import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from sample import TEMPLATES, lines_of, plan

sys.path.insert(0, str(TEMPLATES / 'engines'))
import harness  # noqa: E402

STATE = ('adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'rng_state.pth',
         'scheduler.pt', 'trainer_state.json')
PLAN = plan(engine='trl', base='tiny', quantization='nf4', loraRank=16, loraAlpha=32,
            targets=['q_proj'], optimizer='paged_adamw_8bit', learningRate=2e-4)
OTHER = {'engine': 'dry', 'base': 'other', 'revision': 'v2', 'quantization': 'none', 'loraRank': 8,
         'loraAlpha': 16, 'loraDropout': 0.0, 'targets': ['q_proj', 'k_proj'],
         'learningRate': 1e-4, 'warmupRatio': 0.5, 'minLearningRateRatio': 0.0, 'weightDecay': 0.1,
         'adamBeta1': 0.8, 'adamBeta2': 0.99, 'optimizer': 'adamw_torch', 'batchSize': 1,
         'accumulation': 8, 'maxLength': 512, 'targetSteps': 21, 'seed': 4, 'dataSha256': 'b' * 64}


class Checkpoint(unittest.TestCase):
    """What the engine `trl` refuses to go on from; it does so before it loads any library."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.root = Path(holder.name)
        shutil.copy(str(TEMPLATES / 'engines' / 'harness.py'), str(self.root))
        trl = TEMPLATES / 'engines' / 'trl'
        shutil.copy(str(trl / 'train.py'), str(self.root))
        shutil.copytree(str(trl / 'program'), str(self.root / 'rodizio_engine'),
                        ignore=shutil.ignore_patterns('__pycache__'))

    def job(self, **changes):
        return dict({'run': 'run_1', 'session': 'ses_1', 'generation': 1, 'label': 'candidate',
                     'plan': PLAN, 'options': {}, 'secondsLeft': 60.0, 'sessionSeconds': 60.0,
                     'train': 'train.jsonl', 'validation': 'validation.jsonl',
                     'resume': str(self.root / 'step-00000003'), 'checkpoints': 'checkpoints',
                     'artifact': 'artifact', 'control': 'control.json', 'parent': os.getpid()},
                    **changes)

    def commit(self, names=STATE, env=None):
        """A whole checkpoint as far as its manifest can tell."""
        folder = self.root / 'step-00000003'
        shutil.rmtree(str(folder), ignore_errors=True)

        def write(part):
            for name in names:
                (part / name).write_bytes(name.encode() * 50)

        harness.commit_folder(self.job(), 'checkpoint', 3, folder, write, 0.5, {},
                              env or {})
        return folder

    def refusal(self, **changes):
        (self.root / 'job.json').write_text(json.dumps(self.job(**changes)))
        ran = subprocess.run([sys.executable, 'train.py', 'job.json'], cwd=str(self.root),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        refused = lines_of(ran.stdout.splitlines(), 'REFUSED')
        self.assertEqual((ran.returncode, len(refused)), (3, 1), ran.stdout)
        return refused[0]

    def test_another_plan_is_refused_by_the_name_of_the_field_whichever_it_is(self):
        self.commit()
        self.assertEqual(sorted(OTHER), sorted(PLAN))
        for field, value in OTHER.items():
            with self.subTest(field):
                refused = self.refusal(plan=dict(PLAN, **{field: value}))
                self.assertEqual(refused['class'], 'refused_plan')
                self.assertIn(' %s is ' % field, refused['message'])

    def test_each_file_of_it_is_believed_by_its_hash_alone(self):
        for name in STATE:
            for how, change in (('damaged', lambda body: b'\1' + body[1:]),
                                ('cut', lambda body: body[:-1])):
                with self.subTest(name, how=how):
                    path = self.commit() / name
                    path.write_bytes(change(path.read_bytes()))
                    refused = self.refusal()
                    self.assertEqual(refused['class'], 'damaged_checkpoint')
                    self.assertIn(name, refused['message'])

    def test_one_that_was_committed_without_a_part_of_the_state_is_refused(self):
        """The trainer would go on without it, silently: at rate 0, or with other dropout."""
        for name in STATE:
            with self.subTest(name):
                self.commit([other for other in STATE if other != name])
                refused = self.refusal()
                self.assertEqual(refused['class'], 'damaged_checkpoint')
                self.assertIn('has no ' + name, refused['message'])

    def test_one_of_two_processes_wants_the_random_state_of_each(self):
        chance = ['rng_state_0.pth', 'rng_state_1.pth']
        common = [name for name in STATE if name != 'rng_state.pth']
        for name in chance:
            with self.subTest(name):
                kept = [other for other in chance if other != name]
                self.commit([*common, *kept], {'processes': 2})
                refused = self.refusal()
                self.assertEqual(refused['class'], 'damaged_checkpoint')
                self.assertIn('has no ' + name, refused['message'])

    def test_one_without_a_manifest_is_no_checkpoint(self):
        (self.commit() / 'manifest.json').unlink()
        self.assertEqual(self.refusal()['class'], 'damaged_checkpoint')


if __name__ == '__main__':
    unittest.main()
