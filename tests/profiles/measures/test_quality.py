"""The measures of written profiles, on constructed cases and through the job."""

import json
import re
from itertools import product

import numpy as np
import polars as pl
import pytest
import torch

from ptebench.encoders import Encoder
from ptebench.files import ITEMS, PROFILES, read_table, write_embeddings, write_json
from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import USER_TASK, assemble
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.judge import parted
from ptebench.profiles.measures.floors import ANOTHER, FLOORS, MEAN, WORDS, floors, without_verdict
from ptebench.profiles.measures.identification import crowds
from ptebench.profiles.measures.pages import QUALITY, SHOWN, markdown
from ptebench.profiles.measures.quality import form, perplexity, sample, worth
from ptebench.profiles.measures.report import sides_of
from ptebench.profiles.rounds.curves import draw_rounds
from ptebench.profiles.schema.fields import layout, strict
from ptebench.profiles.schema.tables import profiles_frame
from tests.profiles.chain import ENCODER, PLACE, WRITING, Chain, job
from tests.profiles.synthetic import write_split

AXES = {"tents": 0, "boats": 1, "bread": 2, "chess": 3}


def encode(texts):
    """Return one axis a topic that a text names."""
    vectors = np.zeros((len(texts), 4))
    for row, text in zip(vectors, texts):
        for word, axis in AXES.items():
            row[axis] += text.count(word)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def profile(topic):
    return {"Roles": [f"{topic} {k}" for k in "abc"], "Interests": [f"{topic} {k}" for k in "def"]}


def measured(fields, owners=(1, 2, 3, 4)):
    cards = np.concatenate([np.zeros((1, 4)), np.eye(4)])
    among = np.array([[o, *(i for i in range(1, 5) if i != o)] for o in owners])
    return worth(
        fields,
        list(owners),
        "user",
        cards[np.array(owners)[:, None]],
        cards,
        among,
        [assemble(USER_TASK, [], "user")] * 4,
        0.9,
        encode,
    )


def test_true_profiles_are_faithful_and_name_their_owner():
    found = measured({o: profile(t) for o, t in zip((1, 2, 3, 4), AXES)})
    assert found["faithfulness"] == found["identification"] == 1 and found["owners"] == 4
    assert found["pairwise_cosine"] == pytest.approx(0) and found["distinct_phrases"] == 1


def test_one_profile_for_all_is_neither_and_its_collapse_shows():
    true, same = (measured({o: profile(t) for o, t in zip((1, 2, 3, 4), topics)}) for topics in (AXES, ["tents"] * 4))
    assert same["faithfulness"] == pytest.approx(-0.5) and same["identification"] < 0.7
    assert same["pairwise_cosine"] == pytest.approx(1) and same["effective_rank"] < true["effective_rank"]
    assert same["distinct_phrases"] == 0.25


def test_an_owner_without_a_profile_lowers_the_measures():
    fields = {o: profile(t) for o, t in zip((1, 2, 3), AXES)}
    found = measured(fields)
    assert found["owners"] == 3 and found["faithfulness"] == 0.5 and found["identification"] == 0.75
    assert measured({1: profile("tents")}) == {"owners": 1}


def test_floors_say_what_stands_in_the_cards_and_are_the_same_again():
    words = [["red", "kite", "in", "wind"], ["blue", "boat", "at", "sea"], ["old", "chess", "set", "alone"]]
    none = [""] * 4
    cards = Cards(["", *(" ".join(w) for w in words)], [[]] * 4, none, none)
    template = {o: profile(t) for o, t in zip((1, 2, 3), AXES)}
    found = floors({1: [1, 2], 2: [3], 3: []}, template, "user", cards, 0)
    said = found[WORDS][1]
    assert {w for field in said.values() for p in field for w in p.split()} <= {*words[0], *words[1]}
    assert found[ANOTHER][1] == template[2] and 3 not in found[WORDS] and strict(layout(said, "user"), "user") == said
    assert found == floors({1: [1, 2], 2: [3], 3: []}, template, "user", cards, 0)


def test_a_measure_that_a_floor_wins_is_no_verdict():
    rows = [{"side": "user", "writer": "template", "faithfulness": 0.1, "gain": 0.0, "identification": 0.4}]
    rows.append({"side": "user", "writer": WORDS, "faithfulness": 0.6, "gain": 0.01, "gain_low": -0.01})
    assert without_verdict(rows) == {("user", "faithfulness")}
    rows[1]["gain_low"] = 0.001
    assert without_verdict(rows) == {("user", "faithfulness"), ("user", "gain")}


