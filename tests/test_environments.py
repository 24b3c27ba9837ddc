"""The environments agree: envs/ with requirements.txt, requirements.txt with what is installed."""

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PINS = dict(
    line.split("==")
    for line in (ROOT / "requirements.txt").read_text().splitlines()
    if line and not line.startswith("#")
)


def test_installed_versions_are_the_pinned_ones():
    assert {name: metadata.version(name).split("+")[0] for name in PINS} == PINS


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_environment_is_used_and_pins_alike(path):
    pip = next(d["pip"] for d in yaml.safe_load(path.read_text())["dependencies"] if isinstance(d, dict))
    assert {name: PINS.get(name) for name in (p.split("==")[0] for p in pip)} == dict(p.split("==") for p in pip)
    used = {m for rules in (ROOT / "rules").glob("*.smk") for m in re.findall(r"envs/(\w+)\.yaml", rules.read_text())}
    assert path.stem in used
