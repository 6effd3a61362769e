"""The base: its tokenizer with the training's template, and its weights as the plan wants them."""
import harness

from .environment import versions

PAD = '<unk>'  # v0.3 has no pad token, and padding with the end token would untrain it

# The published template drops the system message when the last turn is the assistant's, so that
# training and serving disagree. This one folds it into the first user turn, always, and marks what
# the assistant says. It travels with the adapter.
MISTRAL_TEMPLATE = (
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
)


def load_base_config(plan, folder=None):
    """The base's configuration and its tokenizer with our template; from `folder`, where it has
    been brought there."""
    from transformers import AutoConfig, AutoTokenizer
    source = folder or plan['base']
    config = AutoConfig.from_pretrained(source, revision=plan['revision'])
    if config.model_type != 'mistral':
        raise harness.Refusal('refused_plan', 'base is %s, of the architecture %s: only mistral '
                              'has a training template here' % (plan['base'], config.model_type))
    tokenizer = AutoTokenizer.from_pretrained(source, revision=plan['revision'])
    tokenizer.chat_template = MISTRAL_TEMPLATE
    tokenizer.pad_token = PAD
    tokenizer.padding_side = 'right'
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
