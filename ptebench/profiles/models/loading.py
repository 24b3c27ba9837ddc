"""Loading a language model and its tokenizer; placing them on the device."""

import inspect
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from ptebench.errors import blame
from ptebench.files import InputError, aside, atomic
from ptebench.hardware import device, gemm_precision
from ptebench.pretrained import whole_models
from ptebench.profiles.models.adapters import merged, with_adapter
from ptebench.profiles.models.templates import with_template
from ptebench.weights import LOADED, weights


def model_source(spec: dict, base: Path | None) -> dict:
    """Return the arguments of `load` that say which model settings mean; `base` is the file of one that a job made."""
    source = str(base.parent) if base else spec["model"]
    commit = None if Path(source).is_dir() else spec.get("weights")
    key = {"source": source, "revision": commit, "context": spec["context"]}
    return key | {"template_arguments": spec.get("template_arguments", {})}


def save(model, tokenizer, folder: Path) -> None:
    """Write a model and its tokenizer into a folder, each file under its name once it is whole."""
    with aside(folder, "model") as making:
        model.save_pretrained(making)
        tokenizer.save_pretrained(making)
        for file in sorted(making.iterdir()):
            with atomic(folder / file.name) as temporary:
                file.rename(temporary)


def load_tokenizer(source: str, revision: str | None = None, template_arguments: dict | None = None):
    """Load a tokenizer; raise InputError where it lacks what prompts need."""
    mend = "give a hub id that this machine can reach, or the folder of a saved model"
    with blame(lambda reason: f"language model {source!r}: no tokenizer there ({reason}); {mend}"):
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    if not tokenizer.chat_template:
        raise InputError(f"language model {source!r}: no chat template; choose an instruction-tuned model")
    if tokenizer.eos_token_id is None:
        raise InputError(f"language model {source!r}: no end-of-text token; choose an instruction-tuned model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.padding_side = "left"
    with_template(tokenizer, template_arguments or {}, source)
    return tokenizer


def four_bit(source: str) -> BitsAndBytesConfig:
    """Return how weights are quantized for QLoRA (Dettmers et al., NeurIPS 2023): NF4, twice, computed in bfloat16."""
    for lacking, mend in (
        (not torch.cuda.is_available(), "an NVIDIA GPU; run on one"),
        (find_spec("bitsandbytes") is None, "the package bitsandbytes; install it"),
    ):
        if lacking:
            raise InputError(
                f"language model {source!r}: 'quantization: 4bit' needs {mend}, or take the key away to fine-tune "
                "in full precision"
            )
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def load_base(source: str, revision: str | None, context: int, quantization: str | None = None):
    """Load a causal language model; raise InputError where there is none or its context is too short."""
    extra = {}
    if quantization == "4bit":
        extra = {"quantization_config": four_bit(source), "device_map": {"": torch.cuda.current_device()}}
    kind = gemm_precision(device())  # adapters stay float32
    files = ", ".join(sorted(file.name for file in Path(source).glob("*") if LOADED.fullmatch(file.name)))
    mend = f"; fetch {files} again" if files else ""
    with (
        blame(lambda reason: f"language model {source!r}: no causal language model there ({reason}){mend}"),
        whole_models(),
    ):
        model: Any = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=kind, **extra)
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        raise InputError(
            f"language model {source!r}: {type(model).__name__} has no cache to read prompts into; choose another"
        )
    longest = getattr(model.config, "max_position_embeddings", None) or context
    if context > longest:
        raise InputError(
            f"language model {source!r}: its context is {longest} tokens, 'context' is {context}; lower it"
        )
    model.config.weights = weights(source, revision)
    return model if extra else model.to(device())


def load(
    source: str, revision: str | None, context: int, adapter: Path | None, lora: dict, trainable: bool,
    quantization: str | None = None, template_arguments: dict | None = None,
):  # fmt: skip
    """Return (model with adapter, tokenizer); `adapter` is the adapter's file, None for a new adapter."""
    folder = None if adapter is None else adapter.parent
    tokenizer = load_tokenizer(source, revision, template_arguments)
    model = with_adapter(load_base(source, revision, context, quantization), folder, lora, trainable)
    return model if trainable else merged(model), tokenizer
