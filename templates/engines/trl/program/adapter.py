"""The adapter in the model: made from the seed or another adapter, kept in 32 bit."""
import contextlib
from pathlib import Path

import harness

WEIGHTS = 'adapter_model.safetensors'


def add_adapter(plan, model):
    """The model with its adapter, whose first values follow from the seed alone.

    Raises Refusal `refused_plan` for a target that the model does not have.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed
    refuse_absent_targets(plan, model)
    model.gradient_checkpointing_enable({'use_reentrant': False})
    model.enable_input_require_grads()
    set_seed(plan['seed'])
    lora = LoraConfig(r=plan['loraRank'], lora_alpha=plan['loraAlpha'],
                      lora_dropout=plan['loraDropout'], target_modules=plan['targets'],
                      bias='none', task_type='CAUSAL_LM')
    model = get_peft_model(model, lora)
    in_32_bit(model)
    return model


def refuse_absent_targets(plan, model):
    """Raises Refusal `refused_plan` for a target that is no linear layer of the model: peft trains
    the others without a word."""
    import torch
    linear = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)]
    absent = [target for target in plan['targets']
              if not any(('.' + name).endswith('.' + target) for name in linear)]
    if absent or not plan['targets']:
        own = sorted({name.rpartition('.')[2] for name in linear})
        raise harness.Refusal('refused_plan', 'targets: the base %s has no linear layer %s; its '
                              'own are %s' % (plan['base'], ', '.join(absent) or 'of an empty list',
                                          ', '.join(own)))


def in_32_bit(model):
    """Trainable weights in 16 bit cannot be scaled on a T4, and lose small steps anywhere."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def take_up_adapter(model, folder):
    """Puts the weights of a checkpoint or of another adapter into the model's own.

    Not by peft: beside other processes 0.19 wants what Kaggle's transformers 5.0 does not have.
    Raises Refusal `refused_plan` when they are not of its names and shapes.
    """
    from safetensors.torch import load_file
    found = load_file(str(Path(folder) / WEIGHTS))
    wanted = {name.replace('.default.', '.'): weight for name, weight in model.named_parameters()
              if weight.requires_grad}
    odd = sorted(name for name in set(found) | set(wanted)
                 if name not in found or name not in wanted
                 or found[name].shape != wanted[name].shape)
    if odd:
        raise harness.Refusal('refused_plan', 'the adapter does not fit the plan: %s '
                              'differs' % odd[0])
    for name, weight in wanted.items():
        weight.data.copy_(found[name])


@contextlib.contextmanager
def set_aside(model, folder):
    """The model with another adapter in place of its own, which is back afterwards."""
    model.load_adapter(str(folder), 'other', is_trainable=False)
    model.set_adapter('other')
    try:
        yield
    finally:
        model.set_adapter('default')
        model.delete_adapter('other')
