"""The candidate adapter of a finished run, with its tokenizer, losses and evaluation."""
import math

import harness

from .evaluation import Evaluation, NoTime, compare, judge_beside
from .written import sort_targets, write_json

ABOUT = (
    '# A candidate adapter\n\nLoRA weights for `%(base)s` at `%(revision)s`, trained by Rodízio in '
    '%(targetSteps)d steps. They load with `PeftModel.from_pretrained`; the tokenizer and the chat '
    'template in this folder are those of the training, and an answer ends with the end token of '
    'the tokenizer. `evaluation.json` compares the base, the adapter that the training began with, '
    'if any, and this one: loss and perplexity on held-out conversations, and answers to the first '
    'prompts of those.\n')


def commit_adapter(job, trainer, tokenizer, relay, held_out, half, pace, env):
    """Makes the candidate adapter with its tokenizer, template, losses and evaluation.

    Returns its folder, or None when the time is too short: the last checkpoint has everything, and
    another session does this alone.
    """
    model, plan = trainer.model, job['plan']
    evaluation = Evaluation(tokenizer, held_out, job['validation'], half, pace)
    try:
        judged = judge_beside(evaluation, model, job.get('adapter'))
    except NoTime:
        return None
    compared, figures = compare(evaluation, judged)
    losses = [[row['step'], row['loss'] if math.isfinite(row['loss']) else None,
               row.get('learning_rate')] for row in trainer.state.log_history if 'loss' in row]

    def write(folder):
        model.save_pretrained(str(folder))
        tokenizer.save_pretrained(str(folder))
        sort_targets(folder)
        (folder / 'README.md').write_text(ABOUT % plan, encoding='utf-8')
        write_json(folder / 'loss.json', losses)
        write_json(folder / 'evaluation.json', dict(compared, heldOutRows=len(held_out)))

    harness.commit_folder(job, 'artifact', plan['targetSteps'], job['artifact'], write,
                          trainer.state.epoch or 0.0,
                          {'loss': relay.loss, 'heldOutLoss': judged['candidate']['loss'],
                           'heldOutRows': len(held_out), 'evaluation': figures}, env)
    return job['artifact']
