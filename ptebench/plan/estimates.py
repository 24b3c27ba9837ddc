"""How long jobs take, and how much they write, by what earlier runs left in the working folder."""

import glob
import re
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SAMPLE = 200  # earlier jobs of a rule that are looked at
RESIDENT = 2  # column of the largest memory, MB
FEW = 5  # of these, whose files are measured
COUNTED = ("seed", "trial", "place", "bracket", "shard")  # wildcards that say little about how long a job takes


class Earlier(NamedTuple):
    """A job of an earlier run."""

    wildcards: dict[str, str]
    seconds: float
    megabytes: float = 0.0  # the most that was seen; 0 of a job too short to be looked at


def duration(seconds: float) -> str:
    """Return a duration as one says it: 45 s, 12 min, 3 h 20 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


def measured(benchmark: str | Path, column: int = 0) -> float | None:
    """Return what Snakemake wrote of a job, its seconds first; None where there is no such file or it is cut off."""
    try:
        return float(Path(benchmark).read_text().splitlines()[1].split("\t")[column])
    except (OSError, IndexError, ValueError):
        return None


def earlier(rule: Any) -> list[Earlier]:
    """Return earlier jobs of a rule of Snakemake: their wildcards and seconds."""
    if rule.benchmark is None:
        return []
    jobs = []
    for path in sorted(glob.iglob(re.sub(r"\{[^{}]*\}", "*", str(rule.benchmark))))[:SAMPLE]:
        match, seconds = rule.benchmark.match(path), measured(path)
        if match and seconds is not None:
            jobs.append(Earlier(match.groupdict(), seconds, measured(path, RESIDENT) or 0.0))
    return jobs


class Place(NamedTuple):
    """A job that is not planned yet, as estimates look at jobs."""

    rule: Any
    wildcards_dict: Mapping[str, str]


class Estimates:
    """Seconds and bytes of jobs: of the very job where an earlier run had it, else the mean of the most alike."""

    def __init__(self) -> None:
        self.of_rule: dict[str, list[Earlier]] = {}
        self.groups: dict[str, dict[tuple[str, ...], list[Earlier]]] = {}

    def alike(self, job: Any) -> list[Earlier]:
        """Return the earlier jobs of a job's rule that share the most wildcards with it, seeds and the like aside."""
        rule, names = job.rule.name, [name for name in job.wildcards_dict if name not in COUNTED]
        if rule not in self.of_rule:
            self.of_rule[rule] = earlier(job.rule)
        key = tuple(job.wildcards_dict[name] for name in names)
        groups = self.groups.setdefault(rule, {})
        if key not in groups:
            shared = [sum(e.wildcards[n] == value for n, value in zip(names, key)) for e in self.of_rule[rule]]
            groups[key] = [e for e, count in zip(self.of_rule[rule], shared) if count == max(shared)]
        return groups[key]

    def same(self, job: Any) -> list[Earlier]:
        """Return the earlier jobs that differ from a job in seeds and the like alone."""
        names = [name for name in job.wildcards_dict if name not in COUNTED]
        place = [job.wildcards_dict[name] for name in names]
        return [e for e in self.alike(job) if [e.wildcards[name] for name in names] == place]

    def seconds(self, job: Any) -> float | None:
        """Return the seconds that jobs like this one took, 0 of a mere target, None where none was ever timed."""
        if job.is_norun:
            return 0.0
        jobs = self.alike(job)
        return sum(e.seconds for e in jobs) / len(jobs) if jobs else None

    def add(self, job: Any, seconds: float) -> None:
        """Count a job that this run has done; in a long run the last ones count."""
        self.alike(job)
        jobs = [*self.of_rule[job.rule.name], Earlier(dict(job.wildcards_dict), seconds)]
        self.of_rule[job.rule.name] = jobs[-SAMPLE:]
        self.groups[job.rule.name].clear()

    def bytes(self, job: Any) -> int | None:
        """Return the bytes that a job writes, None where no job of its rule has left its files."""
        if (own := size(job.output)) or job.is_norun:
            return own
        sizes = [size(file.format(**e.wildcards) for file in patterns(job.rule)) for e in self.alike(job)[:FEW]]
        return sum(sizes) // len(sizes) if any(sizes) else None


def patterns(rule: Any) -> list[str]:
    """Return a rule's outputs, each wildcard by its name alone."""
    return [re.sub(r"\{([^{},]*),[^{}]*\}", r"{\1}", str(file)) for file in rule.output]


def size(files: Iterable[str]) -> int:
    """Return the bytes of those files that exist."""
    return sum(path.stat().st_size for path in map(Path, files) if path.is_file())


def threads(job: Any) -> int:
    """Return the threads of a job; Snakemake would resolve all its resources, which is slow, for a plain number too."""
    declared = job.rule.resources["_cores"]
    count: int = job.threads if declared.is_evaluable() else declared.value
    return count


class Work:
    """The jobs of a run with their seconds, and how long the rest takes on the cores that are given.

    The rest takes at least the work of all jobs shared among the cores, and the longest chain of jobs that need each
    other; the larger is told. With a cluster, cores are the jobs that may be there at once, whatever their threads.
    """

    def __init__(self, workflow: Any, estimates: Estimates):
        self.dag, self.estimates, nodes = workflow.dag, estimates, workflow.resource_settings.nodes
        self.slots, self.by_threads = nodes or workflow.cores or 1, nodes is None
        self.place = f"{self.slots} {'cores' if self.by_threads else 'jobs at once'}"
        dag = self.dag
        self.levels = [[(dag.jobid(job), job) for job in level] for level in dag.toposorted(set(dag.needrun_jobs()))]
        self.jobs = {number: job for level in self.levels for number, job in level if not job.is_norun}
        # read now: a job takes its own record away when it begins
        self.own = {number: measured(job.benchmark) for number, job in self.jobs.items() if job.benchmark}

    def seconds(self, number: int, job: Any) -> float | None:
        """Return the seconds of a job in an earlier run, else those of the most alike."""
        own = self.own.get(number)
        return self.estimates.seconds(job) if own is None else own

    def left(self, done: Container[int] = (), running: dict[int, float] | None = None) -> tuple[float, int]:
        """Return the seconds that are left, and how many jobs no record tells of; these count as nothing.

        done: jobs by number. running: the seconds since each began.
        """
        begun, chains = running or {}, dict[Any, float]()
        work, unknown = 0.0, 0
        for level in reversed(self.levels):
            for number, job in level:
                if number in done:
                    continue
                if (seconds := self.seconds(number, job)) is None:
                    unknown, seconds = unknown + 1, 0.0
                seconds = max(seconds - begun.get(number, 0.0), 0.0)
                chains[job] = seconds + max((chains.get(later, 0.0) for later in self.dag.depending[job]), default=0.0)
                work += seconds * (min(threads(job), self.slots) if self.by_threads else 1)
        return max([work / self.slots, *chains.values()]), unknown
