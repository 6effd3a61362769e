"""The engine `trl`: QLoRA with transformers, peft, trl and bitsandbytes.

Never executed: written after a recipe that was measured elsewhere, compiled and read, but not run
on a GPU or with these libraries. The plan, the session's life and the lines it prints are those of
every engine.
"""
import json
import math
import os
import shutil
import time
from pathlib import Path

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # two would become DataParallel: twice the batch
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

import harness  # noqa: E402

HELD_OUT_ROWS = 64
PAD = '<unk>'  # v0.3 has no pad token, and padding with the end token would untrain it

# The published template drops the system message when the last turn is the assistant's, so that
# training and serving disagree. This one folds it into the first user turn, always, and marks what
# the assistant says. It travels with the adapter.
MISTRAL_TEMPLATE = (
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set system = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{{- bos_token -}}"
    "{%- for turn in turns -%}"
    "{%- if turn['role'] == 'user' -%}"
    "{{- '[INST] ' + (system if loop.first else '') + turn['content'] + '[/INST]' -}}"
    "{%- else -%}"
    "{%- generation -%}{{- ' ' + turn['content'] + eos_token -}}{%- endgeneration -%}"
    "{%- endif -%}{%- endfor -%}"
)


def load_tokenizer(plan):
    from transformers import AutoConfig, AutoTokenizer
    config = AutoConfig.from_pretrained(plan['base'], revision=plan['revision'])
    if config.model_type != 'mistral':
        raise harness.Refusal('refused_plan', 'no training template for the architecture %s'
                              % config.model_type)
    tokenizer = AutoTokenizer.from_pretrained(plan['base'], revision=plan['revision'])
    tokenizer.chat_template = MISTRAL_TEMPLATE
    tokenizer.pad_token = PAD
    tokenizer.padding_side = 'right'
    return config, tokenizer


def tokenize(tokenizer, path, max_length):
    """Rows of input_ids and labels, only the assistant's tokens labelled.

    Raises Refusal `bad_dataset` for a row that would lose the end of its answer.
    """
    rows = []
    for line, turns in harness.read_conversations(path):
        messages = [{'role': role, 'content': text} for role, text in turns]
        made = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True,
                                             return_assistant_tokens_mask=True)
        ids, mask = list(made['input_ids']), list(made['assistant_masks'])
        if len(ids) > max_length:
            raise harness.Refusal('bad_dataset', '%s line %d: %d tokens, %d more than maxLength'
                                  % (Path(path).name, line, len(ids), len(ids) - max_length), line)
        labels = [token if spoken else -100 for token, spoken in zip(ids, mask)]
        if labels[-1] != tokenizer.eos_token_id:
            raise harness.Refusal('bad_dataset', '%s line %d: the answer does not end with the end '
                                  'token' % (Path(path).name, line), line)
        rows.append({'input_ids': ids, 'labels': labels, 'attention_mask': [1] * len(ids)})
    return rows


def load_model(plan, config, dtype, on_gpu):
    """The base in the plan's quantization; a copy that is quantized already stays as it is."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    more = {}
    stored = getattr(config, 'quantization_config', None)
    name = str(dtype).replace('torch.', '')
    if stored is not None:
        stored['bnb_4bit_compute_dtype'] = name
    elif plan['quantization'] == 'nf4':
        more['quantization_config'] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype)
    if on_gpu:
        more['device_map'] = {'': 0}
        torch.cuda.reset_peak_memory_stats()
    model = AutoModelForCausalLM.from_pretrained(
        plan['base'], revision=plan['revision'], config=config, dtype=dtype,
        attn_implementation='sdpa', **more)
    model.config.use_cache = False
    return model


def relay_for(job, control, pace, env):
    """The callback that speaks for the trainer: logs, saves by the clock, leaves in time."""
    import torch
    from transformers import TrainerCallback

    class Relay(TrainerCallback):
        def __init__(self):
            self.begun = self.tokens_at = time.monotonic()
            self.save_begun = None
            self.tokens = 0
            self.loss = None
            self.losses = []
            self.reason = None

        def on_step_begin(self, _arguments, _state, _flow, **_more):
            self.begun = time.monotonic()

        def on_substep_end(self, _arguments, _state, _flow, **_more):
            control.poll()

        def on_step_end(self, _arguments, state, flow, **_more):
            control.poll()
            pace.stepped(time.monotonic() - self.begun)
            step = state.global_step
            done = step >= job['plan']['targetSteps']
            self.reason = 'finished' if done else pace.reason_to_leave()
            if self.reason and not done:
                flow.should_training_stop = True
            if (self.reason or pace.should_save(step)) and step != pace.saved_step:
                flow.should_save = True
            self.save_begun = time.monotonic()

        def on_log(self, _arguments, state, _flow, logs=None, **_more):
            if not logs or 'loss' not in logs or not math.isfinite(logs['loss']):
                return
            self.loss = logs['loss']
            now = time.monotonic()
            speed = self.tokens / max(1e-6, now - self.tokens_at)
            self.tokens, self.tokens_at = 0, now
            memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
            self.losses.append([state.global_step, self.loss, logs.get('learning_rate')])
            harness.emit('LOG', {'step': state.global_step, 'loss': self.loss,
                                 'learningRate': logs.get('learning_rate'),
                                 'tokensPerSecond': round(speed, 1), 'vramBytes': memory,
                                 'seconds': round(now - self.begun, 3)})

        def on_save(self, arguments, state, _flow, **_more):
            step = state.global_step
            source = Path(arguments.output_dir) / ('checkpoint-%d' % step)

            def write(folder):
                for path in source.iterdir():
                    if path.is_file():
                        shutil.copyfile(path, folder / path.name)

            seconds = harness.save_checkpoint(
                job, control, step, write, state.epoch or 0.0,
                {'loss': self.loss, 'heldOutLoss': None}, env, self.save_begun or time.monotonic())
            pace.saved(step, seconds)

    return Relay()


def build_trainer(job, model, tokenizer, rows, held_out, relay, half):
    """The trainer with every default written out, its trainable weights in 32 bit."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer
    plan, options = job['plan'], job['options']
    target = plan['targetSteps']
    log_steps = max(1, int(options.get('logSteps') or 50))
    arguments = SFTConfig(
        output_dir=str(Path(job['control']).parent / 'trainer'), max_steps=target,
        per_device_train_batch_size=plan['batchSize'], per_device_eval_batch_size=1,
        gradient_accumulation_steps=plan['accumulation'], learning_rate=plan['learningRate'],
        warmup_steps=max(1, round(plan['warmupRatio'] * target)),
        lr_scheduler_type='cosine_with_min_lr',
        lr_scheduler_kwargs={'min_lr_rate': plan['minLearningRateRatio']},
        optim=plan['optimizer'], weight_decay=plan['weightDecay'], adam_beta1=plan['adamBeta1'],
        adam_beta2=plan['adamBeta2'], max_grad_norm=1.0, label_smoothing_factor=0.0,
        fp16=half == 'float16', bf16=half == 'bfloat16', gradient_checkpointing=True,
        gradient_checkpointing_kwargs={'use_reentrant': False}, max_length=plan['maxLength'],
        packing=False, seed=plan['seed'], data_seed=plan['seed'], logging_strategy='steps',
        logging_steps=log_steps, logging_first_step=True, eval_strategy='no',
        save_strategy='steps', save_steps=int(options.get('saveSteps') or 500), save_total_limit=1,
        report_to='none', dataloader_num_workers=0, disable_tqdm=True)
    lora = LoraConfig(r=plan['loraRank'], lora_alpha=plan['loraAlpha'],
                      lora_dropout=plan['loraDropout'], target_modules=plan['targets'],
                      bias='none', task_type='CAUSAL_LM')
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                         eval_dataset=Dataset.from_list(held_out) if held_out else None,
                         processing_class=tokenizer, peft_config=lora, callbacks=[relay])
    # The trainer has cast the adapter to bf16; in 16 bit it cannot be scaled on a T4.
    for weight in trainer.model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()
    count_tokens(trainer, relay)
    return trainer


