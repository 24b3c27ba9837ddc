"""Laws across sections."""

import re

import pytest

from ptebench.config.folders import WITHOUT_CACHE
from ptebench.config.read import resolve
from ptebench.files import InputError

TOYS = {"source": "sequences", "sequences": "x"}
HEADS = {"user": 9, "item": 4}


@pytest.mark.parametrize("lacking", ["first", "second"])
def test_every_dataset_of_a_table_has_the_thresholds_of_its_groups(lacking):
    datasets = {name: TOYS if name == lacking else TOYS | {"heads_compat": HEADS} for name in ("first", "second")}
    table = {
        "title": "T", "datasets": list(datasets), "protocols": ["long_tail"], "rows": [{"backbones": ["markov"]}],
        "groups": ["item_tail_compat"],
    }  # fmt: skip
    sections = {"protocols": {"long_tail": {}}, "backbones": {"markov": {}}, "representations": {"id": {}}}
    with pytest.raises(InputError, match=rf"item_tail_compat needs .* and {lacking} has none"):
        resolve({"datasets": datasets, **sections, "tables": {"t": table}}, "c")


def test_an_unknown_key_of_an_optional_mapping_is_answered_by_the_nearest():
    with pytest.raises(InputError, match=r"heads_compat\.usr: unknown key; did you mean 'user'\?"):
        resolve({"datasets": {"toys": TOYS | {"heads_compat": {"usr": 9, "item": 4}}}}, "c")
    with pytest.raises(InputError, match=r"tuning\.halving\.facto: unknown key; did you mean 'factor'\?"):
        resolve({"tuning": {"halving": {"facto": 3}}}, "c")


def test_a_folder_may_be_named_nearly_as_a_built_in_model_is():
    resolve({"encoders": {"minilm": {}}, "language_models": {"m": {"model": "./smolm2"}}}, "c")


TABLE = {"source": "table", "interactions": "x", "columns": {"user_id": "u", "item_id": "i", "timestamp": "t"}}


@pytest.mark.parametrize(
    "raw, said",
    [
        ({"seeds": [True]}, "seeds: expected a number, and YAML reads True"),
        ({"ks": [5, False]}, "ks: expected a number"),
        ({"seeds": [2**32]}, "seeds no. 1: expected a value below"),
        ({"datasets": {"a": TABLE | {"tie_seed": -1}}}, "datasets.a.tie_seed: expected a value of at least 0"),
        ({"datasets": {"a": {"source": "mind", "behaviors": ["a", "./a"], "news": ["n"]}}}, "'a' stands here twice"),
        ({"datasets": {"a": {"source": "sequences", "train": "x", "valid": "./x", "test": "y"}}}, "'x' stands here twice"),
        ({"datasets": {"a": {"source": "reclm", "train": "x", "test": "x", "items": "i"}}}, "'x' stands here twice"),
        ({"datasets": {"a": TABLE | {"columns": {"user_id": "u", "item_id": "u"}}}}, "'u' stands for both user_id and item_id"),
        ({"protocols": {"cold_start_user": {"last": 4, "cold_k": [4]}}}, "cold_k: 4 items are never visible"),
        ({"backbones": {"sasrec": {}}, "tuning": {"backbones": {"sasrec": {"learning_rate": [1e-3, "1e-3"]}}}}, "a value stands here twice"),
        ({"encoders": {"minilm": {}}, "language_models": {"e": {"template_arguments": {"x": 1}}}}, "'embedded' reads none"),
        ({"encoders": {"minilm": {}}, "language_models": {"e": {"schema": "sentence"}}}, "'embedded' knows nothing beyond"),
    ],
)  # fmt: skip
def test_what_stands_twice_or_is_no_number_or_cannot_be_is_refused(raw, said):
    with pytest.raises(InputError) as error:
        resolve(raw, "c")
    assert said in str(error.value)


