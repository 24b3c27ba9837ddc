"""A canary: an item that nobody but test events touches, with a title that stands nowhere else.

The chain runs twice, with two titles of the canary. What is made before ranking may show neither title, and may not
even depend on which one it was, except in what says of the canary itself what its own card says.
"""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import read_tensors
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import LIKED
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo.judge import training_tasks
from ptebench.profiles.schema.tables import read_profiles
from tests.profiles.chain import ENCODER, GRPO, WRITING, Chain, half, job
from tests.profiles.synthetic import TOPICS

# as long in letters and in MiniLM's tokens: the padding of a batch moves the last digits of its other rows
TITLES = ["Quixotrope zephyrwick", "Zanthipole thundrifex"]
DATA = {
    "source": "table", "user_core": 0, "item_core": 0, "core": "iterative", "duplicates": "keep", "min_rating": None, "start": None,
    "end": None, "tie_break": "shuffle", "tie_seed": 0, "max_bad_rows": 0,
    "columns": {"user_id": "user", "item_id": "item", "timestamp": "time"},
    "item_columns": {"item_id": "item", "title": "title", "categories": "categories", "description": "description"},
}  # fmt: skip
SETTINGS = resolve(
    {
        "protocols": {
            "leave_one_out": {}, "long_tail": {"negatives": 5},
            "snapshot": {"cut": "1970-03-02"}, "global_temporal": {"cuts": ["1970-03-02"]},
        },
        "backbones": {"popularity": {}, "markov": {}, "itemknn": {}, "ease": {}, "sasrec": {"dimension": 8, "epochs": 1, "max_length": 8, "device": "cpu"}},
        "encoders": {"lsa": {"dimension": 16}},
        "representations": {"id": {}, "whitenrec": {"encoder": "lsa"}},
    },
    "test_canary.py",
)  # fmt: skip
SPLIT = ("vocabulary", "train", "histories", "valid", "valid_candidates", "test", "test_candidates", "groups")
ITEMS = 24
ASIDE = {"test.parquet", "test_candidates.parquet", "groups.parquet", "leakage.json", "training.csv"}  # tests; seconds


