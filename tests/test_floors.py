"""The floors of the house: which part may import which."""

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[1] / "ptebench"
STAGES = {"data", "profiles", "embeddings", "recommenders", "information", "report"}
SHARED = {
    f"ptebench.{name}"
    for name in (
        "checkpoints",
        "leases",
        "collaborative",
        "descent",
        "encoders",
        "errors",
        "files",
        "hardware",
        "lists",
        "pretrained",
        "progress",
        "provenance",
        "randomness",
        "records",
        "weights",
    )
}
# of ptebench/profiles, in the order of a profile's life
ROOMS = (
    "schema", "evidence", "models", "decoding", "writing", "teachers", "embedded", "measures", "rounds", "grpo",
)  # fmt: skip
# what is loaded by name, and so must not be imported by name from elsewhere
BY_NAME = ("recommenders.backbones", "recommenders.representations", "data.sources", "data.protocols")


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module


@pytest.mark.parametrize("path", sorted(LIBRARY.rglob("*.py")), ids=lambda p: str(p.relative_to(LIBRARY)))
def test_imports_stay_on_their_floor(path):
    parts = path.relative_to(LIBRARY).parts
    ours = [m for m in imports(path) if m.split(".")[0] in ("ptebench", "workflow_scripts")]
    if parts[0] in STAGES:
        within = (f"ptebench.{parts[0]}.", "ptebench.raw.")
        allowed = SHARED | {m for m in ours if f"{m}.".startswith(within)}
        assert set(ours) <= allowed, f"{parts[0]} may import {sorted(SHARED)}, raw and itself"
    for module in ours:
        for named in BY_NAME:
            inside = path.relative_to(LIBRARY).with_suffix("").as_posix().replace("/", ".").startswith(named)
            assert not module.startswith(f"ptebench.{named}.") or inside, f"{module} is loaded by name"
    if parts[:2] in (("recommenders", "backbones"), ("recommenders", "representations")):
        other = {"backbones": "representations", "representations": "backbones"}.get(parts[1])
        assert not any(f"recommenders.{other}" in m for m in ours), (
            "backbones and representations do not know each other"
        )


def test_jobs_read_neither_configuration_nor_plan_behind_their_parameters():
    for path in (*LIBRARY.rglob("*.py"), *(LIBRARY.parent / "workflow_scripts").glob("*.py")):
        # a proposal of a configuration is no job, nor is the comparison of results with their records
        if not {LIBRARY / name for name in ("config", "plan", "propose.py", "verify.py")} & {path, *path.parents}:
            assert not any(m.startswith(("ptebench.config", "ptebench.plan")) for m in imports(path)), path


def test_init_files_are_empty():
    assert all(p.stat().st_size == 0 for p in LIBRARY.rglob("__init__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_profiles_knows_no_later_one(room):
    later = tuple(f"ptebench.profiles.{name}." for name in ROOMS[ROOMS.index(room) + 1 :])
    for path in (LIBRARY / "profiles" / room).glob("*.py"):
        assert not [m for m in imports(path) if f"{m}.".startswith(later or "none")], path


def test_profiles_have_no_other_rooms():
    assert {p.name for p in (LIBRARY / "profiles").iterdir() if p.name != "__pycache__"} == {*ROOMS, "__init__.py"}


def test_scripts_are_short():
    for path in (LIBRARY.parent / "workflow_scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 40, f"{path}: its work belongs into the library"
