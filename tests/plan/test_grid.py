"""The cells of tables."""

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.errors import InputError
from ptebench.plan.grid import Grid
from ptebench.plan.reporting import Reporting
from ptebench.plan.texts import Texts
from tests.worlds import configuration

PLACE = {"dataset": "shop", "protocol": "cold_start_user"}


def test_a_counter_has_one_seed_and_each_cell_stands_once():
    grid = Grid(configuration())
    assert len(grid.cells) == len(set(grid.cells)) == 30
    assert [cell.seed for cell in grid.by_backbone["shop", "cold_start_user", "markov"]] == [0]
    assert [cell.seed for cell in grid.cells if cell[2:4] == ("sasrec", "id")] == [0, 1]
    assert grid.cells[0].folder == "results/cells/shop/cold_start_user/popularity/id/seed=0"


def test_metrics_are_of_every_cell_of_a_backbone_and_of_every_k():
    reporting = Reporting(configuration())
    place = Wildcards(fromdict=PLACE | {"backbone": "sasrec"})
    spec, files = reporting.metric_settings(place), reporting.metric_inputs(place)
    assert spec["ks"] == [1, 5, 10, 20] and len(spec["cells"]) == len(files["ranks"]) == 4
    assert files["ranks"][1].endswith("sasrec/id/seed=1/ranks.parquet")


def test_a_backbone_that_no_table_names_has_no_metrics():
    place = Wildcards(fromdict=PLACE | {"backbone": "lightgcn"})
    with pytest.raises(InputError, match="no table asks for lightgcn on shop by cold_start_user"):
        Reporting(configuration()).metric_inputs(place)


def test_users_have_no_cards():
    place = Wildcards(fromdict=PLACE | {"text": "card", "encoder": "lsa", "side": "user"})
    with pytest.raises(InputError, match="items have cards, users have none"):
        Texts(configuration()).inputs(place)


def test_a_fitted_encoder_reads_training_items_and_others_do_not():
    place = PLACE | {"text": "embedded.grpo", "side": "user"}
    fitted = Texts(configuration()).inputs(Wildcards(fromdict=place | {"encoder": "lsa"}))
    assert fitted["fit"] == "results/profiles/shop/cold_start_user/embedded/grpo/item.parquet"
    assert set(Texts(configuration()).inputs(Wildcards(fromdict=place | {"encoder": "minilm"}))) == {
        "texts",
        "vocabulary",
    }