def taught(model, **settings):
    """Return a configuration with a row of profiles by a language model, and one that no row reads."""
    table = {"title": "T", "datasets": ["d"], "protocols": ["leave_one_out"]}
    return {
        "datasets": {"d": TABLE},
        "protocols": {"leave_one_out": {}},
        "encoders": {"minilm": {}, **settings.pop("encoders", {})},
        "language_models": {"m": {"model": str(model), **settings}, "unread": {"model": "./nowhere"}},
        "backbones": {"sasrec": {}},
        "representations": {"pte": {"text": "m.kd"}},
        "tables": {"t": table | {"rows": [{"backbones": ["sasrec"], "representations": ["pte"]}]}},
    }


def test_a_model_in_a_folder_that_cannot_be_taught_is_refused_before_anything_runs(tmp_path):
    def refused(model=tmp_path, **settings):
        with pytest.raises(InputError) as error:
            resolve(taught(model, **settings), "c")
        return str(error.value)

    assert "language_models.m.model: " + f"{tmp_path}/none: no such folder" in refused(tmp_path / "none")
    assert "no config.json in it" in refused()
    (tmp_path / "config.json").write_text('{"model_type": "mamba"}')
    assert "'mamba' has no cache to read prompts into" in refused()
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_positions": 512}')
    assert "its context is 512 tokens, 'context' is 768" in refused()
    assert "no chat template" in refused(context=512)
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    resolve(taught(tmp_path, context=512), "c")
    resolve(taught("owner/name"), "c")
    judge = {"st": {"kind": "sentence_transformer", "model": "./none"}}
    assert "encoders.st.model: ./none: no such folder" in refused("owner/name", encoders=judge, encoder="st")


def test_models_said_to_have_no_cache_have_none():
    import inspect

    from transformers import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    for kind in WITHOUT_CACHE:
        forward = MODEL_FOR_CAUSAL_LM_MAPPING[CONFIG_MAPPING[kind]].forward
        assert "past_key_values" not in inspect.signature(forward).parameters, kind


def test_all_faults_are_told_at_once():
    raw = {
        "backbones": {"sasrec": {"epohcs": 3, "dropout": 2}},
        "tables": {"t": {"title": "t", "datasets": ["d"], "protocols": ["p"], "metrics": ["Precision@10", "ndgc@5"],
                         "rows": [{"backbones": ["sasrec"]}], "compare": "eahc"}},
    }  # fmt: skip
    with pytest.raises(InputError) as error:
        resolve(raw, "x.yaml")
    first, *faults = str(error.value).splitlines()
    assert first == "x.yaml: 4 faults"
    for said in ("epohcs: unknown key; did you mean 'epochs'?", "backbones.sasrec.dropout: ",
                 "did you mean 'NDCG@5'?", "tables.t.compare: ", "did you mean 'each'?"):  # fmt: skip
        assert any(said in fault for fault in faults), said


def test_undefined_names_are_told_together_and_the_nearest_text_is_named():
    raw = {
        "encoders": {"minilm": {}},
        "backbones": {"sasrec": {}},
        "representations": {"pte": {"text": "crad"}},
        "tables": {"t": {"title": "t", "datasets": ["d"], "protocols": ["p"],
                         "rows": [{"backbones": ["sasrec"], "representations": ["pt"]}]}},
    }  # fmt: skip
    with pytest.raises(InputError) as error:
        resolve(raw, "x.yaml")
    text = str(error.value)
    assert text.startswith("x.yaml: 4 faults") and "did you mean 'card'?" in text and "did you mean 'pte'?" in text
    assert "'d' is not defined under 'datasets'" in text and "'p' is not defined under 'protocols'" in text


