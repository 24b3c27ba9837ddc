"""Language models in one .gguf file: unpacked into a folder of the usual form, once for all jobs that read it."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from ptebench.errors import InputError
from ptebench.profiles.models.loading import save
from ptebench.weights import gguf_file


def unpack(model: str, folder: Path) -> dict:
    """Save the weights (in bfloat16), tokenizer and chat template of a .gguf file in `folder`; return the record.

    Raises InputError where transformers cannot read the file.
    """
    file = gguf_file(model)
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**place)
        # whole numbers again: a model of packed ones can be neither saved nor given an adapter
        whole = GgufConfig(dequantize=True)
        base = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.bfloat16, quantization_config=whole)
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: no language model that can be read ({reason}); give another .gguf file") from error
    if not tokenizer.chat_template:
        raise InputError(f"{file}: no chat template; choose an instruction-tuned model")
    base.config.name_or_path = file.stem
    save(base, tokenizer, folder)
    return {"unpacked": file.name, "parameters": base.num_parameters()}
