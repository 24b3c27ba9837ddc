"""What others read of a trained cell: its vectors of items."""

import polars as pl
import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import TRAIN, VOCABULARY, InputError, write_embeddings, write_table, write_tensors
from ptebench.job import Job
from ptebench.recommenders.cell import item_vectors, load_train
from ptebench.recommenders.model import build

ITEMS = 6


def settings(section, kind, **keys):
    return resolve({"encoders": {"minilm": {}}, section: {kind: keys}}, "c")[section][kind]


def cell(tmp_path, backbone, representation):
    """Return the job of a cell with the model that its seed gives, and the split that it trains on: item 6 is new."""
    vocabulary = [*(("item", n, f"i{n}") for n in range(1, ITEMS + 1)), *(("user", n, f"u{n}") for n in (1, 2))]
    write_table(pl.DataFrame(vocabulary, schema=VOCABULARY, orient="row"), tmp_path / "vocabulary.parquet", VOCABULARY)
    histories = [(1, [1, 2, 3]), (2, [5, 4, 1])]
    write_table(pl.DataFrame(histories, schema=TRAIN, orient="row"), tmp_path / "train.parquet", TRAIN)
    text = torch.randn(ITEMS + 1, 8, generator=torch.Generator().manual_seed(0))
    text[0] = 0
    write_embeddings(text, tmp_path / "item.safetensors", {})
    spec = {
        "backbone": settings("backbones", backbone, **({"dimension": 4} if backbone == "sasrec" else {})),
        "representation": settings("representations", representation), "seed": 0,
    }  # fmt: skip
    files = {name: [tmp_path / f"{name}.parquet"] for name in ("vocabulary", "train")}
    own = {"model": [tmp_path / "model.safetensors"]} | (
        {"item": [tmp_path / "item.safetensors"]} if representation != "id" else {}
    )
    job = Job(spec, files | {f"x.{name}": paths for name, paths in own.items()}, {}, "", 1)
    models = build(spec, load_train(job.part("x", spec), spec)[2])
    named = zip(("backbone", "representation"), models)
    write_tensors(
        {f"{n}.{key}": value for n, model in named if model is not None for key, value in model.state_dict().items()},
        own["model"][0],
    )
    return job.part("x", spec), models


@pytest.mark.parametrize("representation", ["id", "whitenrec", "alphafuse"])
def test_item_vectors_of_a_cell_are_those_it_was_saved_with_and_zeros_where_an_id_was_never_seen(
    tmp_path, representation
):
    job, (_, trained) = cell(tmp_path, "sasrec", representation)
    vectors = item_vectors(job)
    assert vectors.shape == (ITEMS + 1, 4) and not vectors[0].any() and not vectors.requires_grad
    trained.eval()
    assert torch.equal(vectors[1:6], trained.item_vectors()[1:6].detach())
    assert vectors[6].any() == (representation != "id")


def test_a_backbone_that_spells_items_has_no_vectors_of_them(tmp_path):
    job, _ = cell(tmp_path, "p5", "id")
    with pytest.raises(InputError, match=r"model\.safetensors: the backbone spells items, and has no item vectors"):
        item_vectors(job)
