"""The engine `trl`: QLoRA with transformers, peft, trl and bitsandbytes.

Executed on a CPU with a tiny model, in 32 bit and in 4 bit; what only a GPU does (16-bit autocast,
the scaler, paged optimizer states, the real base) has not been executed. A checkpoint is the state
after a whole step, so a run that was killed and resumed ends as one that was not.
"""
import json
import math
import os
import random
import shutil
import time
import warnings
from pathlib import Path

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # two would become DataParallel: twice the batch
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
for bars in ('HF_HUB_DISABLE_PROGRESS_BARS', 'HF_DATASETS_DISABLE_PROGRESS_BARS'):
    os.environ.setdefault(bars, '1')  # what is printed last is what a report can carry

import harness  # noqa: E402

HELD_OUT_ROWS = 64
LOGGED = ('step', 'epoch', 'loss', 'grad_norm', 'learning_rate')  # all that a checkpoint keeps
PAD = '<unk>'  # v0.3 has no pad token, and padding with the end token would untrain it
TRIAL_SLACK_BYTES = 256 << 20  # what fragments, and what the trainer counts beside the loss
# Without one of them the trainer resumes without a word and goes wrong: it begins at rate 0, or
# with other dropout. In float16 the scaler's state is there as well.
STATE_FILES = ('adapter_config.json', 'adapter_model.safetensors', 'optimizer.pt', 'rng_state.pth',
               'scheduler.pt', 'trainer_state.json')

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

ABOUT = (
    '# A candidate adapter\n\nLoRA weights for `%(base)s` at `%(revision)s`, trained by Rodízio in '
    '%(targetSteps)d steps. They load with `PeftModel.from_pretrained`; the tokenizer and the chat '
    'template in this folder are those of the training. `evaluation.json` has the loss on held-out '
    'conversations with the adapter and without.\n')


def load_base_config(plan):
    """The base's configuration and its tokenizer with our template."""
    from transformers import AutoConfig, AutoTokenizer
    config = AutoConfig.from_pretrained(plan['base'], revision=plan['revision'])
    if config.model_type != 'mistral':
        raise harness.Refusal('refused_plan', 'base is %s, of the architecture %s: only mistral '
                              'has a training template here' % (plan['base'], config.model_type))
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
        rows.append({'input_ids': ids, 'labels': labels})
    return rows


def half_of(torch):
    """The 16-bit type to compute in: bfloat16 from compute capability 8, float16 below, None on a
    CPU. torch may call bfloat16 supported on a T4 (7.5), by emulation: it is not asked."""
    if not torch.cuda.is_available():
        return None
    return 'bfloat16' if torch.cuda.get_device_capability(0)[0] >= 8 else 'float16'


def load_base(plan, config, half):
    """The base in the plan's quantization; a copy that is in 4 bit already stays as it is."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    more = {}
    dtype = getattr(torch, half or 'float32')
    stored = getattr(config, 'quantization_config', None)
    if (stored is not None or plan['quantization'] == 'nf4') and not versions()['bitsandbytes']:
        raise harness.Refusal('refused_plan', 'quantization is nf4, and this environment has no '
                              'bitsandbytes for it')
    if stored is not None:
        if plan['quantization'] != 'nf4' or stored.get('bnb_4bit_quant_type') != 'nf4':
            raise harness.Refusal('refused_plan', 'quantization is %s, and the base %s is stored '
                                  'otherwise' % (plan['quantization'], plan['base']))
        stored['bnb_4bit_compute_dtype'] = str(dtype).replace('torch.', '')
    elif plan['quantization'] == 'nf4':
        more['quantization_config'] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype)
    if half:
        more['device_map'] = {'': 0}
        torch.cuda.reset_peak_memory_stats()
    model = AutoModelForCausalLM.from_pretrained(
        plan['base'], revision=plan['revision'], config=config, dtype=dtype,
        attn_implementation='sdpa', **more)
    model.config.use_cache = False
    return model


def add_adapter(plan, model):
    """The model with its adapter, whose first values follow from the seed alone."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed
    model.gradient_checkpointing_enable({'use_reentrant': False})
    model.enable_input_require_grads()
    set_seed(plan['seed'])
    lora = LoraConfig(r=plan['loraRank'], lora_alpha=plan['loraAlpha'],
                      lora_dropout=plan['loraDropout'], target_modules=plan['targets'],
                      bias='none', task_type='CAUSAL_LM')
    model = get_peft_model(model, lora)
    in_32_bit(model)
    return model


