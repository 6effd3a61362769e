"""The trainer of the libraries, with every default written out, our schedule and order."""
from pathlib import Path

import harness

from .adapter import in_32_bit, take_up_adapter
from .rows import blank_row


def arguments_for(job, half, at_once, crew):
    """What the trainer is told, every default written out. Of several processes each is given its
    share of every step. Raises Refusal where this one would train on more GPUs than its own."""
    import torch
    from trl import SFTConfig
    plan = job['plan']
    arguments = SFTConfig(
        output_dir=str(Path(job['control']).parent / 'trainer'), max_steps=plan['targetSteps'],
        per_device_train_batch_size=at_once, per_device_eval_batch_size=1,
        gradient_accumulation_steps=(plan['accumulation'] * plan['batchSize']
                                     // at_once // crew.size),
        learning_rate=plan['learningRate'], optim=plan['optimizer'],
        weight_decay=plan['weightDecay'], adam_beta1=plan['adamBeta1'],
        adam_beta2=plan['adamBeta2'], adam_epsilon=1e-8, max_grad_norm=1.0,
        label_smoothing_factor=0.0, fp16=half == 'float16', bf16=half == 'bfloat16', tf32=None,
        use_cpu=half is None, gradient_checkpointing=plan['engine'] != 'unsloth',  # has its own
        gradient_checkpointing_kwargs={'use_reentrant': False}, max_length=plan['maxLength'],
        packing=False, seed=plan['seed'], data_seed=plan['seed'], logging_strategy='steps',
        logging_steps=1, logging_nan_inf_filter=False, eval_strategy='no', save_strategy='no',
        report_to='none', push_to_hub=False, dataloader_num_workers=0, disable_tqdm=True,
        average_tokens_across_devices=True, ddp_find_unused_parameters=False,
        ddp_broadcast_buffers=False)
    if arguments.n_gpu > 1:
        raise harness.Refusal('notebook_bug', 'this process sees %d GPUs, and would train another '
                              'batch than the plan has: one is its due' % arguments.n_gpu)
    if half is None and crew.size > 1:
        vars(arguments)['_setup_devices'] = torch.device('cpu')  # cpu:1 is none that torch can load
    return arguments


def build_trainer(job, model, tokenizer, rows, order, relay, half, at_once, crew):
    """The trainer with trainable weights in 32 bit; `order` is that of the rows."""
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import SFTTrainer
    plan, arguments = job['plan'], arguments_for(job, half, at_once, crew)
    if crew.size > 1:
        rows = rows + [blank_row(tokenizer)]

    class Trainer(SFTTrainer):
        def get_train_dataloader(self):
            return self.accelerator.prepare(torch.utils.data.DataLoader(
                self.train_dataset, batch_size=at_once, sampler=order,
                collate_fn=self.data_collator, pin_memory=half is not None))

        def _load_from_checkpoint(self, folder, model=None):
            take_up_adapter(self.model, folder)

    trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_list(rows),
                      processing_class=tokenizer, callbacks=[relay])
    trainer.remove_callback(PrinterCallback)
    in_32_bit(trainer.model)  # once more: building the trainer has made them bfloat16
    trainer.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
        trainer.create_optimizer(),
        lambda done: harness.learning_rate(plan, done + 1) / plan['learningRate'])
    return trainer
