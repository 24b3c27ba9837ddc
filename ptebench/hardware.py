"""The device and the precision that this machine computes fastest with."""

from functools import cache

import torch


def device() -> str:
    """Return the device that models run on by default: the GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


NARROW = 64  # width of vectors below which bfloat16 saves little and makes results depend on the processor


@cache
def gemm_precision(device: str, width: int = NARROW) -> torch.dtype:
    """Return bfloat16 where the hardware of a `device` (cpu, cuda) multiplies matrices in it, else float32.

    Narrow vectors are multiplied in float32 everywhere.
    A processor without such instructions emulates them, which takes ten times as long as float32 and more.
    """
    if width < NARROW:
        return torch.float32
    if device == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        able = torch.cpu.get_capabilities()
        fast = able.get("avx512_bf16", False) or able.get("amx_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def precisions() -> dict[str, str]:
    """Return the `gemm_precision` of every device at hand, for the record: results differ with it."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    return {device: str(gemm_precision(device)).removeprefix("torch.") for device in devices}
