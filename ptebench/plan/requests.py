"""What jobs ask of a machine: by the sizes of what they read, and more where earlier runs used more."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ptebench import resources
from ptebench.plan.cells import Cells
from ptebench.plan.estimates import Earlier, Estimates, Place
from ptebench.plan.gpus import Gpus
from ptebench.plan.paths import Wildcards
from ptebench.plan.writing import Writing

MARGIN = 1.5  # over the memory of earlier runs
SLOWNESS = 3  # over their time: another node, or other work beside


class Requests:
    """The memory and the time of a job of any rule.

    usual: what Snakemake's profile has for a job whose sizes are not known before it is ready. rules: of Snakemake, by
    name. Of earlier runs those count that differ in seeds and the like alone.
    """

    def __init__(self, rules: Callable[[str], Any], cells: Cells, writing: Writing, usual: Mapping[str, Any]):
        self.rules, self.cells, self.writing, self.usual = rules, cells, writing, dict(usual)
        self.estimates = Estimates()

    @classmethod
    def declare(cls, workflow: Any, cells: Cells, writing: Writing, gpus: Gpus) -> "Requests":
        """Make what jobs ask for a default of every rule of Snakemake, which --set-resources still replaces."""
        defaults = workflow.resource_settings._parsed_default_resources
        requests = cls(workflow.get_rule, cells, writing, defaults)
        defaults["mem_mb"], defaults["runtime"] = requests.megabytes, requests.minutes
        defaults["gpu"], defaults["gpu_cells"] = gpus.count, gpus.cells
        return requests

    def __deepcopy__(self, memory: dict[int, Any]) -> "Requests":
        """Return this: Snakemake copies the defaults of resources for each rule."""
        return self

    def settings(self, rule: str, wildcards: Wildcards) -> tuple[dict[str, Any], str | None]:
        """Return the settings that a law reads, and which weights the language model has."""
        if rule in resources.TOKENS and not (rule == "instructions" and not self.writing.asks_for_sentences(wildcards)):
            return self.writing.models[wildcards.language_model], self.writing.commit(wildcards)
        cell = wildcards.get("backbone") and wildcards.get("representation")
        return self.cells.settings(wildcards) if cell else {}, None

    def earlier(self, rule: str, wildcards: Wildcards) -> list[Earlier]:
        """Return the jobs of earlier runs that count for a job."""
        return self.estimates.same(Place(self.rules(rule), dict(wildcards.items())))

    def fallback(self, name: str, wildcards: Wildcards, **place: Any) -> Any:
        """Return what the profile has for a job, None where it says nothing."""
        usual = self.usual.get(name)
        return usual and usual.evaluate(wildcards, **place).value

    def megabytes(self, wildcards: Wildcards, input: Iterable[str], attempt: int, rulename: str, **others: Any) -> Any:
        """Return the MB that a job asks for: at each attempt as much more."""
        settings, commit = self.settings(rulename, wildcards)
        law = resources.megabytes(script(self.rules(rulename)), settings, commit, list(map(Path, input)))
        if law is None:
            return self.fallback("mem_mb", wildcards, input=input, attempt=attempt, rulename=rulename, **others)
        used = max((e.megabytes for e in self.earlier(rulename, wildcards)), default=0.0)
        return int(max(law, MARGIN * used)) * attempt

    def minutes(self, wildcards: Wildcards, input: Iterable[str], attempt: int, rulename: str, **others: Any) -> Any:
        """Return the minutes that a job asks for: at each attempt as many more."""
        settings, _ = self.settings(rulename, wildcards)
        law = resources.minutes(script(self.rules(rulename)), settings, map(Path, input))
        took = max((e.seconds for e in self.earlier(rulename, wildcards)), default=0.0)
        lesson = int((resources.START + SLOWNESS * took) / 60) + 1 if took else 0
        if law is None:
            usual = self.fallback("runtime", wildcards, input=input, attempt=attempt, rulename=rulename, **others)
            return max(usual, lesson * attempt) if isinstance(usual, int) else usual
        return max(law, lesson) * attempt


def script(rule: Any) -> str:
    """Return the script that a rule of Snakemake runs."""
    return str(rule.params.get("script", rule.name))
