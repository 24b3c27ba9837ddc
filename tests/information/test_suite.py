"""The whole suite on a small shop: every measure is there, the page says what they imply, bad input is one message."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from ptebench.errors import InputError
from ptebench.information import figure, page, suite
from ptebench.information.suite import MEASURES, Material, measure
from tests.information.planted import shop


@pytest.fixture(scope="module")
def material():
    made = shop(0.2, users=150, items=120, mean_length=10)
    both = torch.cat(list(made.vectors.values()), 1)
    return Material({"text": made.vectors["text"], "both": both}, made.counts, made.partners, made.valid, made.test)


@pytest.fixture(scope="module")
def frame(material):
    return measure(material)


def test_every_ordered_pair_has_every_measure_and_its_null(frame):
    assert dict(frame.schema) == MEASURES
    rows = {key[:3]: key for key in frame.select("measure", "source", "target", "items", "null", "bound").iter_rows()}
    for source, target in (("text", "both"), ("both", "text")):
        for name in (
            "linear R2",
            "linear R2, whitened",
            "non-linear R2",
            "nats",
            "ISI",
            "MRR",
            "top-1",
            "top-10",
            "added",
        ):
            assert (name, source, target) in rows
        assert rows["nats", source, target][4] is not None and rows["MRR", source, target][4] is not None
    assert {"random", "hashed", "popularity"} <= set(frame.filter(measure="nats")["source"])
    assert frame.filter(measure="added, two hidden layers").height == 6 and frame.filter(items="rarest fifth").height


def test_what_holds_the_others_tells_them_and_no_bound_passes_its_cap(frame):
    value = {key[:4]: key[4] for key in frame.select("measure", "source", "target", "items", "value").iter_rows()}
    assert value["linear R2", "both", "text", "all"] > 0.95 > value["linear R2", "text", "both", "all"] > 0.1
    assert value["ISI", "both", "text", "all"] > 0.5 > value["ISI", "random", "text", "all"]
    assert value["linear R2", "random", "text", "all"] < 0.01
    bounds = frame.filter(pl.col("measure").str.starts_with("InfoNCE"))
    assert (bounds["value"] <= bounds["bound"] + 1e-9).all()


def test_the_page_has_a_sentence_for_each_pair_and_no_number_that_is_not_in_the_frame(frame):
    text = page.render(frame, ["text", "both"], "A shop", "shop.svg")
    assert "- cold targets: 0 events, too few for a verdict." in text
    row = frame.filter(measure="added", source="text", target="both", items="all").row(0, named=True)
    assert f"`both` adds {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}] nats to `text`" in text
    for pair in (("text", "both"), ("both", "text")):
        assert "`{}` alone, beside `{}` and `{}`:".format(pair[0], *pair) in text


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.1, 0.01, "suffices"), (0.03, 0.1, "does not suffice"), (0.01, 0.03, "is undecided")],
)
def test_a_verdict_is_where_the_interval_lies(low, high, verdict):
    assert page.judge({"low": low, "high": high, "bound": 0.02}) == verdict


def test_the_figure_has_the_same_bytes_again_and_every_panel(material, frame, tmp_path):
    ids = figure.choose_items(material.items, 0)
    categories = [None, *("even" if i % 2 else "odd" for i in range(120))]
    bytes_ = []
    for folder in ("first", "second"):
        paths = {suffix: tmp_path / folder / f"figure.{suffix}" for suffix in ("svg", "png")}
        figure.draw(material.vectors, frame, material.counts, ids, categories, 0, paths)
        bytes_.append([path.read_bytes() for path in paths.values()])
    assert bytes_[0] == bytes_[1]
    svg = bytes_[0][0].decode()
    for text in ("text", "both", "even", "odd", "as printed in the study", "0.975"):
        assert f">{text}<" in svg


def with_vectors(material, vectors):
    return lambda: Material(
        {**material.vectors, "ids": vectors}, material.counts, material.partners, material.valid, material.test
    )


def test_vectors_that_nothing_can_be_measured_of_are_refused(material):
    good = material.vectors["both"]
    broken = good.clone()
    broken[7, 0] = torch.nan
    for vectors, message in (
        (good[:-1], "vectors 'ids': 119 items, and the split has 120"),
        (broken, "vectors 'ids': that of item 7 is not finite"),
        (torch.ones_like(good), "vectors 'ids': all items have the same"),
        (torch.zeros_like(good), "vectors 'ids': all items have the same"),
        (good[:, :0], "vectors 'ids': all items have the same"),
    ):
        with pytest.raises(InputError, match=message):
            with_vectors(material, vectors)()


def test_too_few_items_or_events_are_refused(material):
    few = material.vectors["both"].clone()
    few[50:] = 0
    with pytest.raises(InputError, match="49 items have all vectors, and cross-fitting needs at least 100"):
        measure(with_vectors(material, few)())
    short = replace(material.valid, users=np.arange(9), offsets=material.valid.offsets[:10],
                    targets=material.valid.targets[:9], values=material.valid.values[: material.valid.offsets[9]])  # fmt: skip
    number = np.concatenate([[-1], np.arange(120) % 5])
    made = Material(material.vectors, material.counts, material.partners, short, material.test)
    with pytest.raises(InputError, match="9 validation and 150 test events, and the task needs at least 100"):
        suite.Tasks(made, number)
    with pytest.raises(InputError, match="name at least two"):
        measure(Material({"ids": material.vectors["both"]}, material.counts, material.partners, short, short))
