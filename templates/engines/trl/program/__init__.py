"""The parts of the engine `trl`: QLoRA with transformers, peft, trl and bitsandbytes."""