def count_tokens(trainer, relay):
    """Lets the relay see how many tokens pass, padding left out."""
    compute = trainer.compute_loss

    def counted(model, inputs, *more, **named):
        relay.tokens += int(inputs['attention_mask'].sum())
        return compute(model, inputs, *more, **named)

    trainer.compute_loss = counted


def main(job):
    import torch
    plan = job['plan']
    control = harness.Control(job)
    manifest = harness.open_checkpoint(job)
    on_gpu = torch.cuda.is_available()
    half = None
    if on_gpu:  # a T4 is 7.5; torch may call bf16 supported there, by emulation
        half = 'bfloat16' if torch.cuda.get_device_capability(0)[0] >= 8 else 'float16'
    env = dict(harness.environment(), **versions())
    gpu = torch.cuda.get_device_name(0) if on_gpu else None
    harness.emit('ENV', dict(env, engine='trl', gpu=gpu, half=half, tokens='tokens'))
    config, tokenizer = load_tokenizer(plan)
    rows = tokenize(tokenizer, job['train'], plan['maxLength'])
    held_out = tokenize(tokenizer, job['validation'], plan['maxLength'])[:HELD_OUT_ROWS]
    step = manifest['step'] if manifest else 0
    pace = harness.Pace(control, job['options'], step)
    relay = relay_for(job, control, pace, env)
    try:
        model = load_model(plan, config, getattr(torch, half or 'float32'), on_gpu)
        trainer = build_trainer(job, model, tokenizer, rows, held_out, relay, half)
        kinds = {str(weight.dtype) for weight in trainer.model.parameters() if weight.requires_grad}
        print('trainable weights: %s' % sorted(kinds))
        if step < plan['targetSteps']:
            trainer.train(resume_from_checkpoint=job.get('resume'))
        else:
            trainer._load_from_checkpoint(job['resume'])
        step = max(step, trainer.state.global_step)
        artifact = None
        if step >= plan['targetSteps']:
            loss = trainer.evaluate()['eval_loss'] if held_out else None
            artifact = job['artifact']
            commit_adapter(job, trainer, tokenizer, relay, loss, env)
    except torch.cuda.OutOfMemoryError:
        raise harness.Refusal('out_of_memory', 'the GPU has too little memory for %d rows at once'
                              % plan['batchSize'])
    reason = 'finished' if artifact else relay.reason or 'limit'
    harness.emit('END', {'step': step, 'reason': reason, 'artifact': artifact})


def commit_adapter(job, trainer, tokenizer, relay, held_out_loss, env):
    """The candidate adapter with its tokenizer, its template and its losses."""
    def write(folder):
        trainer.model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
        (folder / 'loss.json').write_text(json.dumps(relay.losses) + '\n', encoding='utf-8')

    plan = job['plan']
    harness.commit_folder(job, 'artifact', plan['targetSteps'], job['artifact'], write,
                          trainer.state.epoch or 0.0,
                          {'loss': relay.loss, 'heldOutLoss': held_out_loss}, env)


def versions():
    from importlib import metadata
    found = {}
    for name in ('torch', 'transformers', 'peft', 'trl', 'bitsandbytes', 'accelerate', 'datasets'):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


if __name__ == '__main__':
    harness.run_program(main)
