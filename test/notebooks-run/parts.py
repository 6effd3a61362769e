"""Parts of the engine `trl`, tried inside an environment that has its libraries; test_parts.py runs
this there. The arguments: the tiny base, a folder for what is written."""
import contextlib
import json
import os
import shutil
import socket
import sys
import unittest
import warnings
from pathlib import Path
from unittest import mock

warnings.simplefilter('ignore')
BASE, FOLDER = sys.argv.pop(1), Path(sys.argv.pop(1))
ENGINES = Path(__file__).resolve().parents[2] / 'templates' / 'engines'
# As in a notebook: where the program stands, the folder `trl` above it would hide the library.
shutil.copy(str(ENGINES / 'harness.py'), str(FOLDER))
shutil.copytree(str(ENGINES / 'trl' / 'program'), str(FOLDER / 'rodizio_engine'))
sys.path.insert(0, str(FOLDER))

import accelerate  # noqa: E402
import harness  # noqa: E402
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from rodizio_engine import adapter, base, chat_templates, memory, precision, trainer  # noqa: E402
from rodizio_engine import rows as rows_part  # noqa: E402
from rodizio_engine.crew import Crew, prepare_process  # noqa: E402

TARGETS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
PLAN = {'engine': 'trl', 'base': BASE, 'revision': 'main', 'quantization': 'nf4',
        'optimizer': 'paged_adamw_8bit', 'batchSize': 4, 'accumulation': 1, 'maxLength': 128,
        'seed': 3, 'loraRank': 16, 'loraAlpha': 32, 'loraDropout': 0.05, 'targets': TARGETS}
TALK = [('user', 'Qual é a maré?'), ('assistant', 'Alta, às 9 h.'),
        ('user', 'E o vento?  (com [INST] no meio)'), ('assistant', ' Sul — 20 nós 🐚.')]


class Labels(unittest.TestCase):
    def setUp(self):
        self.tokenizer = base.load_base_config(PLAN)[1]

    def rows(self, turns, system=None, max_length=300):
        messages = [{'role': role, 'content': text} for role, text in turns]
        if system:
            messages.insert(0, {'role': 'system', 'content': system})
        path = FOLDER / 'talk.jsonl'
        path.write_text(json.dumps({'messages': messages}) + '\n', encoding='utf-8')
        return rows_part.tokenize(self.tokenizer, path, max_length)

    def spoken(self, row):
        """The runs of labelled tokens, as text."""
        runs = [[]]
        for token, label in zip(row['input_ids'], row['labels']):
            self.assertIn(label, (-100, token))
            if label != -100:
                runs[-1].append(label)
            elif runs[-1]:
                runs.append([])
        return [self.tokenizer.decode(run).strip() for run in runs if run]

    def test_only_what_the_assistant_says_and_its_end_is_labelled_in_every_turn(self):
        for system in (None, 'Responda curto.'):
            row = self.rows(TALK, system)[0]
            self.assertEqual(self.spoken(row), ['Alta, às 9 h.</s>', 'Sul — 20 nós 🐚.</s>'])

    def test_the_system_text_is_trained_on_where_it_is_served(self):
        text = self.tokenizer.decode(self.rows(TALK[:2], 'Responda curto.')[0]['input_ids'])
        self.assertRegex(
            text, r'^<s> ?\[INST\] ?Responda curto\.\n\nQual é a maré\?\[/INST\] ?Alta')

    def test_what_a_server_renders_for_a_prompt_is_a_prefix_of_what_was_trained(self):
        for system in (None, 'Responda curto.'):
            messages = [{'role': role, 'content': text} for role, text in TALK]
            if system:
                messages.insert(0, {'role': 'system', 'content': system})
            whole = self.rows(TALK, system)[0]['input_ids']
            for turns in (len(messages) - 1, len(messages) - 3):
                asked = list(self.tokenizer.apply_chat_template(
                    messages[:turns], tokenize=True, return_dict=True,
                    add_generation_prompt=True)['input_ids'])
                self.assertEqual(asked, whole[:len(asked)])

    def test_an_answer_that_would_be_cut_off_is_refused_by_its_line(self):
        with self.assertRaisesRegex(harness.Refusal, r'talk\.jsonl line 1: .* more than maxLength'):
            self.rows(TALK, max_length=20)

    def test_padding_is_never_the_end_token(self):
        self.assertNotEqual(self.tokenizer.pad_token_id, self.tokenizer.eos_token_id)


