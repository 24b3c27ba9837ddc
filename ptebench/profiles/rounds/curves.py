"""The drawing of what the rounds did."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

COLOURS = ("#3b6ea5", "#b5542f")


def series(probes: list[dict]) -> dict[str, dict[str, list]]:
    """Return the curves of each panel by name: of each round a number, or mean, low and high; or None."""

    def of(key, side=None):
        values = [probe.get(key) for probe in probes]
        return [v if v is None or side is None else v[side] for v in values]

    return {
        "Drift against the round before": {"embedding": of("embedding_drift"), "field": of("field_drift")},
        "Gain over the cards": {"users": of("gain")},
        "Effective rank": {s: of("effective_rank", s) for s in ("user", "item")},
        "Mean pairwise cosine": {s: of("pairwise_cosine", s) for s in ("user", "item")},
        "Parse rate": {s: of("parse_rate", s) for s in ("user", "item")},
    }


def draw_curve(panel, rounds: list[int], values: list, label: str, colour: str) -> None:
    """Draw one curve, with its intervals where it has them."""
    points = [(r, v) for r, v in zip(rounds, values) if v is not None]
    if not points:
        return
    places, there = zip(*points)
    means = [v["mean"] if isinstance(v, dict) else v for v in there]
    bars = [(v["mean"] - v["low"], v["high"] - v["mean"]) if isinstance(v, dict) else (0, 0) for v in there]
    panel.errorbar(places, means, yerr=list(zip(*bars)), fmt="o-", color=colour, label=label, capsize=3)


def draw_rounds(probes: list[dict], title: str, path: Path) -> None:
    """Write an SVG of drift, gain, diversity and parse rate by round; the same probes give the same bytes."""
    panels = series(probes)
    figure = Figure(figsize=(3 * len(panels), 3.2), layout="constrained")
    figure.suptitle(title)
    rounds = [probe["round"] for probe in probes]
    for panel, (name, curves) in zip(figure.subplots(1, len(panels)), panels.items()):
        for (label, values), colour in zip(curves.items(), COLOURS):
            draw_curve(panel, rounds, values, label, colour)
        panel.set(title=name, xlabel="round", xticks=rounds, xlim=(rounds[0] - 0.3, rounds[-1] + 0.3))
        if panel.lines:
            panel.legend()
    with matplotlib.rc_context({"svg.hashsalt": "ptebench", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
