"""Checkpoints of transformers' trainer: written by the clock, used again by the same job alone."""

import shutil
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import TrainerCallback

from ptebench.checkpoints import Clock
from ptebench.provenance import canonical, digest, file_digest

MARK = "whole"  # the file that a checkpoint receives last: whose it is, and the digest of its other files


def files_digest(folder: Path) -> str:
    """Return a digest of the files of a checkpoint, their names and bytes, but its mark."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path != folder / MARK)
    return digest(canonical({path.relative_to(folder).as_posix(): file_digest(path) for path in files}))


class Checkpoints(TrainerCallback):
    """Saves by the clock, so that a short training saves nothing."""

    def __init__(self, folder: Path, fingerprint: str):
        self.folder, self.fingerprint, self.clock = folder, fingerprint, Clock()

    def latest(self) -> Path | None:
        """Return the newest whole checkpoint of this job; all others than this job's whole ones are removed."""
        whole = {}
        for path in self.folder.glob("checkpoint-*"):
            mark = (path / MARK).read_bytes() if (path / MARK).is_file() else b""
            if mark == f"{self.fingerprint}\n{files_digest(path)}\n".encode():
                whole[int(path.name.split("-")[1])] = path
                continue
            if mark.startswith(self.fingerprint.encode()):
                print(f"{path}: damaged, or of an earlier version: training goes on from before it", flush=True)
            shutil.rmtree(path)
        return whole[max(whole)] if whole else None

    def on_step_end(self, args, state, control, **_):
        """Ask for a checkpoint where the last is old."""
        due = torch.tensor(state.global_step < state.max_steps and self.clock.is_due(), device=args.device)
        if dist.is_initialized():  # the clocks of processes differ: that of the first counts
            dist.broadcast(due, 0)
        if due:
            control.should_save = True

    def on_save(self, args, state, control, **_):
        """Mark the checkpoint as whole."""
        if dist.is_initialized():  # every process has a part in it
            dist.barrier()
        if state.is_world_process_zero:
            path = self.folder / f"checkpoint-{state.global_step}"
            (path / MARK).write_text(f"{self.fingerprint}\n{files_digest(path)}\n")
        self.clock.restart()