class Device(unittest.TestCase):
    def test_the_16_bit_type_follows_the_gpu_and_not_what_it_emulates(self):
        for capability, kind in (((7, 5), 'float16'), ((8, 0), 'bfloat16'), ((8, 9), 'bfloat16'),
                                 (None, None)):
            class Cuda:
                is_available = staticmethod(lambda found=capability: found is not None)
                is_bf16_supported = staticmethod(lambda: True)
                get_device_capability = staticmethod(lambda found=capability: found)

            class Torch:
                cuda = Cuda

            self.assertEqual(precision.half_of(Torch), kind)


    @contextlib.contextmanager
    def gpus(self, count, capability=(7, 5)):
        """Makes the libraries believe in so many GPUs, for as long as nothing computes on one."""
        with mock.patch.multiple(
                torch.cuda, is_available=lambda: True, device_count=lambda: count,
                set_device=lambda _device: None, current_device=lambda: 0,
                get_device_capability=lambda *_index: capability,
                is_bf16_supported=lambda *_emulated: True):
            yield
        accelerate.state.AcceleratorState._reset_state(reset_partial_state=True)

    def told(self, crew, half='float16'):
        job = {'plan': dict(PLAN, learningRate=1e-4, weightDecay=0.0, adamBeta1=0.9, adamBeta2=0.9,
                            accumulation=6, targetSteps=5), 'control': str(FOLDER / 'control')}
        return trainer.arguments_for(job, half, 2, crew)

    def test_a_t4_computes_in_float16_and_what_is_newer_in_bfloat16(self):
        for capability, fp16, bf16 in (((7, 5), True, False), ((8, 9), False, True),
                                       ((8, 0), False, True)):
            with self.gpus(1, capability):
                made = self.told(Crew(), precision.half_of(torch))
                self.assertEqual((made.fp16, made.bf16, made.n_gpu, made.use_cpu),
                                 (fp16, bf16, 1, False))
                self.assertEqual((made.train_batch_size, made.gradient_accumulation_steps), (2, 12))

    def test_one_process_that_sees_two_gpus_refuses_to_make_one_batch_of_both(self):
        with self.gpus(2), self.assertRaisesRegex(harness.Refusal, 'sees 2 GPUs'):
            self.told(Crew())

    def test_one_process_alone_is_shown_one_gpu(self):
        for shown, first in ((None, '0'), ('0,1', '0'), ('3,4', '3'), ('', '')):
            with mock.patch.dict(os.environ):
                os.environ.pop('CUDA_VISIBLE_DEVICES', None)
                if shown is not None:
                    os.environ['CUDA_VISIBLE_DEVICES'] = shown
                self.assertIs(prepare_process(len), len)
                self.assertEqual(os.environ['CUDA_VISIBLE_DEVICES'], first)

    def test_each_of_two_processes_has_one_gpu_and_half_of_every_step(self):
        group = {'RANK': '0', 'LOCAL_RANK': '0', 'WORLD_SIZE': '1', 'MASTER_ADDR': '127.0.0.1',
                 'MASTER_PORT': str(free_port())}
        crew = Crew()
        crew.size = 2
        with self.gpus(2), mock.patch.dict(os.environ, group):
            torch.distributed.init_process_group('gloo')
            self.addCleanup(torch.distributed.destroy_process_group)
            made = self.told(crew)
            self.assertEqual((made.n_gpu, made.parallel_mode.name), (1, 'DISTRIBUTED'))
            self.assertEqual((made.train_batch_size, made.gradient_accumulation_steps), (2, 6))


