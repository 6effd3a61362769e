"""What an adapter is worth: its loss on rows it was not trained on, and its answers to prompts."""
import math

import harness

from .adapter import set_aside
from .precision import autocast

HELD_OUT_ROWS = 64
PROMPTS = 8
PROMPT_TOKENS = 1024  # longer ones are left out: eight of them go through the model at once
ANSWER_TOKENS = 64


class NoTime(Exception):
    """The session's time does not bear the evaluation: another one does it."""


class Evaluation:
    """Judges one model after the other on the same rows and prompts. Each judgement is
    `{"loss", "perplexity", "answers"}`: the mean loss in nats per answer token (null without rows),
    its exponential, and greedy answers of at most 64 tokens."""

    def __init__(self, tokenizer, rows, path, half, pace):
        """`rows` are tokenized; `path` is the file of conversations that they come from."""
        self._tokenizer = tokenizer
        self._rows = rows
        self._half = half
        self._pace = pace
        self.prompts = prompts_of(tokenizer, path)

    def judge(self, model):
        """Raises NoTime."""
        model.eval()
        loss = self._loss(model)
        return {'loss': loss, 'perplexity': None if loss is None else math.exp(min(loss, 700.0)),
                'answers': self._answers(model)}

    def _loss(self, model):
        import torch
        total, count = 0.0, 0
        with torch.no_grad():
            for row in self._rows:
                self._look_at_the_time()
                batch = {name: torch.tensor([row[name]], device=model.device) for name in row}
                tokens = sum(label != -100 for label in row['labels'][1:])
                with autocast(self._half):
                    total += float(model(**batch, use_cache=False).loss) * tokens
                count += tokens
        return total / count if count else None

    def _answers(self, model):
        if not self.prompts:
            return []
        import torch
        from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList
        pace = self._pace

        class Late(StoppingCriteria):
            def __call__(self, ids, _scores, **_more):
                pace.control.poll()
                late = pace.reason_to_leave() is not None
                return torch.full((ids.shape[0],), late, dtype=torch.bool, device=ids.device)

        pad, end = self._tokenizer.pad_token_id, self._tokenizer.eos_token_id
        width = max(len(prompt['ids']) for prompt in self.prompts)
        # Padded in front: what is generated follows on the prompt itself.
        ids = torch.tensor([[pad] * (width - len(prompt['ids'])) + prompt['ids']
                            for prompt in self.prompts], device=model.device)
        mask = torch.tensor([[0] * (width - len(prompt['ids'])) + [1] * len(prompt['ids'])
                             for prompt in self.prompts], device=model.device)
        with torch.no_grad(), autocast(self._half):
            made = model.generate(
                input_ids=ids, attention_mask=mask,
                stopping_criteria=StoppingCriteriaList([Late()]),
                generation_config=GenerationConfig(
                    max_new_tokens=ANSWER_TOKENS, do_sample=False, use_cache=True,
                    eos_token_id=end, pad_token_id=pad))
        self._look_at_the_time()
        return [self._tokenizer.decode(row[width:], skip_special_tokens=True).strip()
                for row in made.tolist()]

    def _look_at_the_time(self):
        self._pace.control.poll()
        if self._pace.reason_to_leave() is not None:
            raise NoTime()


def prompts_of(tokenizer, path):
    """The first question of the first conversations in that file, and what was answered there."""
    found = []
    both = zip(harness.read_conversations(path), harness.read_conversations(path, True))
    for (_line, turns), (_same, apart) in both:
        until = 2 if apart[0][0] == 'system' else 1
        asked = [{'role': role, 'content': text} for role, text in apart[:until]]
        ids = list(tokenizer.apply_chat_template(
            asked, tokenize=True, return_dict=True, add_generation_prompt=True)['input_ids'])
        if len(ids) <= PROMPT_TOKENS:
            found.append({'prompt': turns[0][1], 'reference': turns[1][1], 'ids': ids})
        if len(found) == PROMPTS:
            break
    return found


def judge_beside(evaluation, model, current):
    """What the model's own adapter is worth, its base alone, and the adapter in the folder
    `current` (None where there is none): the judgements by name. Raises NoTime."""
    judged = {'candidate': evaluation.judge(model), 'current': None}
    with model.disable_adapter():
        judged['base'] = evaluation.judge(model)
    if current:
        with set_aside(model, current):
            judged['current'] = evaluation.judge(model)
    return judged


def compare(evaluation, judgements):
    """The comparison as `evaluation.json` has it; `judgements` by name, None where there is none.

    The second value is the same without texts, for the manifest.
    """
    figures = {name: judged and {key: judged[key] for key in ('loss', 'perplexity')}
               for name, judged in judgements.items()}
    answers = [dict({'prompt': prompt['prompt'], 'reference': prompt['reference']},
                    **{name: judged['answers'][index] if judged else None
                       for name, judged in judgements.items()})
               for index, prompt in enumerate(evaluation.prompts)]
    return dict(figures, answers=answers), figures
