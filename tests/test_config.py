"""The configuration refuses what it does not know, and says what was probably meant."""

import json
from pathlib import Path

import pytest
import yaml

from ptebench.config import Benchmark, read, resolve, schema
from ptebench.files import InputError

ROOT = Path(__file__).resolve().parents[1]
GRID = {
    "datasets": {"toys": {"source": "sequences", "sequences": "x"}, "games": {"source": "sequences", "sequences": "y"}},
    "protocols": {"leave_one_out": {}, "cold_start_user": {}},
    "backbones": {"markov": {}, "sasrec": {}, "biasmf": {}},
    "representations": {"id": {}},
    "seeds": [0, 1],
    "tables": {
        "one": {
            "title": "t", "datasets": ["toys", "games"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": ["markov"]}, {"backbones": ["sasrec", "biasmf"]}],
        }
    },
}  # fmt: skip


GPT = {"endpoint": "https://host/v1", "model": "m"}


@pytest.mark.parametrize(
    "raw, said",
    [
        ({"tabels": {}}, "tabels: unknown key; did you mean 'tables'?"),
        ({"backbones": {"sasrec": {"learning_rat": 1}}}, "backbones.sasrec.learning_rat: unknown key; did you mean"),
        ({"backbones": {"x": {"kind": "sasrc"}}}, "did you mean 'sasrec'?"),
        ({"backbones": {"sasrec": {"learning_rate": "1e-3x"}}}, "backbones.sasrec.learning_rate: "),
        ({"datasets": {"a": {"source": "amazon", "revews": "x"}}}, "datasets.a.revews: unknown key; did you mean 'reviews'"),
        ({"datasets": {"a": {"source": "amazon"}}}, "give either 'reviews' or 'ratings'"),
        ({"datasets": {"a": {"source": "amazon", "reviews": "x", "ratings": "y"}}}, "give either 'reviews' or 'ratings'"),
        ({"datasets": {"a": {"source": "amazon", "reviews": "x", "release": "2016"}}}, "datasets.a.release: "),
        ({"datasets": {"a": {"source": "recbole", "inter": "x", "columns": {"user": "u"}}}}, "datasets.a.columns.user"),
        ({"datasets": {"a": {"source": "yelp", "reviews": "x"}}}, "datasets.a.businesses: Field required"),
        ({"datasets": {"a": {"source": "sequences"}}}, "datasets.a: Value error, give either 'sequences' or all of"),
        ({"datasets": {"a": {"source": "sequences", "sequences": "x", "tie_brek": "file"}}}, "datasets.a.tie_brek: unknown key; did you mean 'tie_break'"),
        ({"datasets": {"a": {"source": "sequences", "sequences": 1}}}, "datasets.a.sequences: Input should be"),
        ({"language_models": {"embedded": {"lora": {"rnk": 1}}}}, "lora.rnk: unknown key; did you mean 'rank'?"),
        ({"language_models": {"gpt": {"endpoint": "https://h/v1"}}}, "language_models.gpt.model: Field required"),
        ({"language_models": {"gpt": GPT | {"temprature": 1}}}, "gpt.temprature: unknown key; did you mean 'temperature'?"),
        ({"language_models": {"gpt": GPT | {"grpo": {}}}}, "language_models.gpt: Value error, grpo: nothing is fine-tuned at an endpoint; give it to"),
        ({"language_models": {"gpt": GPT}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "gpt.grpo"}}}, "gpt is at an endpoint, where nothing is fine-tuned; name 'gpt' alone"),
        ({"language_models": {"gpt": GPT}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "gpt.sft"}}}, "or LANGUAGE_MODEL.WRITER of a language model with 'teacher: gpt'"),
        ({"language_models": {"qwen": {}}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "qwen"}}}, "representations.pte.text: 'qwen'; expected card"),
        ({"language_models": {"gpt": GPT, "qwen": {"teacher": "gtp"}}, "encoders": {"minilm": {}}}, "language_models.qwen.teacher: 'gtp' is not defined under 'language_models'; did you mean 'gpt'?"),
        ({"language_models": {"a": {}, "qwen": {"teacher": "a"}}, "encoders": {"minilm": {}}}, "language_models.qwen.teacher: 'a' is at no endpoint"),
        ({"language_models": {"card": {}}, "encoders": {"minilm": {}}}, "language_models.card: the name belongs to another text"),
        ({"overrides": {"a": {}}}, "'a' is not defined under 'datasets'"),
        ({"representations": {"pte": {"text": "card", "encoder": "minilm"}}}, "'minilm' is not defined under 'encoders'"),
        ({"protocols": {"global_temporal": {}}}, "protocols.global_temporal.cuts: Field required"),
        ({"protocols": {"global_temporal": {"cuts": ["2020-02-01", "2020-01-01"]}}}, "expected cuts, and end after them, in ascending order"),
        ({"protocols": {"global_temporal": {"cuts": ["2020-02-01"], "end": "2020-02-01"}}}, "in ascending order"),
        ({"protocols": {"cold_start_user": {"cold_k": [1, 3, 1]}}}, "expected each cold_k once"),
        ({"datasets": {"d": {"source": "amazon", "reviews": "r.json", "heads_compat": {"user": 9}}}}, "datasets.d.heads_compat.item: Field required"),
        ({"datasets": {"d": {"source": "amazon", "reviews": "r.json", "published": "pte-movie"}}}, "datasets.d.published: nothing is published under 'pte-movie'; did you mean 'pte-movies'?"),
        ({"seeds": []}, "seeds: "),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"loss": ["bce"]}}}}, "tuning.backbones.sasrec.loss: no axis"),
        ({"tuning": {"backbones": {"sasrec": {}}}}, "'sasrec' is not defined under 'backbones'"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropot": [0.1]}}}}, "tuning.backbones.sasrec.dropot: unknown key; did you mean 'dropout'?"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropout": [0.1, 2]}}}}, "tuning.backbones.sasrec.dropout: Input should be less than or equal to 1"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropout": {"low": 2, "high": 1}}}}}, "expected low < high"),
    ],
)  # fmt: skip
def test_faults_are_named(raw, said):
    with pytest.raises(InputError) as error:
        resolve(raw, "config.yaml")
    assert str(error.value).startswith("config.yaml: ") and said in str(error.value)