class Sharing(unittest.TestCase):
    """The order of the rows, and what of them is one process's share."""

    def steps(self, rows, batch, accumulation, at_once, processes, epoch):
        """The rows of each step of an epoch, blank ones left out."""
        plan = {'seed': 3, 'batchSize': batch, 'accumulation': accumulation}
        order = rows_part.Order(plan, rows, at_once, processes)
        order.go_on_from(epoch * order.steps)
        batches = torch.utils.data.BatchSampler(order, at_once, drop_last=False)
        shares = [list(batches)] if processes == 1 else [
            list(accelerate.data_loader.BatchSamplerShard(batches, processes, rank))
            for rank in range(processes)]
        self.assertEqual({len(share) for share in shares}, {len(shares[0])})
        each = batch * accumulation // at_once // processes
        made = [sorted(row for share in shares for some in share[at:at + each]
                       for row in some if row != rows)
                for at in range(0, len(shares[0]), each)]
        self.assertEqual(len(made), order.steps)
        return made

    def test_every_step_has_the_same_rows_whoever_trains_and_no_row_comes_twice(self):
        for rows in (1, 3, 8, 25, 26, 27, 40):
            for batch, accumulation, at_once in ((2, 2, 2), (2, 3, 1), (1, 4, 1), (4, 4, 2)):
                for epoch in (0, 1):
                    plan = (rows, batch, accumulation)
                    alone = self.steps(*plan, batch, 1, epoch)
                    self.assertEqual(self.steps(*plan, at_once, 2, epoch), alone)
                    self.assertEqual(sorted(sum(alone, [])), list(range(rows)))

    def test_each_epoch_has_an_order_of_its_own(self):
        first, again, second = (self.steps(40, 2, 2, 2, 1, epoch) for epoch in (0, 0, 1))
        self.assertEqual(first, again)
        self.assertNotEqual(first, second)

    def test_the_blank_row_teaches_nothing(self):
        config, tokenizer = base.load_base_config(PLAN)
        model = base.load_base(dict(PLAN, quantization='none'), config, None)
        blank = rows_part.blank_row(tokenizer)
        batch = {name: torch.tensor([values]) for name, values in blank.items()}
        loss = model(**batch, num_items_in_batch=torch.tensor(7)).loss
        loss.backward()
        self.assertEqual(loss.item(), 0.0)
        self.assertEqual({float(weight.grad.abs().max()) for weight in model.parameters()
                          if weight.grad is not None}, {0.0})

    def test_rows_at_once_are_as_many_as_can_be_shared_out(self):
        two = mock.Mock(size=2, leads=True, every=lambda yes: yes)
        for batch, accumulation, rows in ((2, 16, 2), (2, 3, 1), (4, 1, 2), (1, 2, 1), (6, 1, 3)):
            plan = dict(PLAN, batchSize=batch, accumulation=accumulation)
            self.assertEqual(memory.rows_at_once(plan, None, lambda _rows: None, two), rows)
        decided = {'env': {'rowsAtOnce': 2}}
        self.assertEqual(memory.rows_at_once(dict(PLAN, batchSize=2, accumulation=3), decided,
                                             None, two), 1)


def free_port():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        return taken.getsockname()[1]


class Memory(unittest.TestCase):
    def fitting(self, most, plan=PLAN, error=torch.OutOfMemoryError, manifest=None, told=None):
        tried = []

        def trial(count):
            tried.append(count)
            if count > most:
                raise error('CUDA out of memory')

        return memory.rows_at_once(plan, manifest, trial, Crew(), told), tried

    def test_rows_are_halved_until_they_fit(self):
        self.assertEqual(self.fitting(9), (4, [4]))
        self.assertEqual(self.fitting(1), (1, [4, 2, 1]))
        self.assertEqual(self.fitting(2, dict(PLAN, batchSize=3)), (1, [3, 1]))

    def test_what_a_checkpoint_has_decided_stands(self):
        self.assertEqual(self.fitting(0, manifest={'env': {'rowsAtOnce': 2}}), (2, []))

    def test_no_more_than_is_told_after_a_session_that_ran_out_of_memory(self):
        self.assertEqual(self.fitting(9, told=2), (2, [2]))
        self.assertEqual(self.fitting(9, dict(PLAN, batchSize=5), told=2), (1, [1]))
        self.assertEqual(self.fitting(0, manifest={'env': {'rowsAtOnce': 4}}, told=2), (2, []))
        self.assertEqual(self.fitting(0, manifest={'env': {'rowsAtOnce': 1}}, told=2), (1, []))

    def test_not_one_row_is_a_refusal_and_other_trouble_is_no_lack_of_memory(self):
        with self.assertRaises(harness.Refusal) as caught:
            self.fitting(0)
        self.assertEqual(caught.exception.failure_class, 'out_of_memory')
        with self.assertRaisesRegex(RuntimeError, 'memory'):
            self.fitting(1, error=RuntimeError)

    def test_a_cpu_that_has_none_left_says_so_in_its_own_words(self):
        with self.assertRaises(RuntimeError) as caught:
            torch.empty(1 << 50, dtype=torch.uint8)
        self.assertTrue(memory.out_of_memory(caught.exception))

    def test_the_trial_step_leaves_no_trace(self):
        config, _tokenizer = base.load_base_config(PLAN)
        model = adapter.add_adapter(PLAN, base.load_base(PLAN, config, None))
        before = {name: weight.clone() for name, weight in model.named_parameters()}
        made = [{'input_ids': [1] + [9] * width, 'labels': [-100] + [9] * width}
                for width in (5, 9, 7)]
        state = torch.get_rng_state()
        memory.trial_step(PLAN, model, made, None, 2)
        self.assertTrue(torch.equal(torch.get_rng_state(), state))
        for name, weight in model.named_parameters():
            self.assertTrue(torch.equal(weight, before[name]), name)
            self.assertIsNone(weight.grad)


