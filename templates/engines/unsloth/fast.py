"""The base and the adapter in Unsloth's own layers, in place of those of transformers and peft."""
import harness
from rodizio_engine.adapter import in_32_bit, refuse_absent_targets


def prepare():
    """Imports Unsloth, which changes transformers, peft and trl and so has to come before them."""
    import unsloth
    print('unsloth %s' % unsloth.__version__)


def load_base(plan, config, half, _gpu=0, folder=None):
    """The base of exactly this name and commit; Unsloth would else take a copy of its own."""
    import torch
    from unsloth import FastLanguageModel
    if half is None:
        raise harness.Refusal('no_gpu', 'the engine unsloth trains on a GPU alone')
    in_4_bit = plan['quantization'] == 'nf4'
    if getattr(config, 'quantization_config', None) is not None and not in_4_bit:
        raise harness.Refusal('refused_plan', 'quantization is %s, and the base %s is stored '
                              'otherwise' % (plan['quantization'], plan['base']))
    torch.cuda.reset_peak_memory_stats()
    model, _tokenizer = FastLanguageModel.from_pretrained(
        model_name=folder or plan['base'], revision=plan['revision'], use_exact_model_name=True,
        max_seq_length=plan['maxLength'], dtype=getattr(torch, half), load_in_4bit=in_4_bit,
        device_map={'': 0}, random_state=plan['seed'])
    model.config.use_cache = False
    return model


def add_adapter(plan, model):
    """The model with its adapter in 32 bit, and Unsloth's own checkpointing of activations."""
    from transformers import set_seed
    from unsloth import FastLanguageModel
    refuse_absent_targets(plan, model)
    set_seed(plan['seed'])
    model = FastLanguageModel.get_peft_model(
        model, r=plan['loraRank'], lora_alpha=plan['loraAlpha'], lora_dropout=plan['loraDropout'],
        target_modules=plan['targets'], bias='none', use_gradient_checkpointing='unsloth',
        random_state=plan['seed'], max_seq_length=plan['maxLength'])
    in_32_bit(model)
    return model
