"""Loading a language model, its tokenizer and its adapter; placing them on the device."""

import hashlib
import inspect
import json
import os
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import torch
from jinja2 import TemplateError
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from ptebench.files import InputError, atomic
from ptebench.profiles.parse import CLOSES, OPENS
from ptebench.profiles.prompts import fit, messages

NO_THOUGHTS = re.compile(rf"(?:{OPENS})\s*(?:(?:{CLOSES})\s*)?", re.I)
OPENED = re.compile(rf"({OPENS})\s*\Z", re.I)
ANSWER = "the answer"


def device() -> torch.device:
    """Return the device that models run on."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def whose(job) -> dict:
    """Return the arguments of `load` that say which model a job works with."""
    spec = job.spec
    source = str(job.input("base").parent) if job.input("base") else spec["model"]
    chosen = {"source": source, "revision": spec["revision"], "context": spec["context"]}
    return chosen | {"template_arguments": spec.get("template_arguments", {})}


def with_template(tokenizer, arguments: dict, source: str) -> None:
    """Fix arguments of the chat template, and have its prompts end where answers begin.

    The template of a reasoning model puts an empty place for thoughts (or the mark of a channel) before an answer, but
    not into a prompt, or opens the thoughts there; then the prompt is completed, so that nothing is thought.
    """
    template = tokenizer.get_chat_template().removesuffix("\n")
    for name in arguments:
        if not re.search(rf"\b{name}\b", template):
            raise InputError(
                f"language model {source!r}: 'template_arguments': its chat template does not read {name!r}"
            )
    fixed = "".join(f"{{% set {name} = {value!r} %}}" for name, value in arguments.items())
    tokenizer.chat_template = fixed + template
    turns = [*messages("a question"), {"role": "assistant", "content": ANSWER}]
    try:
        prompt = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError as error:
        raise InputError(
            f"language model {source!r}: its chat template refuses a question and its answer ({error}); see "
            "'template_arguments', or choose another model"
        ) from error
    before, _, _ = whole.rpartition(ANSWER)
    lacking = ""
    if before.startswith(prompt):
        lacking = before[len(prompt) :]
    elif opened := OPENED.search(prompt):
        lacking = "\n" + re.sub(r"^([<\[◁])", r"\1/", opened[1]).replace("/|START_", "|END_") + "\n\n"
    if lacking.strip():
        tokenizer.chat_template += f"{{% if add_generation_prompt %}}{{{{ {lacking!r} }}}}{{% endif %}}"


def load_tokenizer(source: str, revision: str | None = None, template_arguments: dict | None = None):
    """Load a tokenizer; raise InputError where it lacks what prompts need."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    except (OSError, ValueError) as error:
        raise InputError(
            f"language model {source!r}: no tokenizer there ({str(error).splitlines()[0]}); "
            "give a hub id that this machine can reach, or the folder of a saved model"
        ) from error
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
    # bfloat16 where the hardware computes in it; adapters stay float32
    kind = torch.bfloat16 if device().type == "cuda" else torch.float32
    try:
        model = AutoModelForCausalLM.from_pretrained(source, revision=revision, dtype=kind, **extra)
    except (OSError, ValueError) as error:
        raise InputError(
            f"language model {source!r}: no causal language model there ({str(error).splitlines()[0]})"
        ) from error
    if "past_key_values" not in inspect.signature(model.forward).parameters:
        raise InputError(
            f"language model {source!r}: {type(model).__name__} has no cache to read prompts into; choose another"
        )
    longest = getattr(model.config, "max_position_embeddings", None) or context
    if context > longest:
        raise InputError(
            f"language model {source!r}: its context is {longest} tokens, 'context' is {context}; lower it"
        )
    return model if extra else model.to(device())