class Base(unittest.TestCase):
    def test_one_layer_at_its_true_width_in_4_bit_has_the_weights_that_are_foretold(self):
        torch.set_default_dtype(torch.bfloat16)
        self.addCleanup(torch.set_default_dtype, torch.float32)
        wide = FOLDER / 'wide'
        transformers.MistralForCausalLM(transformers.MistralConfig(
            vocab_size=256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=1,
            num_attention_heads=32, num_key_value_heads=8)).save_pretrained(wide)
        torch.set_default_dtype(torch.float32)
        plan = dict(PLAN, base=str(wide))
        config = transformers.AutoConfig.from_pretrained(wide)
        model = adapter.add_adapter(plan, base.load_base(plan, config, None))
        trainable = [weight for weight in model.parameters() if weight.requires_grad]
        self.assertEqual(sum(weight.numel() for weight in trainable), 1_310_720)
        self.assertEqual({weight.dtype for weight in trainable}, {torch.float32})
        self.assertEqual(model.get_base_model().model.layers[0].mlp.down_proj.weight.quant_type,
                         'nf4')

    def test_a_copy_that_is_in_4_bit_already_computes_in_the_type_of_this_device(self):
        copy = FOLDER / 'copy'
        half = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16)
        transformers.AutoModelForCausalLM.from_pretrained(
            BASE, quantization_config=half).save_pretrained(copy)
        plan = dict(PLAN, base=str(copy))
        config = transformers.AutoConfig.from_pretrained(copy)
        model = base.load_base(plan, config, None)
        layer = model.model.layers[0].self_attn.q_proj
        self.assertEqual((layer.weight.quant_type, layer.compute_dtype), ('nf4', torch.float32))
        with self.assertRaisesRegex(harness.Refusal, 'quantization is none'):
            base.load_base(dict(plan, quantization='none'), config, None)

    def test_one_that_was_brought_to_a_folder_keeps_its_name_in_the_adapter(self):
        plan = dict(PLAN, base='owner/gated', revision='c' * 40, quantization='none')
        config, tokenizer = base.load_base_config(plan, BASE)
        self.assertEqual(tokenizer.chat_template, chat_templates.MISTRAL.template)
        model = adapter.add_adapter(plan, base.load_base(plan, config, None, folder=BASE))
        self.assertEqual(model.peft_config['default'].base_model_name_or_path, 'owner/gated')

    def test_an_adapter_is_taken_up_as_it_was_left_and_none_of_another_plan(self):
        config, _tokenizer = base.load_base_config(PLAN)
        plan = dict(PLAN, quantization='none')
        model = adapter.add_adapter(plan, base.load_base(plan, config, None))
        for name, weight in model.named_parameters():
            if 'lora_' in name:
                torch.nn.init.normal_(weight)
        left = {name: weight.clone() for name, weight in model.named_parameters()}
        saved = FOLDER / 'left'
        model.save_pretrained(saved)
        fresh = adapter.add_adapter(plan, base.load_base(plan, config, None))
        adapter.take_up_adapter(fresh, saved)
        for name, weight in fresh.named_parameters():
            self.assertTrue(torch.equal(weight, left[name]), name)
        smaller = dict(plan, targets=TARGETS[:3])
        with self.assertRaisesRegex(harness.Refusal, 'does not fit the plan'):
            adapter.take_up_adapter(
                adapter.add_adapter(smaller, base.load_base(smaller, config, None)), saved)

    def test_an_adapter_is_loaded_by_peft_alone(self):
        config, tokenizer = base.load_base_config(PLAN)
        plan = dict(PLAN, quantization='none')
        model = adapter.add_adapter(plan, base.load_base(plan, config, None))
        for name, weight in model.named_parameters():
            if 'lora_B' in name:
                torch.nn.init.normal_(weight)
        saved = FOLDER / 'adapter'
        model.save_pretrained(saved)
        fresh = peft.PeftModel.from_pretrained(
            transformers.AutoModelForCausalLM.from_pretrained(BASE), saved)
        ids = torch.tensor([tokenizer('maré alta')['input_ids']])
        with torch.no_grad():
            self.assertTrue(torch.equal(model.eval()(ids).logits, fresh.eval()(ids).logits))


if __name__ == '__main__':
    unittest.main()
