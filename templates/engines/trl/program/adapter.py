"""The adapter in the model: made from the seed, kept in 32 bit, taken up from a checkpoint."""
from pathlib import Path

import harness


def add_adapter(plan, model):
    """The model with its adapter, whose first values follow from the seed alone."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed
    model.gradient_checkpointing_enable({'use_reentrant': False})
    model.enable_input_require_grads()
    set_seed(plan['seed'])
    lora = LoraConfig(r=plan['loraRank'], lora_alpha=plan['loraAlpha'],
                      lora_dropout=plan['loraDropout'], target_modules=plan['targets'],
                      bias='none', task_type='CAUSAL_LM')
    model = get_peft_model(model, lora)
    in_32_bit(model)
    return model


def in_32_bit(model):
    """Trainable weights in 16 bit cannot be scaled on a T4, and lose small steps anywhere."""
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def take_up_adapter(model, folder):
    """Puts the checkpoint's adapter into the model.

    Not by peft: beside other processes 0.19 wants what Kaggle's transformers 5.0 does not have.
    Raises Refusal `damaged_checkpoint` where the adapter is not of this model.
    """
    from safetensors.torch import load_file
    saved = load_file(str(Path(folder) / 'adapter_model.safetensors'))
    trained = {name.replace('.default.', '.'): weight for name, weight in model.named_parameters()
               if weight.requires_grad}
    if ({name: weight.shape for name, weight in saved.items()}
            != {name: weight.shape for name, weight in trained.items()}):
        raise harness.Refusal('damaged_checkpoint', 'the adapter of the checkpoint has not the '
                              'weights that the plan asks for')
    for name, weight in trained.items():
        weight.data.copy_(saved[name])
