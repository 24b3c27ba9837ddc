"""The text of panels, rows, cells and legend, which all forms of a table share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase

import polars as pl

from ptebench.files import LEAK
from ptebench.report.lists import LIST_METRICS, OF_ALL
from ptebench.report.significance import LEVEL

PANEL = ["dataset", "protocol", "ranking", "group"]
COMPARE = {
    "best_other": "↑ above, ↓ below the best other row",
    "id": "↑ above, ↓ below the ids of its backbone",
    "each": "Raised letters: the rows that a row is above",
}
INPUTS = ("text", "width", "parameters")
LEAKS = pl.col("text").fill_null("").str.ends_with(LEAK)  # of rows whose text's writer saw held-out items


@dataclass(frozen=True)
class Sheet:
    """A table, and what stands around its panels: all that a form of it shows.

    name: of the table in files. below: sentences that stand below: what was expected, which rows still rose. failed:
    methods without values, each with reason and log. captions: of panels, by heading.
    """

    table: pl.DataFrame
    title: str
    name: str = ""
    below: Sequence[str] = ()
    failed: Sequence[dict] = ()
    captions: Mapping[str, str] = field(default_factory=dict)


def panels(table: pl.DataFrame) -> list[tuple[str, list[str], list[tuple[str, str, list[dict]]]]]:
    """Return (heading, metric names, rows (backbone, representation, values)) of each panel, in order."""
    result = []
    for (dataset, protocol, ranking, group), part in table.group_by(PANEL, maintain_order=True):
        names = [f"{m}@{k}" for m, k in part.select("metric", "k").unique(maintain_order=True).iter_rows()]
        rows = [
            (backbone, representation, method.to_dicts())
            for (backbone, representation), method in part.group_by("backbone", "representation", maintain_order=True)
        ]
        result.append((heading(dataset, protocol, ranking, group), names, rows))
    return result


def heading(dataset: str, protocol: str, ranking: str, group: str) -> str:
    """Return the heading of a panel."""
    return f"{dataset}, {question(protocol, ranking, group)}"


def question(protocol: str, ranking: str, group: str) -> str:
    """Return protocol, ranking and group in words, leaving out the defaults "full" and "overall"."""
    special = [name for name, plain in ((ranking, "full"), (group, "overall")) if name != plain]
    return ", ".join([protocol, *special])


def sources(table: pl.DataFrame) -> str:
    """Return one sentence naming where the published values are from, empty where there are none."""
    names = table["source"].drop_nulls().unique(maintain_order=True)
    return f"Published: {'; '.join(names)}." if len(names) else ""


def note(table: pl.DataFrame, inputs: bool = True) -> str:
    """Return the legend of what the table shows, and of nothing else; inputs: whether it shows what rows read."""
    of_lists, seeds = table["metric"].is_in(LIST_METRICS), table["seeds"]
    ranks = table.filter(~of_lists)
    span = " to ".join(map(str, dict.fromkeys((seeds.min(), seeds.max()))))
    columns = {"text": "text is what a row reads", "width": "width the columns of its items' text"}
    columns["parameters"] = "parameters what it trains"
    there = [text for name, text in columns.items() if (table[name].cast(pl.String).fill_null("0") != "0").any()]
    sentences = [", ".join(there).capitalize()] if inputs and there else []
    interval = " ± half of its 95 % bootstrap interval over events" if ranks["low"].count() else ""
    sentences.append(f"{'Mean over seeds' if span != '1' else 'One seed'} ({span} a row){interval}")
    legend = {"best": "best of a panel bold", "second": "second best underlined"}
    marks = [text for mark, text in legend.items() if (table["mark"] == mark).any()]
    sentences += [", ".join(marks).capitalize()] if marks else []
    sentences.append(_test(ranks))
    if table.select(LEAKS.any()).item():
        sentences.append(f"Rows that {LEAK} are compared among themselves alone, and none of them is best")
    if table["published"].count():
        sentences.append("Δ is ours minus the published value; published values compete for no mark")
    if of_lists.any():
        names = table["metric"].filter(of_lists).unique(maintain_order=True).to_list()
        together = [name for name in names if name in OF_ALL]
        sentences.append(f"{', '.join(names)}: of the lists of K items, right or not; without test or mark")
        sentences += [f"{', '.join(together)}: of all lists together, without interval"] if together else []
    return ". ".join(sentences) + "."


def _test(ranks: pl.DataFrame) -> str:
    """Return what the marks of differences say, how they were tested, and the smallest p of that test."""
    number, finest = ranks["comparisons"], ranks["resolution"].to_numpy().max()
    if not number.max():
        return "No row is compared with another"
    several = " to ".join(map(str, dict.fromkeys((number.min(), number.max()))))
    return (
        f"{COMPARE[ranks['compare'][0]]}: paired permutation test over events, p adjusted by Holm at most {LEVEL} in a"
        f" column of a panel (comparisons: {several}; p no finer than {finest:.2g}), for the seeds at hand"
    )


def letters(rows: list[tuple[str, str, list[dict]]]) -> dict[str, str]:
    """Return the letter of each row of a panel, by the row's name; {} unless all rows are compared with each other."""
    if rows[0][2][0]["compare"] != "each":
        return {}
    first = [f"{a}{b}" for a in ("", *ascii_lowercase) for b in ascii_lowercase]
    return {f"{backbone}/{name}": letter for (backbone, name, _), letter in zip(rows, first)}


