"""The alignment of texts as a cell: the same training, validation and checkpoints as of any recommender."""

OPTIMISER = {"schedule": "constant", "beta2": 0.999, "validate_every": 1, "selection": "NDCG@10", "compile": False}
OF_TEXT = ("components", "shrinkage", "dropout")
MODULES = ("ptebench.recommenders.backbones.alignment", "ptebench.recommenders.representations.alignment")


def cell_of(spec: dict) -> dict:
    """Return the settings of the cell that `spec` (seed, control, align, remove_seen) of an embedding stands for."""
    settings = spec["align"]
    towers = {"kind": "alignment", "control": spec["control"], **{key: settings[key] for key in OF_TEXT}}
    backbone = {"kind": "alignment", "device": "cpu", **OPTIMISER, **settings}
    return {"backbone": backbone, "representation": towers, "remove_seen": spec["remove_seen"], "seed": spec["seed"]}
