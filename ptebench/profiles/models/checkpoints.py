"""Checkpoints of transformers' trainer: written by the clock, used again by the same job alone."""

import shutil
from pathlib import Path

import torch
import torch.distributed as dist
from transformers import TrainerCallback

from ptebench.checkpoints import Clock

MARK = "whole"  # the file that a checkpoint receives last; it says whose it is


class Checkpoints(TrainerCallback):
    """Saves by the clock, so that a short training saves nothing."""

    def __init__(self, folder: Path, fingerprint: str):
        self.folder, self.fingerprint, self.clock = folder, fingerprint, Clock()

    def latest(self) -> Path | None:
        """Return the newest whole checkpoint of this job; all others than this job's whole ones are removed."""
        whole = {}
        for path in self.folder.glob("checkpoint-*"):
            mark = path / MARK
            if mark.is_file() and mark.read_text() == self.fingerprint:
                whole[int(path.name.split("-")[1])] = path
            else:
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
        (self.folder / f"checkpoint-{state.global_step}" / MARK).write_text(self.fingerprint)
        self.clock.restart()
