"""An adapter as anybody would load it, with transformers and peft alone.

    python adapter_answers.py BASE ADAPTER

Prints one line of JSON: how many tokens it said, and whether it changes what the base says.
"""
import json
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base, adapter = sys.argv[1:]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
tokenizer = AutoTokenizer.from_pretrained(adapter)
asked = tokenizer.apply_chat_template([{'role': 'user', 'content': 'O que é o Rodízio?'}],
                                      return_tensors='pt', return_dict=True)
with torch.no_grad():
    said = model.generate(**asked, min_new_tokens=5, max_new_tokens=5, do_sample=False,
                          pad_token_id=tokenizer.pad_token_id)
    logits = model(**asked).logits
    with model.disable_adapter():
        changed = not torch.equal(model(**asked).logits, logits)
print(json.dumps({'said': said.shape[1] - asked['input_ids'].shape[1], 'changed': changed}))