@pytest.mark.parametrize(
    "entry, said",
    [
        (GPT | {"key_variable": "sk-secret"}, "key_variable: expected the name of an environment variable"),
        (GPT | {"key": "sk-secret"}, "key: unknown key; did you mean 'key_variable'?"),
        (GPT | {"endpoint": "https://me:sk-secret@host/v1"}, "endpoint: expected https://HOST/PATH, without"),
        (GPT | {"endpoint": "https://host/v1?key=sk-secret"}, "endpoint: expected https://HOST/PATH, without"),
        (GPT | {"endpoint": "host/v1"}, "endpoint: expected https://HOST/PATH, without"),
    ],
)
def test_a_key_in_the_configuration_is_refused_and_not_repeated(entry, said):
    with pytest.raises(InputError) as error:
        resolve({"language_models": {"gpt": entry}}, "config.yaml")
    assert said in str(error.value) and "secret" not in str(error.value)


def test_a_model_at_an_endpoint_teaches_and_writes_as_it_is():
    models = {"gpt": GPT | {"key_variable": "OPENAI_API_KEY"}, "qwen": {"teacher": "gpt"}}
    texts = {"pte": {"text": "gpt"}, "taught": {"kind": "pte", "text": "qwen.kd"}}
    config = resolve({"language_models": models, "encoders": {"minilm": {}}, "representations": texts}, "config.yaml")
    assert config["language_models"]["gpt"]["temperature"] == 0 and "lora" not in config["language_models"]["gpt"]
    assert config["language_models"]["qwen"]["teacher"] == "gpt"


def test_undefined_name_in_a_table():
    grid = json.loads(json.dumps(GRID).replace('"leave_one_out"]', '"leave_one_uot"]'))
    with pytest.raises(InputError, match="did you mean 'leave_one_out'"):
        resolve(grid, "config.yaml")


def test_a_cell_that_makes_no_sense_is_refused():
    grid = json.loads(json.dumps(GRID).replace('"leave_one_out"]', '"cold_start_user"]'))
    with pytest.raises(InputError, match="biasmf with id cannot rank for users unseen in training"):
        resolve(grid, "config.yaml")


@pytest.mark.parametrize(
    "backbone, fits", [("sasrec", True), ("gru4rec", True), ("dreamrec", True), ("bert4rec", False)]
)
def test_llmesr_needs_states_at_the_ends_of_histories(backbone, fits):
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}},
        "protocols": {"leave_one_out": {}}, "encoders": {"minilm": {}},
        "backbones": {backbone: {}}, "representations": {"llmesr": {}},
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": [backbone], "representations": ["llmesr"]}],
        }},
    }  # fmt: skip
    if fits:
        resolve(grid, "config.yaml")
    else:
        with pytest.raises(InputError, match=f"llmesr teaches users .* which {backbone} does not compute"):
            resolve(grid, "config.yaml")


def test_groups_of_published_thresholds_need_them():
    grid = json.loads(json.dumps(GRID))
    grid["tables"]["one"]["groups"] = ["overall", "item_tail_compat"]
    with pytest.raises(
        InputError, match=r"one: the group item_tail_compat needs .* set datasets.\w+.heads_compat: {user"
    ):
        resolve(grid, "config.yaml")
    for dataset in grid["datasets"].values():
        dataset["heads_compat"] = {"user": 9, "item": 4}
    resolve(grid, "config.yaml")


