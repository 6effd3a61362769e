"""The engine `trl` and the server on toy bases of every architecture, tried inside an environment
that has their libraries; test_architectures.py runs this there. The arguments: the tiny Mistral, a
folder for what is written."""
import contextlib
import functools
import io
import json
import os
import shutil
import sys
import unittest
import warnings
from pathlib import Path
from unittest import mock

warnings.simplefilter('ignore')
MISTRAL, FOLDER = sys.argv.pop(1), Path(sys.argv.pop(1))
TEMPLATES = Path(__file__).resolve().parents[2] / 'templates'
ENGINE = TEMPLATES / 'engines' / 'trl'
for program in (TEMPLATES / 'engines' / 'harness.py', ENGINE / 'train.py'):
    shutil.copy(str(program), str(FOLDER))
shutil.copytree(str(ENGINE / 'program'), str(FOLDER / 'rodizio_engine'))
sys.path[:0] = [str(FOLDER), str(TEMPLATES), str(Path(__file__).parent)]

import harness  # noqa: E402
import train  # noqa: E402
import transformers  # noqa: E402
from bases import MAKERS, make_base  # noqa: E402
from rodizio_engine import adapter, base, chat_templates  # noqa: E402
from rodizio_engine import rows as rows_part  # noqa: E402
from serve.adapter import verified_adapter  # noqa: E402
from serve.generator import Order  # noqa: E402
from serve.settings import Settings  # noqa: E402
from serve.transformers_generator import load_generator  # noqa: E402

APART = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
FUSED = ['qkv_proj', 'o_proj', 'gate_up_proj', 'down_proj']
BASES = {'mistral': MISTRAL, **{name: make_base(name, FOLDER / name) for name in MAKERS}}
BASES['phi3 apart'] = make_base('phi3', FOLDER / 'phi3-apart', apart=True)
ENDS = {'mistral': '</s>', 'llama': '<|eot_id|>', 'gemma': '<end_of_turn>', 'phi3': '<|end|>',
        'phi3 apart': '<|end|>', 'qwen2': '<|im_end|>'}
SYSTEM = 'Responda curto.'
TALK = [('user', 'Qual é a maré?'), ('assistant', 'Alta, às 9 h.'),
        ('user', 'E o vento?\n\n'), ('assistant', '\n Sul — 20 nós 🐚.')]
# What each server sends for the first question, as those who made the model wrote its format.
PROMPTS = {
    'mistral': '<s>[INST] Responda curto.\n\nQual é a maré?[/INST]',
    'llama': '<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nResponda curto.'
             '<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nQual é a maré?<|eot_id|>'
             '<|start_header_id|>assistant<|end_header_id|>\n\n',
    'gemma': '<bos><start_of_turn>user\nResponda curto.\n\nQual é a maré?<end_of_turn>\n'
             '<start_of_turn>model\n',
    'phi3': '<|system|>\nResponda curto.<|end|>\n<|user|>\nQual é a maré?<|end|>\n<|assistant|>\n',
    'qwen2': '<|im_start|>system\nResponda curto.<|im_end|>\n<|im_start|>user\nQual é a maré?'
             '<|im_end|>\n<|im_start|>assistant\n',
}
PROMPTS['phi3 apart'] = PROMPTS['phi3']


def plan(name, **changes):
    return {'engine': 'trl', 'base': BASES[name], 'revision': 'main', 'quantization': 'nf4',
            'loraRank': 16, 'loraAlpha': 32, 'loraDropout': 0.0,
            'targets': FUSED if name == 'phi3' else APART, 'learningRate': 0.02,
            'warmupRatio': 0.0, 'minLearningRateRatio': 0.1, 'weightDecay': 0.0, 'adamBeta1': 0.9,
            'adamBeta2': 0.95, 'optimizer': 'adamw_torch', 'batchSize': 1, 'accumulation': 1,
            'maxLength': 300, 'targetSteps': 2, 'seed': 3, 'dataSha256': 'a' * 64, **changes}


def messages(turns, system=None):
    first = [] if system is None else [{'role': 'system', 'content': system}]
    return first + [{'role': role, 'content': text} for role, text in turns]


def write_talks(path, *talks):
    path.write_text(''.join(json.dumps({'messages': talk}) + '\n' for talk in talks),
                    encoding='utf-8')
    return path


