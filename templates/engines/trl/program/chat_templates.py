"""The chat formats of the architectures: what is trained on is what a server renders.

Each is written here, after the format that its model was taught, with the assistant's words and
their end marked as what is learnt. They differ from the published templates where those would part
training from serving: no date and no text that nobody wrote is put in (Llama 3.1, Qwen2.5), a
system text is kept (Mistral drops it, Gemma refuses it), and nothing follows the end token of the
last turn (Gemma, Phi-3, Qwen2.5), which therefore is the last thing learnt. Texts are trimmed but
for Mistral's, as Llama's and Gemma's are anyway: white space at the beginning of an answer would
melt into the line break before it, and its tokens would not be those that follow a prompt.
"""
from typing import NamedTuple, Tuple

import harness


class Format(NamedTuple):
    """How one family of models takes turns."""
    name: str
    template: str
    end: str  # the token that ends a turn: what an answer ends with, and where a server stops
    pad: str  # any other one that nothing is learnt from: padding with the end would untrain it
    marks: Tuple[str, ...]  # tokens that the format is made of


# Folds the system text into the first user turn, always. The published one drops it when the last
# turn is the assistant's, so that training and serving disagree.
MISTRAL = Format('Mistral', (
    "{%- if messages[0]['role'] == 'system' -%}"
    "{%- set system = messages[0]['content'] + '\n\n' -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}{%- set system = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{{- bos_token -}}"
    "{%- for turn in turns -%}"
    "{%- if turn['role'] == 'user' -%}"
    "{{- '[INST] ' + (system if loop.first else '') + turn['content'] + '[/INST]' -}}"
    "{%- else -%}"
    "{%- generation -%}{{- ' ' + turn['content'] + eos_token -}}{%- endgeneration -%}"
    "{%- endif -%}{%- endfor -%}"
), '</s>', '<unk>', ())  # v0.3 has no pad token; before it, [INST] was no token of its own


def turns_between(opening, end, between='', begin='', assistant='assistant', fold=False):
    """A template of turns that open with `opening`, in which %s is who speaks, and close with
    `end`; `between` stands between two of them. With `fold` the system text goes before the first
    user turn's, with an empty line between: a format without a system turn."""
    before, after = opening.split('%s')
    system = ("{%- if messages[0]['role'] == 'system' -%}"
              "{%- set system = messages[0]['content'] | trim + '\n\n' -%}"
              "{%- set turns = messages[1:] -%}"
              "{%- else -%}{%- set system = '' -%}{%- set turns = messages -%}{%- endif -%}"
              if fold else "{%- set system = '' -%}{%- set turns = messages -%}")
    return (
        system + "{{- '" + begin + "' -}}"
        "{%- for turn in turns -%}"
        "{%- if turn['role'] == 'assistant' -%}"
        "{{- '" + before + assistant + after + "' -}}"
        "{%- generation -%}{{- turn['content'] | trim + '" + end + "' -}}{%- endgeneration -%}"
        "{%- else -%}"
        "{{- '" + before + "' + turn['role'] + '" + after + "'"
        " + (system if loop.first else '') + turn['content'] | trim + '" + end + "' -}}"
        "{%- endif -%}"
        "{%- if not loop.last or add_generation_prompt -%}{{- '" + between + "' -}}{%- endif -%}"
        "{%- endfor -%}"
        "{%- if add_generation_prompt -%}"
        "{{- '" + before + assistant + after + "' -}}{%- endif -%}")


LLAMA_3 = Format('Llama 3', turns_between(
    '<|start_header_id|>%s<|end_header_id|>\n\n', '<|eot_id|>', begin='<|begin_of_text|>',
), '<|eot_id|>', '<|reserved_special_token_0|>',
    ('<|begin_of_text|>', '<|start_header_id|>', '<|end_header_id|>'))

GEMMA = Format('Gemma', turns_between(
    '<start_of_turn>%s\n', '<end_of_turn>', between='\n', begin='<bos>', assistant='model',
    fold=True), '<end_of_turn>', '<pad>', ('<bos>', '<start_of_turn>'))

# Without a token at the beginning, as published since mid-2024. Its tokens swallow the white space
# that follows them: the line breaks are in the text alone.
PHI_3 = Format('Phi-3', turns_between('<|%s|>\n', '<|end|>', between='\n'),
               '<|end|>', '<|endoftext|>', ('<|system|>', '<|user|>', '<|assistant|>'))

CHATML = Format('ChatML', turns_between('<|im_start|>%s\n', '<|im_end|>', between='\n'),
                '<|im_end|>', '<|endoftext|>', ('<|im_start|>',))

FORMATS = {'mistral': MISTRAL, 'llama': LLAMA_3, 'gemma': GEMMA, 'phi3': PHI_3, 'qwen2': CHATML}


def format_for(base, architecture, tokenizer):
    """The format of a base, by its architecture and by the tokens that it knows.

    Raises Refusal `refused_plan` for an architecture that has none here, and for a base of a known
    one that was taught another format.
    """
    if architecture not in FORMATS:
        raise harness.Refusal('refused_plan', 'base is %s, of the architecture %s: there is a '
                              'training template here for %s'
                              % (base, architecture, ', '.join(sorted(FORMATS))))
    known = tokenizer.get_vocab()
    if architecture in ('mistral', 'llama') and lacking(PHI_3, known) is None:
        return PHI_3  # open copies of Phi-3 have their projections apart, as those have them
    found = FORMATS[architecture]
    absent = lacking(found, known)
    if absent is not None:
        raise harness.Refusal('refused_plan', 'base is %s, of the architecture %s, and its '
                              'tokenizer has no %s: it was not taught the format of %s, the only '
                              'one here for that architecture'
                              % (base, architecture, absent, found.name))
    return found


def lacking(form, known):
    """The first token of that format which is not among the known ones, or None."""
    return next((token for token in (*form.marks, form.end, form.pad) if token not in known), None)


def teach(tokenizer, form):
    """Makes the tokenizer speak that format, its end of a turn the end token. Both travel with the
    adapter, so that whoever generates with it stops there."""
    tokenizer.chat_template = form.template
    tokenizer.eos_token = form.end
    tokenizer.pad_token = form.pad
    tokenizer.padding_side = 'right'
