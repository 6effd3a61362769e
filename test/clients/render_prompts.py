"""Renders conversations by the chat formats that adapters are trained with.

Input (standard input): a list of conversations, each a list of {"role", "content"}.
Output: by each format's name, the prompts without the token at the beginning, which a model's
own tokenizer adds.
"""
import json
import os
import re
import sys

import jinja2

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), '../..')
sys.path[:0] = [os.path.join(ROOT, 'templates/engines/trl/program'),
                os.path.join(ROOT, 'templates/engines')]

import chat_templates  # noqa: E402


def rendered(form, messages):
    # What marks the learnt part is an extension of transformers', and changes no text.
    text = re.sub(r'\{%- (end)?generation -%\}', '', form.template)
    prompt = jinja2.Environment().from_string(text).render(
        messages=messages, add_generation_prompt=True, bos_token='', eos_token=form.end)
    for beginning in ('<|begin_of_text|>', '<bos>'):
        prompt = prompt.removeprefix(beginning)
    return prompt


conversations = json.load(sys.stdin)
json.dump({form.name: {'template': form.template,
                       'prompts': [rendered(form, one) for one in conversations]}
           for form in chat_templates.FORMATS.values()}, sys.stdout)
