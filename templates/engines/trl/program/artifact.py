"""The candidate adapter of a finished run, with its tokenizer, losses and evaluation."""
import math

import harness

from .precision import autocast
from .written import sort_targets, write_json

ABOUT = (
    '# A candidate adapter\n\nLoRA weights for `%(base)s` at `%(revision)s`, trained by Rodízio in '
    '%(targetSteps)d steps. They load with `PeftModel.from_pretrained`; the tokenizer and the chat '
    'template in this folder are those of the training. `evaluation.json` has the loss on held-out '
    'conversations with the adapter and without.\n')


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
