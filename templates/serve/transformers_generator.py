"""The generator over transformers and peft, its base in 4 bit where the adapter was trained so."""
import itertools
import threading

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open
from transformers import (AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig,
                          GenerationConfig, StoppingCriteria, StoppingCriteriaList, TextStreamer)

from .adapter import Rejected
from .generator import OutOfMemory, Result
from .settings import Unusable


def load_generator(settings, adapter):
    """The base of `settings`, or else of the adapter's manifest, with the adapter on it.

    Raises Unusable when the base cannot be loaded, Rejected when the adapter does not fit it.
    """
    base = settings.base or adapter.base
    revision = settings.revision or (None if settings.base else adapter.revision)
    try:
        model = load_base(base, revision, settings.quantization or adapter.quantization)
    except (OSError, ImportError) as error:
        raise Unusable('the base %s cannot be loaded: %s' % (base, str(error).split('\n')[0]))
    return TransformersGenerator(model, adapter)


def load_base(base, revision, quantization):
    """The base in `quantization`; a copy that is in 4 bit already stays as it is."""
    config = AutoConfig.from_pretrained(base, revision=revision)
    dtype, more = kind_of_device(), {}
    stored = getattr(config, 'quantization_config', None)
    if stored is not None:
        stored['bnb_4bit_compute_dtype'] = str(dtype).replace('torch.', '')
    elif quantization == 'nf4':
        more['quantization_config'] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type='nf4', bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype)
    if torch.cuda.is_available():
        more['device_map'] = {'': 0}
    return AutoModelForCausalLM.from_pretrained(
        base, revision=revision, config=config, dtype=dtype, attn_implementation='sdpa',
        use_safetensors=True, **more)


def kind_of_device():
    """bfloat16 from compute capability 8, float16 below, 32 bit on a CPU."""
    if not torch.cuda.is_available():
        return torch.float32
    return torch.bfloat16 if torch.cuda.get_device_capability(0)[0] >= 8 else torch.float16


class TransformersGenerator:
    """See `Generator`. The adapter is never merged: a merged one cannot be switched."""

    def __init__(self, model, adapter):
        self._names = ('adapter-%d' % number for number in itertools.count(1))
        self._tokenizing = threading.Lock()  # a tokenizer is not for two threads at once
        ends = model.generation_config.eos_token_id
        self._ends = {ends} if isinstance(ends, int) else set(ends or ())
        # The base's own defaults would join what is asked for.
        model.generation_config = GenerationConfig()
        self.context = model.config.max_position_embeddings
        self.adapter = adapter
        self.free_bytes = None
        self._active = next(self._names)
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(adapter.folder))
            self._model = PeftModel.from_pretrained(model, str(adapter.folder), self._active)
            self._check(adapter, self._active)
        except Exception as error:  # the libraries have no common name for what is wrong with it
            raise Rejected('adapter_unusable', unusable(adapter, error))
        self._model.eval()
        self._measure()

    def count_tokens(self, order):
        return self._encode(order).shape[1]

    def generate(self, order, emit, should_stop):
        ids = self._encode(order).to(self._model.device)
        drawing = {'do_sample': False}
        if order.temperature > 0:
            drawing = {'do_sample': True, 'temperature': order.temperature, 'top_p': order.top_p,
                       'top_k': 0}
            if order.seed is None:
                torch.seed()
            else:
                torch.manual_seed(order.seed)
        ends = self._ends | {self._tokenizer.eos_token_id}
        try:
            with torch.inference_mode():
                made = self._model.generate(
                    input_ids=ids, attention_mask=torch.ones_like(ids),
                    generation_config=GenerationConfig(
                        max_new_tokens=order.max_tokens, eos_token_id=sorted(ends),
                        pad_token_id=self._tokenizer.pad_token_id, use_cache=True, **drawing),
                    streamer=Pieces(self._tokenizer, emit),
                    stopping_criteria=StoppingCriteriaList([Asked(should_stop)]))
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            raise OutOfMemory()
        finally:
            self._measure()
        count = made.shape[1] - ids.shape[1]
        ended = should_stop() or int(made[0, -1]) in ends
        return Result('stop' if ended else 'length', ids.shape[1], count)

    def switch(self, adapter):
        if (adapter.base, adapter.revision) != (self.adapter.base, self.adapter.revision):
            raise Rejected('adapter_unusable', '%s was trained on %s at %s, and another base is '
                           'served here' % (adapter.version, adapter.base, adapter.revision))
        before, name = self._active, next(self._names)
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(adapter.folder))
            self._model.load_adapter(str(adapter.folder), name)
            self._check(adapter, name)
            self._model.set_adapter(name)
        except Exception as error:  # whatever it was, the one before goes on
            self._model.set_adapter(before)
            if name in self._model.peft_config:
                self._model.delete_adapter(name)
            raise Rejected('adapter_unusable', unusable(adapter, error))
        finally:
            self._model.eval()  # what was added comes with its dropout on
        with self._tokenizing:
            self._tokenizer, self._active, self.adapter = tokenizer, name, adapter
        self._model.delete_adapter(before)
        self._measure()

    def _encode(self, order):
        with self._tokenizing:
            if order.prompt is not None:
                ids = self._tokenizer(order.prompt)['input_ids']
            else:
                ids = self._tokenizer.apply_chat_template(
                    [{'role': role, 'content': text} for role, text in order.messages],
                    tokenize=True, return_dict=True, add_generation_prompt=True)['input_ids']
        return torch.tensor([list(ids)])

    def _check(self, adapter, name):
        """peft only warns of weights that are missing, and leaves out those that it does not know.

        Raises ValueError."""
        loaded = get_peft_model_state_dict(self._model, adapter_name=name,
                                           save_embedding_layers=False)
        wanted = {key: tuple(weight.shape) for key, weight in loaded.items()}
        with safe_open(adapter.folder / 'adapter_model.safetensors', framework='pt') as file:
            there = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}
        if wanted != there:
            odd = sorted(set(wanted.items()) ^ set(there.items()))
            raise ValueError('its weights are not those of its configuration: %s' % odd[0][0])

    def _measure(self):
        if torch.cuda.is_available():
            self.free_bytes = torch.cuda.mem_get_info()[0]


def unusable(adapter, error):
    return '%s does not fit the base: %s' % (adapter.version, str(error).split('\n')[0][:200])


class Pieces(TextStreamer):
    """Hands text on as soon as no later token can change it."""

    def __init__(self, tokenizer, emit):
        super().__init__(tokenizer, skip_prompt=True, skip_special_tokens=True)
        self._emit = emit

    def on_finalized_text(self, text, stream_end=False):
        self._emit(text)


class Asked(StoppingCriteria):
    def __init__(self, should_stop):
        self._should_stop = should_stop

    def __call__(self, input_ids, _scores, **_more):
        return torch.full((input_ids.shape[0],), self._should_stop(), dtype=torch.bool,
                          device=input_ids.device)
