"""What only a GPU can show of the engine `trl`: 16 bit, the scaler, paged states, a 7B's memory.

Written, never executed: no GPU was there. What of it does not need one is tried at the end of this
file, on a CPU.
"""
import functools
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from runs import Runs, rates_of
from training import (MISSING, STACKS, difference, environment, lines_of, plan, put_program,
                      python_of, run, sample_data, state_of, tiny_model)

IN_4_BIT = {'quantization': 'nf4', 'optimizer': 'paged_adamw_8bit'}
MOST_BYTES = 15e9  # what a T4 has, less what its driver keeps
DISK_BYTES = 12e9  # the 7B base, its checkpoints and what is written while they are made


@functools.cache
def gpu_of(stack):
    """The name of the GPU that torch sees in that environment, or None."""
    ran = subprocess.run(
        [python_of(stack), '-c', 'import torch\n'
         'print(torch.cuda.get_device_name() if torch.cuda.is_available() else "")'],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return ran.stdout.strip() or None


def capability_of(stack):
    ran = subprocess.run([python_of(stack), '-c', 'import torch\n'
                          'print(torch.cuda.get_device_capability()[0])'],
                         env=environment(), stdout=subprocess.PIPE, text=True, check=True)
    return int(ran.stdout)


def make_wide_base(stack, folder, layers, vocabulary, tokens):
    """The folder of a Mistral of 7B's widths, made by that environment."""
    parts = folder.with_name(folder.name + '-parts')
    parts.mkdir(parents=True)
    put_program(parts)
    made = subprocess.run(
        [python_of(stack), str(Path(__file__).with_name('make_wide_base.py')), tiny_model(),
         str(folder), str(layers), str(vocabulary), str(tokens)],
        env=dict(environment(), PYTHONPATH=str(parts)), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, timeout=900)
    if made.returncode != 0:
        raise AssertionError(made.stdout)
    return folder


@unittest.skipUnless(STACKS, MISSING)
class Gpu(Runs):
    def setUp(self):
        self.stack = next((stack for stack in STACKS if gpu_of(stack)), None)
        if self.stack is None:
            self.skipTest('torch sees no GPU here: 16 bit and a 7B model’s memory are not tried')

    def train(self, name, resume=None, program='train.py', options=None, timeout=300, **changes):
        """Trains to the end: (folder, output lines)."""
        folder = self.folder(name)
        status, output = run(self.stack, folder, {'plan': plan(**changes), 'resume': resume},
                             dict({'saveSteps': 5, 'keepLocal': 5}, **(options or {})), program,
                             timeout)
        self.assertEqual(status, 0, '\n'.join(output))
        self.assertIn("trainable weights: ['torch.float32']", '\n'.join(output))
        for row in lines_of(output, 'LOG'):
            self.assertTrue(row['loss'] is not None and math.isfinite(row['loss']), row)
            self.assertGreater(row['vramBytes'], 0)
        return folder, output

    def assert_resumes(self, half, program, state, **changes):
        """An uninterrupted run, and its second half by another session: nearly the same."""
        whole, output = self.train('whole', program=program, **changes)
        self.assertEqual(lines_of(output, 'ENV')[0]['half'], half)
        checkpoint = whole / 'checkpoints' / 'step-00000005'
        self.assertLessEqual(state, set(state_of(checkpoint)))
        again, output = self.train('again', str(checkpoint), program, **changes)
        self.assertEqual(lines_of(output, 'LOG')[0]['step'], 6)
        self.assertLess(difference(again, whole), 1e-5)
        self.assertEqual(rates_of(again), rates_of(whole))
        return whole

    def test_in_float16_as_on_a_t4_it_trains_and_resumes_with_its_scaler(self):
        whole = self.assert_resumes('float16', 'driver_float16.py', {'scaler.pt'}, **IN_4_BIT)
        self.assertIn('scaler.pt', state_of(whole / 'checkpoints' / 'step-00000010'))

    def test_in_bfloat16_it_trains_and_resumes_without_a_scaler(self):
        if capability_of(self.stack) < 8:
            self.skipTest('%s computes in float16: bfloat16 begins with compute capability 8.0'
                          % gpu_of(self.stack))
        whole = self.assert_resumes('bfloat16', 'train.py', set(), **IN_4_BIT)
        self.assertNotIn('scaler.pt', state_of(whole / 'checkpoints' / 'step-00000005'))

    def test_paged_8_bit_states_and_plain_ones_learn_alike(self):
        plain, output = self.train('plain', quantization='nf4', optimizer='adamw_torch')
        losses = [row['loss'] for row in lines_of(output, 'LOG')]
        paged, output = self.train('paged', **IN_4_BIT)
        for one, other in zip(losses, [row['loss'] for row in lines_of(output, 'LOG')]):
            self.assertAlmostEqual(one, other, delta=0.05 * one)
        last = 'checkpoints/step-00000010/optimizer.pt'
        self.assertLess((paged / last).stat().st_size, 0.6 * (plain / last).stat().st_size)

    def test_a_7b_at_2_rows_of_2048_tokens_stays_below_what_a_t4_has(self):
        if shutil.disk_usage(str(self.root)).free < DISK_BYTES:
            self.skipTest('less than %d GB are free for a base of 7B' % (DISK_BYTES / 1e9))
        base = make_wide_base(self.stack, self.folder('base'), 32, 32768, 2048)
        self.addCleanup(shutil.rmtree, str(base), ignore_errors=True)
        folder = self.folder('wide')
        folder.mkdir()
        shutil.copy(str(base / 'train.jsonl'), str(folder))
        # One short row: what is judged at the end is not what is measured here.
        (folder / 'validation.jsonl').write_bytes(
            sample_data()['validation.jsonl'].splitlines(keepends=True)[0])
        _folder, output = self.train(
            'wide', program='driver_float16.py', options={'saveSteps': 0}, timeout=1500,
            base=str(base), maxLength=2048, batchSize=2, accumulation=1, targetSteps=2, **IN_4_BIT)
        self.assertIn('4 rows, 2 at once', '\n'.join(output))
        rows = lines_of(output, 'LOG')
        self.assertEqual(len(rows), 2)
        print('\n%s: at most %.2f GB at 2 x 2048 tokens of a 7B, %.0f tokens/s' % (
            gpu_of(self.stack), rows[-1]['vramBytes'] / 1e9, rows[-1]['tokensPerSecond']),
            file=sys.stderr)
        self.assertLess(rows[-1]['vramBytes'], MOST_BYTES)
        self.assertGreater(rows[-1]['vramBytes'], 4e9)  # less would be another model


@unittest.skipUnless(STACKS, MISSING)
class WithoutGpu(unittest.TestCase):
    """What the tests above rest on, as far as a CPU can tell."""

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix='gpu-'))
        self.addCleanup(shutil.rmtree, str(self.root), ignore_errors=True)

    def test_float16_is_forced_on_any_gpu_and_refused_on_a_cpu(self):
        put_program(self.root)
        asked = subprocess.run(
            [python_of(STACKS[0]), '-c', (
                'import harness, train, driver_float16\n'
                'from types import SimpleNamespace as Fake\n'
                'def torch(there, capability):\n'
                '    return Fake(cuda=Fake(is_available=lambda: there,\n'
                '                          get_device_capability=lambda: capability))\n'
                'for capability in ((7, 5), (8, 0), (9, 0)):\n'
                '    print(train.half_of(torch(True, capability)))\n'
                'try:\n'
                '    train.half_of(torch(False, None))\n'
                'except harness.Refusal as error:\n'
                '    print(error.failure_class)\n')],
            cwd=str(self.root), env=environment(), stdout=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(asked.stdout.split(), ['float16'] * 3 + ['no_gpu'])

    def test_a_layer_of_the_7b_base_has_its_true_shapes_in_4_bit_and_rows_of_just_their_length(self):
        """Loaded by the engine itself; the 32 layers of the real test are made in the same way."""
        base = make_wide_base(STACKS[0], self.root / 'base', 1, 1024, 2048)
        os.symlink(str(base / 'train.jsonl'), str(self.root / 'base-parts' / 'rows.jsonl'))
        told = subprocess.run(
            [python_of(STACKS[0]), '-c', (
                'import torch\n'
                'from rodizio_engine import adapter, base, rows\n'
                'plan = %r\n'
                'config, tokenizer = base.load_base_config(plan)\n'
                'print([len(row["input_ids"]) for row in'
                ' rows.tokenize(tokenizer, "rows.jsonl", 2048)])\n'
                'model = adapter.add_adapter(plan, base.load_base(plan, config, None))\n'
                'print(sum(w.numel() for w in model.parameters() if w.requires_grad))\n'
                'down = model.get_base_model().model.layers[0].mlp.down_proj.base_layer\n'
                'print(down.weight.quant_type, down.weight.quant_state.nested,\n'
                '      tuple(down.weight.quant_state.shape))\n'
                'spread = float(down(torch.eye(14336)[:64]).std())\n'
                'print(0.018 < spread < 0.022)\n') % plan(base=str(base), quantization='nf4')],
            cwd=str(self.root / 'base-parts'), env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=120)
        said = [line for line in told.stdout.splitlines() if line and 'Loading' not in line]
        self.assertEqual(said, ['[2048, 2048, 2048, 2048]', '1310720', 'nf4 True (4096, 14336)',
                                'True'], told.stdout)


if __name__ == '__main__':
    unittest.main()