def on_every_base(test):
    """A test of one base's tokenizer as one of all."""
    @functools.wraps(test)
    def tried(self):
        for name in BASES:
            with self.subTest(name):
                test(self, name, base.load_base_config(plan(name))[1])

    return tried


class Formats(unittest.TestCase):
    def row(self, tokenizer, turns, system=None, max_length=300):
        path = write_talks(FOLDER / 'talk.jsonl', messages(turns, system))
        return rows_part.tokenize(tokenizer, path, max_length)[0]

    def prompt(self, tokenizer, turns, system=None):
        return list(tokenizer.apply_chat_template(
            messages(turns, system), tokenize=True, return_dict=True,
            add_generation_prompt=True)['input_ids'])

    @on_every_base
    def test_a_prompt_is_rendered_in_the_words_of_the_models_own_format(self, name, tokenizer):
        rendered = tokenizer.apply_chat_template(
            messages(TALK[:1], SYSTEM), tokenize=False, add_generation_prompt=True)
        self.assertEqual(rendered, PROMPTS[name])

    @on_every_base
    def test_only_what_the_assistant_says_and_its_end_is_labelled(self, name, tokenizer):
        for system in (None, SYSTEM):
            row, runs = self.row(tokenizer, TALK, system), [[]]
            for token, label in zip(row['input_ids'], row['labels']):
                self.assertIn(label, (-100, token))
                if label != -100:
                    runs[-1].append(label)
                elif runs[-1]:
                    runs.append([])
            end = ENDS[name]
            self.assertEqual([tokenizer.decode(run).strip() for run in runs if run],
                             ['Alta, às 9 h.' + end, 'Sul — 20 nós 🐚.' + end])
            self.assertEqual(row['labels'][-1], tokenizer.convert_tokens_to_ids(end))

    @on_every_base
    def test_what_a_server_renders_is_a_prefix_of_what_was_trained(self, name, tokenizer):
        if name == 'mistral':
            return  # its texts are not trimmed; parts.py tries it on others
        for system in (None, SYSTEM):
            row = self.row(tokenizer, TALK, system)
            for until in (3, 1):
                asked = self.prompt(tokenizer, TALK[:until], system)
                self.assertEqual(asked, row['input_ids'][:len(asked)])
                self.assertNotEqual(row['labels'][len(asked)], -100)

    @on_every_base
    def test_the_system_text_is_kept_where_it_is_served(self, name, tokenizer):
        text = tokenizer.decode(self.row(tokenizer, TALK, SYSTEM)['input_ids'])
        self.assertIn('Responda curto.', text)
        self.assertEqual(text.count('Responda curto.'), 1)

    @on_every_base
    def test_the_end_of_a_turn_is_the_end_token_and_padding_never_is(self, name, tokenizer):
        self.assertEqual(tokenizer.eos_token, ENDS[name])
        self.assertNotEqual(tokenizer.pad_token_id, tokenizer.eos_token_id)
        self.assertIsNotNone(tokenizer.pad_token_id)
        self.assertEqual(tokenizer.decode([tokenizer.eos_token_id], skip_special_tokens=True),
                         '')
        blank = rows_part.blank_row(tokenizer)
        self.assertTrue(all(isinstance(token, int) for token in blank['input_ids']))

    @on_every_base
    def test_an_answer_that_would_be_cut_off_is_refused_by_its_line(self, name, tokenizer):
        with self.assertRaisesRegex(harness.Refusal, 'talk.jsonl line 1: .* than maxLength'):
            self.row(tokenizer, TALK, max_length=20)

    @on_every_base
    def test_a_template_whose_answers_do_not_end_is_refused(self, name, tokenizer):
        tokenizer.chat_template = tokenizer.chat_template.replace(
            "eos_token -}}{%- endgen", "'' -}}{%- endgen").replace(
            "trim + '%s' -}}{%%- endgen" % ENDS[name], "trim -}}{%- endgen")
        with self.assertRaisesRegex(harness.Refusal, 'does not end with the end token'):
            self.row(tokenizer, TALK)