def in_32_bit(model):
    """Trainable weights in 16 bit cannot be scaled on a T4, and lose small steps anywhere."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


class Random:
    """The state of every generator that training draws from."""

    def __init__(self):
        import numpy
        import torch
        self.state = (random.getstate(), numpy.random.get_state(), torch.get_rng_state(),
                      torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None)

    def restore(self):
        import numpy
        import torch
        own, array, cpu, gpus = self.state
        random.setstate(own)
        numpy.random.set_state(array)
        torch.set_rng_state(cpu)
        if gpus is not None:
            torch.cuda.set_rng_state_all(gpus)


def out_of_memory(error):
    """Whether this is a device with too little memory, and no other trouble."""
    import torch
    return (isinstance(error, torch.OutOfMemoryError)
            or 'DefaultCPUAllocator: ' in str(error) and "can't allocate" in str(error))


def rows_at_once(plan, manifest, trial):
    """How many rows go through the model at once: the plan's batch, halved as often as the device
    needs, with the accumulation doubled as often. The one optimizer step stays what it is.

    Decided by `trial(rows)` before the first step of a run; a checkpoint has decided already.
    Raises Refusal `out_of_memory` when not even one row fits.
    """
    if manifest:
        return manifest['env'].get('rowsAtOnce', plan['batchSize'])
    rows = plan['batchSize']
    while True:
        try:
            trial(rows)
            return rows
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
        if rows == 1:
            raise harness.Refusal('out_of_memory', 'this device has too little memory for a single '
                                  'row of maxLength %d' % plan['maxLength'])
        rows = rows // 2 if rows % 2 == 0 else 1
        print('out of memory in the trial step: %d rows at once instead' % rows)


def trial_step(plan, model, rows, half, count):
    """Forward and backward through the `count` longest rows, with room left for the optimizer;
    leaves weights, gradients and random numbers as they were."""
    import torch
    before = Random()
    longest = sorted(rows, key=lambda row: len(row['input_ids']), reverse=True)[:count]
    width = len(longest[0]['input_ids'])
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    per_weight = 2 if '8bit' in plan['optimizer'] else 8
    room = None
    try:
        if half:
            room = torch.empty(trainable * per_weight + TRIAL_SLACK_BYTES, dtype=torch.uint8,
                               device='cuda')
        batch = {name: torch.tensor([row[name] + [fill] * (width - len(row[name]))
                                     for row in longest], device=model.device)
                 for name, fill in (('input_ids', 0), ('labels', -100))}
        model.train()
        with autocast(half):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
    finally:
        del room
        batch = loss = None  # else the next trial finds them still there
        model.zero_grad(set_to_none=True)
        before.restore()
        if half:
            torch.cuda.empty_cache()


def autocast(half):
    import torch
    kind = 'cuda' if half else 'cpu'
    return torch.autocast(kind, dtype=getattr(torch, half or 'bfloat16'), enabled=half is not None)


def relay_for(job, control, pace, env):
    """The callback that speaks for the trainer: logs, saves by the clock, leaves in time."""
    import torch
    from transformers import TrainerCallback
    target = job['plan']['targetSteps']
    log_steps = max(1, int(job['options'].get('logSteps') or 1))

    class Relay(TrainerCallback):
        def __init__(self):
            self.begun = time.monotonic()
            self.save_begun = None
            self.tokens = 0
            self.loss = None
            self.reason = None
            self.random = None

        def on_step_begin(self, _arguments, _state, _flow, **_more):
            self.begun = time.monotonic()

        def on_substep_end(self, _arguments, state, flow, **_more):
            try:
                pace.leave_in_mid_step()
            except harness.Leave:
                self.reason = 'stopped' if control.stop else 'limit'
                flow.should_training_stop = True
                if state.global_step != pace.saved_step:
                    self.random.restore()  # what is saved is the state after the last whole step
                    flow.should_save = True
                    self.save_begun = time.monotonic()

        def on_step_end(self, _arguments, state, flow, **_more):
            control.poll()
            pace.stepped(time.monotonic() - self.begun)
            step = state.global_step
            done = step >= target
            self.reason = ('finished' if done
                           else pace.reason_to_leave() or pace.reason_to_hand_over())
            flow.should_training_stop = self.reason is not None
            flow.should_save = done or self.reason is not None or pace.should_save(step)
            self.random = Random()
            self.save_begun = time.monotonic()

        def on_log(self, _arguments, state, _flow, logs=None, **_more):
            if not logs or 'loss' not in logs:
                return
            state.log_history[-1] = {name: value for name, value in state.log_history[-1].items()
                                     if name in LOGGED}
            step, tokens = state.global_step, logs.get('num_tokens', self.tokens)
            seconds = max(1e-6, time.monotonic() - self.begun)
            speed, self.tokens = (tokens - self.tokens) / seconds, tokens
            self.loss = logs['loss'] if math.isfinite(logs['loss']) else None
            if step % log_steps == 0 or step >= target:
                memory = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
                harness.emit('LOG', {
                    'step': step, 'loss': self.loss, 'learningRate': logs.get('learning_rate'),
                    'tokensPerSecond': round(speed, 1), 'vramBytes': memory,
                    'seconds': round(seconds, 3)})

        def on_save(self, arguments, state, _flow, **_more):
            step = state.global_step
            source = Path(arguments.output_dir) / ('checkpoint-%d' % step)

            def write(folder):
                for name in STATE_FILES:
                    shutil.move(str(source / name), str(folder / name))
                if (source / 'scaler.pt').exists():
                    shutil.move(str(source / 'scaler.pt'), str(folder / 'scaler.pt'))
                sort_targets(folder)

            seconds = harness.save_checkpoint(
                job, control, step, write, state.epoch or 0.0,
                {'loss': self.loss, 'heldOutLoss': None}, env, self.save_begun)
            shutil.rmtree(source, ignore_errors=True)
            pace.saved(step, seconds)

    return Relay()


def build_trainer(job, model, tokenizer, rows, relay, half, at_once):
    """The trainer with every default written out, our schedule, trainable weights in 32 bit."""
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer
    plan = job['plan']
    arguments = SFTConfig(
        output_dir=str(Path(job['control']).parent / 'trainer'), max_steps=plan['targetSteps'],
        per_device_train_batch_size=at_once, per_device_eval_batch_size=1,
        gradient_accumulation_steps=plan['accumulation'] * plan['batchSize'] // at_once,
        learning_rate=plan['learningRate'], optim=plan['optimizer'],
        weight_decay=plan['weightDecay'], adam_beta1=plan['adamBeta1'],
        adam_beta2=plan['adamBeta2'], adam_epsilon=1e-8, max_grad_norm=1.0,
        label_smoothing_factor=0.0, fp16=half == 'float16', bf16=half == 'bfloat16', tf32=None,
        use_cpu=half is None, gradient_checkpointing=True,
        gradient_checkpointing_kwargs={'use_reentrant': False}, max_length=plan['maxLength'],
        packing=False, seed=plan['seed'], data_seed=plan['seed'], logging_strategy='steps',
        logging_steps=1, logging_nan_inf_filter=False, eval_strategy='no', save_strategy='no',
        report_to='none', push_to_hub=False, dataloader_num_workers=0, disable_tqdm=True)
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                         processing_class=tokenizer, callbacks=[relay])
    trainer.remove_callback(PrinterCallback)
    in_32_bit(trainer.model)  # once more: building the trainer has made them bfloat16
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
        trainer.create_optimizer(),
        lambda done: harness.learning_rate(plan, done + 1) / plan['learningRate'])
    return trainer


def held_out_loss(model, rows, half, pace):
    """Mean loss in nats per answer token; None when there are no rows, or no time for all."""
    import torch
    total, count = 0.0, 0
    model.eval()
    with torch.no_grad():
        for row in rows:
            pace.control.poll()
            if pace.reason_to_leave() is not None:
                return None
            batch = {name: torch.tensor([row[name]], device=model.device) for name in row}
            tokens = sum(label != -100 for label in row['labels'][1:])
            with autocast(half):
                total += float(model(**batch, use_cache=False).loss) * tokens
            count += tokens
    return total / count if count else None


def resume_folder(job, manifest):
    """The checkpoint's folder, every file of it there that resuming needs."""
    if not manifest:
        return None
    listed = {file['name'] for file in manifest['files']}
    for name in STATE_FILES:
        if name not in listed:
            raise harness.Refusal('damaged_checkpoint', 'the checkpoint of step %s has no %s'
                                  % (manifest['step'], name))
    return job['resume']


