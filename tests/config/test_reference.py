"""Every key explains itself: in editors by the schema, and on the page of all keys."""

import json
import re
from collections import Counter

import jsonschema
import pytest
import yaml

from ptebench.config.benchmark import Benchmark
from ptebench.config.reference import page
from ptebench.config.schema import schema
from tests.conftest import REPOSITORY

CONFIGURATIONS = [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "configs").glob("*.yaml"))]
PAGE = REPOSITORY / "docs/guide/configuration.md"
SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
MODELS = {"Benchmark": SCHEMA, **SCHEMA["$defs"]}
SECTIONS = set(Benchmark.model_fields) - {
    "data_root", "seeds", "ks", "lists", "diversity", "overrides", "strict", "failed"
}  # fmt: skip


class Loader(yaml.SafeLoader):
    """Reads dates as the text that they are in JSON."""


Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_yaml_str)


@pytest.mark.parametrize("name", MODELS)
def test_every_key_has_a_description_of_one_sentence(name):
    for key, value in MODELS[name]["properties"].items():
        assert re.fullmatch(r"[A-Z0-9`].*[.]", value.get("description", ""), re.DOTALL), f"{name}.{key}"


def test_the_committed_schema_and_page_are_those_of_the_models():
    stale = "stale: make schema"
    assert json.loads((REPOSITORY / "config.schema.json").read_text()) == json.loads(json.dumps(SCHEMA)), stale
    assert PAGE.read_text(encoding="utf-8") == page(), stale


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda p: p.name)
def test_the_schema_accepts_every_configuration_of_the_project(path):
    VALIDATOR.validate(yaml.load(path.read_text(encoding="utf-8"), Loader))


@pytest.mark.parametrize(
    "raw",
    [
        {"tabels": {}},
        {"backbones": {"sasrec": {"learning_rat": 1}}},
        {"backbones": {"small": {"kind": "sasrec", "learning_rat": 1}}},
        {"backbones": {"sasrec": {"kind": "sasrc"}}},
        {"backbones": {"sasrec": {"kind": "gru4rec", "heads": 1}}},
        {"protocols": {"long_tail": {"bins": 1}}},
        {"datasets": {"toys": {"source": "yelp", "metadata": "x"}}},
        {"language_models": {"gpt": {"endpoint": "https://h/v1", "model": "m", "lora": {}}}},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(raw):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(raw)


def test_every_link_of_the_page_leads_to_one_heading():
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = Counter(re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings)
    assert set(re.findall(r"\(#([^)]+)\)", text)) <= set(anchors) and set(anchors.values()) == {1}


def test_the_page_has_every_section_and_a_row_for_every_key():
    text = PAGE.read_text(encoding="utf-8")
    for name, model in MODELS.items():
        keys = set(model["properties"]) - {"kind", "source"} - (SECTIONS if name == "Benchmark" else set())
        assert keys <= set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)), name
    assert set(re.findall(r"^## (\w+)$", text, re.MULTILINE)) == SECTIONS
