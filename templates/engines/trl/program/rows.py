"""The conversations as the rows of tokens and labels that are trained on."""
from pathlib import Path

import harness

NOTHING = -100  # the label of a token that nothing is learnt from


def tokenize(tokenizer, path, max_length):
    """Rows of input_ids and labels, only the assistant's tokens labelled.

    Raises Refusal `bad_dataset` for a row that would lose the end of its answer.
    """
    rows = []
    for line, turns in harness.read_conversations(path, system_apart=True):
        messages = [{'role': role, 'content': text} for role, text in turns]
        made = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True,
                                             return_assistant_tokens_mask=True)
        ids, mask = list(made['input_ids']), list(made['assistant_masks'])
        if len(ids) > max_length:
            raise harness.Refusal('bad_dataset', '%s line %d: %d tokens, %d more than maxLength'
                                  % (Path(path).name, line, len(ids), len(ids) - max_length), line)
        labels = [token if spoken else NOTHING for token, spoken in zip(ids, mask)]
        if labels[-1] != tokenizer.eos_token_id:
            raise harness.Refusal('bad_dataset', '%s line %d: the answer does not end with the end '
                                  'token' % (Path(path).name, line), line)
        rows.append({'input_ids': ids, 'labels': labels})
    return rows


class Order:
    """The order in which the rows of an epoch come: from the seed and the epoch's number alone, and
    the same for one process and for several.

    Several take batches in turns. So that each has as many of them, the end of an epoch is filled
    up with a blank row, which teaches nothing: no row comes twice, and none is left out.
    """

    def __init__(self, plan, rows, at_once, processes):
        """`rows` is their number; the blank row, where there is one, stands after them."""
        self.seed = plan['seed']
        self.rows = rows
        self.steps = -(-rows // (plan['batchSize'] * plan['accumulation']))
        self.blanks = -rows % (at_once * processes) if processes > 1 else 0
        self.epoch = 0

    def go_on_from(self, step):
        """The epoch that begins, or goes on, after `step` steps of the run."""
        self.epoch = step // self.steps

    def __len__(self):
        return self.rows + self.blanks

    def __iter__(self):
        import torch
        chance = torch.Generator()
        chance.manual_seed(self.seed + self.epoch)
        yield from torch.randperm(self.rows, generator=chance).tolist()
        yield from [self.rows] * self.blanks


def blank_row(tokenizer):
    begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
    return {'input_ids': [end if begin is None else begin, end], 'labels': [NOTHING, NOTHING]}