@pytest.mark.parametrize(
    "sections, said",
    [
        ({"representations": {"pte": {"text": "a", "encoder": "minilm"}}}, "representations.pte.encoder: embeddings.a says it"),
        ({"representations": {"pte": {"text": "b"}}}, "representations.pte.text: 'b'"),
        ({"embeddings": {"a": {}, "b": {"text": "a"}}}, "embeddings.b.text: 'a' is an embedding already"),
        ({"embeddings": {"template": {}}}, "embeddings.template: the name belongs to another text"),
        ({"embeddings": {"a": {"encoder": "minilmm"}}}, "embeddings.a.encoder: 'minilmm' is not defined"),
        ({"embeddings": {"a": {"align": {"windw": 1}}}}, "did you mean 'window'?"),
        ({"encoders": {"lsa": {}}, "embeddings": {"a": {"encoder": "lsa", "align": {"encoder_layers": 2}}}}, "embeddings.a.align.encoder_layers: 'lsa' is of the kind 'lsa', which has no layers"),
        ({"representations": {"pte": {"text": "a", "items": False}}}, "representations.pte.items: embeddings.a says it"),
        ({"representations": {"pte": {"text": "template", "items": False, "users": False}}}, "no profiles of users are read either"),
        ({"embeddings": {"a": {"align": {"encoder_layers": 2}, "control": {"item": "random"}}}}, "embeddings.a.control.item: noise is no text"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_of_an_embedding_is_refused(sections, said):
    with pytest.raises(InputError) as error:
        resolve({"encoders": {"minilm": {}}, "embeddings": {"a": {}}} | sections, "c")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "embedding, representation, said",
    [
        ({}, {"kind": "pte", "control": {"user": "shuffled"}}, "its embedding has none"),
        ({"align": {"dimension": 16}}, {"kind": "alphafuse"}, "more than the 32 components"),
    ],
)  # fmt: skip
def test_a_cell_of_an_embedding_is_held_to_what_the_embedding_has(embedding, representation, said):
    table = {"title": "T", "datasets": ["d"], "protocols": ["leave_one_out"]}
    raw = {
        "datasets": {"d": TOYS}, "protocols": {"leave_one_out": {}}, "encoders": {"minilm": {}},
        "embeddings": {"a": embedding}, "backbones": {"lightgcn": {}},
        "representations": {"r": {"text": "a", **representation}},
        "tables": {"t": table | {"rows": [{"backbones": ["lightgcn"], "representations": ["r"]}]}},
    }  # fmt: skip
    with pytest.raises(InputError, match=said):
        resolve(raw, "c")


@pytest.mark.parametrize(
    "kind, text, given, rate",
    [("pte", "a", {}, 0.3), ("pte", "template", {}, 1), ("pte", "a", {"rate": 0.5}, 0.5), ("morec", "a", {}, 1)],
)
def test_an_adapter_over_aligned_vectors_learns_at_a_lower_rate_unless_told_otherwise(kind, text, given, rate):
    raw = {
        "encoders": {"minilm": {}}, "embeddings": {"a": {}},
        "representations": {"r": {"kind": kind, "text": text, **given}},
    }  # fmt: skip
    assert resolve(raw, "c")["representations"]["r"]["rate"] == rate


@pytest.mark.parametrize(
    "backbone, row, files, sound",
    [
        ("gru4rec", {"text": "gpt"}, {"user": "u.jsonl"}, False),
        ("gru4rec", {"text": "gpt"}, {"user": "u.jsonl", "item": "i.jsonl"}, True),
        ("sasrec", {"text": "gpt"}, {"user": "u.jsonl"}, True),
        ("lightgcn", {"text": "gpt"}, {"user": "u.jsonl"}, True),
        ("lightgcn", {"text": "gpt", "users": False}, {"user": "u.jsonl"}, False),
        ("textknn", {}, {"user": "u.jsonl"}, False),
    ],
)
def test_a_row_whose_text_nothing_of_it_reads_is_refused(backbone, row, files, sound):
    raw = {
        "datasets": {"d": {"source": "sequences", "sequences": "x"}}, "protocols": {"leave_one_out": {}},
        "encoders": {"minilm": {}}, "backbones": {backbone: {"text": "gpt"} if backbone == "textknn" else {}},
        "texts": {"gpt": files | {"saw": "nothing"}}, "representations": {"pte": row},
        "tables": {"t": {"title": "T", "datasets": ["d"], "protocols": ["leave_one_out"],
                         "rows": [{"backbones": [backbone], "representations": ["pte"]}]}},
    }  # fmt: skip
    if not row:
        raw |= {"representations": {"id": {}}}
        raw["tables"]["t"]["rows"][0]["representations"] = ["id"]
    if sound:
        resolve(raw, "c")
        return
    with pytest.raises(InputError, match="names 'gpt', which has texts of users alone"):
        resolve(raw, "c")


@pytest.mark.parametrize("through", ["itself", "an embedding"])
@pytest.mark.parametrize(
    "saw, protocol, said",
    [
        ("all", {"kind": "leave_one_out"}, "whose writer saw all interactions"),
        ("training", {"kind": "leave_one_out"}, "a protocol with the publisher's split"),
        ("training", {"kind": "snapshot"}, None),
        ("nothing", {"kind": "leave_one_out"}, None),
        ({"protocol": "p"}, {"kind": "leave_one_out"}, None),
        ({"protocol": "q"}, {"kind": "leave_one_out"}, "saw the histories of q, some of which p holds out; use q, or"),
        ("training", {"kind": "cold_start_user"}, "a protocol with the publisher's split"),
    ],
)
def test_texts_that_saw_held_out_items_are_refused_unless_the_table_allows_it(saw, protocol, said, through):
    table = {
        "title": "T", "datasets": ["d"], "protocols": ["p"],
        "rows": [{"backbones": ["lightgcn"], "representations": ["pte"]}],
    }  # fmt: skip
    raw = {
        "datasets": {"d": {"source": "sequences", "parts": "x"}},
        "protocols": {"p": protocol, "q": {"kind": "leave_one_out"}},
        "encoders": {"minilm": {}}, "backbones": {"lightgcn": {}},
        "texts": {"gpt": {"user": "u.jsonl", "saw": saw}}, "embeddings": {"e": {"text": "gpt"}},
        "representations": {"pte": {"text": "gpt" if through == "itself" else "e"}},
    }  # fmt: skip
    if said is None:
        resolve(raw | {"tables": {"t": table}}, "c")
        return
    with pytest.raises(InputError) as error:
        resolve(raw | {"tables": {"t": table}}, "c")
    assert said in str(error.value) and "allow_leaks: true" in str(error.value)
    resolve(raw | {"tables": {"t": table | {"allow_leaks": True}}}, "c")


@pytest.mark.parametrize(
    "saw, said",
    [
        ({"protocol": "leave_one_uot"}, r"saw\.protocol: 'leave_one_uot' is not defined under 'protocols'; did you mean 'leave_one_out'"),
        ({"protocl": "leave_one_out"}, r"saw\.protocl: unknown key; did you mean 'protocol'"),
        ({}, r"saw\.protocol: this key must be given"),
        ({"protocol": "leave_one_out", "histories": "3f"}, r"saw\.histories: expected text of the form .* \('3f' given"),
        ("leave_one_out", r"saw: expected nothing, training or all; .* \{protocol: NAME\} \('leave_one_out' given"),
        (["all"], r"saw: expected nothing, training or all"),
    ],
)  # fmt: skip
def test_what_a_writer_cannot_have_seen_is_one_fault_with_the_mend(saw, said):
    raw = {"protocols": {"leave_one_out": {}}, "texts": {"gpt": {"user": "u.jsonl", "saw": saw}}}
    with pytest.raises(InputError, match=said) as error:
        resolve(raw, "c")
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "first, other, said",
    [
        ({"text": "card"}, {"text": "e"}, None),
        ({"text": "card"}, {"text": "card"}, None),
        ({"text": "template"}, {"text": "template", "control": {"item": "shuffled"}}, None),
        ({"text": "card"}, {"text": "card", "encoder": "lsa"}, "sasrec.pte reads card by minilm and sasrec.alphafuse reads card by lsa; name"),
        ({"text": "card"}, {"text": "template"}, "sasrec.pte reads card by minilm and sasrec.alphafuse reads template + card by"),
        ({"text": "template"}, {"text": "template", "items": False}, "reads template + card by minilm and sasrec.alphafuse reads card by"),
        ({"text": "template", "users": False}, {"text": "template"}, "reads no profiles of users and sasrec.alphafuse reads profiles of users; set"),
    ],
)  # fmt: skip
def test_a_table_of_one_text_refuses_rows_of_another(first, other, said):
    table = {
        "title": "T", "datasets": ["d"], "protocols": ["leave_one_out"], "text": "same",
        "rows": [
            {"backbones": ["sasrec"], "representations": ["id", "pte", "alphafuse"]}, {"backbones": ["textknn"]}
        ],
    }  # fmt: skip
    raw = {
        "datasets": {"d": TOYS}, "protocols": {"leave_one_out": {}}, "encoders": {"minilm": {}, "lsa": {}},
        "backbones": {"sasrec": {}, "textknn": {"text": first["text"]}}, "embeddings": {"e": {"text": "card"}},
        "representations": {"id": {}, "pte": first, "alphafuse": other}, "tables": {"t": table},
    }  # fmt: skip
    if said is None:
        resolve(raw, "c")
        return
    with pytest.raises(InputError) as error:
        resolve(raw, "c")
    assert "tables.t.text: 'same', but " in str(error.value) and said in str(error.value)


def test_a_backbone_that_reads_no_profiles_is_no_equal_of_one_that_does():
    table = {
        "title": "T", "datasets": ["d"], "protocols": ["leave_one_out"], "text": "same",
        "rows": [{"backbones": ["sasrec", "bert4rec"], "representations": ["pte"]}],
    }  # fmt: skip
    raw = {
        "datasets": {"d": TOYS}, "protocols": {"leave_one_out": {}}, "encoders": {"minilm": {}},
        "backbones": {"sasrec": {}, "bert4rec": {}}, "representations": {"pte": {"text": "template"}},
        "tables": {"t": table},
    }  # fmt: skip
    with pytest.raises(InputError, match=r"sasrec\.pte reads profiles of users and bert4rec\.pte reads no profiles"):
        resolve(raw, "c")


def test_axes_of_a_kind_are_those_of_its_entries_without_a_row_of_their_own():
    raw = {
        "backbones": {"sasrec": {}, "wide": {"kind": "sasrec"}, "fixed": {"kind": "sasrec"}, "own": {"kind": "sasrec"}},
        "tuning": {
            "backbones": {
                "sasrec": {"learning_rate": ["1e-3", 0.01]},
                "own": {"dropout": [0.1, 0.2]},
                "fixed": {},
                "dreamrec": {"dropout": [0.1, 0.2]},
            }
        },
    }
    rate = {"learning_rate": [0.001, 0.01]}
    tuned = resolve(raw, "c")["tuning"]["backbones"]
    assert tuned == {"sasrec": rate, "wide": rate, "own": {"dropout": [0.1, 0.2]}}
    for space, said in (
        ({"dreamrec": {"dropuot": [0.1]}}, "dreamrec.dropuot: unknown key; did you mean 'dropout'?"),
        ({"dreamrek": {"dropout": [0.1]}}, "no kind there; did you mean 'dreamrec'?"),
        ({"external": {"k": [1]}}, "external: its lists are from elsewhere"),
    ):
        with pytest.raises(InputError, match=re.escape(said)):
            resolve({"backbones": {"sasrec": {}}, "tuning": {"backbones": space}}, "c")
