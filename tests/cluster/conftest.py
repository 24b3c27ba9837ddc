"""A real Slurm for the tests of this folder, and runs of Snakemake on it."""

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec

import pytest
from filelock import FileLock

from benchmarks.checkouts import CLOCKED
from tests.cluster.lab import Lab, absent, install
from tests.workflow.conftest import ROOT, SKIP, finished, plain, snakemake  # noqa: F401

PROFILE = ("--workflow-profile", "profiles/slurm")
# what fits the lab: two cores, one stand-in for a GPU; and it is asked often
SMALL = ("--cores", "2", "--resources", "gpu=1", "gpu_cells=1", "mem_mb=6000")
COUNTERS = "results/tables/counters.md"  # of small.yaml: two cells without training
OFTEN = ("--slurm-init-seconds-before-status-checks", "2")


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Return a cluster that is up; skip where the plugin or Slurm is not there."""
    if find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.skip("no Slurm plugin of Snakemake: run `make slurm`")
    if tools := absent():
        allowed = os.environ.get("CI") or os.environ.get("PTEBENCH_INSTALL")
        if not (allowed and os.geteuid() == 0 and shutil.which("apt-get")):
            pytest.skip(f"no {', '.join(tools)}: `make cluster-test` installs Slurm as root of a Debian machine")
        install()
    cluster = Lab(tmp_path_factory.mktemp("lab"))
    try:
        yield cluster.up()
    finally:
        cluster.down()


@pytest.fixture(scope="session")
def done(tmp_path_factory, worker_id):
    """Return a checkout in which this machine alone made the table of counters; tests read it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "done"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            making = folder.with_name("making_done")
            shutil.rmtree(making, ignore_errors=True)
            shutil.copytree(ROOT, making, symlinks=True, ignore=SKIP)
            shutil.copy(ROOT / "tests/cluster/small.yaml", making / "config.yaml")
            ran = snakemake(making, COUNTERS, stub=False)
            assert ran.returncode == 0, ran.stderr[-3000:]
            making.rename(folder)
    return folder


@pytest.fixture
def without_cells(done, tmp_path):
    """Return a copy of that checkout which has no cell, metrics or table, nor the times that its cells took."""
    folder = tmp_path / "checkout"
    shutil.copytree(done, folder, symlinks=True)
    for name in ("results/cells", "results/metrics", "results/tables", "logs/results/cells"):
        shutil.rmtree(folder / name)
    return folder


def contents(folder):
    """Return the bytes of every result by path, but of what holds times."""
    files = (path for path in (folder / "results").rglob("*") if path.is_file())
    timed = ("provenance.json", *CLOCKED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.endswith(timed)}


class Run:
    """A run of Snakemake in a checkout, by the profile for Slurm."""

    def __init__(self, lab, folder, *arguments, log="run.log"):
        self.lab, self.log, self.earlier = lab, folder / log, len(lab.jobs())
        environment = plain() | lab.environment
        command = [sys.executable, "-m", "snakemake", *PROFILE, *SMALL, *OFTEN, "--nocolor", *arguments]
        with open(self.log, "w") as stream:
            self.process = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def text(self):
        """Return what the run said so far."""
        return self.log.read_text()

    @property
    def submissions(self):
        """Return how many jobs Slurm got since the run began."""
        return len(self.lab.jobs()) - self.earlier

    def end(self, status=0, patience=600):
        """Wait for the end of the run; return what it said."""
        try:
            code = self.process.wait(patience)
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
        assert code == status, self.text[-4000:]
        return self.text


@pytest.fixture
def run(lab):
    """Return the function that starts a run on the cluster; all that a test leaves in the queue is cancelled."""
    runs = []

    def start(folder, *arguments, **options):
        runs.append(Run(lab, folder, *arguments, **options))
        return runs[-1]

    yield start
    for one in runs:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
            one.process.wait()
    for number, *_ in lab.jobs("--states=PD,R"):
        lab.call("scancel", number, check=False)
    lab.wait("end of all jobs", lambda: not lab.jobs("--states=PD,R,CG"))
