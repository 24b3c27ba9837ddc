"""Successive halving: of the trials of a bracket, the best of every rung train on (Jamieson & Talwalkar, AISTATS 2016).

A bracket holds its trials for good, so that a larger budget adds brackets and changes the fate of no earlier trial.
"""


def places(halving: dict, rung: int) -> int:
    """Return how many trials of a bracket train in a rung; in the last one a single trial."""
    return halving["factor"] ** (halving["rungs"] - 1 - rung)


def epochs(settings: dict, halving: dict, rung: int) -> int:
    """Return the epochs that a trial has trained for at the end of a rung; in the last one all of its settings'.

    They are whole intervals of validation, at least one.
    """
    every = settings["validate_every"]
    intervals = -(-settings["epochs"] // (places(halving, rung) * every))
    return min(intervals * every, settings["epochs"])


def promote(records: list[dict], number: int) -> list[dict]:
    """Return the `number` records of highest value, the best first, of equals the earlier trial; failures are last."""
    order = sorted(records, key=lambda r: (r["value"] is None, -(r["value"] or 0.0), r["trial"]))
    return order[:number]
