"""What an analysis reads: texts, vectors learned from them, trained cells with all that these need."""

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.information import Information
from tests.worlds import configuration

AT = Wildcards(fromdict={"information": "mine", "dataset": "news", "protocol": "snapshot"})
VECTORS = {
    "text": {"text": "card", "encoder": "minilm"},
    "ids": {"backbone": "biasmf"},
    "fusion": {"backbone": "biasmf", "representation": "pte"},
    "learned": {"text": "aligned"},
}
MINE = {"mine": {"datasets": ["news"], "protocols": ["snapshot"], "vectors": VECTORS}}
SPLIT, CELLS = "results/splits/news/snapshot", "results/cells/news/snapshot/biasmf"
EMBEDDINGS = "results/embeddings/news/snapshot"


def planned(**changes):
    config = configuration(information=MINE, embeddings={"aligned": {"text": "card"}}, **changes)
    return Information(config, Cells(config))


def test_an_analysis_reads_the_split_and_each_of_its_vectors_by_name():
    files = planned().inputs(AT)
    assert files["test"] == f"{SPLIT}/test.parquet" and files["items_"] == "results/data/news/items.parquet"
    assert files["ids.model"] == f"{CELLS}/id/seed=0/model.safetensors"
    assert files["text.vectors"] == f"{EMBEDDINGS}/card/minilm/item.safetensors"
    assert files["learned.vectors"] == f"{EMBEDDINGS}/aligned/item.safetensors"
    assert files["fusion.model"] == f"{CELLS}/pte/seed=0/model.safetensors"
    assert {name for name in files if name.startswith("fusion.")} == {
        f"fusion.{x}" for x in ("model", "item", "card", "user")
    }


def test_its_settings_keep_the_order_of_the_vectors_and_have_those_of_each_cell():
    settings = planned(seeds=[3, 1]).settings(AT)
    assert [name for name, _ in settings["vectors"]] == list(VECTORS) and settings["seed"] == 3
    cells = dict(settings["vectors"])
    assert cells["text"] == {} and cells["ids"]["seed"] == 3
    assert cells["fusion"]["representation"]["kind"] == "pte"
    assert "ptebench.recommenders.representations.pte" in planned().modules(AT)


def test_a_tuned_cell_is_read_with_the_settings_that_won():
    tuning = {"backbones": {"biasmf": {"learning_rate": [0.001, 0.01]}}}
    assert planned(tuning=tuning).inputs(AT)["ids.tuned"] == "results/tuning/news/snapshot/biasmf/id/best.json"


def test_the_target_asks_for_every_page_and_says_so_where_there_is_none():
    assert planned().pages(AT) == ["results/information/mine/news/snapshot.md"]
    config = configuration()
    with pytest.raises(InputError, match="no analysis is asked for; define one under 'information'"):
        Information(config, Cells(config)).pages(AT)