def fingerprint(model) -> str:
    """Return a digest of the base model under an adapter: names, shapes and first values of embeddings and norms.

    Linear layers, which an adapter wraps and quantization packs, are left out: in 4 bits a model is the same model.
    """
    parts = hashlib.sha256()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) or "lora_" in name:
            continue
        for kind, weights in module.named_parameters(recurse=False):
            name = name.removeprefix("base_model.model.").replace(".base_layer", "")
            # bfloat16 is what is left of them on any device
            first = weights.detach().flatten()[:64].to(torch.bfloat16).float().tolist()
            parts.update(f"{name}.{kind}{tuple(weights.shape)}{first}".encode())
    return parts.hexdigest()


def continued(base, folder: Path, trainable: bool):
    """Return the model with the adapter in `folder`; raise InputError where it was made for another base model."""
    file = folder / "adapter_model.safetensors"
    fault = InputError(
        f"{file}: an adapter of another base model than {base.config.name_or_path}; delete it, run again"
    )
    with safe_open(file, "pt") as stream:
        if (stream.metadata() or {}).get("base", here := fingerprint(base)) != here:
            raise fault
    try:
        return PeftModel.from_pretrained(base, str(folder), is_trainable=trainable)
    except (RuntimeError, ValueError) as error:  # other shapes, or no such modules
        raise fault from error


def with_adapter(base, folder: Path | None, lora: dict, trainable: bool):
    """Return the model with the adapter in `folder`, continued and never stacked; without a folder, a new one."""
    if trainable and getattr(base, "is_loaded_in_4bit", False):
        base = prepare_model_for_kbit_training(base)
    if folder is not None:
        return continued(base, folder, trainable)
    settings = LoraConfig(
        task_type="CAUSAL_LM", r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"],
        target_modules=adapted(base),
    )  # fmt: skip
    try:
        return get_peft_model(base, settings)
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"language model {base.config.name_or_path!r}: PEFT has no adapter for {type(base).__name__} "
            f"({str(error).splitlines()[0]}); choose another 'model'"
        ) from error


def adapted(base) -> str | list[str]:
    """Return the layers that get an adapter: all linear ones; of a mixture of experts those of attention.

    Experts are fused into parameters, of which PEFT takes no dropout, and each would need its share of the lessons.
    """
    if not any("experts." in name and weights.dim() == 3 for name, weights in base.named_parameters()):
        return "all-linear"
    found = [
        name
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and re.search(r"attn|attention", name, re.I)
    ]
    if not found:
        raise InputError(
            f"language model {base.config.name_or_path!r}: {type(base).__name__} is a mixture of experts without "
            "linear layers of attention, which an adapter needs; choose another 'model'"
        )
    return found


def merged(model):
    """Return the model with its adapter added to the weights, which writes half as fast again.

    Only in float32: in bfloat16 rounding would take from a small update, and packed weights cannot be added to.
    """
    apart = model.dtype != torch.float32 or getattr(model.get_base_model(), "is_loaded_in_4bit", False)
    return model if apart else model.merge_and_unload()