def test_form_counts_what_was_written_and_nothing_else():
    text = layout(profile("tents"), "user")
    made = [{"decoding": "greedy", "repair": None}, {"decoding": "greedy, within the grammar", "repair": None},
            {"decoding": "greedy", "repair": "layout"}, {"decoding": "greedy", "repair": "too few phrases"}, {}]  # fmt: skip
    fields = [profile("tents")] * 3 + [None, None]
    frame = profiles_frame([1, 2, 3, 4, 5], [text] * 4 + [""], fields, ["x"] * 5, made)
    found = form(frame, "user")  # nothing is known of the last
    assert found == {"profiles": 4, "parsed": 0.5, "strict": 0.25, "by_grammar": 0.25, "sentences": None, "words": 14.0}
    says = profiles_frame(
        [1, 2], [text] * 2, [profile("tents") | {"Sentence": ["They camp."]}, fields[0]], ["x"] * 2, made[:2]
    )
    assert form(says, "user")["sentences"] == 0.5


def test_sample_leaves_the_taught_out_and_a_crowd_begins_with_its_owner():
    assert sample([1, 2, 3, 4], {2}, 0, "user") == [1, 3, 4]
    known = np.concatenate([np.zeros((1, 3)), np.random.default_rng(0).normal(size=(40, 3)), np.zeros((1, 3))])
    among = crowds([5, 9], known, np.flatnonzero(known.any(1)), np.random.default_rng(0))
    assert among[:, 0].tolist() == [5, 9] and all(len(set(row)) == len(row) for row in among.tolist())
    assert set(among.ravel()) <= set(range(1, 41))  # of the last nothing is known
    beside = crowds([5, 41], known, np.flatnonzero(known.any(1)), np.random.default_rng(0))
    assert beside[:, 0].tolist() == [5, 41] and all(len(set(row)) == len(row) for row in beside.tolist())
    assert set(beside[1, 1:]) <= set(range(1, 41))


def test_who_was_taught_or_trained_on_is_not_in_the_sample(tmp_path):
    files = write_split(tmp_path)
    split = read_split(files["train"], files["vocabulary"], files["items"])
    frames, taught = dict.fromkeys(product(["template"], ("user", "item")), pl.DataFrame(schema=PROFILES)), {1, 2}

    def owners(optimised):
        spec = {"seed": 0, "probes": 8, "optimised": optimised}
        sides = sides_of(split, None, None, frames, {}, {"user": taught, "item": taught}, None, spec)
        return {name: set(side.owners) for name, side in sides.items()}

    for side, all_others in owners(0).items():
        trained, *_ = parted(draw(split, 0, 8).pool[side], 5)
        assert len(trained) == 5 and owners(5)[side] == all_others - set(trained) and not all_others & taught


def test_perplexity_of_a_model_that_knows_nothing_is_its_vocabulary():
    from ptebench.profiles.embedded.model import new_model, tokenizer_of

    tokenizer = tokenizer_of(["Roles: tents; boats"] * 9, 300, 64)
    model = new_model(tokenizer, {"hidden": 16, "layers": 1, "heads": 1}, 64)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert perplexity(model, tokenizer, [("boats", "tents")], 64) == pytest.approx(len(tokenizer), rel=1e-4)


