"""Every profile plans a run; the scripts of Kubernetes do what kubectl, of which a stand-in runs the job, is told."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.cluster.conftest import COUNTERS, contents
from tests.workflow.conftest import finished, planned, snakemake  # noqa: F401

POD = Path(__file__).parents[2] / "profiles/kubernetes/pod.py"
KUBECTL = """#!{python}
import json, pathlib, subprocess, sys
jobs, words = pathlib.Path({folder!r}), sys.argv[1:]
if words[0] == "create":
    job = json.load(sys.stdin)
    name, pod = job["metadata"]["name"], job["spec"]["template"]["spec"]["containers"][0]
    (jobs / f"{{name}}.job").write_text(json.dumps(job))
    script = f'{{pod["command"][1]}} > /dev/null 2>&1; echo $? > {{jobs}}/{{name}}.rc'
    subprocess.Popen(["sh", "-c", f"sh {{script}}"], cwd=pod["workingDir"], start_new_session=True,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
elif words[0] == "get":
    file = jobs / f"{{words[2]}}.rc"
    state = file.read_text().strip() if file.exists() else ""
    condition = [{{"type": "Failed" if state != "0" else "Complete", "status": "True"}}] if state else []
    if (jobs / f"{{words[2]}}.job").exists():
        print(json.dumps({{"status": {{"conditions": condition}}}}))
"""


def plugin(name):
    """Skip a test where an executor of Snakemake is not installed."""
    if find_spec(f"snakemake_executor_plugin_{name}") is None:
        pytest.skip(f"no {name} plugin of Snakemake: run `make {'slurm' if name == 'slurm' else 'executors'}`")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("slurm", ["--workflow-profile", "profiles/slurm"]),
        ("cluster_generic", ["--workflow-profile", "profiles/kubernetes"]),
        ("lsf", ["--executor", "lsf", "--jobs", "10"]),
        ("sge", ["--executor", "sge", "--jobs", "10"]),
    ],
)
def test_a_profile_plans_what_a_run_on_one_machine_does(name, options, finished):  # noqa: F811
    plugin(name)
    assert planned(finished, *options, "splits", "--forcerun", "split") == {"split": 2, "splits": 1}


@pytest.fixture
def kubernetes(tmp_path, monkeypatch):
    """Return a folder whose kubectl runs jobs on this machine and keeps what it was told."""
    (folder := tmp_path / "kubernetes").mkdir()
    (folder / "kubectl").write_text(KUBECTL.format(python=sys.executable, folder=str(folder)))
    (folder / "kubectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PTEBENCH_IMAGE", "python:3.11")
    monkeypatch.setenv("PTEBENCH_CLAIM", "bench")
    return folder


def pod(*words):
    return subprocess.run([sys.executable, POD, *words], capture_output=True, text=True)


def test_a_pod_gets_what_the_job_asks_for_and_its_state_is_told(kubernetes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    properties = {"threads": 2, "resources": {"mem_mb": 3000, "runtime": 7, "gpu": 1}}
    for code, state in ((0, "success"), (3, "failed")):
        Path("job.sh").write_text(f"# properties = {json.dumps(properties)}\nexit {code}\n")
        name = pod("submit", "job.sh").stdout.strip()
        while (word := pod("status", name).stdout.strip()) == "running":
            pass
        assert word == state
    spec = json.loads((kubernetes / f"{name}.job").read_text())["spec"]
    container = spec["template"]["spec"]["containers"][0]
    limits = {"memory": "3000M", "cpu": "2", "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": limits, "limits": limits} and spec["activeDeadlineSeconds"] == 420
    assert container["workingDir"] == str(tmp_path) == container["volumeMounts"][0]["mountPath"]
    assert pod("status", "gone").stdout.strip() == "failed"
    assert pod("cancel", name).returncode == 0


def test_what_a_pod_needs_and_is_not_told_is_named(kubernetes, tmp_path, monkeypatch):
    monkeypatch.delenv("PTEBENCH_CLAIM")
    (tmp_path / "job.sh").touch()
    assert "PTEBENCH_CLAIM not set" in pod("submit", str(tmp_path / "job.sh")).stderr


@pytest.mark.cluster
def test_cells_go_to_kubernetes_in_one_pod_and_make_the_same_files(kubernetes, done, without_cells):
    plugin("cluster_generic")
    options = ("--workflow-profile", "profiles/kubernetes", "--seconds-between-status-checks", "1")
    ran = snakemake(without_cells, COUNTERS, *options, stub=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert contents(without_cells) == contents(done)
    assert len(list(kubernetes.glob("*.job"))) == 2, "the cells, and the metrics with the table"
