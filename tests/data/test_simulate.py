"""The generator: readable by the publishers' readers, deterministic, and with the answer that was planted."""

import numpy as np
import polars as pl
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from ptebench.data.simulate import start_of, world, write
from tests.data.readers import read

FILES = {
    "amazon": {"reviews": "Simulated_5.json.gz", "metadata": "meta_Simulated.json.gz"},
    "netflix": {"ratings": "combined_data_1.txt", "titles": "movie_titles.csv"},
    "mind": {"behaviors": "behaviors.tsv", "news": "news.tsv"},
}
SETTINGS = {
    "seed": 0, "users": 400, "items": 200, "mean_length": 12.0, "behaviour_only": 0.2, "text_only": 0.2,
    "sequential": 0.5, "new_items": 0.25,
}  # fmt: skip


def make(tmp_path, layout, **settings):
    tmp_path.mkdir(exist_ok=True)
    paths = {name: tmp_path / file for name, file in FILES[layout].items()}
    write({**SETTINGS, "layout": layout, **settings}, paths | {"truth": tmp_path / "truth.npz"})
    return paths, np.load(tmp_path / "truth.npz")


@pytest.mark.parametrize("layout", FILES)
def test_readers_find_what_was_planted(tmp_path, layout):
    paths, truth = make(tmp_path, layout)
    interactions, items, counts = read(layout, paths)
    assert counts["malformed_lines"] == counts["items_without_card"] == 0
    wanted = sorted(zip(truth["user_id"][truth["user"]], truth["item_id"][truth["item"]]))
    assert sorted(interactions.select("user_id", "item_id").rows()) == wanted
    assert len(set(wanted)) == len(wanted)  # nobody meets an item twice
    assert items["title"].is_unique().all()
    if layout == "mind":  # seconds, and the history's order: the walk itself
        walked = truth["item_id"][truth["item"]]
        for n, user in enumerate(truth["user_id"]):
            rows = interactions.filter(pl.col("user_id") == user)
            assert walked[truth["user"] == n].tolist() == rows["item_id"].to_list()


@pytest.mark.parametrize("layout", FILES)
def test_same_seed_same_bytes(tmp_path, layout):
    (one, _), (two, _), (other, _) = (make(tmp_path / n, layout, seed=s) for n, s in (("a", 0), ("b", 0), ("c", 1)))
    for name in one:
        assert one[name].read_bytes() == two[name].read_bytes() != other[name].read_bytes()


def test_new_items_come_in_the_second_half(tmp_path):
    planted = world({**SETTINGS, "layout": "mind"})
    start, length = start_of("mind")
    new = planted.born > start
    assert new.sum() == 50
    assert (planted.time[new[planted.item]] >= start + length / 2).all()
    assert len(np.unique(planted.item)) == 200


@pytest.mark.parametrize("share", [0.0, 0.2, 0.6])
def test_shares_of_preference_variance(share):
    planted = world({**SETTINGS, "layout": "amazon", "behaviour_only": share})
    columns = [np.eye(8)[planted.topic], np.eye(24)[planted.topic * 3 + planted.subtopic]]
    visible = np.concatenate(columns, axis=1)
    fit = visible @ np.linalg.lstsq(visible, planted.utility.T, rcond=None)[0]
    explained = fit.var(0).mean()
    # the visible factor explains what it was given, and the chance share of 23 free numbers in 200 items
    assert explained == pytest.approx(1 - share + share * 23 / 200, abs=0.05)


def test_style_of_the_text_says_nothing_about_preferences():
    planted = world({**SETTINGS, "layout": "amazon"})
    style = np.eye(6)[planted.style]
    fit = style @ np.linalg.lstsq(style, planted.utility.T, rcond=None)[0]
    assert fit.var(0).mean() < 0.06  # chance: 5 / 200


def test_transitions_follow_the_plan():
    planted = world({**SETTINGS, "layout": "amazon"})
    same = planted.user[1:] == planted.user[:-1]
    follows = (planted.successors[planted.item[:-1]] == planted.item[1:, None]).any(1)[same].mean()
    free = world({**SETTINGS, "layout": "amazon", "sequential": 0.0})
    same = free.user[1:] == free.user[:-1]
    by_chance = (free.successors[free.item[:-1]] == free.item[1:, None]).any(1)[same].mean()
    assert follows > 0.25 and follows > 3 * by_chance


def test_text_predicts_choices(tmp_path):
    paths, _ = make(tmp_path, "amazon")
    interactions, items, _ = read("amazon", paths)
    vectors = TfidfVectorizer().fit_transform(items["card"])
    place = {i: n for n, i in enumerate(items["item_id"])}
    hits = popular = 0
    count = np.zeros(len(place))
    sequences = [[place[i] for i in rows] for rows in interactions.group_by("user_id").agg("item_id")["item_id"]]
    for s in sequences:
        np.add.at(count, s[:-1], 1)
    for s in sequences:
        score = np.asarray(vectors @ vectors[s[:-1]].sum(0).T).ravel()
        for value in (score, base := count.copy()):
            value[s[:-1]] = -1
        hits += (score > score[s[-1]]).sum() < 10
        popular += (base > base[s[-1]]).sum() < 10
    assert hits > 2 * popular > 0


def test_items_do_not_leak_their_factors_by_order(tmp_path):
    for layout in FILES:
        _, truth = make(tmp_path, layout)
        rank = pl.Series(truth["item_id"]).rank("dense").to_numpy()
        for factor in ("topic", "hidden", "style", "born"):
            assert abs(np.corrcoef(rank, truth[factor])[0, 1]) < 0.25