def take_up_adapter(model, folder):
    """Puts the checkpoint's adapter into the model, for a run that has all its steps."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file
    set_peft_model_state_dict(model, load_file(str(Path(folder) / 'adapter_model.safetensors')))


def main(job):
    plan = job['plan']
    warnings.simplefilter('ignore', FutureWarning)  # renames: the versions here know both names
    control = harness.Control(job)  # first: the imports below take their time, and SIGTERM may come
    manifest = harness.open_checkpoint(job)
    resume = resume_folder(job, manifest)
    import torch
    half = half_of(torch)
    env = dict(harness.environment(), **versions())
    gpu = torch.cuda.get_device_name(0) if half else None
    harness.emit('ENV', dict(env, engine='trl', gpu=gpu, half=half, tokens='tokens'))
    say_other_environment(manifest, env)
    try:
        config, tokenizer = load_base_config(plan)
        rows = tokenize(tokenizer, job['train'], plan['maxLength'])
        held_out = tokenize(tokenizer, job['validation'], plan['maxLength'])[:HELD_OUT_ROWS]
        model = load_base(plan, config, half)
    except OSError as error:
        raise harness.Refusal('notebook_bug', 'the base %s cannot be loaded: %s'
                              % (plan['base'], str(error).strip().splitlines()[0]))
    step = manifest['step'] if manifest else 0
    pace = harness.Pace(control, job['options'], step)
    try:
        model = add_adapter(plan, model)
        at_once = rows_at_once(plan, manifest,
                               lambda count: trial_step(plan, model, rows, half, count))
        env['rowsAtOnce'] = at_once
        relay = relay_for(job, control, pace, env)
        trainer = build_trainer(job, model, tokenizer, rows, relay, half, at_once)
        kinds = {str(weight.dtype) for weight in model.parameters() if weight.requires_grad}
        print('%d rows, %d at once; trainable weights: %s' % (len(rows), at_once, sorted(kinds)))
        control.poll()
        reason = pace.reason_to_leave()
        if step >= plan['targetSteps']:
            take_up_adapter(model, resume)
            relay.loss = manifest['metrics']['loss']
            trainer.state.log_history = json.loads(
                (Path(resume) / 'trainer_state.json').read_text(encoding='utf-8'))['log_history']
            trainer.state.epoch = manifest['epoch']
        elif reason is None:
            trainer.train(resume_from_checkpoint=resume)
            step, reason = trainer.state.global_step, relay.reason
        artifact = None
        if step >= plan['targetSteps']:
            artifact = commit_adapter(job, trainer, tokenizer, relay, held_out, half, pace, env)
            reason = 'finished' if artifact else pace.reason_to_leave() or 'limit'
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise harness.Refusal('out_of_memory', 'this device has too little memory for the %d rows '
                              'at once that this run has begun with' % env.get('rowsAtOnce', 1))
    harness.emit('END', {'step': step, 'reason': reason, 'artifact': artifact})


def say_other_environment(manifest, env):
    """Versions may differ between the sessions of a run; a person should see when they did."""
    before = manifest['env'] if manifest else {}
    for name in sorted(set(before) & set(env)):
        if before[name] != env[name]:
            print('%s is %s here; the checkpoint was made with %s'
                  % (name, env[name], before[name]))


def commit_adapter(job, trainer, tokenizer, relay, held_out, half, pace, env):
    """Makes the candidate adapter with its tokenizer, template, losses and evaluation.

    Returns its folder, or None when the time is too short: the last checkpoint has everything, and
    another session does this alone.
    """
    model, plan = trainer.model, job['plan']
    loss = held_out_loss(model, held_out, half, pace)
    with model.disable_adapter():
        base_loss = held_out_loss(model, held_out, half, pace)
    if held_out and base_loss is None:
        return None
    losses = [[row['step'], row['loss'] if math.isfinite(row['loss']) else None,
               row.get('learning_rate')] for row in trainer.state.log_history if 'loss' in row]

    def write(folder):
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
        sort_targets(folder)
        (folder / 'README.md').write_text(ABOUT % plan, encoding='utf-8')
        write_json(folder / 'loss.json', losses)
        write_json(folder / 'evaluation.json', {
            'heldOutRows': len(held_out), 'heldOutLoss': loss, 'baseHeldOutLoss': base_loss})

    harness.commit_folder(job, 'artifact', plan['targetSteps'], job['artifact'], write,
                          trainer.state.epoch or 0.0,
                          {'loss': relay.loss, 'heldOutLoss': loss}, env)
    return job['artifact']


def sort_targets(folder):
    """The targets are a set, and stand in another order each time that they are written."""
    path = folder / 'adapter_config.json'
    made = json.loads(path.read_text(encoding='utf-8'))
    made['target_modules'] = sorted(made['target_modules'])
    write_json(path, made)


def write_json(path, value):
    path.write_text(json.dumps(value, sort_keys=True, allow_nan=False) + '\n', encoding='utf-8')


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