def test_profiles_written_once_serve_one_cold_k():
    grid = json.loads(json.dumps(GRID).replace('"leave_one_out"]', '"cold_start_user"]'))
    grid |= {"encoders": {"minilm": {}}, "representations": {"id": {}, "pte": {"text": "template"}}}
    grid["tables"]["one"]["rows"] = [{"backbones": ["biasmf"], "representations": ["pte"]}]
    for cold_k in ([], [3]):
        resolve({**grid, "protocols": {**GRID["protocols"], "cold_start_user": {"cold_k": cold_k}}}, "config.yaml")
    with pytest.raises(InputError, match="biasmf with pte reads user profiles, written once.*a protocol of its own"):
        resolve({**grid, "protocols": {**GRID["protocols"], "cold_start_user": {"cold_k": [0, 3]}}}, "config.yaml")


def test_overrides_are_checked_like_the_settings_they_change():
    for settings, said in (({"lerning_rate": 1}, "did you mean 'learning_rate'"), ({"learning_rate": "x"}, "number")):
        with pytest.raises(InputError, match=said):
            resolve({**json.loads(json.dumps(GRID)), "overrides": {"toys": {"sasrec": settings}}}, "config.yaml")
    with pytest.raises(InputError, match="overrides.toys.sasrec: 'idd' is not defined under 'representations'.*'id'"):
        resolve({**json.loads(json.dumps(GRID)), "overrides": {"toys": {"sasrec.idd": {}}}}, "config.yaml")


def test_overrides_and_axes_have_the_types_of_what_they_change():
    """YAML takes 1e-3 for text, and so does a command line all that is nested."""
    changed = {
        "overrides": {"toys": {"sasrec": {"learning_rate": "1e-3", "epochs": "7", "loss": "bce"}}},
        "tuning": {"backbones": {"sasrec": {"learning_rate": ["1e-3", 0.01]}}},
    }
    config = resolve({**json.loads(json.dumps(GRID)), **changed}, "config.yaml")
    assert config["overrides"]["toys"]["sasrec"] == {"learning_rate": 0.001, "epochs": 7, "loss": "bce"}
    assert config["tuning"]["backbones"]["sasrec"]["learning_rate"] == [0.001, 0.01]
    with pytest.raises(InputError, match="tuning.backbones.sasrec.learning_rate.*number"):
        resolve({**json.loads(json.dumps(GRID)), "tuning": {"backbones": {"sasrec": {"learning_rate": ["x"]}}}}, "c")


def test_dreamrec_refuses_noise_that_never_hides_the_target():
    short = {"backbones": {"dreamrec": {"steps": 50, "stride": 10}}}
    with pytest.raises(InputError, match=r"backbones\.dreamrec.*last_noise: after 50 steps 0\.6 of the target is left"):
        resolve(short, "c")
    short["backbones"]["dreamrec"]["contrast"] = 0.0
    assert resolve(short, "c")["backbones"]["dreamrec"]["steps"] == 50


def test_whitenrec_plus_refuses_the_whole_text_twice():
    raw = {"encoders": {"minilm": {}}, "representations": {"plus": {"kind": "whitenrec", "ensemble": True}}}
    with pytest.raises(InputError, match=r"representations\.plus.*expected groups: 2 or more beside ensemble"):
        resolve(raw, "c")
    raw["representations"]["plus"]["groups"] = 4
    assert resolve(raw, "c")["representations"]["plus"]["groups"] == 4


def test_selection_keeps_definitions(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(GRID))
    config = read([path], {"datasets": ["toys"], "seeds": [1], "backbones": ["sasrec"]})
    table = config["tables"]["one"]
    assert config["seeds"] == [1] and table["datasets"] == ["toys"] and set(config["datasets"]) == {"toys", "games"}
    assert [r["backbones"] for r in table["rows"]] == [["sasrec"]]
    with pytest.raises(InputError, match="did you mean 'toys'"):
        read([path], {"datasets": ["toyz"]})


def test_files_faults(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read([tmp_path / "none.yaml"], {})
    path = tmp_path / "c.yaml"
    path.write_text("a: [1")
    with pytest.raises(InputError, match="not YAML"):
        read([path], {})


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_configuration_of_the_project_is_valid(path):
    # NAME_more.yaml is laid over NAME.yaml, tuned.yaml over whole grids
    own = path.with_name(path.stem.split("_")[0] + ".yaml")
    grids = [["games", "games_representations"], ["paper"]] if path.stem == "tuned" else [[own.stem]]
    for grid in grids:
        layers = [*(path.with_name(f"{name}.yaml") for name in grid), path]
        assert read([layer for layer in dict.fromkeys(layers) if layer.exists()], {})["tables"]


def test_the_committed_schema_is_the_one_of_the_models():
    assert json.loads((ROOT / "config.schema.json").read_text()) == json.loads(json.dumps(schema()))
    assert set(schema()["properties"]) == set(Benchmark.model_fields)


def test_entries_of_the_page_on_datasets_are_valid():
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    entries = [yaml.safe_load(block) for block in page.split("\n\n") if block.startswith("    ")]
    assert {e["source"] for entry in entries for e in entry.values()} >= {
        "amazon",
        "yelp",
        "recbole",
        "mind",
        "netflix",
    }
    for entry in entries:
        resolve({"datasets": entry}, "docs/datasets.md")
