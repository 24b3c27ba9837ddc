"""What the measures imply, a sentence for each finding."""

from typing import Any

import polars as pl

from ptebench.information.suite import TOLERANCE

TASKS = ("all", "warm", "tail", "cold")
FEWEST = 100  # events that a verdict needs
Measured = dict[str, Any]


class Findings:
    """Measures by name, source, target and items, and the sentences that they imply."""

    def __init__(self, frame: pl.DataFrame, names: list[str]):
        self.names = names
        self.rows = {tuple(r[k] for k in ("measure", "source", "target", "items")): r for r in frame.to_dicts()}
        self.frame = frame

    def get(self, measure: str, source: str, target: str = "", items: str = "all") -> Measured:
        """Return a row."""
        return self.rows[measure, source, target, items]

    def reconstruction(self, source: str, target: str) -> str:
        """Return how much of the target's vectors the source's tell."""
        linear, curved, nats, share = (
            self.get(m, source, target) for m in ("linear R2", "non-linear R2", "nats", "ISI")
        )
        rare = self.get("linear R2", source, target, "rarest fifth")
        chance = "more than" if linear["low"] > linear["null"] else "no more than"
        verdict = "more than" if nats["low"] > nats["null"] else "no more than"
        return (
            f"`{source}` of `{target}`: on items that no map was fitted on, a linear map tells {percent(linear)} of "
            f"the variance ({chance} of shuffled items, {linear['null']:.1%} at most), a net {percent(curved)}; of the "
            f"rarest fifth, from the others, {percent(rare)}. It tells {number(nats, 2)} nats ({verdict} random "
            f"vectors), {percent(share)} of what `{target}` tells of itself."
        )

    def verdict(self, source: str, target: str, items: str) -> str:
        """Return whether the source suffices a recommender that could have the target too."""
        row = self.rows.get(("added", source, target, items))
        if row is None or row["count"] < FEWEST:
            return f"{items} targets: {row['count'] if row else 0} events, too few for a verdict"
        gain = self.get("gain over popularity", source, items=items)
        alone = "" if gain["low"] > 0 else f"; `{source}` alone gains nothing over popularity"
        return (
            f"{items} targets: `{target}` adds {number(row, 3)} nats to `{source}`, and {row['bound']:.3f} would be "
            f"{TOLERANCE:.1%} of the loss: **`{source}` {judge(row)}**{alone}"
        )

    def sentences(self) -> list[str]:
        """Return the findings in the order of the page."""
        lines = ["## Does it suffice a recommender?", ""]
        for source, target in self.pairs():
            lines += [f"`{source}` alone, beside `{source}` and `{target}`:", ""]
            lines += [f"- {self.verdict(source, target, items)}." for items in TASKS] + [""]
        lines += ["## What each says beyond popularity", ""]
        lines += [f"- {self.gain(name)}" for name in (*self.names, "random")]
        lines += ["", "## Is it a matter of the scorer?", ""]
        lines += [f"- {self.budget(*pair)}" for pair in self.pairs(2)]
        lines += ["", "## What vectors tell of vectors", ""]
        lines += [f"- {self.reconstruction(*pair)}" for pair in self.pairs()]
        lines += ["", "## Shape", ""]
        return lines + [f"- {self.shape(name)}" for name in self.names] + [f"- {x}" for x in self.likeness()]

    def pairs(self, first: int | None = None) -> list[tuple[str, str]]:
        """Return ordered pairs of the first names, by default of all."""
        names = self.names[:first]
        return [(source, target) for source in names for target in names if source != target]

    def gain(self, name: str) -> str:
        """Return what vectors gain over popularity alone."""
        row = self.get("gain over popularity", name)
        verdict = "more than nothing" if row["low"] > 0 else "nothing that chance would not"
        return f"`{name}`: {number(row, 3)} nats an event, {verdict}."

    def budget(self, source: str, target: str) -> str:
        """Return what the target adds by the scorer's capacity and by the events that it learns from."""
        rows = [r for r in self.rows.values() if (r["source"], r["target"], r["items"]) == (source, target, "all")]
        parts = [
            f"{r['measure'].removeprefix('added').strip(', ') or 'linear, all events'} {number(r, 3)} ({judge(r)})"
            for r in rows
            if r["measure"].startswith("added")
        ]
        return f"`{target}` adds to `{source}`: {'; '.join(parts)}."

    def shape(self, name: str) -> str:
        """Return how vectors fill their space."""
        rank, cosine, uniform, aligned = (
            self.get(m, name) for m in ("effective rank", "mean cosine", "uniformity", "alignment")
        )
        return (
            f"`{name}`: effective rank {number(rank, 1)}, mean cosine {number(cosine, 3)}, uniformity "
            f"{number(uniform, 2)}, alignment of neighbours in histories {number(aligned, 2)}."
        )

    def likeness(self) -> list[str]:
        """Return how alike two sets of vectors are."""
        result = []
        for place, first in enumerate(self.names):
            for second in self.names[place + 1 :]:
                parts = []
                for measure, text in (
                    ("CKA", "CKA"),
                    ("neighbours", "shared neighbours"),
                    ("cosines", "Spearman of cosines"),
                ):
                    row = self.get(measure, first, second)
                    chance = "" if row["low"] > row["null"] else ", no more than shuffled"
                    parts.append(f"{text} {number(row, 3)} (shuffled: {row['null']:.3f} at most{chance})")
                result.append(f"`{first}` and `{second}`: {', '.join(parts)}.")
        return result


def judge(row: Measured) -> str:
    """Return the verdict of what was added against its bound."""
    if row["high"] < row["bound"]:
        return "suffices"
    return "does not suffice" if row["low"] > row["bound"] else "is undecided"


def number(row: Measured, digits: int) -> str:
    """Return a value with its interval."""
    return f"{row['value']:.{digits}f} [{row['low']:.{digits}f}, {row['high']:.{digits}f}]"


def percent(row: Measured) -> str:
    """Return a share with its interval."""
    return f"{row['value']:.1%} [{row['low']:.1%}, {row['high']:.1%}]"


def table(frame: pl.DataFrame) -> list[str]:
    """Return all measures as a table of Markdown."""
    lines = [
        "| measure | of | from | items | value | 95 % | null | bound | n |",
        "|---|---|---|---|---:|---|---:|---:|---:|",
    ]
    for r in frame.to_dicts():
        null, bound = ("" if r[key] is None else f"{r[key]:.4f}" for key in ("null", "bound"))
        lines.append(
            f"| {r['measure']} | {r['target']} | {r['source']} | {r['items']} | {r['value']:.4f} | "
            f"{r['low']:.4f} to {r['high']:.4f} | {null} | {bound} | {r['count']:,} |"
        )
    return lines


def render(frame: pl.DataFrame, names: list[str], title: str, figure: str) -> str:
    """Return the page: sentences, the figure, all values."""
    lines = [f"# {title}", "", f"![the same items by each of their vectors, and sufficiency]({figure})", ""]
    lines += [*Findings(frame, names).sentences(), "", "## All values", "", *table(frame)]
    return "\n".join(lines) + "\n"
