"""Two simulated snapshots: the counts asked for, no repeats, the planted factors, the same bytes."""

import numpy as np
import polars as pl
import pytest
import yaml
from sklearn.feature_extraction.text import TfidfVectorizer

from ptebench.config.read import resolve
from ptebench.data.protocols import snapshot
from ptebench.data.simulate_snapshots import snapshots, write
from ptebench.data.splits import complete
from ptebench.data.statistics import describe, read_published
from ptebench.files import InputError
from tests.conftest import REPOSITORY
from tests.data.readers import read

COUNTS = {
    "train_items": 700, "test_items": 800, "overlap_items": 300, "train_interactions": 5000, "test_interactions": 4000,
}  # fmt: skip
SETTINGS = {"seed": 0, "users": 900, "snapshots": COUNTS, "behaviour_only": 0.2, "text_only": 0.2}


def made(folder, **settings):
    folder.mkdir(exist_ok=True)
    names = {"train": "train.npz", "test": "test.npz", "items": "items.jsonl.gz"}
    paths = {name: folder / file for name, file in names.items()}
    return write(SETTINGS | settings, paths | {"truth": folder / "truth.npz"}), paths


@pytest.mark.parametrize(
    "counts",
    [
        COUNTS,
        # nothing to spare: one interaction for each user and each item, and days that share nothing or everything
        COUNTS | {"overlap_items": 0, "train_interactions": 1600, "test_interactions": 800},
        {
            "train_items": 150,
            "test_items": 150,
            "overlap_items": 150,
            "train_interactions": 30000,
            "test_interactions": 30000,
        },
    ],
)
def test_counts_are_met_exactly(tmp_path, counts):
    _, paths = made(tmp_path, snapshots=counts)
    interactions, items, notes = read("reclm", paths)
    values = describe(interactions, items)
    assert {name: values[name] for name in counts} == counts and values["users"] == values["train_users"] == 900
    assert values["distinct_pairs"] == values["interactions"], "no pair twice, within a day or on both"
    assert notes["items_without_card"] == notes["texts_of_unknown_items"] == 0 and items["title"].is_unique().all()


def test_same_seed_same_bytes(tmp_path):
    (_, one), (_, two), (_, other) = (made(tmp_path / n, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    for name in one:
        assert one[name].read_bytes() == two[name].read_bytes() != other[name].read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.8])
def test_users_follow_the_factors_in_the_shares_asked_for(share):
    """What a user takes agrees with the user's other choices on the followed factors alone."""
    planted = snapshots(
        SETTINGS | {"behaviour_only": share, "users": 3000, "snapshots": COUNTS | {"train_interactions": 30000}}
    )
    user, item = planted.train
    agreement = {}
    for name in ("topic", "hidden", "style"):
        factor = getattr(planted, name)
        values = np.zeros((3000, factor.max() + 1))
        np.add.at(values, (user, factor[item]), 1)
        same = ((values**2).sum() - len(user)) / (values.sum(1) ** 2 - values.sum(1)).sum()
        base = ((values.sum(0) / len(user)) ** 2).sum()
        agreement[name] = same / base
    assert abs(agreement["style"] - 1) < 0.1
    assert (agreement["hidden"] > 1.2) == (share > 0) and (agreement["topic"] > 2.5) == (share < 0.5)
    if share == 0:
        assert abs(agreement["hidden"] - 1) < 0.1


def test_text_tells_what_is_new_tomorrow(tmp_path):
    """Users' texts of today rank tomorrow's never-seen items above chance, which no ID can."""
    planted, paths = made(tmp_path, snapshots=COUNTS | {"train_interactions": 15000})
    interactions, items, _ = read("reclm", paths)
    parts = complete(
        snapshot.split(interactions, {"kind": "snapshot", "cut": None, "end": None, "valid": 0.1, "seed": 0})
    )
    vectors = TfidfVectorizer().fit_transform(items.sort("item_id")["card"]).toarray()
    names = parts["vocabulary"].filter(pl.col("side") == "item")
    assert names["raw"].to_list() == items.sort("item_id")["item_id"].to_list()
    new = parts["candidates"].filter(pl.col("ranking") == "zero_shot")["item"].to_numpy() - 1
    assert len(new) == 500
    better = []
    for row in parts["test"].filter(pl.col("ranking") == "zero_shot").to_dicts():
        score = vectors[new] @ vectors[np.array(row["history"]) - 1].mean(0)
        better += [float((score < score[new == target - 1]).mean()) for target in row["targets"]]
    assert np.mean(better) > 0.6


def test_columns_and_ids_tell_no_factor(tmp_path):
    planted, paths = made(tmp_path)
    truth = np.load(tmp_path / "truth.npz")
    by_id = np.argsort(truth["item_id"])
    for name in ("topic", "hidden"):
        factor = truth[name][by_id]
        assert abs((factor[1:] == factor[:-1]).mean() - 1 / (factor.max() + 1)) < 0.03


def test_the_twin_has_the_published_counts():
    """The settings of configs/industrial.yaml are the published counts; that settings are met is shown above."""
    settings = yaml.safe_load((REPOSITORY / "configs/industrial.yaml").read_text())
    twin = resolve(settings, "industrial.yaml")["datasets"]["industrial"]
    published = read_published(REPOSITORY / "ptebench/report/published_statistics.csv")
    counts = dict(published.filter(pl.col("dataset") == twin["published"]).select("statistic", "value").rows())
    for part in ("train", "test"):
        pairs = counts["users"] * counts[f"{part}_items"]
        sparsity = round(100 * (1 - counts[f"{part}_interactions"] / pairs), 3)
        assert counts.pop(f"{part}_sparsity_percent") == sparsity
    assert counts == {"users": twin["users"], **twin["snapshots"]}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"snapshots": None}, "go together"),
        ({"layout": "mind"}, "go together"),
        ({"items": 300}, "items: snapshots say it"),
        ({"snapshots": COUNTS | {"overlap_items": 701}}, "more than a snapshot has"),
        ({"snapshots": COUNTS | {"train_interactions": 1599}}, "fewer than one for each user and one for each item"),
        ({"snapshots": COUNTS | {"test_interactions": 799}}, "fewer than one for each item"),
        ({"users": 10}, "more interactions than half"),
    ],
)
def test_settings_that_do_not_go_together(change, message):
    entry = {"source": "simulated", "layout": "reclm", "users": 900, "snapshots": COUNTS} | change
    with pytest.raises(InputError, match=message):
        resolve({"datasets": {"d": {k: v for k, v in entry.items() if v is not None}}}, "c.yaml")
