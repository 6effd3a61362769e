"""The base: its tokenizer with the training's template, and its weights as the plan wants them."""
import harness

from .chat_templates import format_for, teach
from .environment import versions


def load_base_config(plan, folder=None):
    """The base's configuration, and its tokenizer with our template of the base's own format; from
    `folder`, where it has been brought there.

    Raises Refusal `refused_plan` where there is none, or where maxLength is more than the base has
    learnt to read.
    """
    from transformers import AutoConfig, AutoTokenizer
    source = folder or plan['base']
    config = AutoConfig.from_pretrained(source, revision=plan['revision'])
    tokenizer = AutoTokenizer.from_pretrained(source, revision=plan['revision'])
    teach(tokenizer, format_for(plan['base'], config.model_type, tokenizer))
    if plan['maxLength'] > config.max_position_embeddings:
        raise harness.Refusal('refused_plan', 'maxLength is %d, and the base %s reads %d tokens at '
                              'the most' % (plan['maxLength'], plan['base'],
                                            config.max_position_embeddings))
    return config, tokenizer


def load_base(plan, config, half, gpu=0, folder=None):
    """The base in the plan's quantization, under the plan's name wherever its files are, whole on
    the GPU of that number; a copy that is in 4 bit already stays as it is."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    more = {}
    dtype = getattr(torch, half or 'float32')
    stored = getattr(config, 'quantization_config', None)
    if (stored is not None or plan['quantization'] == 'nf4') and not versions()['bitsandbytes']:
        raise harness.Refusal('refused_plan', 'quantization is nf4, and this environment has no '
                              'bitsandbytes for it')
    if stored is not None:
        if plan['quantization'] != 'nf4' or stored.get('bnb_4bit_quant_type') != 'nf4':
            raise harness.Refusal('refused_plan', 'quantization is %s, and the base %s is stored '
                                  'otherwise' % (plan['quantization'], plan['base']))
        stored['bnb_4bit_compute_dtype'] = str(dtype).replace('torch.', '')
    elif plan['quantization'] == 'nf4':
        more['quantization_config'] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype)
    if half:
        more['device_map'] = {'': gpu}
        torch.cuda.reset_peak_memory_stats()
    model = AutoModelForCausalLM.from_pretrained(
        folder or plan['base'], revision=plan['revision'], config=config, dtype=dtype,
        attn_implementation='sdpa', **more)
    # What an adapter names as its base.
    model.name_or_path = model.config.name_or_path = plan['base']
    model.config.use_cache = False
    return model
