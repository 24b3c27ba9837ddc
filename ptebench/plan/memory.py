"""How much memory the jobs of each rule would use."""

from collections.abc import Callable
from typing import Any

from ptebench.plan.paths import Wildcards
from ptebench.plan.writing import Writing
from ptebench.weights import size

LIBRARIES = 1000  # MB of Python, torch and the data of a split
COPY = 1.25  # of the weights, while a layer is cast or an adapter is added
# bytes of a token by the weights' bytes to the power of 2/3, as layers times width grow: measured with SmolLM2-135M,
# whose keys and values take 23 kB a token and whose states, kept for gradients, 1.4 MB
READ, LEARNT = 0.1, 4.0
PART = 512  # tokens that fine-tuning reads at once


class Memory:
    """The rules whose jobs hold a language model, each with the function that counts the MB of one job.

    usual: what a job of any other rule asks for, at least, as Snakemake's resource.
    """

    def __init__(self, writing: Writing, usual: Any):
        self.writing, self.usual = writing, usual
        tokens: dict[str, Callable[[dict[str, Any]], float]] = {
            "tune_round": lambda m: max(LEARNT * max(PART, m["context"]), READ * m["write_batch"] * m["context"]),
            "grpo": lambda m: LEARNT * m["grpo"]["batch_size"] * m["context"],
            "probe_round": lambda m: READ * m["context"],
            "quality": lambda m: READ * m["context"],
        }
        writers = ("instructions", "audit_grpo", "write_shard", "write_profiles")
        self.tokens = tokens | dict.fromkeys(writers, lambda m: READ * m["write_batch"] * m["context"])

    def megabytes(self, wildcards: Wildcards, attempt: int, rulename: str, **others: Any) -> Any:
        """Return the MB that a job asks for: more at each attempt, and never less than usual."""
        usual = self.usual.evaluate(wildcards, attempt=attempt, rulename=rulename, **others).value
        if rulename not in self.tokens or not isinstance(usual, int):
            return usual
        if rulename == "instructions" and not self.writing.asks_for_sentences(wildcards):
            return usual
        model = self.writing.models[wildcards.language_model]
        weights = size(model["model"], self.writing.commit(wildcards))
        used = COPY * weights + self.tokens[rulename](model) * weights ** (2 / 3)
        return max(usual, int(attempt * (LIBRARIES + used / 1e6)))
