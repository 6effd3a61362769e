"""Toy bases of the architectures beside Mistral's, each with a tokenizer that works as its models'
do and knows the tokens of their format. Their end token is not the one that ends a turn, as in the
first published versions."""
import json
import sys
from pathlib import Path

TEMPLATES = Path(__file__).resolve().parents[2] / 'templates'
sys.path.insert(0, str(TEMPLATES / 'sample'))

import torch  # noqa: E402
import transformers  # noqa: E402
from make_tiny_base import BYTES, PIECES, texts  # noqa: E402
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers,  # noqa: E402
                        pre_tokenizers, trainers)

TEXT = TEMPLATES / 'sample' / 'about-rodizio.jsonl'
SIZE = {'hidden_size': 64, 'intermediate_size': 128, 'num_hidden_layers': 2,
        'num_attention_heads': 4, 'num_key_value_heads': 2, 'max_position_embeddings': 512,
        'initializer_range': 0.2}  # else no adapter could make anything likely
# As Llama 3's and Qwen2's: line breaks that follow each other are one piece.
PIECE = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def bytes_tokenizer(special):
    """Byte pairs over bytes, as Llama 3's and Qwen2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PIECE), 'isolated'),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    talk = [*texts(TEXT), *['\n\n', '\n\n\n', '\n'] * 50]
    tokenizer.train_from_iterator(talk, trainers.BpeTrainer(
        vocab_size=PIECES, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens(special)
    return tokenizer


def pieces_tokenizer(special, swallow, prefix):
    """Byte pairs over pieces with a mark for the space and bytes for the rest, as Gemma's; with a
    `prefix` each stretch of text begins with that mark, as Phi-3's. Tokens of a format may
    `swallow` the white space that follows them."""
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme='never', split=True)
    learner.train_from_iterator(
        texts(TEXT), trainers.BpeTrainer(vocab_size=PIECES, show_progress=False))
    learned = json.loads(learner.to_str())['model']
    pieces = [*sorted(learned['vocab'], key=learned['vocab'].get), '\n\n']
    merges = [tuple(pair) for pair in learned['merges']]
    known = dict.fromkeys(['<unk>', *BYTES, '\n', *pieces])
    tokenizer = Tokenizer(models.BPE(
        vocab={piece: index for index, piece in enumerate(known)},
        merges=[*merges, ('\n', '\n')], unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([
        *([normalizers.Prepend('▁')] if prefix else []), normalizers.Replace(' ', '▁')])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([
        AddedToken(token, rstrip=swallow, normalized=False, special=True) for token in special])
    return tokenizer


def llama(_apart):
    tokenizer = bytes_tokenizer([
        '<|begin_of_text|>', '<|end_of_text|>', '<|reserved_special_token_0|>',
        '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'])
    return (tokenizer, transformers.LlamaForCausalLM, transformers.LlamaConfig,
            {'bos_token': '<|begin_of_text|>', 'eos_token': '<|end_of_text|>'})


def gemma(_apart):
    tokenizer = pieces_tokenizer(
        ['<pad>', '<eos>', '<bos>', '<start_of_turn>', '<end_of_turn>'], False, False)
    return (tokenizer, transformers.GemmaForCausalLM, transformers.GemmaConfig,
            {'bos_token': '<bos>', 'eos_token': '<eos>', 'pad_token': '<pad>',
             'unk_token': '<unk>'})


def phi3(apart):
    tokenizer = pieces_tokenizer(
        ['<s>', '<|endoftext|>', '<|assistant|>', '<|system|>', '<|end|>', '<|user|>'], True, True)
    model = ((transformers.MistralForCausalLM, transformers.MistralConfig) if apart
             else (transformers.Phi3ForCausalLM, transformers.Phi3Config))
    return (tokenizer, *model, {'bos_token': '<s>', 'eos_token': '<|endoftext|>',
                                'pad_token': '<|endoftext|>', 'unk_token': '<unk>'})


def qwen2(_apart):
    tokenizer = bytes_tokenizer(['<|endoftext|>', '<|im_start|>', '<|im_end|>'])
    return (tokenizer, transformers.Qwen2ForCausalLM, transformers.Qwen2Config,
            {'eos_token': '<|endoftext|>', 'pad_token': '<|endoftext|>'})


MAKERS = {'llama': llama, 'gemma': gemma, 'phi3': phi3, 'qwen2': qwen2}


def make_base(name, folder, apart=False):
    """Writes a toy base; one of Phi-3 with its projections `apart` is of Mistral's architecture."""
    tokenizer, model, config, special = MAKERS[name](apart)
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    ids = {'%s_id' % kind: whole.convert_tokens_to_ids(token) for kind, token in special.items()
           if kind != 'unk_token'}
    if name == 'gemma':
        ids.update(head_dim=16)
    torch.manual_seed(20)
    size = (len(whole) + 63) // 64 * 64
    model(config(vocab_size=size, **SIZE, **ids)).save_pretrained(folder)
    whole.save_pretrained(folder)
    return str(folder)
