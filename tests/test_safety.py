"""No file that is read can make this code run what stands in it: a walk over the syntax trees of all code."""

from pathlib import Path

import pytest
import yaml

from tests.code_walk import faults, read_code

ROOT = Path(__file__).resolve().parents[1]
MADE = {"results", "logs", "site", "imports"}  # of runs; `imports` has links alone
TOPS = [path for path in sorted(ROOT.iterdir()) if path.name[0] != "." and path.name not in MADE]
FILES = [
    path
    for top in TOPS
    for path in (sorted(top.rglob("*")) if top.is_dir() else [top])
    if path.suffix in {".py", ".smk", ".ipynb", ".md"} or path.name == "Snakefile"
]
GUIDE = "the code of CONTRIBUTING.md, to see that it is whole"
HOSTILE = "writes the files that must be refused"
# file, function, what stands there: why
EXEMPT = {
    ("benchmarks/overhead.py", "", "runpy.run_module"): "runs the script `train` of this project with a clock in it",
    ("ptebench/config/loader.py", "load", "yaml.load"): "by a subclass of the safe loader",
    ("ptebench/data/matrices.py", "", "import of zipfile"): "reads no member but into memory",
    ("ptebench/data/unpickle.py", "", "import of pickle"): "admits arrays and containers by exact name",
    ("ptebench/data/unpickle.py", "_Containers", "pickle.Unpickler"): "what it restricts",
    ("ptebench/profiles/schema/words.py", "_read", "runpy.run_path"): "runs a file of scikit-learn as installed",
    ("ptebench/report/site/build.py", "", "jinja2.Environment"): "imports it for the next line",
    ("ptebench/report/site/build.py", "Site.__init__", "jinja2.Environment"): "templates of this package alone",
    ("tests/config/test_reference.py", "test_the_schema_accepts_every_configuration_of_the_project", "yaml.load"):
        "by a subclass of the safe loader",
    ("tests/data/test_packed.py", "", "import of pickle"): HOSTILE,
    ("tests/data/test_packed.py", "", "import of zipfile"): HOSTILE,
    ("tests/data/test_sources.py", "", "import of pickle"): HOSTILE,
    ("tests/mutations/cases.py", "pickled", "import of pickle"): HOSTILE,
    ("tests/plan/test_command.py", "test_a_shell_sees_every_path_as_it_is", "shell"): "asks a shell on purpose",
    ("tests/recommenders/test_backbones.py", "test_the_backbones_and_the_counter_of_the_guide_are_whole", "exec"): GUIDE,
    ("tests/recommenders/test_backbones.py", "test_the_representation_of_the_guide_is_whole", "exec"): GUIDE,
    ("tests/test_environments.py", "test_the_lock_is_in_three_files", "runpy.run_path"): "a script of this project",
    ("tests/workflow/test_exchange.py", "test_the_notebook_runs_from_top_to_bottom", "exec"): "the project's notebook",
    ("tests/workflow/test_own_profiles.py", "settings", "runpy.run_path"): "the script of a page of the guide",
}  # fmt: skip


def named(path: Path) -> str:
    """Return the path of a file within the repository."""
    return path.relative_to(ROOT).as_posix()


def seen(path: Path) -> list[tuple[int, str, str]]:
    """Return the faults of a file."""
    return [fault for text in read_code(path) for fault in faults(text)]


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_file_is_run_that_is_read(path):
    places = {(named(path), function, what): line for line, function, what in seen(path)}
    assert {place: line for place, line in places.items() if place not in EXEMPT} == {}
    assert {place for place in EXEMPT if place[0] == named(path)} <= {*places}, "exempt is what stands there no more"


def test_every_exemption_is_of_a_file_that_is_walked():
    assert {file for file, *_ in EXEMPT} <= {named(path) for path in FILES}


def test_code_of_every_kind_and_folder_is_walked():
    walked = {named(path) for path in FILES}
    some = "Snakefile rules/common.smk benchmarks/recbole.py benchmarks/workers/ours.py docs/site.py tests/worlds.py"
    more = (
        "docs/guide/results.ipynb CONTRIBUTING.md profiles/kubernetes/pod.py workflow_scripts/train.py ptebench/job.py"
    )
    assert {*some.split(), *more.split()} <= walked


PLANTED = yaml.safe_load((ROOT / "tests/planted.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("suffix, code", [(suffix, code) for suffix, codes in PLANTED.items() for code in codes])
def test_the_walk_sees(suffix, code, tmp_path):
    (path := tmp_path / f"planted{suffix}").write_text(code, encoding="utf-8")
    assert seen(path)


SOUND = """
import importlib, json, os, pickle_like, re, subprocess
import numpy as np, torch, yaml
import safetensors.torch
from json import load, loads
from safetensors.torch import load as read
from ptebench.data.unpickle import read_pickle
load(x), loads(x), read(x), safetensors.torch.load(x), read_pickle(x), re.compile(x), torch.compile(x), model.eval()
torch.load(x, map_location="cpu", weights_only=True)
yaml.load(x, yaml.SafeLoader), yaml.load(x, Loader=yaml.CSafeLoader), yaml.safe_load(x)
np.load(x), np.load(x, allow_pickle=False), subprocess.run(x, shell=False), importlib.import_module(f"a.{x}")
say = "eval", "a pickle is no import", "exec("
"""


def test_the_walk_refuses_nothing_else():
    assert faults(SOUND) == []


def test_the_loader_of_the_configuration_makes_no_objects(tmp_path):
    from ptebench.config.read import read
    from ptebench.errors import InputError

    mark = tmp_path / "mark"
    file = tmp_path / "config.yaml"
    for tag in ("python/object/apply:os.system", "python/object/new:os.system"):
        file.write_text(f"seeds: !!{tag} ['touch {mark}']\n")
        with pytest.raises(InputError, match="config.yaml"):
            read([file], {})
        assert not mark.exists()
