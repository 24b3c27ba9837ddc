"""When to stop the rounds, and which one to keep."""

GAIN = 0.005  # relative gain of utility below which a round is none
RANK_KEPT = 0.9  # share of the effective rank that a round must keep
PARSED = 0.98  # parse rate above which its fall is no concern


def is_steady(probe: dict, limits: dict) -> bool:
    """Say whether a round changed little: both drifts below their limits, and no gain of utility worth the name."""
    drifts, gain = ("embedding_drift", "field_drift"), probe["utility_change"]
    if any(probe[drift] is None or probe[drift]["mean"] >= limits[drift] for drift in drifts):
        return False
    return gain["low"] <= 0 or gain["high"] < GAIN * (probe["utility"] - gain["mean"])


def refusal(probe: dict) -> str | None:
    """Return why a round may not stand, None where it may: profiles grew alike, or fewer can be parsed.

    Judged is the fall of the parse rate, not its level: what a model could never do is no fault of the round.
    Only a fall whose 95 % interval is below zero counts, so that few probes do not refuse by chance.
    """
    rank = probe["effective_rank"]["user"]
    if probe["effective_rank_before"] and rank < RANK_KEPT * probe["effective_rank_before"]:
        return f"effective rank of users' profiles {rank:.1f}, {probe['effective_rank_before']:.1f} before"
    for side, fall in (probe["parse_rate_change"] or {}).items():
        rate = probe["parse_rate"][side]
        if rate < PARSED and fall["high"] < 0:
            return f"parse rate of {side} profiles {rate:.3f}, {rate - fall['mean']:.3f} before"
    return None


def verdict(probe: dict, earlier: dict | None, limits: dict) -> dict:
    """Return what a round's figures mean, in the light of the verdict of the round before.

    steady: it changed little. converged: it and the round before did. refused: why it may not stand. retried:
    whether rounds were told to learn half as fast, which happens once. next: `continue`, `retry` (from the
    round that this one continued), or `end`.
    """
    refused, retried = refusal(probe), earlier is not None and earlier["retried"]
    steady = refused is None and is_steady(probe, limits)
    converged = steady and earlier is not None and earlier["steady"]
    if refused and not retried:
        following = "retry"
    else:
        following = "end" if converged or refused else "continue"
    return {
        "steady": steady, "converged": converged, "refused": refused, "retried": retried or refused is not None,
        "next": following,
    }  # fmt: skip


def choose(probes: list[dict]) -> dict:
    """Return the record of all rounds: the best by utility, distillation among them, the earliest of equals.

    A refused round cannot be it. `shown`: the round whose item profiles its prompts showed. `stopped`: what was wrong
    where rounds ended by a second refusal.
    """
    rounds = [r for r in range(len(probes)) if not r or not probes[r]["refused"]]
    best = max(rounds, key=lambda r: (probes[r]["utility"], -r))
    return {
        "best": best,
        "shown": probes[best]["continues"],
        "converged": next((r for r in rounds if probes[r]["converged"]), None),
        "stopped": probes[-1]["refused"] if probes[-1]["next"] == "end" else None,
        "rounds": probes,
    }
