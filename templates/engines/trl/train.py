"""The engine `trl`: QLoRA with transformers, peft, trl and bitsandbytes.

Executed on a CPU with a tiny model, in 32 bit and in 4 bit; what only a GPU does (16-bit autocast,
the scaler, paged optimizer states, the real base) has not been executed. A checkpoint is the state
after a whole step, so a run that was killed and resumed ends as one that was not.
"""
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '0')  # two would become DataParallel: twice the batch
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
for bars in ('HF_HUB_DISABLE_PROGRESS_BARS', 'HF_DATASETS_DISABLE_PROGRESS_BARS'):
    os.environ.setdefault(bars, '1')  # what is printed last is what a report can carry

import harness  # noqa: E402
from rodizio_engine.adapter import add_adapter, take_up_adapter  # noqa: E402
from rodizio_engine.artifact import commit_adapter  # noqa: E402
from rodizio_engine.base import load_base, load_base_config  # noqa: E402
from rodizio_engine.checkpoint import resume_folder  # noqa: E402
from rodizio_engine.environment import say_other_environment, versions  # noqa: E402
from rodizio_engine.memory import out_of_memory, rows_at_once, trial_step  # noqa: E402
from rodizio_engine.precision import half_of  # noqa: E402
from rodizio_engine.relay import relay_for  # noqa: E402
from rodizio_engine.rows import tokenize  # noqa: E402
from rodizio_engine.trainer import build_trainer  # noqa: E402

HELD_OUT_ROWS = 64


def main(job):
    plan = job['plan']
    warnings.simplefilter('ignore', FutureWarning)  # renames: the versions here know both names
    control = harness.Control(job)  # first: the imports below take their time, and SIGTERM may come
    manifest = harness.open_checkpoint(job)
    resume = resume_folder(job, manifest)
    brought = job.get('base')
    if brought:
        os.environ['HF_HUB_OFFLINE'] = '1'  # everything is here: nobody need be asked for more
    import torch
    half = half_of(torch)
    env = dict(harness.environment(), **versions())
    gpu = torch.cuda.get_device_name(0) if half else None
    harness.emit('ENV', dict(env, engine='trl', gpu=gpu, half=half, tokens='tokens'))
    say_other_environment(manifest, env)
    try:
        config, tokenizer = load_base_config(plan, brought)
        rows = tokenize(tokenizer, job['train'], plan['maxLength'])
        held_out = tokenize(tokenizer, job['validation'], plan['maxLength'])[:HELD_OUT_ROWS]
        model = load_base(plan, config, half, brought)
    except OSError as error:
        raise harness.Refusal('notebook_bug', 'the base %s cannot be loaded: %s'
                              % (plan['base'], str(error).strip().splitlines()[0]))
    step = manifest['step'] if manifest else 0
    pace = harness.Pace(control, job['options'], step)
    try:
        model = add_adapter(plan, model)
        if job.get('adapter') and not manifest:
            take_up_adapter(model, job['adapter'])
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


if __name__ == '__main__':
    harness.run_program(main)
