"""No file that is read can make this code run what stands in it: a walk over the syntax trees of all code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("ptebench", "workflow_scripts", "docs", "benchmarks")
# workers read checkpoints that other packages made a moment ago
FILES = [path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py")) if path.parent.name != "workers"]
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
ARCHIVES = {"tarfile", "zipfile"}
IN_MEMORY = "ptebench/data/matrices.py"  # reads no member but into memory
CALLS = {
    "eval", "exec", "compile", "os.system", "os.popen", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load",
    "shutil.unpack_archive", "pl.read_ipc_unsafe", "pd.read_pickle", "pandas.read_pickle",
}  # fmt: skip
RESTRICTED = "ptebench/data/unpickle.py"  # admits arrays and containers by exact name
LOADER = "ptebench/config/loader.py"  # a subclass of the safe loader


def dotted(node):
    """Return the name of what is called, with its dots."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def faults(tree, name):
    """Yield what in a syntax tree could run what stands in a file."""
    for node in ast.walk(tree):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if name != RESTRICTED and {module.split(".")[0] for module in modules} & MODULES:
            yield node.lineno, "import of a pickle"
        if name != IN_MEMORY and {module.split(".")[0] for module in modules} & ARCHIVES:
            yield node.lineno, "import of an archive"
        if isinstance(node, ast.Call):
            call, options = dotted(node.func), {word.arg: word.value for word in node.keywords}
            true = {key for key, value in options.items() if isinstance(value, ast.Constant) and value.value is True}
            if call in CALLS or (call == "yaml.load" and name != LOADER):
                yield node.lineno, call
            if call in ("torch.load", "torch.jit.load") and "weights_only" not in true:
                yield node.lineno, "torch.load without weights_only=True"
            if isinstance(node.func, ast.Attribute) and node.func.attr == "extractall":
                yield node.lineno, "an archive that writes where it likes"
            if {"shell", "allow_pickle", "trust_remote_code"} & true:
                yield node.lineno, f"{call} with {min({'shell', 'allow_pickle', 'trust_remote_code'} & true)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_file_is_run_that_is_read(path):
    name = path.relative_to(ROOT).as_posix()
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")), name)) == []


@pytest.mark.parametrize("text", [
    "import pickle", "import tarfile", "from zipfile import ZipFile", "x.extractall()", "from pickle import loads", "import joblib", "eval(x)", "exec(x)", "yaml.load(x, L)", "os.system(x)",
    "torch.load(x)", "torch.load(x, weights_only=False)", "np.load(x, allow_pickle=True)", "subprocess.run(x, shell=True)",
    "AutoModel.from_pretrained(x, trust_remote_code=True)",
])  # fmt: skip
def test_the_walk_sees(text):
    assert list(faults(ast.parse(text), "x.py"))


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
