"""How long jobs take: by the job's own record, by the most alike, by nothing."""

import re
from types import SimpleNamespace

import pytest

from ptebench.plan.estimates import Estimates, Work, duration, measured


class Pattern(str):
    """A path with wildcards, as a rule of Snakemake has it."""

    def match(self, path):
        return re.fullmatch(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self)), path)


class Job(SimpleNamespace):
    """What estimates read of a job; each is itself alone."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def job(rule="train", threads=1, **wildcards):
    pattern = Pattern("logs/{backbone}/{seed}.tsv" if rule == "train" else f"logs/{rule}.tsv")
    return Job(
        rule=SimpleNamespace(
            name=rule, benchmark=pattern, output=[Pattern("results/{backbone,a|b}/{seed}")],
            resources={"_cores": SimpleNamespace(is_evaluable=lambda: threads > 1, value=1)},
        ),
        wildcards_dict=wildcards, benchmark=pattern.format(**wildcards), threads=threads, is_norun=False,
        output=[f"results/{wildcards.get('backbone')}/{wildcards.get('seed')}"],
    )  # fmt: skip


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A working folder with the records of five trainings."""
    monkeypatch.chdir(tmp_path)
    for name, seconds, size in [("a/0", 10, 100), ("a/1", 20, 300), ("b/0", 60, 0), ("b/1", "", 0), ("c/0", 1, 0)]:
        for path, text in ((f"logs/{name}.tsv", f"s\th:m:s\n{seconds}\t0:00\n"), (f"results/{name}", "x" * size)):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)


def test_a_job_takes_what_the_most_alike_took(runs):
    estimates = Estimates()
    assert estimates.seconds(job(backbone="a", seed="7")) == 15
    assert estimates.seconds(job(backbone="b", seed="7")) == 60, "a record that is cut off does not count"
    assert estimates.seconds(job(backbone="new", seed="0")) == (10 + 20 + 60 + 1) / 4, "a seed makes none alike"
    assert estimates.seconds(job("never")) is None
    estimates.add(job("never"), 5.0)
    assert estimates.seconds(job("never")) == 5.0
    assert measured("logs/none.tsv") is None and measured("logs/a/0.tsv") == 10.0


def test_a_job_writes_what_it_wrote_or_else_the_most_alike(runs):
    assert Estimates().bytes(job(backbone="a", seed="0")) == 100
    assert Estimates().bytes(job(backbone="a", seed="7")) == 200
    assert Estimates().bytes(job(backbone="b", seed="7")) is None


class Dag:
    """Jobs that need each other in one chain, and others beside them."""

    def __init__(self, chain, beside):
        self.depending = {j: [] for j in (*chain, *beside)} | {a: [b] for a, b in zip(chain, chain[1:])}
        self.levels = [[chain[0], *beside], *([j] for j in chain[1:])]
        self.jobs = [*chain, *beside]
        self.dependencies = {j: {} for j in self.jobs}

    def needrun_jobs(self):
        return self.jobs

    def get_job_group(self, job):
        return None

    def toposorted(self, jobs):
        return self.levels

    def jobid(self, job):
        return self.jobs.index(job)


def work(chain, beside, cores, nodes=None):
    resources = SimpleNamespace(nodes=nodes)
    return Work(SimpleNamespace(dag=Dag(chain, beside), cores=cores, resource_settings=resources), Estimates())


def test_the_rest_takes_the_longest_chain_or_the_work_shared_among_cores(runs):
    chain = [job(backbone="b", seed=str(k + 5)) for k in range(3)]
    assert work(chain, [], 8).left() == (180, 0)
    beside = [job(backbone="a", seed=str(k + 5)) for k in range(40)]
    run = work(chain, beside, 2)
    assert run.left() == ((180 + 40 * 15) / 2, 0)
    assert run.left(done={0, *range(3, 43)}) == (120, 0)
    assert run.left(done={0, *range(3, 43)}, running={1: 45.0}) == (75, 0)
    assert run.left(done={0, *range(3, 43)}, running={1: 100.0}) == (60, 0), "longer than ever: nothing is owed"
    wide = [job(backbone="b", seed=str(k + 5), threads=4) for k in range(2)]
    assert work(wide[:1], wide[1:], 4).left()[0] == 120
    assert work(wide[:1], wide[1:], None, nodes=4).left()[0] == 60


def test_jobs_of_which_nothing_is_known_are_counted(runs):
    assert work([job("never"), job(backbone="a", seed="7")], [], 1).left() == (15, 1)


def test_a_job_s_own_record_counts_even_when_the_job_has_begun(runs, tmp_path):
    again = job(backbone="a", seed="0")
    run = work([again], [], 1)
    (tmp_path / "logs/a/0.tsv").unlink()
    assert run.left() == (10, 0)


@pytest.mark.parametrize("seconds, said", [(0.4, "0 s"), (59.6, "60 s"), (100, "2 min"), (5999, "1 h 40 min")])
def test_durations_as_one_says_them(seconds, said):
    assert duration(seconds) == said
