"""The engine `trl`: QLoRA with transformers, peft, trl and bitsandbytes.

Executed on a CPU with a tiny model, in 32 bit and in 4 bit, by one process and by two; what only a
GPU does (16-bit autocast, the scaler, paged optimizer states, the real base) has not been executed.
A checkpoint is the state after a whole step, so a run that was killed and resumed ends as one that
was not.
"""
import json
import os
import warnings
from pathlib import Path

os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
for bars in ('HF_HUB_DISABLE_PROGRESS_BARS', 'HF_DATASETS_DISABLE_PROGRESS_BARS'):
    os.environ.setdefault(bars, '1')  # what is printed last is what a report can carry

import harness  # noqa: E402
from rodizio_engine.adapter import add_adapter, take_up_adapter  # noqa: E402
from rodizio_engine.artifact import commit_adapter  # noqa: E402
from rodizio_engine.base import load_base, load_base_config  # noqa: E402
from rodizio_engine.chance import draw_apart  # noqa: E402
from rodizio_engine.checkpoint import processes_of, resume_folder  # noqa: E402
from rodizio_engine.crew import Crew, prepare_process  # noqa: E402
from rodizio_engine.environment import say_other_environment, versions  # noqa: E402
from rodizio_engine.evaluation import HELD_OUT_ROWS  # noqa: E402
from rodizio_engine.memory import out_of_memory, rows_at_once, trial_step  # noqa: E402
from rodizio_engine.precision import half_of  # noqa: E402
from rodizio_engine.relay import relay_for  # noqa: E402
from rodizio_engine.rows import Order, tokenize  # noqa: E402
from rodizio_engine.trainer import build_trainer  # noqa: E402


def main(job, prepare=lambda: None, load_base=load_base, add_adapter=add_adapter):
    """Trains from the checkpoint or the start until the steps are done or the session ends. Another
    engine gives ways of its own to load the base and to add the adapter, and prepares before the
    libraries are imported."""
    plan = job['plan']
    warnings.simplefilter('ignore', FutureWarning)  # renames: the versions here know both names
    control = harness.Control(job)  # first: the imports below take their time, and SIGTERM may come
    manifest = harness.open_checkpoint(job)
    resume = resume_folder(job, manifest)
    brought = job.get('base')
    if brought:
        os.environ['HF_HUB_OFFLINE'] = '1'  # everything is here: nobody need be asked for more
    prepare()
    crew = Crew()
    crew.join()
    half = half_of(crew.torch)
    env = dict(harness.environment(), **versions(), processes=crew.size)
    if crew.leads:
        harness.emit('ENV', dict(env, engine=plan['engine'], gpu=crew.gpus(), half=half,
                                 tokens='tokens'))
        say_other_environment(manifest, env)
    try:
        config, tokenizer = load_base_config(plan, brought)
        rows = tokenize(tokenizer, job['train'], plan['maxLength'])
        held_out = tokenize(tokenizer, job['validation'], plan['maxLength'])[:HELD_OUT_ROWS]
        model = load_base(plan, config, half, crew.rank, brought)
    except OSError as error:
        raise harness.Refusal('notebook_bug', 'the base %s cannot be loaded: %s'
                              % (plan['base'], str(error).strip().splitlines()[0]))
    step = manifest['step'] if manifest else 0
    pace = harness.Pace(control, job['options'], step)
    artifact = None
    try:
        model = add_adapter(plan, model)
        if job.get('adapter') and not manifest:
            take_up_adapter(model, job['adapter'])
        env['rowsAtOnce'] = at_once = rows_at_once(
            plan, manifest, lambda count: trial_step(plan, model, rows, half, count), crew,
            job['options'].get('rowsAtOnce'))
        order = Order(plan, len(rows), at_once, crew.size)
        relay = relay_for(job, control, pace, env, crew, order)
        trainer = build_trainer(job, model, tokenizer, rows, order, relay, half, at_once, crew)
        if crew.size > 1 or manifest and processes_of(manifest) != crew.size:
            draw_apart(plan['seed'], step, crew.rank)  # until a checkpoint's own state is taken up
        if crew.leads:
            kinds = {str(weight.dtype) for weight in model.parameters() if weight.requires_grad}
            print('%d rows, %d at once; trainable weights: %s; processes: %d'
                  % (len(rows), at_once, sorted(kinds), crew.size))
        control.poll()
        reason = pace.reason_to_leave()
        if step >= plan['targetSteps']:
            take_up_adapter(model, resume)
            relay.loss = manifest['metrics']['loss']
            trainer.state.log_history = json.loads(
                (Path(resume) / 'trainer_state.json').read_text(encoding='utf-8'))['log_history']
            trainer.state.epoch = manifest['epoch']
        elif not crew.decided(int(reason is not None)):
            trainer.train(resume_from_checkpoint=resume)
            step, reason = trainer.state.global_step, relay.reason
        crew.part()
        if not crew.leads:
            return
        if step >= plan['targetSteps']:
            artifact = commit_adapter(job, trainer, tokenizer, relay, held_out, half, pace, env)
            reason = 'finished' if artifact else pace.reason_to_leave() or 'limit'
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        at_once = env.get('rowsAtOnce', 1)
        raise harness.Refusal('out_of_memory', 'this device has too little memory for %d rows at '
                              'once' % at_once, rows_at_once=at_once)
    harness.emit('END', {'step': step, 'reason': reason, 'artifact': artifact})


if __name__ == '__main__':
    harness.run_program(prepare_process(main))
