"""Makes a Mistral of 7B's true widths with random weights, stored in nf4, and rows as long as
asked.

    python make_wide_base.py TINY FOLDER LAYERS VOCABULARY TOKENS

TINY is a folder whose tokenizer it gets. One layer at a time is made and stored, so that no more
than one lies in memory; on the GPU where there is one. 32 layers and a vocabulary of 32,768 take
4.1 GB. FOLDER then loads like a hub's copy that is in 4 bit already, and holds train.jsonl: four
conversations of just TOKENS tokens.
"""
import json
import sys
from pathlib import Path

import torch
from bitsandbytes.functional import quantize_4bit
from safetensors.torch import save_file
from transformers import AutoTokenizer, BitsAndBytesConfig, MistralConfig

WIDTH, INNER, HEADS, KEYS, HEAD = 4096, 14336, 32, 8, 128
PROJECTIONS = {'self_attn.q_proj': (HEADS * HEAD, WIDTH), 'self_attn.k_proj': (KEYS * HEAD, WIDTH),
               'self_attn.v_proj': (KEYS * HEAD, WIDTH), 'self_attn.o_proj': (WIDTH, HEADS * HEAD),
               'mlp.gate_proj': (INNER, WIDTH), 'mlp.up_proj': (INNER, WIDTH),
               'mlp.down_proj': (WIDTH, INNER)}
KIND = torch.float16  # of what stays in 16 bit
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def drawn(shape):
    # In 32 bit: a CPU draws 16-bit numbers three times as slowly.
    return torch.empty(shape, device=DEVICE).normal_(0.0, 0.02).to(KIND)


def in_4_bit(name, weight):
    """The tensors by which bitsandbytes stores a weight in nf4, its constants quantized too."""
    packed, state = quantize_4bit(weight, compress_statistics=True, quant_type='nf4')
    found = {name: packed}
    found.update({name + '.' + key: value for key, value in state.as_dict(packed=True).items()})
    return {key: value.cpu().contiguous() for key, value in found.items()}


def layer(index):
    """The tensors of one layer, as they are stored."""
    before = 'model.layers.%d.' % index
    found = {before + name + '.weight': torch.ones(WIDTH, dtype=KIND)
             for name in ('input_layernorm', 'post_attention_layernorm')}
    for name, shape in PROJECTIONS.items():
        found.update(in_4_bit(before + name + '.weight', drawn(shape)))
    return found


def around(vocabulary):
    """The tensors before and after the layers, which stay in 16 bit."""
    return {'model.embed_tokens.weight': drawn((vocabulary, WIDTH)).cpu(),
            'lm_head.weight': drawn((vocabulary, WIDTH)).cpu(),
            'model.norm.weight': torch.ones(WIDTH, dtype=KIND)}


def config_of(layers, vocabulary):
    config = MistralConfig(
        vocab_size=vocabulary, hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=layers,
        num_attention_heads=HEADS, num_key_value_heads=KEYS, head_dim=HEAD,
        max_position_embeddings=32768, sliding_window=None, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=None)
    config.architectures = ['MistralForCausalLM']
    config.quantization_config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=KIND).to_dict()
    return config


def make_model(folder, layers, vocabulary):
    """Stores the model in a file for each layer and one for the rest, with their index."""
    torch.manual_seed(20)
    names = {}
    for number in range(layers + 1):
        tensors = layer(number) if number < layers else around(vocabulary)
        file = 'model-%05d-of-%05d.safetensors' % (number + 1, layers + 1)
        save_file(tensors, str(folder / file), {'format': 'pt'})
        names.update(dict.fromkeys(tensors, file))
    (folder / 'model.safetensors.index.json').write_text(
        json.dumps({'metadata': {}, 'weight_map': names}), encoding='utf-8')
    config_of(layers, vocabulary).save_pretrained(folder)


def row_of(tokenizer, tokens, length_of):
    """A conversation of just so many tokens, by the engine's own count."""
    said, word = '', ' maré'

    def turns():
        return [{'role': 'user', 'content': 'Conte.'}, {'role': 'assistant', 'content': said}]

    said = 'Era' + word * (tokens // max(1, len(tokenizer(word * 100)['input_ids']) // 100))
    while length_of(turns()) > tokens:
        said = said[:-1]
    while length_of(turns()) < tokens:
        said += '.'
    return {'messages': turns()}


def main():
    tiny, folder, layers, vocabulary, tokens = sys.argv[1:]
    folder = Path(folder)
    folder.mkdir(parents=True)
    from rodizio_engine.chat_templates import MISTRAL, teach
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.save_pretrained(folder)
    teach(tokenizer, MISTRAL)

    def length_of(turns):
        made = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=True)
        return len(made['input_ids'])

    row = row_of(tokenizer, int(tokens), length_of)
    (folder / 'train.jsonl').write_text(4 * (json.dumps(row) + '\n'), encoding='utf-8')
    make_model(folder, int(layers), int(vocabulary))


if __name__ == '__main__':
    main()
