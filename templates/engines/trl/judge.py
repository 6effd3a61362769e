"""Compares a base, an adapter and a candidate on held-out conversations, as a training's last
session does: by the same code, so that the same rows give the same figures.

    python judge.py job.json

The job: `plan`, under which the candidate was trained; `candidate`, `current`: folders of adapters
(`current` may be null); `data`: a JSONL file of conversations, and of how many `rows` of it (0:
all) the loss is taken; `result`: where the comparison goes; `about`: what is repeated there.
Executed on a CPU with a tiny model; never on a GPU.
"""
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

import harness  # noqa: E402
from rodizio_engine.adapter import add_adapter, take_up_adapter  # noqa: E402
from rodizio_engine.base import load_base, load_base_config  # noqa: E402
from rodizio_engine.crew import prepare_process  # noqa: E402
from rodizio_engine.environment import versions  # noqa: E402
from rodizio_engine.evaluation import Evaluation, NoTime, compare, judge_beside  # noqa: E402
from rodizio_engine.memory import out_of_memory  # noqa: E402
from rodizio_engine.precision import half_of  # noqa: E402
from rodizio_engine.rows import tokenize  # noqa: E402
from rodizio_engine.written import write_json  # noqa: E402

LATE = 4  # the status of a comparison that its time does not bear
NAMES = ('base', 'current', 'candidate')


def main(job):
    """Prints the comparison and writes it to the job's `result`, or nothing of it."""
    plan = job['plan']
    warnings.simplefilter('ignore', FutureWarning)
    control = harness.Control(job)  # first: the imports below take their time, and SIGTERM may come
    pace = harness.Pace(control, {}, 0)
    import torch
    half = half_of(torch)
    try:
        model, tokenizer, rows = load(job, half)
        evaluation = Evaluation(tokenizer, rows, job['data'], half, pace)
        judged = judge_beside(evaluation, model, job['current'])
    except NoTime:
        print('its time was over before everything was compared')
        sys.exit(LATE)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise harness.Refusal('out_of_memory', 'this device has too little memory to compare on '
                              'rows of up to %d tokens: choose a larger GPU' % plan['maxLength'])
    compared, figures = compare(evaluation, judged)
    about = dict(job['about'], half=half, env=dict(harness.environment(), **versions()))
    write_json(Path(job['result']), dict(compared, heldOutRows=len(rows), about=about))
    print_answers(compared['answers'])
    print_table(figures, len(rows))
    harness.emit('EVALUATION', dict(figures, heldOutRows=len(rows), about=about))


def load(job, half):
    """The model with the candidate on it, its tokenizer, and the rows. Raises Refusal."""
    plan = job['plan']
    try:
        config, tokenizer = load_base_config(plan)
    except OSError as error:
        raise harness.Refusal('notebook_bug', without_base(plan, error))
    rows = tokenize(tokenizer, job['data'], plan['maxLength'])[:job['rows'] or None]
    if not rows:
        raise harness.Refusal('bad_dataset', 'there is no conversation in %s to compare on'
                              % job['data'])
    try:
        model = load_base(plan, config, half)
    except OSError as error:
        raise harness.Refusal('notebook_bug', without_base(plan, error))
    model = add_adapter(plan, model)
    take_up_adapter(model, job['candidate'])
    return model, tokenizer, rows


def without_base(plan, error):
    return ('the base %s cannot be loaded: %s; BASE_MODEL names another place of it'
            % (plan['base'], str(error).strip().splitlines()[0]))


def print_answers(answers):
    """What each said to the first prompts, beside what was answered there."""
    for number, answer in enumerate(answers, 1):
        print('--- prompt %d of %d\n%s' % (number, len(answers), answer['prompt']))
        for name in ('reference', *NAMES):
            if answer[name] is not None:
                print('%-10s %s' % (name, answer[name].replace('\n', '\n' + 11 * ' ')))


def print_table(figures, rows):
    """Loss and perplexity of each, and by how much it is better than the base."""
    print('--- %d held-out conversations; the loss is in nats per answer token' % rows)
    print('%-10s %10s %12s %10s' % ('', 'loss', 'perplexity', 'to base'))
    for name in NAMES:
        if figures[name]:
            loss, perplexity = figures[name]['loss'], figures[name]['perplexity']
            print('%-10s %10.4f %12.2f %+10.4f' % (name, loss, perplexity,
                                                   loss - figures['base']['loss']))


if __name__ == '__main__':
    harness.run_program(prepare_process(main))
