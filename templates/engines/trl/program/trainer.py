"""The trainer of the libraries, with every default written out and our schedule."""
from pathlib import Path

import harness

from .adapter import in_32_bit


def build_trainer(job, model, tokenizer, rows, relay, half, at_once):
    """The trainer with every default written out, our schedule, trainable weights in 32 bit."""
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTConfig, SFTTrainer
    plan = job['plan']
    arguments = SFTConfig(
        output_dir=str(Path(job['control']).parent / 'trainer'), max_steps=plan['targetSteps'],
        per_device_train_batch_size=at_once, per_device_eval_batch_size=1,
        gradient_accumulation_steps=plan['accumulation'] * plan['batchSize'] // at_once,
        learning_rate=plan['learningRate'], optim=plan['optimizer'],
        weight_decay=plan['weightDecay'], adam_beta1=plan['adamBeta1'],
        adam_beta2=plan['adamBeta2'], adam_epsilon=1e-8, max_grad_norm=1.0,
        label_smoothing_factor=0.0, fp16=half == 'float16', bf16=half == 'bfloat16', tf32=None,
        use_cpu=half is None, gradient_checkpointing=plan['engine'] != 'unsloth',  # has its own
        gradient_checkpointing_kwargs={'use_reentrant': False}, max_length=plan['maxLength'],
        packing=False, seed=plan['seed'], data_seed=plan['seed'], logging_strategy='steps',
        logging_steps=1, logging_nan_inf_filter=False, eval_strategy='no', save_strategy='no',
        report_to='none', push_to_hub=False, dataloader_num_workers=0, disable_tqdm=True)
    trainer = SFTTrainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                         processing_class=tokenizer, callbacks=[relay])
    trainer.remove_callback(PrinterCallback)
    in_32_bit(trainer.model)  # once more: building the trainer has made them bfloat16
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
        trainer.create_optimizer(),
        lambda done: harness.learning_rate(plan, done + 1) / plan['learningRate'])
    return trainer