def label_row(backbone: str, representation: str, labels: dict[str, str]) -> str:
    return f"{representation} ({labels[f'{backbone}/{representation}']})" if labels else representation


def lead_mark(value: dict, labels: dict[str, str], superscript: str, arrows: str = " {}") -> str:
    """Return the mark of a significant lead or lag."""
    if labels:
        names = [labels[name] for name in value["above"].split(";") if name]
        return superscript.format(",".join(names)) if names else ""
    return arrows.format("↑" if value["above"] else "↓") if value["above"] or value["below"] else ""


def verdict_texts(rows: list[tuple[str, str, list[dict]]]) -> list[str]:
    """Return a sentence for each row of a panel that has a rival: ahead, level or behind, at the first metric.

    An interval is of its pair, the test of all pairs: a row may be level whose interval excludes zero, which is said.
    """
    texts = []
    for backbone, representation, (value, *_) in rows:
        if value["lead"] is None:
            continue
        where = "ahead of" if value["above"] else "behind" if value["below"] else "level with"
        span = "" if value["lead_low"] is None else f" [{value['lead_low']:+z.4f}, {value['lead_high']:+z.4f}]"
        alone = where == "level with" and span and not value["lead_low"] <= 0 <= value["lead_high"]
        span += f", an interval of this pair alone: p by Holm is above {LEVEL}" if alone else ""
        texts.append(f"{backbone}/{representation}: {where} {value['other']}, {value['lead']:+z.4f}{span}")
    return texts


def verdict_heading(rows: list[tuple[str, str, list[dict]]]) -> str:
    """Return what the verdicts of a panel are of."""
    value = rows[0][2][0]
    rival = "the ids of its backbone" if value["compare"] == "id" else "the best other row"
    difference = f"difference in {value['metric']}@{value['k']} with its 95 % interval"
    return f"Each row and {rival}, {difference}; level where p by Holm is above {LEVEL}"


def value_text(value: dict, best: str, second: str) -> str:
    text = f"{value['mean']:.4f}"
    text = {"best": best, "second": second}.get(value["mark"], "{}").format(text)
    # where all events are alike, resampling them says nothing of the spread
    return text if value["low"] in (None, value["high"]) else f"{text} ± {(value['high'] - value['low']) / 2:.4f}"


def difference_text(value: dict) -> str:
    text = f"{value['difference']:+z.4f}"
    return "0.0000" if text == "+0.0000" else text


def published_text(value: dict) -> str:
    sd = "" if value["published_sd"] is None else f" (s.d. {value['published_sd']:.4f})"
    return f"published {value['published']:.4f}{sd}, Δ {difference_text(value)}"


def inputs(rows: list[tuple[str, str, list[dict]]]) -> list[str]:
    """Return which of INPUTS a row of a panel has: a column of nothing is not shown."""
    return [name for name in INPUTS if any(values[0][name] for _, _, values in rows)]


def input_texts(values: list[dict], names: Sequence[str]) -> list[str]:
    """Return a row's text, width and parameters, as shown, those of these names."""
    own = (values[0][name] or "" for name in names)
    return [f"{value:,}" if isinstance(value, int) else value for value in own]


def record_links(values: list[dict], form: str) -> str:
    paths = values[0]["provenance"].split(";")
    seeds = [path.split("seed=")[1].split("/")[0] for path in paths]
    return " ".join(form.format(seed=s, path=p.replace("results/", "../", 1)) for s, p in zip(seeds, paths))


def failed_rows(failed: Sequence[dict], values: list[dict]) -> list[dict]:
    """Return the failed methods of a panel, whose split a row's values tell."""
    split = [values[0][key] for key in ("dataset", "protocol")]
    return [failure for failure in failed if [failure["dataset"], failure["protocol"]] == split]


def failure_texts(failed: Sequence[dict], form: str) -> list[str]:
    """Return a sentence for each failed method, with its log as a link of a `form` with text and path."""
    keys = ("dataset", "protocol", "backbone", "representation", "reason")
    return [f"Failed: {' '.join(f[key] for key in keys[:4])}. {f['reason']} ({log_link(f, form)})" for f in failed]


def log_link(failure: dict, form: str) -> str:
    """Return the link from a table to the log of a failure."""
    return form.format(text="log", path=f"../../{failure['log']}")
