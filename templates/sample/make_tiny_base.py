"""Makes a Mistral of toy size, and a tokenizer for it, in a folder that loads like a hub's model.

    python make_tiny_base.py FOLDER TEXT.jsonl

It shows that training works, and answers nothing: nobody has ever taught it a word. The same bytes
each time: the weights follow from a seed, the vocabulary from the conversations in
TEXT. Widths are multiples of 64, as 4-bit kernels of a CPU want them, and 256 is the least hidden
size at which 8-bit optimizer states really are in 8 bit (tensors of 4,096 numbers or more).
"""
import json
import os
import sys
from pathlib import Path

os.environ['TOKENIZERS_PARALLELISM'] = 'false'

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

SPECIAL = ['<unk>', '<s>', '</s>', '[INST]', '[/INST]']  # the ids that v0.3 gives them
BYTES = ['<0x%02X>' % value for value in range(256)]
PIECES = 512


def texts(path):
    for line in path.read_text(encoding='utf-8').splitlines():
        for message in json.loads(line)['messages']:
            yield message['content']


def metaspace():
    return pre_tokenizers.Metaspace(replacement='▁', prepend_scheme='first', split=True)


def make_tokenizer(path, pieces=PIECES):
    """Byte pairs over pieces with a mark for the space, and bytes for what is in no piece."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = metaspace()
    learner.train_from_iterator(
        texts(path), trainers.BpeTrainer(vocab_size=pieces, show_progress=False))
    learned = json.loads(learner.to_str())['model']
    found = sorted(learned['vocab'], key=learned['vocab'].get)
    vocabulary = {piece: index for index, piece in enumerate(SPECIAL + BYTES + found)}
    tokenizer = Tokenizer(models.BPE(
        vocab=vocabulary, merges=[tuple(pair) for pair in learned['merges']], unk_token='<unk>',
        fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = metaspace()
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(),
        decoders.Strip(content=' ', left=1)])
    tokenizer.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token='<unk>', bos_token='<s>',
                                   eos_token='</s>')


def make_model(size, width=256):
    torch.manual_seed(20)
    return MistralForCausalLM(MistralConfig(
        vocab_size=size, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=width // 4,
        max_position_embeddings=512, sliding_window=None, tie_word_embeddings=False,
        bos_token_id=1, eos_token_id=2, pad_token_id=None))


def main():
    folder, text = Path(sys.argv[1]), Path(sys.argv[2])
    tokenizer = make_tokenizer(text)
    make_model((len(tokenizer) + 63) // 64 * 64).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == '__main__':
    main()
