import json
import math
import unittest

from runs import Runs, rates_of
from training import MISSING, STACKS, STATE, difference, lines_of, plan, run, state_of

IN_4_BIT = {'quantization': 'nf4', 'optimizer': 'paged_adamw_8bit'}
KINDS = {'fp32': {}, 'nf4': IN_4_BIT}


@unittest.skipUnless(STACKS, MISSING)
class Training(Runs):
    def test_the_loss_falls_and_the_adapter_beats_the_base_on_what_it_has_not_seen(self):
        folder = self.folder('a')
        output = self.finish(STACKS[0], folder, targetSteps=60, learningRate=5e-3)
        losses = [line['loss'] for line in lines_of(output, 'LOG')]
        self.assertEqual(len(losses), 60)
        self.assertLess(losses[-1], 0.6 * losses[0])
        artifact = folder / 'artifact'
        said = json.loads((artifact / 'evaluation.json').read_text())
        self.assertLess(said['candidate']['loss'], 0.8 * said['base']['loss'])
        self.assertAlmostEqual(math.log(said['base']['perplexity']), said['base']['loss'])
        self.assertEqual((said['current'], said['heldOutRows'], len(said['answers'])), (None, 8, 8))
        asked = said['answers'][0]
        self.assertIn('Ordene: ', asked['prompt'])
        self.assertNotEqual(asked['candidate'], asked['base'])
        metrics = json.loads((artifact / 'manifest.json').read_text())['metrics']
        self.assertEqual(metrics['heldOutLoss'], said['candidate']['loss'])
        self.assertEqual(metrics['evaluation'], {name: said[name] for name in (
            'base', 'current', 'candidate')})
        manifest = json.loads((artifact / 'manifest.json').read_text())
        self.assertEqual((manifest['kind'], manifest['label']), ('artifact', 'candidate'))
        self.assertEqual([row[:2] for row in json.loads((artifact / 'loss.json').read_text())],
                         [[step + 1, loss] for step, loss in enumerate(losses)])
        self.assertIn('{%- generation -%}', (artifact / 'chat_template.jinja').read_text())

    def test_killed_and_resumed_it_ends_with_the_same_bytes(self):
        for kind, changes in KINDS.items():
            with self.subTest(kind):
                whole = self.whole(STACKS[0], **changes)
                checkpoint = self.killed(STACKS[0], **changes)
                folder = self.folder('resumed-' + kind)
                output = self.finish(STACKS[0], folder, checkpoint, **changes)
                self.assertEqual(lines_of(output, 'LOG')[0]['step'], 5)
                self.assert_same(folder, whole)

    @unittest.skipUnless(len(STACKS) > 1, 'only one of the notebooks’ environments is there')
    def test_killed_and_resumed_on_other_versions_it_ends_with_nearly_the_same_weights(self):
        for kind, changes, most in (('fp32', {}, 1e-6), ('nf4', IN_4_BIT, 1e-5)):
            for here, there in zip(STACKS, STACKS[1:]):
                with self.subTest(kind, here=here, there=there):
                    checkpoint = self.killed(here, **changes)
                    folder = self.folder('resumed-%s-%s' % (kind, there))
                    output = self.finish(there, folder, checkpoint, **changes)
                    self.assertIn('the checkpoint was made with', '\n'.join(output))
                    self.assertLess(difference(folder, self.whole(here, **changes)), most)
                    self.assertEqual(rates_of(folder), rates_of(self.whole(here, **changes)))

    def test_sigterm_in_mid_step_leaves_a_checkpoint_that_changes_nothing(self):
        # Thirteen batches are six steps and a half: the step after the seventh begins an epoch.
        for stop_in, step in ((3, 2), (7, 7)):
            with self.subTest(step=step):
                first = self.folder('first-%d' % step)
                status, output = run(STACKS[0], first, {}, {}, 'driver_stop.py',
                                     more={'STOP_IN': str(stop_in)})
                self.assertEqual((status, lines_of(output, 'END')),
                                 (0, [{'step': step, 'reason': 'stopped', 'artifact': None}]),
                                 '\n'.join(output))
                second = self.folder('second-%d' % step)
                self.finish(STACKS[0], second, first / 'checkpoints' / ('step-%08d' % step))
                self.assert_same(second, self.whole(STACKS[0]))

    def test_it_leaves_before_its_limit_and_another_session_ends_with_the_same_bytes(self):
        planned = {'targetSteps': 20}
        first = self.folder('first')
        status, output = run(STACKS[0], first, {'plan': plan(**planned)}, {}, 'driver_limit.py',
                             more={'LIMIT': '40'})
        end = lines_of(output, 'END')
        self.assertEqual((status, [line['reason'] for line in end]), (0, ['limit']),
                         '\n'.join(output))
        step = end[0]['step']
        self.assertIn(step, range(6, 15))
        left = [float(line.split()[1]) for line in output if line.startswith('LEFT ')]
        self.assertGreater(left[0], 0)
        self.assertLess(left[0], 15)
        second = self.folder('second')
        output = self.finish(STACKS[0], second, first / 'checkpoints' / ('step-%08d' % step),
                             **planned)
        self.assertEqual(lines_of(output, 'LOG')[0]['step'], step + 1)
        self.assert_same(second, self.whole(STACKS[0], **planned))

    def test_it_hands_over_after_its_steps_and_another_session_ends_with_the_same_bytes(self):
        first = self.folder('first')
        status, output = run(STACKS[0], first, {}, {'sessionSteps': 3})
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertEqual(lines_of(output, 'END'),
                         [{'step': 3, 'reason': 'limit', 'artifact': None}])
        second = self.folder('second')
        self.finish(STACKS[0], second, first / 'checkpoints' / 'step-00000003')
        self.assert_same(second, self.whole(STACKS[0]))

    def test_it_begins_with_another_adapter_and_is_held_against_it(self):
        before = self.whole(STACKS[0]) / 'artifact'
        folder, begun = self.follower(STACKS[0])
        output = (folder / 'printed').read_text().splitlines()
        said = json.loads((folder / 'artifact' / 'evaluation.json').read_text())
        earlier = json.loads((before / 'evaluation.json').read_text())
        self.assertAlmostEqual(said['current']['loss'], earlier['candidate']['loss'], places=6)
        self.assertEqual(said['base'], earlier['base'])
        self.assertNotEqual(said['candidate'], said['current'])
        # Its first loss is that of the adapter it begins with, and not that of a fresh one.
        first = lines_of(output, 'LOG')[0]['loss']
        rows = json.loads((before / 'loss.json').read_text())
        self.assertLess(abs(first - rows[-1][1]), abs(first - rows[0][1]))
        again = self.folder('b')
        job = dict(begun, resume=str(folder / 'checkpoints' / 'step-00000002'))
        status, output = run(STACKS[0], again, job)
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertEqual(state_of(again / 'artifact'), state_of(folder / 'artifact'))

    def test_a_checkpoint_of_all_steps_needs_no_training_to_become_the_artifact(self):
        whole = self.whole(STACKS[0])
        folder = self.folder('a')
        output = self.finish(STACKS[0], folder, whole / 'checkpoints' / 'step-00000010')
        self.assertEqual(lines_of(output, 'LOG'), [])
        self.assertEqual(state_of(folder / 'artifact'), state_of(whole / 'artifact'))

    def test_too_little_memory_halves_the_rows_at_once_and_nothing_else(self):
        """Decided in the trial step, kept by the session after it, and the same training."""
        calm = {'loraDropout': 0.0}  # other rows at once draw other dropout
        first = self.folder('first')
        status, output = run(STACKS[0], first, {'plan': plan(**calm)}, {'saveSteps': 5},
                             'driver_small.py')
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertIn('26 rows, 1 at once', '\n'.join(output))
        self.assertLess(difference(first, self.whole(STACKS[0], **calm)), 1e-6)
        second = self.folder('second')
        output = self.finish(STACKS[0], second, first / 'checkpoints' / 'step-00000005', **calm)
        self.assertIn('26 rows, 1 at once', '\n'.join(output))
        self.assert_same(second, first)

    def test_saves_by_the_clock(self):
        folder = self.folder('a')
        status, output = run(STACKS[0], folder, {}, {'saveSeconds': 0.01, 'keepLocal': 3})
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertEqual([line['step'] for line in lines_of(output, 'SAVED')],
                         list(range(1, 11)))
        self.assertEqual(sorted(path.name for path in (folder / 'checkpoints').iterdir()),
                         ['step-%08d' % step for step in (8, 9, 10)])
        self.assertEqual(sorted(state_of(folder / 'checkpoints' / 'step-00000010')), STATE)
        self.assert_same(folder, self.whole(STACKS[0]))


if __name__ == '__main__':
    unittest.main()
