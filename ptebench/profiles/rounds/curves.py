"""The drawing of what the rounds did."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

COLOURS = ("#3b6ea5", "#b5542f")


def series(probes: list[dict]) -> dict[str, dict[str, list]]:
    """Return the curves of each panel by name, one value a round, None where a round has none."""

    def of(key, *path):
        values = [probe.get(key) for probe in probes]
        return [v if v is None else v[path[0]] for v in values] if path else values

    return {
        "Drift against the round before": {"embedding": of("embedding_drift"), "field": of("field_drift")},
        "Utility, NDCG@10": {"profile": of("utility"), "mean of the history": of("utility_of_history_mean")},
        "Effective rank": {s: of("effective_rank", s) for s in ("user", "item")},
        "Mean pairwise cosine": {s: of("mean_pairwise_cosine", s) for s in ("user", "item")},
        "Parse rate": {s: of("parse_rate", s) for s in ("user", "item")},
    }


def draw_rounds(probes: list[dict], title: str, path: Path) -> None:
    """Write an SVG of drift, utility, diversity and parse rate by round; the same probes give the same bytes."""
    panels = series(probes)
    figure = Figure(figsize=(3 * len(panels), 3.2), layout="constrained")
    figure.suptitle(title)
    rounds = [probe["round"] for probe in probes]
    for panel, (name, curves) in zip(figure.subplots(1, len(panels)), panels.items()):
        for (label, values), colour in zip(curves.items(), COLOURS):
            points = [(r, v) for r, v in zip(rounds, values) if v is not None]
            if points:
                panel.plot(*zip(*points), "o-", color=colour, label=label)
        panel.set(title=name, xlabel="round")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if panel.lines:
            panel.legend()
    with matplotlib.rc_context({"svg.hashsalt": "ptebench", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
