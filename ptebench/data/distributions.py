"""Drawings of how a dataset's interactions are spread over items, users and time."""

from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

COLOUR = "#3b6ea5"
DAY = 86400
BARS = 60  # of the drawing over time


def counts(interactions: pl.DataFrame, column: str) -> np.ndarray:
    """Return the number of interactions of each user or item, in descending order."""
    return interactions.group_by(column).len()["len"].sort(descending=True).to_numpy()


def over_time(interactions: pl.DataFrame) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the edges (at most BARS + 1, dates of whole days) and the interactions between; None without times."""
    times = interactions["timestamp"].drop_nulls().to_numpy()
    if not len(times):
        return None
    first, last = times.min() // DAY, times.max() // DAY
    width = -(-(last - first + 1) // BARS)
    edges = np.arange(first, last + 1 + width, width)
    return edges.astype("datetime64[D]"), np.histogram(times // DAY, edges)[0]


def draw(interactions: pl.DataFrame, title: str, path: Path) -> None:
    """Write an SVG of three panels: interactions by item's rank, users by length of history, interactions over time.

    The same interactions give the same bytes.
    """
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    figure.suptitle(title)
    popularity, length, time = figure.subplots(1, 3)
    of_items = counts(interactions, "item_id")
    popularity.loglog(np.arange(1, len(of_items) + 1), of_items, color=COLOUR)
    popularity.set(xlabel="item, by popularity", ylabel="interactions", title="Popularity")
    lengths, users = np.unique(counts(interactions, "user_id"), return_counts=True)
    length.loglog(lengths, users, ".", color=COLOUR)
    length.set(xlabel="interactions of a user", ylabel="users", title="History length")
    length.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    length.xaxis.set_major_formatter("{x:g}")
    length.xaxis.set_minor_formatter(NullFormatter())
    spread = over_time(interactions)
    if spread is None:
        time.text(0.5, 0.5, "no timestamps", ha="center", va="center", transform=time.transAxes)
        time.set(xticks=[], yticks=[])
    else:
        time.stairs(spread[1], spread[0], fill=True, color=COLOUR)
        time.tick_params(axis="x", rotation=30)
        time.set(xlabel="day", ylabel="interactions")
    time.set_title("Time")
    with matplotlib.rc_context({"svg.hashsalt": "ptebench", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})
