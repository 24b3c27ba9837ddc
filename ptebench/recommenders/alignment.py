"""The alignment of texts as a cell: the same training, validation and checkpoints as of any recommender."""

import torch

OPTIMISER = {"schedule": "constant", "beta2": 0.999, "validate_every": 1, "selection": "NDCG@10", "compile": False}
OF_TEXT = ("components", "shrinkage", "dropout", "rank")
MODULES = ("ptebench.recommenders.backbones.alignment", "ptebench.recommenders.representations.alignment")


def cell_of(spec: dict) -> dict:
    """Return the settings of the cell that `spec` (seed, control, align, remove_seen) of an embedding stands for."""
    settings = spec["align"]
    towers = {"kind": "alignment", "control": spec["control"], **{key: settings[key] for key in OF_TEXT}}
    backbone = {"kind": "alignment", "device": "cpu", **OPTIMISER, **settings}
    return {"backbone": backbone, "representation": towers, "remove_seen": spec["remove_seen"], "seed": spec["seed"]}


def keeps_start(curve: list[dict]) -> bool:
    """Return whether no epoch of a `curve` was better than the text as it is, which is its epoch 0."""
    return curve[0]["value"] >= max(point["value"] for point in curve)


def final_vectors(representation, start: bool) -> dict[str, torch.Tensor | None]:
    """Return the vectors (n + 1, 2 d) by side, of users where profiles are read: what a reader gets.

    Where the `start` is kept, both roles of an item are the same first d components of its text: in their place stand
    its first 2 d components, so that a reader loses nothing by them.
    """
    representation.eval()
    with torch.no_grad():
        if start:
            return representation.texts()
        return {"item": representation.item_vectors(), "user": representation.user_vectors()}