def save_adapter(model, adapter: Path, config: Path) -> None:
    """Write an adapter's two files in PEFT's layout, the same bytes for the same adapter."""
    folder = adapter.with_name(f".{os.getpid()}.adapter")
    try:
        # GRPO keeps its reference as a second adapter
        model.save_pretrained(folder, selected_adapters=["default"])
        settings = json.loads((folder / "adapter_config.json").read_text())
        # PEFT keeps names in a set, whose order changes with the process
        settings = {k: sorted(v) if isinstance(v, list) else v for k, v in sorted(settings.items())}
        with atomic(config) as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n")
        with atomic(adapter) as temporary:
            weights = load_file(folder / "adapter_model.safetensors")
            # of several entries safetensors draws the order
            save_file(weights, temporary, {"base": fingerprint(model)})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def prompt_tokens(prompt: str, tokenizer) -> list[int]:
    """Return the token ids of a prompt through the chat template, up to where the answer begins."""
    text = tokenizer.apply_chat_template(messages(prompt), tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def conversation_tokens(turns: list[dict], tokenizer) -> tuple[list[int], list[int]]:
    """Return (token ids, labels) of a conversation; labels are the ids of answers and -100 elsewhere.

    A prompt has the very tokens that `prompt_tokens` gives it when profiles are written. Raises InputError where the
    chat template renders a turn differently once another follows it, but for an empty place for thoughts.
    """

    def rendered(count: int, ask: bool) -> str:
        return tokenizer.apply_chat_template(turns[:count], tokenize=False, add_generation_prompt=ask)

    def same(one: str, other: str) -> bool:
        return NO_THOUGHTS.sub("", one) == NO_THOUGHTS.sub("", other)

    ids, labels, done, said = [], [], "", ""
    for place in range(1, len(turns), 2):
        prompt, whole = rendered(place, True), rendered(place + 1, False)
        start = len(done) if prompt.startswith(done) else prompt.rfind(said) + len(said)
        asked = prompt[start:]
        answer = len(prompt) if whole.startswith(prompt) else whole.rfind(turns[place]["content"].strip())
        if not (same(prompt[:start], done) and same(whole[:answer], prompt)):
            raise InputError(
                "language model: its chat template does not keep prompt and answer apart; choose a model whose "
                "template renders a conversation turn by turn"
            )
        said, done = whole[answer:], prompt + whole[answer:]
        for text, learnt in ((asked, False), (said, True)):
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += tokens
            labels += tokens if learnt else [-100] * len(tokens)
    return ids, labels


def fitted(prompts: list[str], tokenizer, limit: int) -> list[str]:
    """Return prompts of at most `limit` tokens each, shortened in the middle of their evidence."""
    return [fit(p, lambda text: len(prompt_tokens(text, tokenizer)) - limit) for p in prompts]


def preference(model, tokenizer, conversations: list[list[dict]]) -> np.ndarray:
    """Return how much rather each conversation's last answer would begin with `yes` than with `no`, in logits."""
    model.eval()
    scores = []
    for turns in conversations:
        begun = {}
        for word in ("yes", "no"):
            ids, labels = conversation_tokens([*turns[:-1], {"role": "assistant", "content": word}], tokenizer)
            start = max(p for p in range(1, len(ids)) if labels[p] != -100 and labels[p - 1] == -100)
            begun[word] = ids[start]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids[:start]], device=model.device)).logits[0, -1].float()
        scores.append((logits[begun["yes"]] - logits[begun["no"]]).item())
    return np.array(scores)


def shortened(rows: list[dict], tokenizer, limit: int) -> tuple[list[dict], dict]:
    """Return instructions whose prompt and later turns have at most `limit` tokens, and the lengths of prompts.

    The lengths are in tokens through the chat template, before and after evidence was taken from the middle.
    """
    short, before, after = [], [], []
    for row in rows:
        prompt, answers = row["prompt"][0]["content"], row["completion"]
        whole, first = (len(conversation_tokens(row["prompt"] + a, tokenizer)[0]) for a in (answers, answers[:1]))
        before.append(len(prompt_tokens(prompt, tokenizer)))
        (prompt,) = fitted([prompt], tokenizer, limit - (whole - first))
        after.append(len(prompt_tokens(prompt, tokenizer)))
        short.append({**row, "prompt": messages(prompt)})

    def figures(tokens):
        middle, late, longest = np.quantile(tokens, [0.5, 0.95, 1], method="higher").tolist()
        return {"median": middle, "95 %": late, "longest": longest}

    cut = float(np.mean(np.array(after) < np.array(before)))
    lengths = {"prompts": len(rows), "truncated": cut, "before": figures(before), "after": figures(after)}
    return short, lengths


def load(
    source: str, revision: str | None, context: int, adapter: Path | None, lora: dict, trainable: bool,
    quantization: str | None = None, template_arguments: dict | None = None,
):  # fmt: skip
    """Return (model with adapter, tokenizer); `adapter` is the adapter's file, None for a new adapter."""
    folder = None if adapter is None else adapter.parent
    tokenizer = load_tokenizer(source, revision, template_arguments)
    model = with_adapter(load_base(source, revision, context, quantization), folder, lora, trainable)
    return model if trainable else merged(model), tokenizer
