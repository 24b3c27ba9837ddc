"""What code could run of what stands in a file that it reads: a walk over syntax trees, with names traced to imports."""

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from snakemake.parser import parse
from snakemake.sourcecache import LocalSourceFile

PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
ARCHIVES = {"tarfile", "zipfile"}
WRITES = {"dump", "dumps", "HIGHEST_PROTOCOL", "DEFAULT_PROTOCOL", "UnpicklingError", "PicklingError"}  # of pickles
RUNS = {
    "eval", "exec", "compile", "execfile", "runpy.run_path", "runpy.run_module", "code.interact",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell",
    "yaml.load_all", "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all",
    "yaml.Loader", "yaml.CLoader", "yaml.FullLoader", "yaml.CFullLoader", "yaml.UnsafeLoader", "yaml.CUnsafeLoader",
    "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "torch.ops.load_library",
    "torch.serialization.add_safe_globals", "torch.serialization.safe_globals",
    "pandas.read_pickle", "jinja2.Environment", "jinja2.Template",
}  # fmt: skip
METHODS = {"extractall", "unpack_archive", "deserialize", "read_pickle"}  # of whatever
OURS = "ptebench.data.unpickle.read_pickle"  # admits arrays and containers by exact name
SWITCHES = {"shell", "allow_pickle", "trust_remote_code"}
TORCH, YAML = {"torch.load", "torch.serialization.load"}, {"yaml.load"}
SAFE_LOADERS = {"yaml.SafeLoader", "yaml.CSafeLoader"}
IMPORTS = {"importlib.import_module", "__import__"}
FENCE = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
CODE = re.compile(r"\b(?:import|eval|exec|system|popen|load|loads|pickle)\b")

Fault = tuple[int, str, str]  # line, function, what


