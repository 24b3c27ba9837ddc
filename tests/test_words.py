"""Words of the library: a name says what a thing is, and the first line of a docstring is one sentence."""

import ast
import re
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[1] / "ptebench"
PATHS = sorted(LIBRARY.rglob("*.py"))
# say what happened to a thing, not what it is: known items are `train_items`, drawn rows `negatives`
PARTICIPLES = set(
    "asked born chosen clicked drawn found given held kept known listed liked made met offered reached said seen shown "
    "spoken taken taught told touched tried wanted written".split()
)
ALLOWED = {
    ("config/protocols.py", "given"),  # a key of the configuration
    ("data/simulate.py", "born"), ("data/simulate_snapshots.py", "offered"),  # arrays of the truth file
    ("recommenders/generative.py", "offered"), ("recommenders/representations/alpharec.py", "touched"),  # of saved models
    # the pairs of preference learning are the chosen and the rejected
    ("profiles/grpo/preference.py", "chosen"), ("profiles/rounds/dialogues.py", "chosen"),
}  # fmt: skip
LEFT = {
    (place, name)
    for place, left in {
        "config/grid.py": "given",
        "data/sources/sequences.py": "kept known told written",
        "plan/command.py": "shown",
        "plan/texts.py": "chosen",
        "profiles/decoding/grammar.py": "found known",
        "profiles/decoding/decode.py": "kept",
        "profiles/models/finetune.py": "found",
        "profiles/models/tokens.py": "asked said",
        "profiles/teachers/client.py": "said told",
        "profiles/teachers/endpoint.py": "asked chosen found kept made told",
        "profiles/teachers/supplied.py": "told",
        "profiles/teachers/template.py": "chosen",
        "profiles/writing/answers.py": "found known made",
        "profiles/writing/compose.py": "found made",
        "profiles/writing/shards.py": "written",
        "profiles/writing/sides.py": "known met shown",
        "propose.py": "chosen found kept told wanted",
        "recommenders/backbones/alignment.py": "asked chosen drawn found told touched",
        "recommenders/mutual.py": "_told",
        "recommenders/representations/alignment.py": "known",
        "report/site/build.py": "drawn found given shown written",
        "report/site/compare.py": "found",
        "report/site/datasets.py": "found",
        "report/site/drawing.py": "drawn kept known taken",
        "report/site/methods.py": "drawn found known",
        "report/site/records.py": "found known seen",
        "report/site/results.py": "found known",
        "report/site/texts.py": "_said chosen drawn found known said written",
        "report/site/verdicts.py": "found",
        "weights.py": "found known",
    }.items()
    for name in left.split()
}  # to be named after the thing; no other may come


def names(path):
    """Yield the names that a module gives to functions, arguments, variables and attributes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.mark.parametrize("path", PATHS, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_no_name_is_a_participle(path):
    place = str(path.relative_to(LIBRARY))
    wrong = {name for name in names(path) if name.strip("_") in PARTICIPLES}
    assert {(place, name) for name in wrong} <= ALLOWED | LEFT


def test_every_exception_is_still_one():
    here = {(str(path.relative_to(LIBRARY)), name) for path in PATHS for name in names(path)}
    assert ALLOWED <= here, sorted(ALLOWED - here)


@pytest.mark.parametrize("path", PATHS, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_the_first_line_of_a_docstring_is_one_sentence(path):
    tree = ast.parse(path.read_text())
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef)
    for node in (n for n in ast.walk(tree) if isinstance(n, kinds)):
        if getattr(node, "name", "").startswith("_") or not (text := ast.get_docstring(node)):
            continue
        first = re.sub(r"`[^`]*`|\([^)]*\)|[\"'][^\"']*[\"']|et al\.|vs\.", "", text.split("\n\n")[0])
        assert not re.search(r"[a-z)]\.\s+[A-Z]", first), f"{path}: {text.splitlines()[0]}"
