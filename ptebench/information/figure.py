"""The study's motivating figure made again: the same items by each of their vectors, and the sufficiency matrix."""

from pathlib import Path

import matplotlib
import numpy as np
import polars as pl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from ptebench.files import atomic
from ptebench.information.fitting import whiten
from ptebench.randomness import generator

ITEMS = 1500
COMPONENTS = 50
COLOURS = 8  # categories with a colour of their own
# row tells column, as the study printed it
STUDY = ("SASRec", "LLM", "fusion")
PRINTED = np.array([[np.nan, 0.0044, 0.0063], [1.0, np.nan, 0.9751], [1.0, 0.8428, np.nan]])


def choose_items(items: np.ndarray, seed: int) -> np.ndarray:
    """Return the ids of at most ITEMS items of `known` (items + 1,)."""
    ids = np.flatnonzero(items)
    return np.sort(generator(seed, "figure").permutation(ids)[:ITEMS])


def plane(vectors: torch.Tensor, ids: np.ndarray, seed: int) -> np.ndarray:
    """Return places (m, 2) of items by t-SNE of the cosines of their leading components."""
    x = torch.nn.functional.normalize(vectors[ids].float() - vectors[ids].float().mean(0), dim=1)
    leading = whiten(x, torch.arange(len(x)), COMPONENTS)
    spread = (x - x.mean(0)).T @ leading / len(x)  # components at the variance that they had
    x = leading * spread.square().sum(0).sqrt()
    perplexity = min(30.0, (len(ids) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(x.double().numpy())


def matrix(frame: pl.DataFrame, names: list[str]) -> np.ndarray:
    """Return ISI: how much of the column's vectors the row's tell."""
    rows = frame.filter(pl.col("measure") == "ISI", pl.col("items") == "all")
    values = {(s, t): v for s, t, v in rows.select("source", "target", "value").iter_rows()}
    return np.array([[np.nan if s == t else values[s, t] for t in names] for s in names])


def grid(axes: Axes, values: np.ndarray, names: tuple[str, ...] | list[str], title: str) -> None:
    """Draw a matrix with its numbers."""
    axes.imshow(np.nan_to_num(values, nan=1.0), cmap="Blues", vmin=0, vmax=1.4)
    for r, c in np.ndindex(*values.shape):
        axes.text(c, r, "" if np.isnan(values[r, c]) else f"{values[r, c]:.3f}", ha="center", va="center", fontsize=9)
    axes.set(xticks=range(len(names)), yticks=range(len(names)), title=title, xlabel="is told", ylabel="tells")
    axes.set_xticklabels(names, rotation=20)
    axes.set_yticklabels(names)


def colours(categories: list[str | None]) -> tuple[np.ndarray, list[str]]:
    """Return a number for each item's category, and the names of the numbers; all others are one."""
    counted = pl.Series(categories, dtype=pl.String).drop_nulls().value_counts().sort(
        ["count", pl.nth(0)], descending=[True, False]
    )  # fmt: skip
    names = counted[counted.columns[0]].to_list()[:COLOURS]
    place = {name: k for k, name in enumerate(names)}
    return np.array([place.get(c or "", COLOURS) for c in categories]), names


def draw(vectors: dict[str, torch.Tensor], frame: pl.DataFrame, counts: np.ndarray, ids: np.ndarray,
         categories: list[str | None], seed: int, paths: dict[str, Path]) -> None:  # fmt: skip
    """Write SVG and PNG; the same input gives the same bytes.

    counts: training events (items + 1,). ids: the items to draw. categories: of each item (items + 1).
    """
    names = list(vectors)
    figure = Figure(figsize=(3.4 * len(names) + 4.2, 7), layout="constrained")
    axes = figure.subplots(2, len(names) + 1, width_ratios=[1] * len(names) + [1.15])
    kind, labels = colours([categories[i] for i in ids])
    palette = matplotlib.colormaps["tab10"]
    for column, name in enumerate(names):
        x, y = plane(vectors[name], ids, seed).T
        popular = axes[0, column].scatter(x, y, c=np.log10(counts[ids]), s=3, cmap="viridis", linewidths=0)
        for k, label in [(COLOURS, "others"), *enumerate(labels)]:
            part = kind == k
            colour = "#cccccc" if k == COLOURS else palette(k)
            axes[1, column].scatter(x[part], y[part], color=colour, s=3, linewidths=0, label=label)
        for ax in axes[:, column]:
            ax.set(xticks=[], yticks=[])
        axes[0, column].set_title(name)
    figure.colorbar(popular, ax=axes[0, len(names) - 1], label="log10 of training events", fraction=0.05)
    axes[0, 0].set_ylabel("by popularity")
    axes[1, 0].set_ylabel("by category")
    if labels:
        handles, categories = axes[1, 0].get_legend_handles_labels()
        figure.legend(handles=handles, labels=categories, ncols=COLOURS + 1, markerscale=3, loc="outside lower left")
    grid(axes[0, -1], matrix(frame, names), names, "sufficiency, cross-fitted")
    grid(axes[1, -1], PRINTED, STUDY, "as printed in the study")
    with matplotlib.rc_context({"svg.hashsalt": "ptebench", "svg.fonttype": "none"}):
        for suffix, path in paths.items():
            with atomic(path) as temporary:
                metadata = {"Date": None} if suffix == "svg" else {"Software": None}
                figure.savefig(temporary, format=suffix, dpi=130, metadata=metadata)