def read_code(path: Path) -> list[str]:
    """Return the Python that a file holds: of a script, a snakefile, a notebook or a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".smk" or path.name == "Snakefile":
        cache = SimpleNamespace(open=lambda _: open(path, encoding="utf-8"))
        return [parse(LocalSourceFile(str(path)), SimpleNamespace(sourcecache=cache), {})[0]]
    if path.suffix == ".ipynb":
        return ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return FENCE.findall(text) if path.suffix == ".md" else [text]


def constant(node: ast.expr | None) -> object:
    """Return the value of a literal, None of anything else."""
    return node.value if isinstance(node, ast.Constant) else None


class Walk:
    """The walk over one tree; `names` has what each name of the file may stand for, by its dotted name."""

    def __init__(self, text: str):
        self.tree = ast.parse(text)
        self.names: dict[str, set[str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    whole = alias.name if alias.asname else alias.name.split(".")[0]
                    self.names.setdefault(alias.asname or whole, set()).add(whole)
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    self.names.setdefault(alias.asname or alias.name, set()).add(f"{node.module or ''}.{alias.name}")
        while self.take_assignments():
            pass

    def take_assignments(self) -> bool:
        """Let a name that is another name of a module or function stand for it; return whether any was new."""
        new = False
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    meant = (
                        {name for name in self.meant(node.value) if name.split(".")[0]}
                        if self.rooted(node.value)
                        else set()
                    )
                    if isinstance(target, ast.Name) and meant - self.names.get(target.id, set()):
                        self.names.setdefault(target.id, set()).update(meant)
                        new = True
        return new

    def rooted(self, node: ast.expr) -> bool:
        """Say whether an expression is a name of what is imported, or an attribute of one."""
        while isinstance(node, ast.Attribute):
            node = node.value
        if isinstance(node, ast.Call):
            return bool(node.args) and self.meant(node) != {""}
        return isinstance(node, ast.Name) and (node.id in self.names or node.id in RUNS)

    def meant(self, node: ast.expr) -> set[str]:
        """Return the dotted names that an expression may stand for; what is unknown is an empty first part."""
        if isinstance(node, ast.Name):
            found = self.names.get(node.id, {node.id})
        elif isinstance(node, ast.Attribute):
            found = {f"{name}.{node.attr}" for name in self.meant(node.value)}
        elif isinstance(node, ast.Call) and node.args:
            last = constant(node.args[-1])
            called = self.meant(node.func)
            if "getattr" in called and len(node.args) > 1 and isinstance(name := constant(node.args[1]), str):
                found = {f"{owner}.{name}" for owner in self.meant(node.args[0])}
            elif called & IMPORTS and isinstance(last, str):
                found = {last}
            else:
                found = {""}
        else:
            found = {""}
        return {re.sub(r"^(?:builtins|__builtins__)\.(?=.)", "", name) for name in found}

    def faults(self) -> Iterator[Fault]:
        """Yield what could run what stands in a file."""
        yield from self.within(self.tree, "")

    def within(self, node: ast.AST, function: str) -> Iterator[Fault]:
        """Yield the faults of a part of the tree that stands in a function."""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            function = f"{function}.{node.name}".lstrip(".")
        for what in dict.fromkeys(self.of(node)):
            yield getattr(node, "lineno", 0), function, what
        for child in ast.iter_child_nodes(node):
            if isinstance(node, ast.Call) and child is node.func and self.careful(node):
                continue
            yield from self.within(child, function)

    def careful(self, call: ast.Call) -> bool:
        """Say whether a call of a reader says that it makes plain values alone."""
        called, words = self.meant(call.func), {word.arg: word.value for word in call.keywords}
        if called <= TORCH:
            return constant(words.get("weights_only")) is True
        if called <= YAML:
            loader = words.get("Loader") or (call.args[1] if len(call.args) > 1 else None)
            return loader is not None and self.meant(loader) <= SAFE_LOADERS
        return False

    def of(self, node: ast.AST) -> Iterator[str]:
        """Yield the faults of one node, without those of its parts."""
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in [*module, *(alias.name for alias in node.names)]:
                yield from (f"import of {part}" for part in name.split(".") if part in PICKLES | ARCHIVES)
            if any(alias.name == "*" for alias in node.names):
                yield f"import of all of {module[0]}"
            if isinstance(node, ast.ImportFrom):
                yield from self.named({f"{node.module or ''}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield from self.named(self.meant(node))
        elif isinstance(node, ast.Call):
            called = self.meant(node.func)
            if called & (IMPORTS | {"getattr"}):
                yield from self.named(meant := self.meant(node))
                parts = {part for name in meant for part in name.split(".")} if called & IMPORTS else set()
                yield from (f"import of {part}" for part in sorted(parts & (PICKLES | ARCHIVES)))
            if "numpy.load" in called and len(node.args) > 2:
                yield "allow_pickle"
            for word in node.keywords:
                if word.arg in SWITCHES and constant(word.value) is not False:
                    yield word.arg
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values):
                if constant(key) in SWITCHES and constant(value) is True:
                    yield str(constant(key))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from of_text(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield from of_text(
                "".join(str(constant(part)) if constant(part) is not None else "x" for part in node.values)
            )

    def named(self, names: set[str]) -> Iterator[str]:
        """Yield the faults of naming something, called or not."""
        for name in sorted(names):
            *owners, last = name.split(".")
            if name in RUNS | TORCH | YAML:
                yield name
            elif last in METHODS and owners and name != OURS:
                yield last
            elif owners and owners[-1] in PICKLES and last not in WRITES:
                yield f"{owners[-1]}.{last}"


def of_text(text: str) -> Iterator[str]:
    """Yield the faults of code in a string, which another interpreter may get."""
    if not CODE.search(text) or len(text) > 100_000:
        return
    for form in dict.fromkeys((textwrap.dedent(text), re.sub(r"\{\w*\}", "x", textwrap.dedent(text)))):
        try:
            walk = Walk(form)
        except (SyntaxError, ValueError):
            continue
        if any(isinstance(node, ast.Call | ast.Import | ast.ImportFrom) for node in ast.walk(walk.tree)):
            yield from (what for *_, what in walk.faults())
        return


def faults(text: str) -> list[Fault]:
    """Return what in a text of Python could run what stands in a file."""
    return list(Walk(text).faults())
