"""How many rows go through the model at once, found by a trial step before a run's first step."""
import harness

from .chance import Random
from .precision import autocast

TRIAL_SLACK_BYTES = 256 << 20  # what fragments, and what the trainer counts beside the loss


def out_of_memory(error):
    """Whether this is a device with too little memory, and no other trouble."""
    import torch
    return (isinstance(error, torch.OutOfMemoryError)
            or 'DefaultCPUAllocator: ' in str(error) and "can't allocate" in str(error))


def rows_at_once(plan, manifest, trial, crew, most=None):
    """How many rows go through the model at once, in each process: the plan's batch, halved as
    often as the device needs, and until the batches of a step can be shared out evenly. The
    accumulation makes up for it: the one optimizer step stays what it is.

    Decided by `trial(rows)` before the first step of a run; a checkpoint has decided already.
    Never more than `most`, where that is given: a session before this one ran out of memory.
    Raises Refusal `out_of_memory` when not even one row fits.
    """
    rows = plan['batchSize']
    if manifest:
        rows = manifest['env'].get('rowsAtOnce', rows)
    while most and rows > most:
        rows = halved(rows)
    while rows > 1 and plan['batchSize'] * plan['accumulation'] // rows % crew.size:
        rows = halved(rows)
    while not manifest and not crew.every(fits(trial, rows)):
        if rows == 1:
            raise harness.Refusal('out_of_memory', 'this device has too little memory for a single '
                                  'row of maxLength %d' % plan['maxLength'])
        rows = halved(rows)
        if crew.leads:
            print('out of memory in the trial step: %d rows at once instead' % rows)
    return rows


def fits(trial, rows):
    try:
        trial(rows)
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        return False
    return True


def halved(rows):
    return rows // 2 if rows % 2 == 0 else 1


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
