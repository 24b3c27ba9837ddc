"""One trial in one rung of successive halving: resume where the rung before stopped, and record the validation value.

The checkpoint only saves time. Without it the trial trains from the start and reaches the same value, which is also the
value that it would have without halving.
"""

from pathlib import Path

from ptebench.recommenders.halving import epochs, places, promote
from ptebench.recommenders.training import train
from ptebench.recommenders.tuning import FAILURES, lay, point, reason

PLACE = ("space", "halving", "bracket", "rung", "place")  # settings that say which trial trains how far


def train_trial(spec: dict, place: dict, before: list[dict], folder: Path, load) -> tuple[dict, dict]:
    """Return the record of the trial at a place (PLACE) of a cell's study, and its settings.

    before: records of the rung before. folder: of the bracket's checkpoints. load(spec) -> what `cell.load` returns.
    """

    def checkpoint(trial: int) -> Path:
        return folder / f"trial={trial}.checkpoint.safetensors"

    halving, rung = place["halving"], place["rung"]
    trial, failure = place["bracket"] * places(halving, 0) + place["place"], None
    if rung:
        going = promote(before, places(halving, rung))
        for record in before:
            if record not in going:
                checkpoint(record["trial"]).unlink(missing_ok=True)
        trial, failure = (going[place["place"]][key] for key in ("trial", "failure"))
    settings = point(place["space"], trial, spec["seed"])
    spec = lay(spec, settings)
    last, curve = epochs(spec["backbone"], halving, rung), []
    if failure is None:  # else it has failed before, and so have all that could take its place
        train_set, catalogue, valid, fingerprint = load(spec)
        arguments = (train_set, valid, catalogue, spec["remove_seen"], checkpoint(trial), fingerprint, last)
        try:
            # a checkpoint may be of a later rung, where this one is run again
            curve = [c for c in train(spec, *arguments)[1] if c["epoch"] <= last]
        except FAILURES as error:
            failure = reason(error)
            print(f"trial {trial} failed: {failure}", flush=True)
    if failure is not None or rung == halving["rungs"] - 1:
        checkpoint(trial).unlink(missing_ok=True)
    value = max((c["value"] for c in curve if c["value"] is not None), default=None)
    record = {"trial": trial, "rung": rung, "value": value, "epochs": len(curve), "failure": failure}
    return {**record, "settings": settings}, spec
