"""The server's generator over transformers and peft, tried inside an environment that has them;
test_serving.py runs this there. The arguments: the tiny base, a folder for what is written."""
import hashlib
import json
import shutil
import sys
import unittest
import warnings
from pathlib import Path

warnings.simplefilter('ignore')
BASE, FOLDER = sys.argv.pop(1), Path(sys.argv.pop(1))
TEMPLATES = Path(__file__).resolve().parents[2] / 'templates'
shutil.copy(str(TEMPLATES / 'engines' / 'harness.py'), str(FOLDER))
shutil.copytree(str(TEMPLATES / 'engines' / 'trl' / 'program'), str(FOLDER / 'rodizio_engine'))
sys.path[:0] = [str(FOLDER), str(TEMPLATES)]

import torch  # noqa: E402
from rodizio_engine import base  # noqa: E402
from rodizio_engine.adapter import add_adapter  # noqa: E402
from rodizio_engine.rows import tokenize  # noqa: E402
from serve.adapter import Rejected, verified_adapter  # noqa: E402
from serve.generator import Order  # noqa: E402
from serve.settings import Settings  # noqa: E402
from serve.transformers_generator import load_generator  # noqa: E402

TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
PLAN = {'base': BASE, 'revision': 'main', 'quantization': 'none', 'seed': 3, 'loraRank': 8,
        'loraAlpha': 64, 'loraDropout': 0.5, 'targets': TARGETS, 'maxLength': 300}
TALK = (('system', 'Responda curto.'), ('user', 'Qual é a maré?'))


def make_adapter(version, seed, **changes):
    """An adapter as a session leaves it, with weights that change what the base says."""
    plan = {**PLAN, **changes}
    config, tokenizer = base.load_base_config(PLAN)
    model = add_adapter(PLAN, base.load_base(PLAN, config, None))
    torch.manual_seed(seed)
    for name, weight in model.named_parameters():
        if 'lora_B' in name:
            torch.nn.init.normal_(weight, std=0.2)
    folder = FOLDER / 'versions' / version
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    seal(folder, plan)
    return folder


def seal(folder, plan=PLAN):
    files = [{'name': path.name, 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
             for path in sorted(folder.iterdir()) if path.name != 'manifest.json']
    (folder / 'manifest.json').write_text(json.dumps({
        'kind': 'artifact', 'engine': 'trl', 'run': 'run_1', 'step': 1, 'generation': 1,
        'plan': plan, 'files': files}))


def order(**changes):
    return Order(**{'messages': TALK, 'prompt': None, 'max_tokens': 12, 'temperature': 0,
                    'top_p': 1.0, **changes})


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.first = verified_adapter(make_adapter('v1', 1))
        cls.second = verified_adapter(make_adapter('v2', 2))
        cls.settings = Settings(key_sha256='0' * 64, adapter=cls.first.folder)

    def setUp(self):
        self.generator = load_generator(self.settings, self.first)

    def say(self, should_stop=lambda: False, generator=None, **changes):
        pieces = []
        result = (generator or self.generator).generate(order(**changes), pieces.append,
                                                        should_stop)
        return ''.join(pieces), result

    def test_greedy_answers_repeat_and_so_do_drawn_ones_with_a_seed(self):
        self.assertEqual(self.say(), self.say())
        drawn = {'temperature': 1.0, 'top_p': 0.95}
        self.assertEqual(self.say(seed=7, **drawn), self.say(seed=7, **drawn))
        self.assertNotEqual(self.say(seed=7, **drawn), self.say(seed=8, **drawn))

    def test_two_adapters_answer_differently_and_the_first_as_before(self):
        first, plan = self.say(), []
        for adapter in (self.second, self.first):
            self.generator.switch(adapter)
            plan.append(self.say())
        self.assertNotEqual(plan[0], first)
        self.assertEqual(plan[1], first)
        self.assertEqual(self.say(generator=load_generator(self.settings, self.second)), plan[0])

    def test_an_adapter_that_does_not_fit_is_refused_and_the_one_before_goes_on(self):
        from safetensors.torch import load_file, save_file
        first = self.say()
        for damage in ('missing', 'shape', 'base'):
            folder = make_adapter(damage, 2)
            path = folder / 'adapter_model.safetensors'
            weights = load_file(path)
            name = sorted(weights)[0]
            if damage == 'missing':
                del weights[name]
            elif damage == 'shape':
                weights[name] = weights[name][:, :-1].contiguous()
            save_file(weights, path)
            seal(folder, {**PLAN, 'base': 'other'} if damage == 'base' else PLAN)
            with self.subTest(damage), self.assertRaises(Rejected) as caught:
                self.generator.switch(verified_adapter(folder))
            self.assertEqual(caught.exception.code, 'adapter_unusable')
            self.assertEqual((self.generator.adapter, self.say()), (self.first, first))

    def test_the_prompt_is_rendered_as_in_training(self):
        path = FOLDER / 'talk.jsonl'
        talk = [*TALK, ('assistant', 'Alta.')]
        path.write_text(json.dumps({'messages': [{'role': role, 'content': text}
                                                 for role, text in talk]}) + '\n')
        tokenizer = base.load_base_config(PLAN)[1]
        row = tokenize(tokenizer, path, 300)[0]
        asked = sum(label == -100 for label in row['labels'])
        self.assertEqual(self.generator.count_tokens(order()), asked)

    def test_it_ends_at_its_most_tokens_and_when_it_is_asked_to(self):
        _text, result = self.say(max_tokens=3)
        self.assertEqual((result.completion_tokens, result.reason), (3, 'length'))
        asked = []
        _text, result = self.say(lambda: asked.append(1) or len(asked) > 1, max_tokens=50)
        self.assertLessEqual(result.completion_tokens, 3)
        self.assertEqual(result.reason, 'stop')

    def test_a_base_in_4_bit_answers_as_well(self):
        folder = make_adapter('v4', 1, quantization='nf4')
        generator = load_generator(self.settings, verified_adapter(folder))
        self.assertEqual(self.say(generator=generator), self.say(generator=generator))
        layer = generator._model.get_base_model().model.layers[0].self_attn.q_proj.base_layer
        self.assertEqual(layer.weight.quant_type, 'nf4')


if __name__ == '__main__':
    unittest.main()
