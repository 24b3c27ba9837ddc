"""The environments agree: envs/ with requirements.in, the locks with that and with what is installed."""

import ast
import re
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def lines_of(*names):
    """Return the text of several files of requirements."""
    return "\n".join((ROOT / name).read_text() for name in names)


PINS = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)$", lines_of("requirements.in", "requirements-tests.in")))
LOCK = lines_of(*(f"requirements{name}.txt" for name in ("", "-torch", "-cuda", "-tests")))
LOCKED = dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", LOCK))


def installed(name):
    """Return the version of a package, None where it is of another system."""
    try:
        return metadata.version(name).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def test_installed_versions_are_the_pinned_ones():
    assert {name: installed(name) for name in PINS} == PINS
    elsewhere = set(re.findall(r"(?m)^([\w.-]+)==\S+ ;", LOCK))
    wrong = {name for name, version in LOCKED.items() if installed(name) != version}
    assert wrong <= elsewhere and {name for name in wrong if installed(name)} == set()


def test_what_is_named_is_locked_as_named():
    assert {canonicalize_name(name): version for name, version in PINS.items()}.items() <= LOCKED.items()


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_every_file_to_install_is_known_by_its_digest(path):
    lines = path.read_text().replace("\\\n", " ").splitlines()
    for line in (line for line in lines if not line.startswith("#")):
        assert re.match(r"[\w.-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


def commands(*targets):
    """Return the commands of targets of the Makefile, one a line, as if nothing were made yet."""
    command = ["make", "--dry-run", "--always-make", *targets]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.replace("\\\n", " ").splitlines()


def installs(*targets):
    """Return what pip installs of targets, one command each."""
    parts = [part for line in commands(*targets) for part in re.split(r"&&?|\|\||\(|\)", line)]
    return [part for part in parts if "pip install" in part]


def test_nothing_is_installed_but_by_its_digest():
    lines = installs("demo", "test", "docs", "smollm2", "slurm", "executors")
    files = {name for line in lines for name in re.findall(r"requirements\S*\.txt", line)}
    assert files == {path.name for path in ROOT.glob("requirements*.txt")}
    for line in lines:
        itself = "--no-deps --no-build-isolation --editable ." in line
        assert ("--no-deps" in line and "--require-hashes" in line) or itself, line


def test_a_build_of_torch_on_purpose_is_taken_with_all_that_it_needs():
    ours = "torch==2.13.0+cu126"
    lines = installs(".venv/ready", f"TORCH={ours}")
    assert ["--no-deps" in line for line in lines if line.strip().endswith(ours)] == [True, False]
    assert not [line for line in lines if "requirements-torch" in line or "requirements-cuda" in line]


def test_vulnerabilities_are_asked_of_every_file_of_requirements():
    asked = [re.findall(r"--requirement (\S+)", line) for line in commands("vulnerabilities") if "/pip-audit " in line]
    assert sorted(*asked) == sorted(path.name for path in ROOT.glob("requirements*.txt"))


def test_the_lock_is_in_three_files():
    names = ("requirements.txt", "requirements-torch.txt", "requirements-cuda.txt")
    head, *bodies = (re.split(r"(?m)^(?=[a-z])", lines_of(name), maxsplit=1) for name in names)
    whole = "".join([*head, *(body for _, body in bodies)])
    split = runpy.run_path(str(ROOT / "docs/locks.py"))["split"]
    assert split(whole) == {name: lines_of(name) for name in names}
    torch, cuda = (dict(re.findall(r"(?m)^([\w.-]+)==(\S+)", lines_of(name))) for name in names[1:])
    assert torch == {"torch": PINS["torch"]} and {"triton", "nvidia-cudnn-cu13"} <= {*cuda}


def test_nothing_is_missing_of_what_is_installed_without_looking_for_more():
    for name in filter(installed, LOCKED):
        for text in metadata.requires(name) or []:
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                assert canonicalize_name(need.name) in LOCKED, (name, text)
                assert need.specifier.contains(installed(need.name), prereleases=True), (name, text)


def test_every_package_has_its_licence_on_the_page():
    page = (ROOT / "docs/guide/licences.md").read_text()
    rows = {
        name: (version, licence) for name, version, licence in re.findall(r"(?m)^\| (\S+) \| (\S+) \| (.+) \|$", page)
    }
    assert {name: version for name, (version, _) in rows.items() if name not in ("package", "---")} == LOCKED
    assert not [name for name, (_, licence) in rows.items() if licence == "not told"]


def rules():
    """Yield the text of each rule and its environment, which a rule that differs from another has of that one."""
    environments = {}
    for file in sorted((ROOT / "rules").glob("*.smk")):
        for text in re.split(r"\n(?= *(?:use )?rule\b)", file.read_text())[1:]:
            base, name = re.match(r" *(?:use rule (\w+) as |rule ?)(\w*)", text).groups()
            own = re.search(r"envs/(\w+)\.yaml", text)
            environments[name] = own[1] if own else environments.get(base)
            yield text, environments[name]


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_environment_is_used_and_pins_alike(path):
    pip = next(d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict))
    assert {name: PINS.get(name) for name in (p.split("==")[0] for p in pip)} == dict(p.split("==") for p in pip)
    used = {m for rules in (ROOT / "rules").glob("*.smk") for m in re.findall(r"envs/(\w+)\.yaml", rules.read_text())}
    assert path.stem in used


def imported(path):
    """Return the modules that a file imports; of files.py, whose users choose the format, when it is loaded alone."""
    tree = ast.parse(path.read_text())
    names = set()
    for node in tree.body if path.name == "files.py" else ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def packages(modules):
    """Return the top-level modules of others that `modules`, and all of ours that they import, import."""
    todo, done = list(modules), set()
    while todo:
        if (name := todo.pop()) not in done:
            done.add(name)
            file = ROOT / f"{name.replace('.', '/')}.py"
            todo += imported(file) if file.exists() else []
    tops = {name.split(".")[0] for name in done}
    return tops - set(sys.stdlib_module_names) - {"ptebench", "workflow_scripts"}


BY_NAME = {  # what the jobs of an environment load by name
    "data": ("data/sources", "data/protocols"),
    "embeddings": ("recommenders/backbones", "recommenders/representations"),
    "information": ("recommenders/backbones", "recommenders/representations", "recommenders/losses"),
    "recommenders": ("recommenders/backbones", "recommenders/representations", "recommenders/losses"),
}


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_environment_has_what_its_jobs_import(path):
    own = [rule for rule, environment in rules() if environment == path.stem]
    scripts = {name for rule in own for name in re.findall(r'job\("(\w+)"|workflow_scripts\.(\w+)', rule)}
    modules = [f"workflow_scripts.{''.join(name)}" for name in scripts]
    for folder in BY_NAME.get(path.stem, ()):
        modules += [
            f"ptebench.{folder.replace('/', '.')}.{file.stem}" for file in (ROOT / "ptebench" / folder).glob("*.py")
        ]
    assert modules and packages(modules)
    pip = next(d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict))
    there, owners = {line.split("==")[0] for line in pip}, metadata.packages_distributions()
    lacking = {name for name in packages(modules) if not there & {owner.lower() for owner in owners[name]}}
    assert not lacking
