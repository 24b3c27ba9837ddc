"""The checkpoint of a training in one file, whole or none, and the clock that tells when the next is due."""

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ptebench.errors import InputError
from ptebench.files import read_tensors, write_tensors

CHECKPOINT_SECONDS = 60.0  # between two checkpoints: a short training saves none


class Clock:
    """The time since training began and since its last checkpoint."""

    def __init__(self):
        self.start = self.last = time.monotonic()

    def is_due(self) -> bool:
        """Return whether it is time for the next checkpoint."""
        return time.monotonic() - self.last >= CHECKPOINT_SECONDS

    def is_long(self) -> bool:
        """Return whether training has been long enough to save a checkpoint at its end."""
        return time.monotonic() - self.start >= CHECKPOINT_SECONDS

    def restart(self) -> None:
        """Start the time to the next checkpoint; call it when one has been written."""
        self.last = time.monotonic()


def content_digest(tensors: Mapping[str, Any], state: str) -> str:
    """Return the sha256 of a text and torch tensors: their names, types, shapes and values."""
    import torch

    value = hashlib.sha256(state.encode())
    for name, tensor in sorted(tensors.items()):
        value.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        value.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return value.hexdigest()


def optimizer_tensors(optimizer: Any) -> dict[str, Any]:
    """Return what an optimizer has learned of its steps, by names that begin with `optimizer.`."""
    import torch

    states = optimizer.state_dict()["state"].items()
    return {f"optimizer.{index}.{key}": torch.as_tensor(v) for index, state in states for key, v in state.items()}


def restore_optimizer(optimizer: Any, tensors: Mapping[str, Any]) -> None:
    """Give an optimizer what `optimizer_tensors` returned, among other tensors."""
    state = optimizer.state_dict()
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(state)


def write_checkpoint(tensors: Mapping[str, Any], path: Path, fingerprint: str, state: Any) -> None:
    """Write torch tensors and what else the job of a fingerprint goes on from, with a digest of both."""
    text = json.dumps({"fingerprint": fingerprint, "state": state})
    write_tensors(tensors, path, {"state": text, "digest": content_digest(tensors, text)})


def read_checkpoint(path: Path, fingerprint: str) -> tuple[dict[str, Any], Any] | None:
    """Return (tensors, state) of the job of a fingerprint; None where there are none, or not as they were written."""
    if not path.is_file():
        return None
    try:
        tensors, metadata = read_tensors(path)
        whole = metadata["digest"] == content_digest(tensors, metadata["state"])
    except (InputError, LookupError, ValueError, TypeError, AttributeError):  # of a damaged header
        whole = False
    if not whole:
        print(f"{path}: damaged, or of an earlier version: training starts anew", flush=True)
        return None
    record = json.loads(metadata["state"])
    return (tensors, record["state"]) if record["fingerprint"] == fingerprint else None
