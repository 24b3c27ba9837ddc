"""Adapters of a language model: new, continued, merged, saved."""

import json
import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.lora import Linear
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from ptebench.files import InputError, aside, atomic


def fingerprint(model) -> str | None:
    """Return what the weights of the base model under an adapter are, whatever their precision; None: not known."""
    return getattr(model.config, "weights", None)


def continue_adapter(base, folder: Path, trainable: bool):
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
        return continue_adapter(base, folder, trainable)
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
    result = [
        name
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and re.search(r"attn|attention", name, re.I)
    ]
    if not result:
        raise InputError(
            f"language model {base.config.name_or_path!r}: {type(base).__name__} is a mixture of experts without "
            "linear layers of attention, which an adapter needs; choose another 'model'"
        )
    return result


def merged(model):
    """Return the model with its adapter added to the weights, which writes half as fast again; packed ones stay apart.

    Where weights have fewer digits than the adapter they are rounded up or down at random, by their distance: to the
    nearest, a small update of all weights would be lost in each of them.
    """
    if getattr(model.get_base_model(), "is_loaded_in_4bit", False):
        return model
    random = torch.Generator(model.device).manual_seed(0)
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, Linear):
                weights: Any = layer.get_base_layer().weight
                weights.copy_(rounded(weights.float() + layer.get_delta_weight("default"), weights.dtype, random))
    return model.unload()


def rounded(values: torch.Tensor, kind: torch.dtype, random: torch.Generator) -> torch.Tensor:
    """Return float32 values in another precision, in bfloat16 rounded at random so that their mean stays."""
    if kind != torch.bfloat16:
        return values.to(kind)
    noise = torch.randint(2**16, values.shape, generator=random, dtype=torch.int32, device=values.device)
    # bfloat16 is the upper half of float32
    return ((values.view(torch.int32) + noise) & -(2**16)).view(torch.float32).to(kind)


def save_adapter(model, adapter: Path, config: Path) -> None:
    """Write an adapter's two files in PEFT's layout, the same bytes for the same adapter."""
    with aside(adapter.parent, "adapter") as folder:
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
            save_file(weights, temporary, {"base": str(fingerprint(model))})
