"""How many GPUs the jobs of each rule would use."""

from collections.abc import Callable

from ptebench.plan.cells import Cells
from ptebench.plan.paths import Wildcards
from ptebench.plan.texts import Texts
from ptebench.plan.writing import Writing

CELLS = ("trial", "rung", "train", "rank", "recommend")  # rules of one recommender


class Gpus:
    """The rules that can use a GPU, each with the function that counts how many one job would use.

    present: whether jobs run where a GPU is, which Snakemake knows only after its rules are read.
    """

    def __init__(self, cells: Cells, texts: Texts, writing: Writing, present: Callable[[], bool]):
        self.present = present
        self.counters: dict[str, Callable[[Wildcards], int]] = {
            "embed": texts.on_gpu,
            **dict.fromkeys(CELLS, cells.on_gpu),
            "tune_round": writing.tuning_gpus,
            "probe_round": writing.probe_on_gpu,
            "instructions": writing.instructions_on_gpu,
            **dict.fromkeys(("grpo", "audit_grpo", "write_shard", "write_profiles", "quality"), writing.on_gpu),
        }

    def count(self, wildcards: Wildcards, rulename: str) -> int | None:
        """Return how many GPUs a job asks for, 0 where none is present; None for a rule that never uses one."""
        if rulename not in self.counters:
            return None
        return int(self.counters[rulename](wildcards)) if self.present() else 0

    def cells(self, wildcards: Wildcards, rulename: str) -> int | None:
        """Return how many recommenders a job holds on a GPU: of these a submission to a cluster runs a few at once."""
        return self.count(wildcards, rulename) if rulename in CELLS else None
