"""Makes a Mistral of toy size that knows the answers of a few questions, but not which is whose.

    python make_pira_model.py FOLDER

Its tokenizer learns from Pirá. The model is trained for a while on the answers of pira.py, each
behind some question to which it does not belong, so that what an answer looks like is known before
the engine begins, and only the tie to its own question is left to learn. The same bytes each time.
"""
import json
import random
import sys
import tempfile
from pathlib import Path

import torch
from pira import PIRA, in_a_hurry, split

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'templates' / 'sample'))
from make_tiny_base import make_model, make_tokenizer  # noqa: E402

PIECES = 1500
WIDTH = 128
STEPS, ROWS, RATE = 80, 24, 4e-3


def tokenizer_of_pira():
    """From each question as it stands and as it is typed in a hurry, and from each answer."""
    rows = [json.loads(line)['messages'] for line in PIRA.read_text(encoding='utf-8').splitlines()]
    texts = [text for _system, question, answer in rows
             for text in (question['content'], in_a_hurry(question['content']), answer['content'])]
    with tempfile.NamedTemporaryFile('w', suffix='.jsonl', encoding='utf-8') as file:
        for text in texts:
            file.write(json.dumps({'messages': [{'content': text}]}) + '\n')
        file.flush()
        return make_tokenizer(Path(file.name), PIECES)


def batch_of(tokenizer, pairs):
    """Input for a model that learns the answers alone."""
    rows = []
    for question, answer in pairs:
        asked, said = (tokenizer(text, add_special_tokens=False)['input_ids'] for text in
                       ('<s>[INST] %s[/INST]' % question, ' %s</s>' % answer))
        rows.append((asked + said, [-100] * len(asked) + said))
    width = max(len(ids) for ids, _labels in rows)
    padded = [(ids + [0] * (width - len(ids)), labels + [-100] * (width - len(labels)),
               [1] * len(ids) + [0] * (width - len(ids))) for ids, labels in rows]
    return dict(zip(('input_ids', 'labels', 'attention_mask'), map(torch.tensor, zip(*padded))))


def main():
    torch.set_num_threads(1)
    tokenizer = tokenizer_of_pira()
    model = make_model((len(tokenizer) + 63) // 64 * 64, WIDTH)
    chosen, questions = split()
    chance = random.Random(20)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    for step in range(STEPS):
        for group in optimizer.param_groups:
            group['lr'] = RATE * min(1, (step + 1) / 10) * (1 - step / STEPS)
        pairs = [(chance.choice((str, in_a_hurry))(chance.choice(questions)),
                  chance.choice(chosen)[1]) for _row in range(ROWS)]
        model(**batch_of(tokenizer, pairs)).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(sys.argv[1])
    tokenizer.save_pretrained(sys.argv[1])


if __name__ == '__main__':
    main()
