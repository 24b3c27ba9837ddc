"""Where one cell beats another: paired difference with a bootstrap interval, and by support of the target in training.

python benchmarks/against_counter.py results/splits/toys_cold/cold_start_user \
    results/cells/toys_cold/cold_start_user/sasrec/id results/cells/toys_cold/cold_start_user/markov/id

Support of an event: how often training has the step from any of its last ten items to its target. A cell is the mean
over its seeds, the interval that of the tables (docs/guide/significance.md).
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl

from ptebench.report.significance import Sample, assign_units, judge

K = 10
BANDS = [(0, 0, "never"), (1, 1, "once"), (2, 4, "2 to 4"), (5, 10**9, "5 and more")]


def gains(cell: Path) -> pl.DataFrame:
    """Return HR@10 and NDCG@10 per event among all items, averaged over the seeds of a cell."""
    files = sorted(cell.glob("seed=*/ranks.parquet"))
    frames = [pl.read_parquet(path).filter(ranking="full").select("event", "user", "rank") for path in files]
    if not frames:
        sys.exit(f"{cell}: no seed=*/ranks.parquet; build the cell first")
    inside = pl.col("rank") <= K
    return (
        pl.concat(frames)
        .with_columns(hr=inside.cast(float), ndcg=inside / (pl.col("rank") + 1).log(2))
        .group_by("event", "user")
        .agg(pl.col("hr", "ndcg").mean())
        .sort("event")
    )


def support(split: Path) -> pl.DataFrame:
    """Return per test event the number of training steps from its last ten items to its target."""
    train = pl.read_parquet(split / "train.parquet").select(item="history").with_row_index("row").explode("item")
    steps = (
        train.with_columns(to=pl.col("item").shift(-1).over("row"))
        .drop_nulls()
        .group_by("item", "to")
        .agg(steps=pl.len())
    )
    return (
        pl.read_parquet(split / "test.parquet")
        .select("event", item=pl.col("history").list.tail(10), to=pl.col("targets").list.first())
        .explode("item")
        .join(steps, on=["item", "to"], how="left")
        .group_by("event")
        .agg(pl.col("steps").fill_null(0).sum())
    )


def main(split: Path, ours: Path, theirs: Path) -> None:
    """Print the comparison as a Markdown table."""
    both = gains(ours).join(gains(theirs), on="event", suffix="_of_other").join(support(split), on="event")
    print(f"first: {ours}; second: {theirs}; {len(both)} events\n")
    print("| steps in training | events | HR@10 first | second | NDCG@10 first | second | difference [95 %] |")
    print("|---|---:|---:|---:|---:|---:|---|")
    for low, high, name in [(0, 10**9, "all"), *BANDS]:
        part = both.filter(pl.col("steps").is_between(low, high))
        if part.is_empty():
            continue
        unit, pair = assign_units(part["user"].to_numpy()), part.select("ndcg", "ndcg_of_other").to_numpy()
        sums = np.stack([np.bincount(unit, weights=column) for column in pair.T], 1)[:, None]
        lead = judge(Sample(sums, np.bincount(unit).astype(float), pair.std(0)[None]), [(0, 1)])
        left, right = lead.difference_low.item(), lead.difference_high.item()
        values = " | ".join(f"{part[c].mean():.4f}" for c in ("hr", "hr_of_other", "ndcg", "ndcg_of_other"))
        print(f"| {name} | {len(part)} | {values} | {lead.difference.item():+.4f} [{left:+.4f}, {right:+.4f}] |")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