def test_the_drawing_is_the_same_bytes_again(tmp_path):
    of = {"parse_rate": {"user": 1.0, "item": 0.5}, "effective_rank": {"user": 2.0, "item": 3.0}}
    of |= {"gain": (wide := {"mean": 0.1, "low": 0.0, "high": 0.3})}
    of |= {"pairwise_cosine": {"user": wide, "item": wide}}
    drift = [None, wide, wide]
    probes = [{"round": r, "embedding_drift": d, "field_drift": d, **of} for r, d in enumerate(drift)]
    for name in ("a.svg", "b.svg"):
        draw_rounds(probes, "Profiles", tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert all(word in text for word in ("Effective rank", "Gain over the cards", "embedding"))
    draw_rounds(probes[:2], "Profiles", tmp_path / "one.svg")  # one round to draw of the drift, none between it and 0
    ticks = set(re.findall(r">([\d.]+)</text>", (tmp_path / "one.svg").read_text().split('"axes_2"')[0]))
    assert {tick for tick in ticks if tick.startswith("1")} == {"1"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A chain with three writers: who says what the template says, who says it of the next owner, and who fails."""
    from ptebench.profiles.models.adapters import save_adapter
    from ptebench.profiles.models.loading import load

    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("quality"))
    items = read_table(chain.files["items"], ITEMS)
    vectors = Encoder(ENCODER)(items["card"].to_list())
    write_embeddings(torch.from_numpy(np.concatenate([0 * vectors[:1], vectors])), chain.files["cards"], {})
    chain.build()
    chain.instruct()
    model, _ = load(str(chain.base["base"].parent), None, 320, None, WRITING["lora"], True)
    adapter = chain.root / "adapter/adapter_model.safetensors"
    save_adapter(model, adapter, adapter.with_name("adapter_config.json"))
    record = chain.root / "record.json"
    parts = {
        "warm": {"tokens_written": 60, "tokens_per_second": 15},
        "cold": {"tokens_written": 40, "tokens_per_second": 40},
    }
    write_json({"written": parts}, record)
    inputs = chain.known | chain.base | {"valid": chain.files["valid"], "texts": chain.lessons["texts"]}
    for side, path in chain.template.items():
        frame = read_table(path, PROFILES).with_columns(generation=pl.lit(json.dumps({"writer": "x", "repair": None})))
        inputs |= {f"template_{side}": path, f"{side}_instructions": chain.instructions[side]}
        moved = pl.concat([frame[1:], frame[:1]])
        none = frame.with_columns(
            text=pl.lit("..."), fields=pl.lit(None, pl.String), generation=pl.lit('{"repair": "missing heading"}')
        )
        for writer, written in {
            "kd": frame,
            "sft": frame.with_columns(moved["text"], moved["fields"]),
            "grpo": none,
        }.items():
            written.write_parquet(chain.root / f"{writer}_{side}.parquet")
            inputs |= {f"{writer}_{side}": chain.root / f"{writer}_{side}.parquet"}
            inputs |= {f"{writer}_{side}_adapter": adapter, f"{writer}_{side}_record": record}
    spec = WRITING | {"encoder": ENCODER, "writers": ["kd", "sft", "grpo"], "optimised": 2}
    spec |= PLACE

    def quality(folder, **extra):
        names = {"csv": "quality.csv", "md": "quality.md", "samples": "samples.md"}
        outputs = {n: chain.root / folder / f for n, f in names.items()}
        job("quality", spec, inputs | extra, outputs)
        return read_table(outputs["csv"], QUALITY), outputs

    quality.chain = chain
    return quality


def test_quality_of_writers(run):
    frame, outputs = run("first")
    rows = {}
    for side, writer, measure, value, _ in frame.iter_rows():
        rows.setdefault((side, writer), {})[measure] = value
    writers = ("base", "template", "kd", "sft", "grpo", *FLOORS)
    assert list(rows) == [(s, w) for s in ("user", "item") for w in writers]
    for side in ("user", "item"):
        true, moved, failed = (rows[side, w] for w in ("kd", "sft", "grpo"))
        for measure in ("faithfulness", "identification"):
            assert true[measure] == rows[side, "template"][measure] > moved[measure], measure
        assert failed["parsed"] == failed["strict"] == 0 and failed["owners"] == 0 and "faithfulness" not in failed
        assert true["parsed"] == true["strict"] == 1 and true["tokens_per_second"] == 20
        assert rows[side, MEAN]["identification"] > 0.9
        assert "faithfulness" in rows[side, WORDS]
        # a new adapter changes nothing
        assert true["perplexity"] == pytest.approx(rows[side, "base"]["perplexity"], rel=1e-4)
    assert rows["user", "template"]["gain_owners"] > 20 and rows["user", MEAN]["gain_low"] <= 0
    # the mean card of a history identifies its owner, and says nothing
    assert (
        not frame.filter(measure="identification")["verdict"].any() and frame.filter(measure="words")["verdict"].all()
    )
    text = outputs["md"].read_text()
    assert re.search(r"mean card .*0\.9\d\d †", text) and "no verdict" in text
    assert text == markdown(frame, "Profiles of small, split, embedded") and "100.0 %" in text
    samples = outputs["samples"].read_text()
    assert samples.count("## user") == samples.count("## item") == SHOWN and "(no profile)" in samples
    again, others = run("again")
    assert all(outputs[n].read_bytes() == others[n].read_bytes() for n in outputs)


def test_a_supplied_teacher_is_measured_beside_the_others_on_the_owners_it_covers(run):
    path = run.chain.root / "teacher.jsonl"
    lines = [{"user_id": f"u{u:03d}", "output": "User identity: a, b, c; User interests: d, e, f."} for u in range(20)]
    path.write_text("\n".join(map(json.dumps, lines)))
    frame, _ = run("taught", teacher_user=path)
    teacher, kd = (dict(frame.filter(side="user", writer=w)["measure", "value"].iter_rows()) for w in ("teacher", "kd"))
    assert 2 <= teacher["owners"] == kd["owners"] <= 20 and teacher["distinct_phrases"] < 0.5
    assert "profiles" not in teacher and not frame.filter(side="item", writer="teacher").height
