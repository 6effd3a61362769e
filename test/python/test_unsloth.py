import contextlib
import importlib.util
import shutil
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from sample import TEMPLATES, plan

ENGINES = TEMPLATES / 'engines'
PLAN = plan(engine='unsloth', base='some/base', revision='c0ffee', quantization='nf4',
            loraRank=16, loraAlpha=32, loraDropout=0.0, targets=['q_proj', 'v_proj'],
            optimizer='paged_adamw_8bit', learningRate=2e-4, maxLength=512, seed=5)


class Linear:
    pass


class Model:
    def __init__(self):
        self.config = types.SimpleNamespace(use_cache=True)

    def named_modules(self):
        return [('model.layers.0.self_attn.%s' % name, Linear()) for name in ('q_proj', 'v_proj')]

    def parameters(self):
        return []


class Fast(unittest.TestCase):
    """What the engine `unsloth` asks Unsloth for; Unsloth itself is stood in for."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        root = Path(holder.name)
        shutil.copy(str(ENGINES / 'harness.py'), str(root))
        shutil.copy(str(ENGINES / 'trl' / 'train.py'), str(root / 'trl_train.py'))
        shutil.copytree(str(ENGINES / 'trl' / 'program'), str(root / 'rodizio_engine'),
                        ignore=shutil.ignore_patterns('__pycache__'))
        for name in ('train.py', 'fast.py'):
            shutil.copy(str(ENGINES / 'unsloth' / name), str(root))
        self.asked = []
        self.order = []
        stack = contextlib.ExitStack()
        self.addCleanup(stack.close)
        stack.enter_context(mock.patch.object(sys, 'path', [str(root), *sys.path]))
        stack.enter_context(mock.patch.dict(sys.modules))
        for name in list(sys.modules):
            if name.split('.')[0] in ('harness', 'fast', 'trl_train', 'rodizio_engine'):
                del sys.modules[name]
        stack.enter_context(mock.patch.dict(sys.modules, {
            'torch': types.SimpleNamespace(
                float16='float16', bfloat16='bfloat16', nn=types.SimpleNamespace(Linear=Linear),
                cuda=types.SimpleNamespace(reset_peak_memory_stats=lambda: None)),
            'transformers': types.SimpleNamespace(set_seed=self.order.append),
            'unsloth': types.SimpleNamespace(
                __version__='0', FastLanguageModel=types.SimpleNamespace(
                    from_pretrained=self.from_pretrained, get_peft_model=self.get_peft_model))}))
        spec = importlib.util.spec_from_file_location('unsloth_train', str(root / 'train.py'))
        self.train = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.train)
        self.fast, self.refusal = self.train.fast, self.train.harness.Refusal

    def from_pretrained(self, **asked):
        self.asked.append(asked)
        return Model(), 'a tokenizer of its own'

    def get_peft_model(self, model, **asked):
        self.asked.append(asked)
        self.order.append('adapter')
        return model

    def test_the_base_is_the_plans_own_at_its_commit_in_4_bit_on_one_gpu(self):
        model = self.fast.load_base(PLAN, types.SimpleNamespace(), 'float16')
        self.assertFalse(model.config.use_cache)
        [asked] = self.asked
        self.assertEqual(
            {name: asked[name] for name in ('model_name', 'revision', 'use_exact_model_name',
                                            'max_seq_length', 'load_in_4bit', 'dtype',
                                            'device_map')},
            {'model_name': 'some/base', 'revision': 'c0ffee', 'use_exact_model_name': True,
             'max_seq_length': 512, 'load_in_4bit': True, 'dtype': 'float16',
             'device_map': {'': 0}})

    def test_the_adapter_is_the_plans_and_drawn_from_its_seed(self):
        self.fast.add_adapter(PLAN, Model())
        [asked] = self.asked
        self.assertEqual(
            {name: asked[name] for name in ('r', 'lora_alpha', 'lora_dropout', 'target_modules',
                                            'bias', 'random_state')},
            {'r': 16, 'lora_alpha': 32, 'lora_dropout': 0.0,
             'target_modules': ['q_proj', 'v_proj'], 'bias': 'none', 'random_state': 5})
        self.assertEqual(self.order, [5, 'adapter'])

    def test_a_target_that_the_base_does_not_have_is_refused_before_an_adapter_is_made(self):
        with self.assertRaisesRegex(self.refusal, 'no linear layer qkv_proj; its own are q_proj'):
            self.fast.add_adapter(dict(PLAN, targets=['q_proj', 'qkv_proj']), Model())
        self.assertEqual(self.asked, [])

    def test_without_a_gpu_or_against_how_the_base_is_stored_nothing_is_loaded(self):
        with self.assertRaisesRegex(self.refusal, 'GPU alone'):
            self.fast.load_base(PLAN, types.SimpleNamespace(), None)
        stored = types.SimpleNamespace(quantization_config={})
        with self.assertRaisesRegex(self.refusal, 'quantization is none'):
            self.fast.load_base(dict(PLAN, quantization='none'), stored, 'float16')
        self.assertEqual(self.asked, [])

    def test_it_is_the_program_of_trl_with_these_parts_unsloth_imported_first(self):
        with mock.patch.object(self.train.trl_train, 'main') as main:
            self.train.main({'plan': PLAN})
        main.assert_called_once_with({'plan': PLAN}, self.fast.prepare, self.fast.load_base,
                                     self.fast.add_adapter)

    def test_unsloth_is_imported_before_any_library_that_it_changes(self):
        class Prepared(Exception):
            pass

        def prepare():
            raise Prepared()

        job = {'plan': PLAN, 'options': {}, 'resume': None, 'control': 'control.json',
               'sessionSeconds': 60.0, 'secondsLeft': 60.0}
        absent = {name: None for name in ('torch', 'transformers', 'peft', 'trl')}
        with mock.patch('signal.signal'), mock.patch.dict(sys.modules, absent):
            self.assertRaises(Prepared, self.train.trl_train.main, job, prepare)


if __name__ == '__main__':
    unittest.main()
