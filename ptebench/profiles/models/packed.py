"""Language models in one .gguf file: unpacked into a folder of the usual form, once for all jobs that read it."""

import mmap
import struct
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from ptebench.errors import InputError, blame
from ptebench.pretrained import whole_models
from ptebench.profiles.models.loading import save
from ptebench.weights import gguf_file

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}  # bytes of a value, by its type
TEXT, ARRAY = 8, 9
LAYERS, WIDTHS = ".block_count", (".embedding_length", ".feed_forward_length")


class Header:
    """The header of a .gguf file, of which no number of values is believed before they are there."""

    def __init__(self, data: mmap.mmap):
        self.data, self.at = data, 0
        self.sizes: dict[str, int] = {}  # numbers that make a model large
        if self.take(4) != b"GGUF" or self.count("I") not in (2, 3):
            raise ValueError("it does not begin as such a file of version 2 or 3")
        tensors, values = self.count("Q"), self.count("Q")
        for _ in range(values):
            key = self.take(self.count("Q")).decode(errors="replace")
            self.skip(self.count("I"), next((end for end in (LAYERS, *WIDTHS) if key.endswith(end)), ""))
        widest = 0
        for _ in range(tensors):
            self.take(self.count("Q"))
            widest = max([widest, *(self.count("Q") for _ in range(self.count("I")))])
            self.take(12)
        for key, most in ((LAYERS, tensors), *((width, widest) for width in WIDTHS)):
            # what is not said would be that of a large model
            if (key not in self.sizes and key != WIDTHS[1]) or self.sizes.get(key, 0) > most:
                raise ValueError(f"its {key[1:]} is {self.sizes.get(key, 'not said')}, of {tensors} tensors")

    def take(self, size: int) -> bytes:
        """Return the next bytes."""
        if size > len(self.data) - self.at:
            raise ValueError("it is cut short")
        self.at += size
        return self.data[self.at - size : self.at]

    def count(self, form: str) -> int:
        """Return the next number."""
        return int(struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0])

    def skip(self, kind: int, name: str = "", depth: int = 0) -> None:
        """Pass over a value of a type, and keep a number that has a name."""
        if kind == TEXT:
            self.take(self.count("Q"))
        elif kind == ARRAY and depth < 4:
            kind, size = self.count("I"), self.count("Q")
            if kind in SIZES:
                self.take(SIZES[kind] * size)
            else:
                for _ in range(size):
                    self.skip(kind, depth=depth + 1)
        elif kind in SIZES:
            value = self.take(SIZES[kind])
            self.sizes |= {name: int.from_bytes(value, "little")} if name else {}
        else:
            raise ValueError(f"a value is of the type {kind}, which there is not")


def unpack(model: str, folder: Path) -> dict:
    """Save the weights (in bfloat16), tokenizer and chat template of a .gguf file in `folder`; return the record.

    Raises InputError where transformers cannot read the file.
    """
    file = gguf_file(model)
    place = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    with blame(lambda reason: f"{file}: no language model that can be read ({reason}); give another .gguf file"):
        with open(file, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            Header(data)
        tokenizer = AutoTokenizer.from_pretrained(**place)
        # whole numbers again: a model of packed ones can be neither saved nor given an adapter
        whole = GgufConfig(dequantize=True)
        with whole_models():
            base = AutoModelForCausalLM.from_pretrained(**place, dtype=torch.bfloat16, quantization_config=whole)
    if not tokenizer.chat_template:
        raise InputError(f"{file}: no chat template; choose an instruction-tuned model")
    base.config.name_or_path = file.stem
    save(base, tokenizer, folder)
    return {"unpacked": file.name, "parameters": base.num_parameters()}
