import json
import signal
import tempfile
import time
import unittest
from pathlib import Path

from sample import (conversations, lines_of, plan, run_dry, start_dry, state_of,
                                wait_for)


class DryEngine(unittest.TestCase):
    def setUp(self):
        self.holder = tempfile.TemporaryDirectory()
        self.addCleanup(self.holder.cleanup)
        self.root = Path(self.holder.name)

    def folder(self, name):
        path = self.root / name
        path.mkdir()
        return path

    def test_the_loss_falls_and_a_dry_artifact_remains(self):
        folder = self.folder('a')
        status, output = run_dry(folder, {'plan': plan(targetSteps=40)})
        self.assertEqual(status, 0, output)
        losses = [line['loss'] for line in lines_of(output, 'LOG')]
        self.assertEqual(len(losses), 40)
        self.assertLess(losses[-1], losses[0] / 2)
        manifest = json.loads((folder / 'artifact' / 'manifest.json').read_text())
        self.assertEqual((manifest['kind'], manifest['label']), ('artifact', 'dry'))
        self.assertLess(manifest['metrics']['heldOutLoss'], losses[0] / 2)
        self.assertIn('no adapter', (folder / 'artifact' / 'README.md').read_text())
        self.assertEqual(lines_of(output, 'END'),
                         [{'step': 40, 'reason': 'finished', 'artifact': 'artifact'}])

    def test_killed_in_mid_step_and_resumed_it_ends_with_the_same_bytes(self):
        whole = self.folder('whole')
        run_dry(whole, {})
        first = self.folder('first')
        process = start_dry(first, {}, {'saveSteps': 7, 'stepSeconds': 0.15})
        wait_for((first / 'checkpoints' / 'step-00000007' / 'manifest.json').exists)
        self.assertIn('RODIZIO_LOG', process.stdout.readline() + ''.join(
            process.stdout.readline() for _line in range(10)))
        process.kill()
        process.communicate()
        second = self.folder('second')
        resume = str(first / 'checkpoints' / 'step-00000007')
        status, output = run_dry(second, {'resume': resume, 'generation': 2, 'session': 'ses_2'})
        self.assertEqual(status, 0, output)
        self.assertEqual(lines_of(output, 'LOG')[0]['step'], 8)
        last = 'checkpoints/step-00000020'
        self.assertEqual(state_of(second / last), state_of(whole / last))
        self.assertEqual(state_of(second / 'artifact'), state_of(whole / 'artifact'))

    def test_sigterm_in_mid_step_leaves_a_checkpoint_that_changes_nothing(self):
        whole = self.folder('whole')
        run_dry(whole, {})
        first = self.folder('first')
        process = start_dry(first, {}, {'stepSeconds': 0.4})
        for line in process.stdout:
            if line.startswith('RODIZIO_LOG') and '"step": 3,' in line:
                break
        time.sleep(0.15)  # into the step, past its first micro-step
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=10)[0].splitlines()
        end = lines_of(output, 'END')[0]
        self.assertEqual((process.returncode, end['reason']), (0, 'stopped'))
        resume = first / 'checkpoints' / ('step-%08d' % end['step'])
        second = self.folder('second')
        run_dry(second, {'resume': str(resume)})
        last = 'checkpoints/step-00000020'
        self.assertEqual(state_of(second / last), state_of(whole / last))

    def test_it_leaves_by_itself_before_the_deadline_after_most_of_its_time(self):
        folder = self.folder('a')
        job = {'plan': plan(targetSteps=5000), 'secondsLeft': 4.0, 'sessionSeconds': 4.0}
        process = start_dry(folder, job, {'stepSeconds': 0.1, 'logSteps': 1})
        output = process.communicate(timeout=4.0)[0].splitlines()  # later it would be dead
        end = lines_of(output, 'END')[0]
        self.assertEqual(end['reason'], 'limit')
        self.assertGreater(end['step'], 20)
        self.assertTrue((folder / ('checkpoints/step-%08d/manifest.json' % end['step'])).exists())

    def test_a_first_step_that_is_too_long_is_left_without_a_trace(self):
        folder = self.folder('a')
        job = {'secondsLeft': 1.5, 'sessionSeconds': 1.5}
        status, output = run_dry(folder, job, {'stepSeconds': 60}, timeout=3)
        self.assertEqual(status, 0, output)
        self.assertEqual(lines_of(output, 'END')[0], {'step': 0, 'reason': 'limit',
                                                      'artifact': None})

    def test_another_plan_is_refused_by_the_name_of_the_field(self):
        first = self.folder('first')
        run_dry(first, {'plan': plan(targetSteps=3)})
        resume = str(first / 'checkpoints' / 'step-00000003')
        for field, value in (('learningRate', 0.25), ('seed', 4), ('targetSteps', 30)):
            status, output = run_dry(self.folder(field), {
                'resume': resume, 'plan': plan(**{'targetSteps': 3, field: value})})
            refusal = lines_of(output, 'REFUSED')[0]
            self.assertEqual((status, refusal['class']), (3, 'refused_plan'))
            self.assertIn(field, refusal['message'])

    def test_a_damaged_checkpoint_is_refused(self):
        first = self.folder('first')
        run_dry(first, {'plan': plan(targetSteps=3)})
        weights = first / 'checkpoints' / 'step-00000003' / 'weights.bin'
        weights.write_bytes(b'\1' + weights.read_bytes()[1:])
        status, output = run_dry(self.folder('b'), {
            'resume': str(weights.parent), 'plan': plan(targetSteps=3)})
        self.assertEqual((status, lines_of(output, 'REFUSED')[0]['class']),
                         (3, 'damaged_checkpoint'))

    def test_a_bad_row_is_refused_by_its_line(self):
        good = conversations(4).splitlines()
        for name, bad in (('json', '{"messages": ['), ('empty', '{"messages": []}'),
                          ('order', '{"messages": [{"role": "assistant", "content": "oi"}]}'),
                          ('blank', good[0].replace('Responda em ordem.', ' '))):
            folder = self.folder(name)
            rows = '\n'.join(good[:2] + [bad] + good[2:])
            (folder / 'train.jsonl').write_text(rows, encoding='utf-8')
            status, output = run_dry(folder, {})
            refusal = lines_of(output, 'REFUSED')[0]
            self.assertEqual((status, refusal['class'], refusal['line']), (3, 'bad_dataset', 3))
            self.assertIn('line 3', refusal['message'])

    def test_it_hands_over_after_its_steps_and_another_session_ends_with_the_same_bytes(self):
        job, few = {'plan': plan(targetSteps=5)}, {'sessionSteps': 3}
        whole = self.folder('whole')
        run_dry(whole, job)
        first = self.folder('first')
        status, output = run_dry(first, job, few)
        self.assertEqual((status, lines_of(output, 'END')),
                         (0, [{'step': 3, 'reason': 'limit', 'artifact': None}]))
        self.assertEqual([line['step'] for line in lines_of(output, 'SAVED')], [3])
        second = self.folder('second')
        resume = str(first / 'checkpoints' / 'step-00000003')
        _status, output = run_dry(second, dict(job, resume=resume), few)
        self.assertEqual([line['step'] for line in lines_of(output, 'LOG')], [4, 5])
        self.assertEqual(lines_of(output, 'END'),
                         [{'step': 5, 'reason': 'finished', 'artifact': 'artifact'}])
        self.assertEqual(state_of(second / 'artifact'), state_of(whole / 'artifact'))

    def test_the_last_step_of_a_run_finishes_it_also_where_a_session_would_hand_over(self):
        folder = self.folder('a')
        _status, output = run_dry(folder, {'plan': plan(targetSteps=3)}, {'sessionSteps': 3})
        self.assertEqual(lines_of(output, 'END')[0]['reason'], 'finished')

    def test_only_the_newest_checkpoints_stay_on_the_disk(self):
        folder = self.folder('a')
        run_dry(folder, {}, {'saveSteps': 3, 'keepLocal': 2})
        self.assertEqual(sorted(path.name for path in (folder / 'checkpoints').iterdir()),
                         ['step-00000018', 'step-00000020'])
        self.assertFalse(list((folder / 'checkpoints').glob('.part*')))


if __name__ == '__main__':
    unittest.main()
