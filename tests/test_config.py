"""The configuration refuses what it does not know, and says what was probably meant."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ptebench.config.benchmark import Benchmark
from ptebench.config.counters import Textknn
from ptebench.config.grid import readers_of
from ptebench.config.read import base_of, read, resolve
from ptebench.config.schema import schema
from ptebench.files import InputError
from tests.conftest import REPOSITORY

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


def with_table(protocols=None, source=None, **settings):
    """Return the grid with one table of `toys` and one protocol, changed by `settings`."""
    grid = json.loads(json.dumps(GRID))
    protocols = protocols or {"leave_one_out": {}}
    grid["datasets"]["toys"] = source or grid["datasets"]["toys"]
    table = {**grid["tables"]["one"], "datasets": ["toys"], "protocols": list(protocols)}
    return grid | {"protocols": protocols, "tables": {"one": table | settings}}


def with_text(kind, **settings):
    """Return a grid whose one row is SASRec with a representation."""
    grid = with_table(rows=[{"backbones": ["sasrec"], "representations": [kind]}])
    return grid | {"encoders": {"minilm": {}, "lsa": {"dimension": 16}}, "representations": {kind: settings}}


@pytest.mark.parametrize(
    "raw, said",
    [
        ({"tabels": {}}, "tabels: unknown key; did you mean 'tables'?"),
        ({"users": 600}, "users: unknown key here; it is a key of datasets.NAME"),
        ({"learning_rate": 0.1}, "learning_rate: unknown key here; it is a key of backbones.NAME"),
        ({"backbones": {"sasrec": {"users": 600}}}, "backbones.sasrec.users: unknown key here; it is a key of datasets.NAME"),
        ({"backbones": {"sasrec": {"seeds": [1]}}}, "backbones.sasrec.seeds: unknown key here; it is a key of the top of the file"),
        ({"backbones": {"sasrec": {"learning_rat": 1}}}, "backbones.sasrec.learning_rat: unknown key; did you mean"),
        ({"backbones": {"biasmf": {"max_length": 50}}}, "max_length: unknown key here; it is a key of dreamrec, sasrec, gru4rec, hstu and 3 more, not of biasmf"),
        ({"backbones": {"biasmf": {}}, "tuning": {"backbones": {"biasmf": {"max_length": [5]}}}}, "tuning.backbones.biasmf.max_length: unknown key here; it is a key of dreamrec"),
        ({"datasets": {"a": {"source": "sequences", "sequences": "x", "interactions": "y"}}}, "datasets.a.interactions: unknown key here; it is a key of table, not of sequences"),
        ({"datasets": {"a": {"interactions": "y"}}}, "datasets.a.source: this key must be given (amazon, yelp"),
        ({"backbones": {"mine": {"file": "x", "k": 20}}}, "backbones.mine.kind: 'mine' is unknown; with these keys, did you mean 'kind: external'?"),
        ({"backbones": {"x": {"kind": "sasrc", "file": "x"}}}, "'sasrc' is unknown; did you mean 'sasrec'?"),
        ({"backbones": {"external": {"file": "x", "columns": {"user_id": 0}}}}, "backbones.external.columns.user_id: expected a value of at least 1 (0 given)"),
        ({"backbones": {"sasrec": {"epochs": "many"}}}, "backbones.sasrec.epochs: expected a whole number ('many' given)"),
        ({"backbones": {"sasrec": {"compile": "maybe"}}}, "backbones.sasrec.compile: expected true or false ('maybe' given)"),
        ({"backbones": {"SASRec v2": {"kind": "sasrec"}}}, "backbones.SASRec v2: expected small letters, digits, _ and - ('SASRec v2' given); did you mean 'sasrec-v2'?"),
        ({"backbones": "sasrec"}, "backbones: expected keys with their values ('sasrec' given)"),
        ({"protocols": {"global_temporal": {"cuts": 0.8}}}, "protocols.global_temporal.cuts: expected a list, [0.8]"),
        ({"protocols": {"global_temporal": {"cuts": ["late"]}}}, "protocols.global_temporal.cuts no. 1: expected a date such as 2024-05-31, or a number ('late' given)"),
        ({"tables": {"t": {"protocols": "leave_one_out"}}}, "tables.t.protocols: expected a list, [leave_one_out]"),
        ({"tables": {"t": {"rows": [{"backbones": ["a"]}, {"backbones": ["a", "SASRec"]}]}}}, "tables.t.rows no. 2.backbones no. 2: expected small letters, digits, _ and - ('SASRec' given); did you mean 'sasrec'?"),
        ({"backbones": {"x": {"kind": "sasrc"}}}, "did you mean 'sasrec'?"),
        ({"language_models": {"m": {"model": "smolm2"}}}, "language_models.m.model: 'smolm2' is unknown; did you mean 'smollm2'? (a folder of that name: ./smolm2)"),
        ({"language_models": {"m": {"model": "SmolLM2"}}}, "language_models.m.model: 'SmolLM2' is unknown; did you mean 'smollm2'?"),
        ({"language_models": {"m": {"model": "Embeded"}}}, "language_models.m.model: 'Embeded' is unknown; did you mean 'embedded'?"),
        ({"backbones": {"sasrec": {"learning_rate": "1e-3x"}}}, "backbones.sasrec.learning_rate: "),
        ({"datasets": {"a": {"source": "amazon", "revews": "x"}}}, "datasets.a.revews: unknown key; did you mean 'reviews'"),
        ({"datasets": {"a": {"source": "amazon"}}}, "give either 'reviews' or 'ratings'"),
        ({"datasets": {"a": {"source": "amazon", "reviews": "x", "ratings": "y"}}}, "give either 'reviews' or 'ratings'"),
        ({"datasets": {"a": {"source": "amazon", "reviews": "x", "release": "2016"}}}, "datasets.a.release: "),
        ({"datasets": {"a": {"source": "recbole", "inter": "x", "columns": {"user": "u"}}}}, "datasets.a.columns.user"),
        ({"datasets": {"a": {"source": "yelp", "reviews": "x"}}}, "datasets.a.businesses: this key must be given"),
        ({"datasets": {"a": {"source": "sequences"}}}, "datasets.a: give either 'sequences', 'parts', or all of"),
        ({"datasets": {"a": {"source": "sequences", "sequences": "x", "tie_brek": "file"}}}, "datasets.a.tie_brek: unknown key; did you mean 'tie_break'"),
        ({"datasets": {"a": {"source": "sequences", "sequences": 1}}}, "datasets.a.sequences: expected text (1 given); in quotes it is text to YAML"),
        ({"language_models": {"embedded": {"lora": {"rnk": 1}}}}, "lora.rnk: unknown key; did you mean 'rank'?"),
        ({"language_models": {"gpt": {"endpoint": "https://h/v1"}}}, "language_models.gpt.model: this key must be given"),
        ({"language_models": {"gpt": GPT | {"temprature": 1}}}, "gpt.temprature: unknown key; did you mean 'temperature'?"),
        ({"language_models": {"gpt": GPT | {"grpo": {}}}}, "language_models.gpt: grpo: nothing is fine-tuned at an endpoint; give it to"),
        ({"language_models": {"gpt": GPT}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "gpt.grpo"}}}, "gpt is at an endpoint, where nothing is fine-tuned; name 'gpt' alone"),
        ({"language_models": {"gpt": GPT}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "gpt.sft"}}}, "or LANGUAGE_MODEL.WRITER of a language model with 'teacher: gpt'"),
        ({"language_models": {"qwen": {}}, "encoders": {"minilm": {}}, "representations": {"pte": {"text": "qwen"}}}, "representations.pte.text: 'qwen'; expected card"),
        ({"language_models": {"gpt": GPT, "qwen": {"teacher": "gtp"}}, "encoders": {"minilm": {}}}, "language_models.qwen.teacher: 'gtp' is not defined under 'language_models'; did you mean 'gpt'?"),
        ({"language_models": {"a": {}, "qwen": {"teacher": "a"}}, "encoders": {"minilm": {}}}, "language_models.qwen.teacher: 'a' is at no endpoint"),
        ({"language_models": {"card": {}}, "encoders": {"minilm": {}}}, "language_models.card: the name belongs to another text"),
        ({"overrides": {"a": {}}}, "'a' is not defined under 'datasets'"),
        ({"representations": {"pte": {"text": "card", "encoder": "minilm"}}}, "'minilm' is not defined under 'encoders'"),
        ({"protocols": {"global_temporal": {}}}, "protocols.global_temporal.cuts: this key must be given"),
        ({"protocols": {"global_temporal": {"cuts": ["2020-02-01", "2020-01-01"]}}}, "expected cuts, and end after them, in ascending order"),
        ({"protocols": {"global_temporal": {"cuts": ["2020-02-01"], "end": "2020-02-01"}}}, "in ascending order"),
        ({"protocols": {"cold_start_user": {"cold_k": [1, 3, 1]}}}, "expected each cold_k once"),
        ({"datasets": {"d": {"source": "amazon", "reviews": "r.json", "heads_compat": {"user": 9}}}}, "datasets.d.heads_compat.item: this key must be given"),
        ({"datasets": {"d": {"source": "amazon", "reviews": "r.json", "published": "pte-movie"}}}, "datasets.d.published: nothing is published under 'pte-movie'; did you mean 'pte-movies'?"),
        ({"seeds": []}, "seeds: "),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"loss": ["bce"]}}}}, "tuning.backbones.sasrec.loss: no axis"),
        ({"tuning": {"backbones": {"sasrek": {}}}}, "'sasrek' is not defined under 'backbones', and no kind there"),
        ({"tuning": {"backbones": {"bert4rec": {"dropout": [0.1, 0.2]}}}}, "nothing would be tuned"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropot": [0.1]}}}}, "tuning.backbones.sasrec.dropot: unknown key; did you mean 'dropout'?"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropout": [0.1, 2]}}}}, "tuning.backbones.sasrec.dropout: expected a value of at most 1"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"dropout": {"low": 2, "high": 1}}}}}, "expected low < high"),
        ({"seeds": [0, 0]}, "seeds: 0 stands here twice; keep one"),
        ({"ks": [5, 10, 5]}, "ks: 5 stands here twice"),
        ({"datasets": {"m": {"source": "mind", "behaviors": ["a", "a"], "news": ["n"]}}}, "datasets.m.behaviors: 'a' stands here twice"),
        ({"datasets": {"m": {"source": "mind", "behaviors": ["a"], "news": []}}}, "datasets.m.news: "),
        ({"datasets": {"t": {"source": "table", "interactions": "x", "columns": {"user_id": "u"}}}}, "columns: item_id is not named"),
        ({"datasets": {"t": {"source": "table", "interactions": "", "columns": {}}}}, "datasets.t.interactions: "),
        ({"datasets": {"t": {"source": "table", "interactions": "x", "columns": {"user_id": "u", "item_id": "i"}, "min_rating": 3}}}, "min_rating: the interactions of this source have no ratings"),
        ({"datasets": {"s": {"source": "sequences", "sequences": "x", "start": "2020-01-01"}}}, "start: the interactions of this source have no timestamps"),
        ({"datasets": {"a": {"source": "amazon", "reviews": "x", "start": "2020-01-02", "end": "2020-01-01"}}}, "end: 2020-01-01 is before start"),
        ({"datasets": {"a": {"source": "simulated", "layout": "mind", "items": 40}}}, "items: 40 are too few to simulate; expected at least 48"),
        ({"protocols": {"cold_start_user": {"valid": 0}}}, "protocols.cold_start_user.valid: expected a value above 0"),
        ({"protocols": {"cold_start_user": {"valid": 0.5, "test": 0.5}}}, "leave none to train"),
        ({"protocols": {"cold_start_user": {"last": 1}}}, "protocols.cold_start_user.last: "),
        ({"protocols": {"snapshot": {"end": "2020-01-01"}}}, "end: it bounds the test period that 'cut' begins"),
        ({"protocols": {"snapshot": {"cut": "2020-01-01", "end": "2020-01-01"}}}, "end: 2020-01-01 is not after cut"),
        ({"language_models": {"e": {"grpo": {"batch_size": 4, "generations": 3}}}}, "language_models.e.grpo: batch_size: 4 is no multiple of generations, 3"),
        ({"language_models": {"e": {"grpo": {"generations": 1}}}}, "language_models.e.grpo.generations: "),
        ({"language_models": {"e": {"grpo": {"prompts": 3}}}}, "prompts: 3 do not fill one batch of 4 groups"),
        ({"language_models": {"e": {"context": 128}}}, "context: 128 tokens for prompt and answer together, and new_tokens gives 128 to the answers of the side 'item'"),
        ({"language_models": {"e": {"context": 200, "new_tokens": {"user": 300}}}}, "gives 300 to the answers of the side 'user'"),
        ({"language_models": {"e": {"new_tokens": {"user": 0}}}}, "language_models.e.new_tokens.user: "),
        ({"language_models": {"e": {"embedded": {"hidden": 100}}}}, "hidden: 100 is no multiple of 8, twice the heads"),
        ({"language_models": {"e": {"processes": 3}}}, "tuning.batch_size: 8 is no multiple of processes, 3"),
        ({"language_models": {"e": {"teacher": {}}}}, "language_models.e.teacher"),
        ({"language_models": {"e": {"encoder": "lsa"}}, "encoders": {"lsa": {}}}, "language_models.e.encoder: 'lsa' is of the kind 'lsa', which cannot judge profiles"),
        ({"backbones": {"sasrec": {"heads": 3}}}, "dimension: 64 is no multiple of heads, 3"),
        ({"backbones": {"sasrec": {"learning_rate": 0}}}, "backbones.sasrec.learning_rate: expected a value above 0"),
        ({"backbones": {"sasrec": {"selection": "NDCG@0"}}}, "backbones.sasrec.selection: "),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"heads": [1, 3]}}}}, "tuning.backbones.sasrec: heads at 3, with all that the other axes offer: dimension: 64 is no multiple of heads, 3"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"heads": [3], "dimension": [64, 128]}}}}, "tuning.backbones.sasrec: heads at 3"),
        (with_table(groups=["overal"]), "tables.one.groups: leave_one_out of toys has no 'overal'; did you mean 'overall'?"),
        (with_table(groups=["tied"]), "leave_one_out of toys has no 'tied'"),
        (with_table(rankings=["uniform"]), "tables.one.rankings: leave_one_out of toys has no 'uniform'"),
        (with_table(groups=["overall", "overall"]), "tables.one.groups: 'overall' stands here twice"),
        (with_table(metrics=["NDCG@10", "NDCG@10"]), "tables.one.metrics: 'NDCG@10' stands here twice"),
        (with_table(metrics=["NDCG@0"]), "tables.one.metrics"),
        (with_table(metrics=["NDCG@10", "Novelti@10"]), "did you mean 'Novelty@10'?"),
        (with_table(metrics=["NDCG@10", "coverage@5"]), "did you mean 'Coverage@5'?"),
        (with_table(metrics=["NDCG@10", "Gini@10"]), "tables.one.metrics: Gini@10 is made of the lists of cells, and none are kept; set 'lists: 10'"),
        (with_table(metrics=["NDCG@10", "Gini@10"]) | {"lists": 5}, "and those kept end at 5; set 'lists: 10'"),
        (with_table(metrics=["NDCG@10", "Diversity@10"]) | {"lists": 10}, "no encoder is named; set 'diversity: ENCODER'"),
        (with_table(metrics=["NDCG@10", "Diversity@1"]) | {"lists": 1, "encoders": {"lsa": {}}, "diversity": "lsa"}, "a list of one has no pair"),
        (with_table(metrics=["Gini@10"]) | {"lists": 10}, "Gini@10 does not say whether lists are right; name one that does first"),
        (with_table(metrics=["NDCG@10", "Gini@10"], claims=[{"row": "sasrec.id", "above": "biasmf.id", "metric": "Gini@10", "because": "it is"}]) | {"lists": 10}, "claim 1.metric: Gini@10 has no test; name one of NDCG@10"),
        (with_table() | {"lists": 100}, "lists: 100 is more than the largest K, 50; name 100 under 'ks' or keep less"),
        (with_table() | {"lists": 0}, "lists: expected a value of at least 1"),
        (with_table() | {"lists": 10, "encoders": {"lsa": {}}, "diversity": "lsx"}, "diversity: 'lsx' is not defined under 'encoders'; did you mean 'lsa'?"),
        (with_table() | {"encoders": {"lsa": {}}, "diversity": "lsa"}, "diversity: it is measured of lists, and none are kept"),
        (with_table(datasets=["toys", "toys"]), "tables.one.datasets: 'toys' stands here twice"),
        (with_table(rows=[{"backbones": ["sasrec", "sasrec"]}]), "'sasrec' stands here twice"),
        (with_table(rows=[]), "tables.one.rows: "),
        ({"protocols": {"leave_one_out": {"long_tail": None}}}, "protocols.leave_one_out.long_tail: unknown key here; is its line indented too far? As an entry of 'protocols' it begins where 'leave_one_out' does"),
        ({"texts": {"a": {"item": "a.csv", "saw": "all", "b": {"item": "b.csv", "saw": "all"}}}}, "texts.a.b: unknown key here; is its line indented too far?"),
        ({"texts": {"a": {"item": "a.csv", "saw": "all", "itm": {"user": "b.csv"}}}}, "texts.a.itm: unknown key; did you mean 'item'?"),
        ({"texts": {"a": {"item": "a.csv"}}}, "texts.a.saw: this key must be given (nothing, training, all, {protocol: PROTOCOL})"),
        ({"protocols": {"global_temporal": {"cuts": [1.8]}}}, "config.yaml: protocols.global_temporal.cuts no. 1: expected a date such as 2024-05-31, or a value below 1.0 (1.8 given)"),
        ({"protocols": {"snapshot": {"cut": "2024"}}}, "config.yaml: protocols.snapshot.cut: "),
        ({"protocols": {"global_temporal": {"cuts": 0.8}}}, "config.yaml: protocols.global_temporal.cuts: expected a list, [0.8]"),
        ({"encoders": {"minilm": {}}, "texts": {"mine": {"item": "a.csv", "saw": "all"}}, "representations": {"pte": {"text": "myne"}}}, "representations.pte.text: 'myne' is not defined under 'texts', 'embeddings' or 'language_models'; did you mean 'mine'?"),
        (with_table(rows=[{"backbones": ["popularity"]}, {"backbones": ["sasrec"], "representations": ["cards"]}]), "tables.one.rows no. 2.representations: 'cards' is not defined under 'representations'"),
        ({"backbones": {"sasrec": {"epochs": True}}}, "epochs: expected a number, and YAML reads True"),
        ({"protocols": {"long_tail": {"bins": False}}}, "bins: expected a number, and YAML reads False"),
        (with_table(datasets=[True]), "(True given); in quotes it is text to YAML"),
        (with_table({"snapshot": {}}), "snapshot without 'cut' takes the publisher's split, and the source of toys has none"),
        (with_table({"snapshot": {"cut": "2020-01-01"}}), "snapshot parts by time, and the interactions of toys have no timestamps"),
        (with_table({"global_temporal": {"cuts": ["2020-01-01"]}}), "global_temporal parts by time"),
        (with_table({"cold_start_user": {"given": True}}, rows=[{"backbones": ["sasrec"]}]), "protocols.cold_start_user.given: false to draw one"),
        (with_table({"cold_start_user": {"cold_k": [1]}}, rows=[{"backbones": ["sasrec"]}]), "cold_start_user of toys has no 'full'; did you mean 'cold_1'?"),
        (with_table({"snapshot": {"cut": "2030-01-01"}}, source={"source": "simulated", "layout": "amazon"}), "snapshot cuts at 2030-01-01, and the interactions of toys are of 2023-01-16 to 2025-01-14"),
        (with_table({"snapshot": {"cut": "2020-01-01"}}, source={"source": "amazon", "reviews": "x", "end": "2019-12-31"}), "move the cut between them"),
        (with_text("jepa", heads=3), "tables.one: sasrec with jepa on toys: the backbone's dimension, 64, is no multiple of 6, twice its heads"),
        (with_text("llmesr", heads=3), "the backbone's dimension, 64, is no multiple of its heads, 3"),
        (with_text("alphafuse", encoder="lsa"), "the backbone's dimension, 64, is more than the 16 components of the text"),
        (with_text("whitenrec", encoder="lsa", groups=17), "groups: 17 is more than the 16 coordinates of the text"),
        (with_text("jepa") | {"tuning": {"representations": {"jepa": {"heads": [2, 3]}}}}, "tuning.representations.jepa.heads at 3: the backbone's dimension, 64"),
        (with_text("jepa") | {"overrides": {"toys": {"sasrec": {"dimension": 66}}}}, "the backbone's dimension, 66, is no multiple of 4"),
        (with_text("jepa") | {"overrides": {"toys": {"sasrec": {"dimension": 66}, "sasrec.jepa": {"heads": 4}}}}, "overrides.toys.sasrec.jepa: dimension: 66 is no multiple of heads, 4"),
    ],
)  # fmt: skip
def test_faults_are_named(raw, said):
    with pytest.raises(InputError) as error:
        resolve(raw, "config.yaml")
    assert str(error.value).startswith("config.yaml: ") and said in str(error.value)


def test_a_fault_is_told_with_its_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text("ks: [5]\n\nprotocols:\n  long_tail:\n    bins: 1\n  leave_one_out:\n")
    Path("b.yaml").write_text("protocols:\n  long_tail:\n    negatives: 0\nlists: 500\n")
    of_a = "protocols.long_tail.bins: expected a value of at least 2 (1 given)"
    for files, changes, said in (
        (["a.yaml"], {}, f"a.yaml: line 5: {of_a}"),
        (["a.yaml"], {"protocols": {"long_tail": {"bins": 0}}}, f"a.yaml with --config protocols: {of_a.replace('1 g', '0 g')}"),
        (["b.yaml"], {"protocols": {"long_tail": {"negatives": 1}}}, "b.yaml with --config protocols: line 4: lists: 500 is more"),
        (["a.yaml", "b.yaml"], {}, "a.yaml + b.yaml: 2 faults\n  - line 3 of b.yaml: protocols.long_tail.negatives: expected "),
        (["a.yaml", "b.yaml"], {}, f"line 5 of a.yaml: {of_a}"),
    ):  # fmt: skip
        with pytest.raises(InputError) as error:
            read(files, changes)
        assert said in str(error.value)
    Path("a.yaml").write_text(
        "texts:\n  mine:\n    item: x.csv\ntables:\n  one:\n    rows:\n      -\n        {backbone: [ease]}\n"
    )
    with pytest.raises(InputError) as error:
        read(["a.yaml"], {})
    for said in (
        "line 2: texts.mine.saw: this key",
        "line 5: tables.one.title: this",
        "line 8: tables.one.rows no. 1.backbone: unknown",
    ):
        assert said in str(error.value)


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


def test_a_comparison_with_ids_needs_ids_and_another_on_one_backbone():
    table = GRID["tables"]["one"] | {"compare": "id"}
    with pytest.raises(InputError, match=r"tables.one.compare: 'id' compares .* no backbone has both"):
        resolve(json.loads(json.dumps(GRID | {"tables": {"one": table}})), "c.yaml")
    with pytest.raises(InputError, match=r"tables.one.compare: expected 'best_other', 'id' or 'each'"):
        resolve(json.loads(json.dumps(GRID | {"tables": {"one": table | {"compare": "ids"}}})), "c.yaml")
    both = table | {"rows": [{"backbones": ["sasrec"], "representations": ["id", "card"]}]}
    more = {"representations": {"id": {}, "card": {"kind": "pte", "text": "card"}}, "encoders": {"minilm": {}}}
    whole = resolve(json.loads(json.dumps(GRID | more | {"tables": {"one": both}})), "c.yaml")
    assert whole["tables"]["one"]["compare"] == "id"


def test_groups_of_published_thresholds_need_them():
    grid = json.loads(json.dumps(GRID))
    grid["protocols"]["long_tail"] = {}
    grid["tables"]["one"] |= {"protocols": ["long_tail"], "groups": ["overall", "item_tail_compat"]}
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
        grid["tables"]["one"]["rankings"] = [f"cold_{k}" for k in cold_k] or ["full"]
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


@pytest.mark.parametrize(
    "keys, fault",
    [
        ({"last_signal": 2.0}, "last_signal"),
        ({"first_signal": 0.5}, "first_signal"),
        ({"reconstruction": 0}, "samples: expected 0 beside reconstruction: 0"),
        ({"guidance": 2, "unconditional": 0}, "guidance: expected 0 beside unconditional: 0"),
        ({"steps": 2000, "stride": 100}, "stride"),
    ],
)
def test_dreamrec_refuses_steps_that_hide_nothing_or_that_nothing_trains(keys, fault):
    with pytest.raises(InputError, match=rf"backbones\.dreamrec.*{fault}"):
        resolve({"backbones": {"dreamrec": keys}}, "c")
    head = {"backbones": {"dreamrec_head": {"kind": "dreamrec", "reconstruction": 0, "samples": 0}}}
    assert resolve(head, "c")["backbones"]["dreamrec_head"]["samples"] == 0


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


def test_a_fault_of_the_command_line_is_not_blamed_on_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text(json.dumps(GRID))
    with pytest.raises(InputError, match=r"^--config: seed: unknown key; did you mean 'seeds'\?$"):
        read([tmp_path / "c.yaml"], {"seed": 1, "ks": [5]})
    with pytest.raises(InputError, match=r"c\.yaml with --config seeds ks: seeds: expected a list, \[1\]$"):
        read([tmp_path / "c.yaml"], {"seeds": 1, "ks": [5], "datasets": ["toys"]})
    with pytest.raises(InputError, match=r"c\.yaml: line 1: tabels: unknown key"):
        (tmp_path / "c.yaml").write_text(json.dumps(GRID | {"tabels": 1}))
        read([tmp_path / "c.yaml"], {"datasets": ["toys"]})


def test_axes_may_be_impossible_together_and_not_alone():
    """Heads 3 go with dimension 96 alone; where a trial has no such luck, it fails and the study goes on."""
    axes = {"heads": [1, 3], "dimension": [64, 96]}
    resolve({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": axes}}}, "c")
    within = {"heads": [3], "dimension": {"low": 64, "high": 128}}
    resolve({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": within}}}, "c")
    resolve(with_text("jepa") | {"tuning": {"backbones": {"sasrec": {"dimension": [64, 96]}},
                                            "representations": {"jepa": {"heads": [2, 3]}}}}, "c")  # fmt: skip


def test_a_representation_of_an_override_is_laid_over_its_backbone():
    changes = {"toys": {"sasrec.id": {"heads": 3}, "sasrec": {"dimension": 96}}}
    resolve({**json.loads(json.dumps(GRID)), "overrides": changes}, "c")


def test_a_side_that_is_not_named_keeps_its_default():
    models = {"e": {"new_tokens": {"user": 60}}, "gpt": GPT | {"new_tokens": {"item": 60}}}
    config = resolve({"language_models": models, "encoders": {"minilm": {}}}, "c")["language_models"]
    assert config["e"]["new_tokens"] == {"user": 60, "item": 128}
    assert config["gpt"]["new_tokens"] == {"user": 96, "item": 60}


def test_a_tilde_is_the_home_folder_and_a_dollar_itself(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    raw = {
        "data_root": "~/data", "encoders": {"minilm": {}},
        "datasets": {"toys": {"source": "sequences", "sequences": "~/$HOME/x"}},
        "language_models": {"e": {"model": "~/models/m", "teacher": {"user": "~/u.jsonl"}}},
    }  # fmt: skip
    config = resolve(raw, "c")
    assert config["data_root"] == "/home/me/data" and config["datasets"]["toys"]["sequences"] == "/home/me/$HOME/x"
    assert config["language_models"]["e"]["model"] == "/home/me/models/m"
    assert config["language_models"]["e"]["teacher"] == {"user": "/home/me/u.jsonl"}


@pytest.mark.parametrize(
    "text, said",
    [
        ("seeds: [0]\nks: [1]\nseeds: [1]\n", "line 3: the key 'seeds' stands on line 1 already"),
        ("backbones:\n  sasrec:\n  markov:\n  sasrec: {}\n", "line 4: the key 'sasrec' stands on line 2 already"),
        ("backbones:\n  sasrec: {epochs: 1,\n    epochs: 2}\n", "line 3: the key 'epochs' stands on line 2 already"),
        (
            "protocols:\n  snapshot: {cut: 2020-13-45}\n",
            "line 2: 2020-13-45 cannot be read (month must be in 1..12); mend it",
        ),
        ("cuts:\n- [2016-02-30]\n", "line 2: 2016-02-30 cannot be read (day is out of range"),
        ("seeds: " + "[" * 5000, "lists in lists without end"),
        ("seeds: [0]\n? [a, b]\n: 1\n", "line 2: a list or a mapping stands where a key belongs"),
        ('{"seeds": [0], "seeds": [1]}', "line 1: the key 'seeds' stands on line 1 already"),
        ("datasets:\n  no: {source: yelp}\n", "line 2: the key no is False to YAML, no text; quote it: 'no'"),
        ("backbones:\n  on:\n", "line 2: the key on is True to YAML"),
        ("datasets:\n  2014: {source: yelp}\n", "line 2: the key 2014 is 2014 to YAML"),
        ("x: &x {seeds: [0], seeds: [1]}\n", "line 1: the key 'seeds' stands on line 1 already"),
    ],
)
def test_a_key_that_stands_twice_or_is_no_text_is_refused(tmp_path, text, said):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError) as error:
        read([tmp_path / "c.yaml"], {})
    assert str(error.value).startswith(f"{tmp_path}/c.yaml: {said}")


def test_merged_keys_may_be_set_again(tmp_path):
    text = "backbones:\n  sasrec: &s {epochs: 4, blocks: 1}\n  other: &o {<<: *s, kind: sasrec, epochs: 2}\n"
    (tmp_path / "c.yaml").write_text(text + "  third: {<<: [*o, *s], blocks: 3}\n")
    backbones = read([tmp_path / "c.yaml"], {})["backbones"]
    assert [(b["epochs"], b["blocks"]) for b in backbones.values()] == [(4, 1), (2, 1), (2, 3)]


def test_files_faults(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read([tmp_path / "none.yaml"], {})
    path = tmp_path / "c.yaml"
    path.write_text("a: [1")
    with pytest.raises(InputError, match="line 1: not YAML: expected ',' or ']'"):
        read([path], {})
    path.write_text("datasets:\n  a: {}\n b: {}\n")
    with pytest.raises(
        InputError, match="c.yaml: line 3: not YAML: expected <block end>.*; see there and in the line above"
    ):
        read([path], {})
    path.write_bytes(b"seeds: [0] # \xff")
    with pytest.raises(InputError, match="c.yaml: not readable as text in UTF-8"):
        read([path], {})


def test_a_file_is_read_alone_to_see_what_it_makes_or_where_it_is_wrong(tmp_path):
    def say(*files):
        command = [sys.executable, "-m", "ptebench.config.read", *files]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    own = say("configs/own.yaml")
    assert (own.returncode, own.stdout) == (0, "results/tables/own.md\n")
    (tmp_path / "c.yaml").write_text("seeds: [0]\n  users: 600\n")
    wrong = say(tmp_path / "c.yaml")
    assert wrong.returncode == 1 and f"error: {tmp_path}/c.yaml: line 2: not YAML" in wrong.stderr


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_configuration_of_the_project_is_valid(path):
    # NAME_more.yaml is laid over NAME.yaml, tuned.yaml over any
    own = path.with_name(path.stem.split("_")[0] + ".yaml")
    bases = [layer.stem for layer in path.parent.glob("*.yaml") if not base_of(layer) and layer.stem != "config"]
    over = {
        "tuned": [["games", "games_representations"], ["mind", "mind_representations"], *([name] for name in bases)]
    }
    grids = over.get(path.stem, [[own.stem]])
    for grid in grids:
        layers = [*(path.with_name(f"{name}.yaml") for name in grid), path]
        config = read([layer for layer in dict.fromkeys(layers) if layer.exists()], {})
        assert config["tables"] or config["information"], "it asks for something"


def stacks(path):
    """Return the files of each command in the head of a configuration; of one to be copied or the default, itself."""
    layers = re.compile(r"--configfile((?: configs/[a-z0-9_]+\.yaml)+)")
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    commands = [found[1].split() for line in head if (found := layers.search(line))]
    assert commands or path.stem in ("own", "config"), "its head has no command"
    return [[ROOT / name for name in names] for names in commands] or [[path]]


@pytest.mark.parametrize(
    "path", [ROOT / "config.yaml", *sorted((ROOT / "configs").glob("*.yaml"))], ids=lambda p: p.name
)
def test_every_table_with_text_has_the_floor_of_text(path):
    for stack in stacks(path):
        model = Benchmark.model_validate(read(stack, {}) | {"information": {}})
        for name, table in model.tables.items():
            texts = readers_of(model, table)
            floors = [part for part, reader in texts.items() if isinstance(reader, Textknn) and reader.components]
            assert floors or not texts, f"{path.name}: table {name} shows {', '.join(texts)} and no textknn_whitened"


def test_the_committed_schema_is_the_one_of_the_models():
    assert json.loads((ROOT / "config.schema.json").read_text()) == json.loads(json.dumps(schema()))
    assert set(schema()["properties"]) == set(Benchmark.model_fields)


def test_entries_of_the_page_on_datasets_are_valid():
    page = (ROOT / "docs/guide/datasets.md").read_text(encoding="utf-8")
    entries = [yaml.safe_load(block) for block in page.split("\n\n") if block.startswith("    ")]
    assert {e["source"] for entry in entries for e in entry.values()} >= {
        "amazon",
        "yelp",
        "recbole",
        "mind",
        "netflix",
    }
    for entry in entries:
        resolve({"datasets": entry}, "docs/guide/datasets.md")


OVERLAYS = [path for path in sorted((REPOSITORY / "configs").glob("*.yaml")) if "laid over" in path.read_text()]


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.stem)
def test_a_file_that_is_laid_over_another_says_so_where_it_stands_alone(path, tmp_path):
    with pytest.raises(InputError) as error:
        read([path], {})
    base = re.search(r"laid over (?:any grid such as )?(\w+)\.yaml", path.read_text())[1]
    told = str(error.value).splitlines()[-1]
    assert told.startswith(f"  {path} says that it is laid over ") and f"{base}.yaml" in told, told
    assert told.endswith("; name that before it")
    (wrong := tmp_path / "wrong.yaml").write_text("# nothing\nseeds: none\n")
    with pytest.raises(InputError) as error:
        read([wrong, path], {})
    assert "laid over" not in str(error.value), "behind another file it says nothing"