class Refusals(unittest.TestCase):
    def test_another_architecture_is_refused_by_its_name_and_the_known_ones_are_named(self):
        other = FOLDER / 'other'
        shutil.copytree(BASES['qwen2'], str(other))
        transformers.GPT2Config().save_pretrained(other)
        with self.assertRaisesRegex(harness.Refusal, 'gpt2.* gemma, llama, mistral, phi3, qwen2'):
            base.load_base_config(plan('qwen2', base=str(other)))

    def test_a_base_that_was_taught_another_format_is_refused(self):
        for name, architecture, absent in (('qwen2', 'llama', r'<\|begin_of_text\|>'),
                                           ('llama', 'gemma', '<bos>'), ('gemma', 'qwen2', 'im_')):
            tokenizer = transformers.AutoTokenizer.from_pretrained(BASES[name])
            with self.assertRaisesRegex(harness.Refusal, absent):
                chat_templates.format_for(name, architecture, tokenizer)

    def test_rows_that_are_longer_than_the_base_reads_are_refused(self):
        with self.assertRaisesRegex(harness.Refusal, 'maxLength is 513, .* reads 512 tokens'):
            base.load_base_config(plan('qwen2', maxLength=513))

    def test_targets_that_the_base_does_not_have_are_refused_before_any_step(self):
        for name, targets, told in (
                ('phi3', APART, r'layer q_proj, k_proj, v_proj, gate_proj, up_proj; its own are '
                                r'down_proj, gate_up_proj, lm_head, o_proj, qkv_proj'),
                ('qwen2', ['q_proj', 'proj'], 'layer proj;'), ('gemma', ['mlp'], 'layer mlp;'),
                ('llama', [], 'empty list')):
            asked = plan(name, targets=targets, quantization='none')
            config, _tokenizer = base.load_base_config(asked)
            model = base.load_base(asked, config, None)
            with self.assertRaisesRegex(harness.Refusal, told):
                adapter.add_adapter(asked, model)


class Trained(unittest.TestCase):
    """Each base learns one answer by the whole program, in 4 bit, and the server gives it."""

    QUESTION = 'Qual é a maré?'
    ANSWER = 'Alta.'

    def trained(self, name):
        folder = FOLDER / 'runs' / name.replace(' ', '-')
        folder.mkdir(parents=True)
        talk = messages([('user', self.QUESTION), ('assistant', self.ANSWER)], SYSTEM)
        paths = {kind: str(write_talks(folder / (kind + '.jsonl'), talk))
                 for kind in ('train', 'validation')}
        job = {'run': 'run_1', 'session': 'ses_1', 'generation': 1, 'label': 'candidate',
               'plan': plan(name, targetSteps=16), 'options': {'saveSteps': 0, 'logSteps': 1},
               'secondsLeft': 600.0, 'sessionSeconds': 600.0, 'resume': None, 'parent': 0,
               'checkpoints': str(folder / 'checkpoints'), 'artifact': str(folder / 'artifact'),
               'control': str(folder / 'control.json'), **paths}
        said = io.StringIO()
        with contextlib.redirect_stdout(said), mock.patch.dict(os.environ):
            train.main(job)
        losses = [json.loads(line.split(' ', 1)[1])['loss']
                  for line in said.getvalue().splitlines() if line.startswith('RODIZIO_LOG')]
        self.assertLess(losses[-1], 0.1 * losses[0], losses)
        return folder / 'artifact'

    def test_the_server_gives_the_answer_that_was_learnt_and_stops_at_the_end_of_the_turn(self):
        for name in MAKERS:
            with self.subTest(name):
                artifact = self.trained(name)
                ends = json.loads((Path(BASES[name]) / 'config.json').read_text())['eos_token_id']
                tokenizer = transformers.AutoTokenizer.from_pretrained(str(artifact))
                self.assertEqual(tokenizer.eos_token, ENDS[name])
                self.assertNotEqual(tokenizer.eos_token_id, ends)
                verified = verified_adapter(artifact)
                generator = load_generator(
                    Settings(key_sha256='0' * 64, adapter=artifact), verified)
                pieces = []
                result = generator.generate(
                    Order(messages=(('system', SYSTEM), ('user', self.QUESTION)), prompt=None,
                          max_tokens=40, temperature=0, top_p=1.0), pieces.append, lambda: False)
                self.assertEqual((''.join(pieces).strip(), result.reason), (self.ANSWER, 'stop'))


if __name__ == '__main__':
    unittest.main()
