"""The conversations as the rows of tokens and labels that are trained on."""
from pathlib import Path

import harness


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
