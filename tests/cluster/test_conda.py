"""Jobs in their conda environments: with conda where it is, and with a stand-in that installs the same pins by pip."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.cluster.conftest import contents
from tests.workflow.conftest import snakemake

SPLIT = "results/splits/shop/leave_one_out/leakage.json"  # what it is made of, and it, are jobs of envs/data.yaml
STAND_IN = """#!{python}
import json, pathlib, re, subprocess, sys
words = sys.argv[1:]
if words[0] == "info":
    print(json.dumps({{"conda_prefix": {prefix!r}, "platform": "linux-64"}}))
elif words[0] == "--version":
    print("conda 25.1.0")
elif words[0] == "config":
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif words[:2] == ["env", "create"]:
    file, prefix = words[words.index("--file") + 1], words[words.index("--prefix") + 1]
    pins = re.findall(r"^      - (\\S+==\\S+)$", pathlib.Path(file).read_text(), re.M)
    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    subprocess.run([prefix + "/bin/python", "-m", "pip", "install", "--quiet", *pins], check=True)
elif words[0] != "clean":
    sys.exit("no stand-in for conda " + " ".join(words))
"""


@pytest.fixture
def without_data(done, tmp_path):
    """Return a copy of a checkout without the data and the split of its cells."""
    folder = tmp_path / "checkout"
    shutil.copytree(done, folder, symlinks=True)
    for name in ("data", "splits"):
        shutil.rmtree(folder / "results" / name)
    return folder


def check(folder, done):
    """Make the data and the split in their own environment; compare bytes, and look at its packages."""
    ran = snakemake(folder, SPLIT, "--software-deployment-method", "conda", stub=False)
    assert ran.returncode == 0, ran.stderr[-3000:]
    before, now = contents(done), contents(folder)
    assert SPLIT in now and now == {path: before[path] for path in now}
    record = json.loads((folder / SPLIT).with_name("provenance.json").read_text())
    packages = record["environment"]["packages"]
    assert packages["polars"] and packages["torch"] is None, "the environment of data has no torch"


@pytest.mark.cluster
def test_data_are_made_in_their_conda_environment(without_data, done):
    if (conda := shutil.which("conda")) is None:
        pytest.skip("no conda here, nor a registry that has it")
    ask = [conda, "search", "--override-channels", "--channel", "conda-forge", "python=3.11"]
    if subprocess.run(ask, capture_output=True, timeout=300).returncode:
        pytest.skip("conda does not reach the channel conda-forge")
    check(without_data, done)


@pytest.mark.cluster
def test_the_pins_of_an_environment_are_all_that_its_jobs_need(without_data, done, tmp_path, monkeypatch):
    bin_ = tmp_path / "conda/bin"
    bin_.mkdir(parents=True)
    (bin_ / "conda").write_text(STAND_IN.format(python=sys.executable, prefix=str(bin_.parent)))
    (bin_ / "conda").chmod(0o755)
    (bin_ / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    check(without_data, done)