def write_raw(folder: Path, title: str) -> dict:
    """Write interactions in which the canary is the last item of some users, after the cut, and items."""
    topics, rows, texts = list(TOPICS), [], []
    for u in range(48):
        own = [(u + 5 * n * (1 + u % 3)) % ITEMS for n in range(6)]
        rows += [
            (f"u{u:02}", f"i{i:02}", (10 * n + u % 7 + (60 if n == 5 else 0)) * 86400 // 2) for n, i in enumerate(own)
        ]
    rows += [(f"u{u:02}", "canary", 80 * 86400) for u in range(0, 48, 2)]
    for i in range(ITEMS):
        words = TOPICS[topics[i % 4]]
        title_of = f"{words[i % 3].title()} and {words[3]} {i}"
        texts.append((f"i{i:02}", title_of, topics[i % 4], f"For {words[i // 4 % 4]} lovers."))
    texts.append(("canary", title, "Sailing", f"{title} of the hull."))
    pl.DataFrame(rows, schema=["user", "item", "time"], orient="row").write_csv(folder / "interactions.csv")
    pl.DataFrame(texts, schema=["item", "title", "categories", "description"], orient="row").write_csv(
        folder / "items.csv"
    )
    return {"interactions": folder / "interactions.csv", "items": folder / "items.csv"}


def split(root: Path, title: str, protocol: str) -> dict:
    """Run the data jobs; return the paths of what they made, by name."""
    (root / "raw").mkdir(parents=True)
    data = {"interactions": root / "data/interactions.parquet", "items": root / "data/items.parquet"}
    job("interactions", DATA, write_raw(root / "raw", title), data)
    settings = SETTINGS["protocols"][protocol]
    if protocol == "long_tail":  # what the dataset adds
        settings = settings | {"heads_compat": None}
    made = {name: root / f"split/{name}.parquet" for name in SPLIT} | {"leakage": root / "split/leakage.json"}
    job("split", settings, {"interactions": data["interactions"]}, made)
    return made | data


def number(files: dict) -> int:
    """Return the canary's dense id."""
    words = pl.read_parquet(files["vocabulary"])
    return words.filter((pl.col("side") == "item") & (pl.col("raw") == "canary"))["id"].item()


@pytest.mark.parametrize("protocol", SETTINGS["protocols"])
def test_splits_show_the_canary_in_test_files_alone(tmp_path, protocol):
    files = split(tmp_path, TITLES[0], protocol)
    canary = number(files)
    holds = {}
    for name in ("train", "valid", "histories", "valid_candidates", "test"):
        frame = pl.read_parquet(files[name])
        lists = [pl.col(c).list.contains(canary) for c, kind in frame.schema.items() if kind == pl.List(pl.Int32)]
        plain = [pl.col("item") == canary] if "item" in frame.columns else []
        holds[name] = frame.filter(pl.any_horizontal(*lists, *plain)).height
    assert holds.pop("test") >= 24 and set(holds.values()) == {0}


def run(root: Path, title: str) -> dict:
    """Run the chain from raw files to profiles, text vectors and fitted models; return the split's files."""
    files = split(root, title, "leave_one_out")
    texts = {n: files[n] for n in ("train", "vocabulary")}

    def embed(name, text, side, of, encoder=SETTINGS["encoders"]["lsa"]):
        fit = files["items"] if text == "card" else root / "template/item.parquet"
        path = root / f"embeddings/{name}.safetensors"
        job(
            "embed",
            {"text": text, "side": side, "encoder": encoder},
            texts | {"texts": of, "fit": fit},
            {"vectors": path},
        )
        return path

    files["cards"] = embed("minilm", "card", "item", files["items"], ENCODER)
    fitted = embed("lsa", "card", "item", files["items"])
    chain = Chain(root, files)
    chain.build(steps=300)  # enough for it to write something
    chain.instruct()
    for side in ("user", "item"):
        chain.tune(0, side)
    chain.probe(0)
    for side, shown in (("user", "readers"), ("item", "audiences")):
        shutil.copytree(half(root, 0, side)["adapter"].parent, root / "best" / side)
        shutil.copy(half(root, 0, side)["profiles"], root / f"best/{shown}.parquet")
    adapter = chain.policy("grpo", "user")["adapter"]
    for side in ("user", "item"):
        chain.write(side, adapter, root / f"written/{side}.parquet")
        embed(side, "template", side, root / f"template/{side}.parquet")
    cells = [(b, "id") for b in SETTINGS["backbones"]] + [("sasrec", "whitenrec")]
    inputs = texts | {"valid": files["valid"], "candidates": files["valid_candidates"]}
    for backbone, representation in cells:
        spec = {
            "backbone": SETTINGS["backbones"][backbone],
            "representation": SETTINGS["representations"][representation],
        }
        folder = root / "cells" / backbone / representation
        outputs = {"model": folder / "model.safetensors", "curve": folder / "training.csv"}
        more = {"item": fitted} if representation == "whitenrec" else {}
        job("train", spec | {"remove_seen": True, "seed": 0}, inputs | more, outputs)
    return files


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    torch.set_num_threads(1)
    roots = [tmp_path_factory.mktemp("canary") for _ in TITLES]
    return [(root, title, run(root, title)) for root, title in zip(roots, TITLES, strict=True)]


def artefacts(root: Path) -> list[Path]:
    """Return what a run made of the split, test files aside."""
    made = [p for p in sorted(root.rglob("*")) if p.is_file() and not {"raw", "data"} & set(p.relative_to(root).parts)]
    return [p for p in made if p.name not in ASIDE]


def others(root: Path, path: Path, canary: int):
    """Return the content of an artefact without the canary's own row: tables and vectors have one per item."""
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        return (
            frame.filter(pl.col("id") != canary)
            if "id" in frame.columns and "item" in path.parts[-1] + path.parts[-2]
            else frame
        )
    if path.suffix == ".safetensors":
        tensors, _ = read_tensors(path)
        rows = {
            n: t[torch.arange(len(t)) != canary] if t.dim() == 2 and len(t) == ITEMS + 2 else t
            for n, t in tensors.items()
        }
        return {n: (t.shape, t.numpy().tobytes()) for n, t in rows.items()}
    return path.read_bytes().replace(str(root).encode(), b"")  # PEFT notes the path of the base model


def tells(title: str, content) -> bool:
    """Return whether a word of the title stands in an artefact."""
    if isinstance(content, pl.DataFrame):
        content = content.write_ndjson()
    text = (
        " ".join(content) if isinstance(content, dict) else content.decode() if isinstance(content, bytes) else content
    )
    return any(word in text.lower() for word in title.lower().split())


def test_the_title_stands_nowhere_but_in_what_is_said_of_the_canary_itself(runs):
    for root, title, files in runs:
        found = [p for p in artefacts(root) if tells(title, others(root, p, number(files)))]
        assert not found, found


def test_grpo_shows_no_user_an_audience_that_was_written_of_the_user(runs):
    """The audiences are those that the chain wrote; a reader's profile knew what GRPO holds out of the reader."""
    root, _, files = runs[0]
    split = read_split(files["train"], files["vocabulary"], files["items"])
    rest = split.without(draw(split, WRITING["seed"], WRITING["probes"]).pairs)
    audiences, readers = read_profiles(root / "best/audiences.parquet"), rest.readers(WRITING["neighbours"], 0)
    cards = np.random.default_rng(0).normal(size=(split.items + 1, 4)).astype(np.float32)
    spec = WRITING | {"grpo": GRPO | {"prompts": 30}, "side": "user"}
    tasks, *_ = training_tasks(split, cards, audiences, spec)
    told = [
        (u, line)
        for u, prompt in zip(tasks.owners.tolist(), tasks.prompts)
        for line in prompt.split("\n")
        if LIKED in line
    ]
    own = [(u, i) for i, of in readers.items() if i in audiences for u in of]
    assert len(told) > 10 and own, "what was written of others is shown"
    for user, item in own:
        line = split.cards.line(item)
        assert not any(u == user and line in shown for u, shown in told)


def test_the_search_finds_a_planted_leak(runs, tmp_path):
    """Instructions from histories that go on to the test targets show the title, to users and to items."""
    root, title, files = runs[0]
    whole = pl.read_parquet(files["test"]).select("user", pl.concat_list("history", "targets").alias("history"))
    whole.write_parquet(tmp_path / "train.parquet")
    chain = Chain(root, files | {"train": tmp_path / "train.parquet"})
    leaky = {name: tmp_path / path.name for name, path in chain.lessons.items()}
    chain.instruct(leaky)
    assert any(tells(title, others(root, leaky[side], number(files))) for side in chain.instructions)


def test_nothing_depends_on_the_title(runs):
    (first, _, files), (second, _, _) = runs
    # answers are kept by prompt, the canary's own among them; what they say stands in the profiles
    paths, again = (
        [p.relative_to(root) for p in artefacts(root) if not p.name.endswith(".answers.jsonl")]
        for root in (first, second)
    )
    assert paths == again and len(paths) > 40
    different = []
    for path in paths:
        one, two = (others(root, root / path, number(files)) for root in (first, second))
        if not (one.equals(two) if isinstance(one, pl.DataFrame) else one == two):
            different.append(path)
    assert not different
    # the run can tell: the canary's own vector is another
    card = [read_tensors(root / "embeddings/lsa.safetensors")[0]["vectors"] for root in (first, second)]
    assert not torch.equal(*card)
