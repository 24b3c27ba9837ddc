"""Tables: a declared grid of cells, each value with its interval over events and the published one beside it.

A table is made once as a frame (one row a value) and rendered from there, so that its forms cannot disagree.
Within a panel (dataset, protocol, ranking, group) rows are methods in the order declared and columns are metrics.
"""

import html
import math
from datetime import UTC, datetime
from statistics import fmean, stdev
from string import ascii_lowercase

import numpy as np
import polars as pl

from ptebench.files import InputError, read_table
from ptebench.report.significance import LEVEL, Evidence, rivals

TABLE = {
    "dataset": pl.String, "protocol": pl.String, "ranking": pl.String, "group": pl.String, "backbone": pl.String,
    "representation": pl.String, "text": pl.String, "width": pl.Int64, "parameters": pl.Int64, "metric": pl.String,
    "k": pl.Int64, "seeds": pl.Int64, "mean": pl.Float64,
    "low": pl.Float64, "high": pl.Float64, "events": pl.Int64, "event_sd": pl.Float64, "seed_sd": pl.Float64,
    "mark": pl.String, "compare": pl.String, "above": pl.String, "below": pl.String, "comparisons": pl.Int64,
    "resolution": pl.Float64, "published": pl.Float64, "published_sd": pl.Float64,
    "difference": pl.Float64, "source": pl.String, "provenance": pl.String,
}  # fmt: skip
COMPARISONS = {
    "dataset": pl.String, "protocol": pl.String, "ranking": pl.String, "group": pl.String, "metric": pl.String,
    "k": pl.Int64, "backbone": pl.String, "representation": pl.String, "other_backbone": pl.String,
    "other_representation": pl.String, "events": pl.Int64, "difference": pl.Float64, "low": pl.Float64,
    "high": pl.Float64, "d_z": pl.Float64, "p": pl.Float64, "p_holm": pl.Float64,
}  # fmt: skip
PUBLISHED = {
    "dataset": pl.String, "protocol": pl.String, "backbone": pl.String, "representation": pl.String,
    "ranking": pl.String, "group": pl.String, "remove_seen": pl.Boolean, "metric": pl.String, "k": pl.Int64,
    "value": pl.Float64, "sd": pl.Float64, "source": pl.String,
}  # fmt: skip
STATISTICS = {
    "dataset": pl.String, "statistic": pl.String, "value": pl.Float64, "published": pl.Float64, "verdict": pl.String,
}  # fmt: skip
# of a dataset of two snapshots, as papers print it
SNAPSHOTS = {
    "users": "users", "overlap_items": "overlap items", "train_items": "train items",
    "train_interactions": "train interactions", "train_sparsity_percent": "train sparsity %",
    "test_items": "test items", "test_interactions": "test interactions", "test_sparsity_percent": "test sparsity %",
}  # fmt: skip
PUBLISHED_KEY = list(PUBLISHED)[:9]
SEVERAL_TARGETS = {"snapshot"}  # the kinds of protocol with events of several targets
PANEL = ["dataset", "protocol", "ranking", "group"]
COMPARE = {
    "best_other": "↑ above, ↓ below the best other row",
    "id": "↑ above, ↓ below the ids of its backbone",
    "each": "Raised letters: the rows that a row is above",
}
INPUTS = ("text", "width", "parameters")


def read_published(path) -> pl.DataFrame:
    """Read published.csv; raise InputError for a value that stands there twice or under two seen-item flags.

    A value of several datasets (the same split, published and drawn anew) names their keys with spaces between; it
    gets a row of each. `remove_seen` empty means that the value stands beside either protocol.
    """
    frame = read_table(path, PUBLISHED).with_columns(pl.col("dataset").str.split(" ")).explode("dataset")
    key, seen = [c for c in PUBLISHED_KEY if c != "remove_seen"], pl.col("remove_seen")
    clash = seen.is_duplicated().any() | (seen.is_null().any() & (pl.len() > 1))
    twice = frame.group_by(key, maintain_order=True).agg(clash=clash).filter("clash")
    if twice.height:
        raise InputError(f"{path}: {', '.join(map(str, twice.row(0)[:-1]))}: given twice; keep one")
    return frame


def marks(means: list[float]) -> list[str]:
    """Return "best", "second" or "" for each mean of a column; equals share one, all equal have none."""
    order = sorted(set(means), reverse=True)
    if len(order) < 2:
        return [""] * len(means)
    return ["best" if m == order[0] else "second" if m == order[1] else "" for m in means]


def build(spec: dict, metrics: pl.DataFrame, published: pl.DataFrame, evidence: dict[tuple, Evidence]) -> pl.DataFrame:
    """Return the TABLE frame of a grid, in the order declared.

    `spec` holds `table` (name), `metrics`, `rankings`, `groups`, `cells` (lists of dataset, protocol, backbone,
    representation, seeds), `published` (dataset -> key or None), `protocols` (name -> kind, remove_seen), `compare`
    and `ids` (names of representations). `metrics` is a METRICS frame, `evidence` that of each panel. Raises
    InputError naming the first cell whose value is missing.
    """
    cell_key = ["dataset", "protocol", "backbone", "representation", "seed"]
    keys = [*cell_key, "ranking", "group", "metric", "k"]
    values = {tuple(row[:-1]): row[-1] for row in metrics.select(*keys, "value").iter_rows()}
    inputs = {
        row[:5]: dict(zip(INPUTS, row[5:], strict=True)) for row in metrics.select(*cell_key, *INPUTS).iter_rows()
    }
    known = {}
    for *key, seen, metric, k, value, sd, source in published.iter_rows():
        for flag in (True, False) if seen is None else (seen,):
            known[(*key, flag, metric, k)] = value, sd, source
    panels = {}
    for dataset, protocol, *method in spec["cells"]:
        panels.setdefault((dataset, protocol), []).append(method)
    rows = []
    for (dataset, protocol), methods in panels.items():
        key, rules = spec["published"].get(dataset), spec["protocols"][protocol]
        for ranking in spec["rankings"]:
            for group in spec["groups"]:
                judged = evidence.get((dataset, protocol, ranking, group))
                for place, (name, k) in enumerate((m.split("@")[0], int(m.split("@")[1])) for m in spec["metrics"]):
                    # one target is all of them: papers call the same value Recall
                    as_published = "Recall" if name == "HR" and rules["kind"] not in SEVERAL_TARGETS else name
                    column = []
                    for backbone, representation, seeds in methods:
                        cells = [(dataset, protocol, backbone, representation, seed) for seed in seeds]
                        each = [_value(values, spec["table"], cell, ranking, group, name, k) for cell in cells]
                        mean = fmean(each)
                        at = (key, rules["kind"], backbone, representation, ranking, group)
                        value, sd, source = known.get((*at, rules["remove_seen"], as_published, k), (None, None, None))
                        column.append({
                            "dataset": dataset, "protocol": protocol, "ranking": ranking, "group": group,
                            "backbone": backbone, "representation": representation, **inputs[cells[0]],
                            "metric": name, "k": k,
                            "seeds": len(each), "mean": mean,
                            "seed_sd": stdev(each) if len(each) > 1 else None,
                            "published": value, "published_sd": sd,
                            "difference": None if value is None else mean - value, "source": source,
                            "provenance": ";".join(_provenance(*cell) for cell in cells),
                        })  # fmt: skip
                    means = [row["mean"] for row in column]
                    more = _judged(spec, methods, means, judged, place)
                    rows += [row | {"mark": m} | e for row, m, e in zip(column, marks(means), more, strict=True)]
    return pl.DataFrame(rows, schema=TABLE)


def _judged(spec: dict, methods: list, means: list[float], evidence: Evidence, metric: int) -> list[dict]:
    """Return what evidence adds to each row of a column: variance over events, interval, and its significant lead."""
    rows = [tuple(method[:2]) for method in methods]
    others = rivals(spec["compare"], rows, spec["ids"], means)
    result = []
    for row, other in enumerate(others):
        signs = {"/".join(rows[o]): evidence.sign(metric, row, o) for o in other}
        result.append({
            "low": _number(evidence.low[metric, row]), "high": _number(evidence.high[metric, row]),
            "events": evidence.events, "event_sd": _number(evidence.sd[metric, row]), "compare": spec["compare"],
            "above": ";".join(name for name, sign in signs.items() if sign > 0),
            "below": ";".join(name for name, sign in signs.items() if sign < 0),
            "comparisons": len(evidence.pairs), "resolution": evidence.resolution,
        })  # fmt: skip
    return result


def _number(value: float) -> float | None:
    """Return a value to ten digits, which no order of summands changes; None for what is not a number."""
    return None if math.isnan(value) else round(float(value), 10)


def comparisons(spec: dict, evidence: dict[tuple, Evidence]) -> pl.DataFrame:
    """Return the COMPARISONS frame: every pair of rows that the families of a table test, first minus other."""
    methods, rows = {}, []
    for dataset, protocol, backbone, representation, _ in spec["cells"]:
        methods.setdefault((dataset, protocol), []).append((backbone, representation))
    for panel, e in evidence.items():
        names = methods[panel[:2]]
        numbers = np.stack([e.difference, e.difference_low, e.difference_high, e.d_z, e.p, e.p_holm])
        for metric, (name, k) in enumerate(m.split("@") for m in spec["metrics"]):
            for place, (first, other) in enumerate(e.pairs):
                values = map(_number, numbers[:, metric, place])
                rows.append((*panel, name, int(k), *names[first], *names[other], e.events, *values))
    return pl.DataFrame(rows, schema=COMPARISONS, orient="row")


def _provenance(dataset, protocol, backbone, representation, seed) -> str:
    return f"results/cells/{dataset}/{protocol}/{backbone}/{representation}/seed={seed}/provenance.json"


def _value(values: dict, table: str, cell: tuple, ranking: str, group: str, metric: str, k: int) -> float:
    found = values.get((*cell, ranking, group, metric, k))
    if found is None:
        *names, seed = cell
        raise InputError(
            f"table {table!r}: cell {'/'.join(names)}/seed={seed} has no {metric}@{k} for ranking {ranking!r}, group"
            f" {group!r}; see what results/metrics/{'/'.join(names[:3])}.csv holds, and mend tables.{table}"
        )
    return found


# ------------------------------------------------------------------- rendering


def panels(table: pl.DataFrame) -> list[tuple[str, list[str], list[tuple[str, str, list[dict]]]]]:
    """Return (heading, metric names, rows (backbone, representation, values)) of each panel, in order."""
    result = []
    for (dataset, protocol, ranking, group), part in table.group_by(PANEL, maintain_order=True):
        names = [f"{m}@{k}" for m, k in part.select("metric", "k").unique(maintain_order=True).iter_rows()]
        rows = [
            (backbone, representation, method.to_dicts())
            for (backbone, representation), method in part.group_by("backbone", "representation", maintain_order=True)
        ]
        result.append((f"{dataset}, {_asked(protocol, ranking, group)}", names, rows))
    return result


def _asked(protocol: str, ranking: str, group: str) -> str:
    """Return what a value is of, without what goes without saying."""
    special = [name for name, plain in ((ranking, "full"), (group, "overall")) if name != plain]
    return ", ".join([protocol, *special])


def sources(table: pl.DataFrame) -> str:
    """Return one sentence naming where the published values are from, empty where there are none."""
    names = table["source"].drop_nulls().unique(maintain_order=True)
    return f"Published: {'; '.join(names)}." if len(names) else ""


def note(table: pl.DataFrame) -> str:
    """Return the legend: what stands in a cell, how it was tested, and how fine that is."""
    seeds, number, finest = table["seeds"], table["comparisons"], table["resolution"].max()
    span = " to ".join(map(str, dict.fromkeys((seeds.min(), seeds.max()))))
    several = " to ".join(map(str, dict.fromkeys((number.min(), number.max()))))
    tested = (
        f"{COMPARE[table['compare'][0]]}: paired permutation test over events, p adjusted by Holm at most {LEVEL} in a"
        f" column of a panel (comparisons: {several}; p no finer than {finest:.2g}), for the seeds at hand."
    )
    return (
        "Text is what a row reads, width the columns of its items' text, parameters what it trains."
        f" Mean over seeds ({span} a row) ± half of its 95 % bootstrap interval over events. Best of a panel bold,"
        f" second best underlined. {tested if number.max() else 'No row is compared with another.'} Δ is ours minus"
        " the published value; published values compete for no mark."
    )


def _labels(rows: list[tuple[str, str, list[dict]]]) -> dict[str, str]:
    """Return the letter of each row of a panel by its name, where rows are compared with each other."""
    if rows[0][2][0]["compare"] != "each":
        return {}
    first = [f"{a}{b}" for a in ("", *ascii_lowercase) for b in ascii_lowercase]
    return {f"{backbone}/{name}": letter for (backbone, name, _), letter in zip(rows, first)}


def _name(backbone: str, representation: str, labels: dict[str, str]) -> str:
    return f"{representation} ({labels[f'{backbone}/{representation}']})" if labels else representation


def _lead(value: dict, labels: dict[str, str], raised: str, arrows: str = " {}") -> str:
    """Return the mark of a significant lead or lag."""
    if labels:
        names = [labels[name] for name in value["above"].split(";") if name]
        return raised.format(",".join(names)) if names else ""
    return arrows.format("↑" if value["above"] else "↓") if value["above"] or value["below"] else ""


def _mean(value: dict, best: str, second: str) -> str:
    text = f"{value['mean']:.4f}"
    text = {"best": best, "second": second}.get(value["mark"], "{}").format(text)
    return text if value["low"] is None else f"{text} ± {(value['high'] - value['low']) / 2:.4f}"


def _difference(value: dict) -> str:
    text = f"{value['difference']:+.4f}"
    return text if text.strip("+-") != "0.0000" else "0.0000"


def _published(value: dict) -> str:
    sd = "" if value["published_sd"] is None else f" (s.d. {value['published_sd']:.4f})"
    return f"published {value['published']:.4f}{sd}, Δ {_difference(value)}"


def _inputs(values: list[dict]) -> list[str]:
    """Return a row's text, width and parameters, as shown."""
    text, *numbers = (values[0][name] for name in INPUTS)
    return [text or "", *(f"{number:,}" if number else "" for number in numbers)]


def _links(values: list[dict], form: str) -> str:
    paths = values[0]["provenance"].split(";")
    seeds = [path.split("seed=")[1].split("/")[0] for path in paths]
    return " ".join(form.format(seed=s, path=p.replace("results/", "../", 1)) for s, p in zip(seeds, paths))


def markdown(table: pl.DataFrame, title: str) -> str:
    """Return the table as Markdown; the last column links each seed's record."""
    lines = [f"# {title}", "", note(table)]
    lines += ["", sources(table)] if sources(table) else []
    for heading, names, rows in panels(table):
        head = ["backbone", "representation", *INPUTS, *names, "record of seed"]
        lines += ["", f"## {heading}", "", f"| {' | '.join(head)} |", f"|---|---|---|{'---:|' * (2 + len(names))}---|"]
        labels = _labels(rows)
        for backbone, representation, values in rows:
            cells = _inputs(values) + [
                _mean(v, "**{}**", "<ins>{}</ins>")
                + _lead(v, labels, "<sup>{}</sup>")
                + ("" if v["published"] is None else f"<br>{_published(v)}")
                for v in values
            ]
            name = _name(backbone, representation, labels)
            lines.append(f"| {backbone} | {name} | {' | '.join(cells)} | {_links(values, '[{seed}]({path})')} |")
    return "\n".join(lines) + "\n"


def tex(text: str) -> str:
    """Return text with the characters that mean something to LaTeX escaped."""
    special = {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
        "Δ": r"$\Delta$",
        "↑": r"$\uparrow$",
        "↓": r"$\downarrow$",
    }
    special |= {c: "\\" + c for c in "&%$#_{}"}
    return "".join(special.get(c, c) for c in text)


def latex(table: pl.DataFrame, title: str, name: str) -> str:
    """Return the table for LaTeX with the package booktabs; a comment behind each row names its record."""
    shown = panels(table)
    columns = max(len(names) for _, names, _ in shown) + len(INPUTS) - 1
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{tex(title)}. {tex(note(table))} {tex(sources(table))}}}"]
    lines += [rf"\label{{tab:{name}}}", rf"\begin{{tabular}}{{lll{'r' * columns}}}", r"\toprule"]
    for position, (heading, names, rows) in enumerate(shown):
        lines += [r"\midrule"] * (position > 0)
        lines += [rf"\multicolumn{{{columns + 3}}}{{l}}{{\emph{{{tex(heading)}}}}} \\"]
        head = ("backbone", "representation", *INPUTS, *names)
        lines += [f"{' & '.join(map(tex, head))} " + r"\\", r"\midrule"]
        labels = _labels(rows)
        for backbone, representation, values in rows:
            means = [
                (_mean(v, r"\textbf{{{}}}", r"\underline{{{}}}") + _lead(v, labels, r"$^{{\mathrm{{{}}}}}$"))
                .replace("±", r"$\pm$").replace("↑", r"$\uparrow$").replace("↓", r"$\downarrow$")
                for v in values
            ]  # fmt: skip
            name = _name(backbone, representation, labels)
            row = f"{' & '.join([*map(tex, (backbone, name, *_inputs(values))), *means])} " + r"\\"
            lines.append(f"{row} % {values[0]['provenance']}")
            if any(v["published"] is not None for v in values):
                beside = [
                    "" if v["published"] is None else rf"\scriptsize {v['published']:.4f} ($\Delta$ ${_difference(v)}$)"
                    for v in values
                ]
                lines.append(rf" & \scriptsize published {'& ' * len(INPUTS)}& {' & '.join(beside)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


STYLE = """
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
  h1 { font-size: 1.5rem; } p { max-width: 50rem; }
  .panel { overflow-x: auto; margin: 2rem 0; }
  table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
  caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
  th, td { padding: .3rem .8rem; text-align: left; vertical-align: top; white-space: nowrap; }
  thead th { border-bottom: 1px solid; } tbody th { font-weight: normal; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  small { display: block; color: #5a5a5a; }
  tbody tr:nth-child(even) { background: #f5f5f5; }
"""


def page(title: str, body: str) -> str:
    """Return a whole HTML page that needs no other file."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{html.escape(title)}</h1>\n{body}</body>\n</html>\n"
    )


def web(table: pl.DataFrame, title: str) -> str:
    """Return the table as one HTML page; the last column links each seed's record."""
    lines = [f"<p>{html.escape(text)}</p>" for text in (note(table), sources(table)) if text]
    for heading, names, rows in panels(table):
        head = "".join(f'<th scope="col" class="number">{html.escape(name)}</th>' for name in names)
        lines += ['<div class="panel">', "<table>", f"<caption>{html.escape(heading)}</caption>"]
        inputs = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in INPUTS)
        lines += [f'<thead><tr><th scope="col">backbone</th><th scope="col">representation</th>{inputs}']
        lines += [f'{head}<th scope="col">record of seed</th></tr></thead>', "<tbody>"]
        labels = _labels(rows)
        for backbone, representation, values in rows:
            text, *numbers = map(html.escape, _inputs(values))
            cells = f"<td>{text}</td>" + "".join(f'<td class="number">{number}</td>' for number in numbers)
            for v in values:
                beside = "" if v["published"] is None else f"<small>{_published(v)}</small>"
                lead = _lead(v, labels, "<sup>{}</sup>")
                cells += f'<td class="number">{_mean(v, "<strong>{}</strong>", "<u>{}</u>")}{lead}{beside}</td>'
            links = _links(values, '<a href="{path}">{seed}</a>')
            name = _name(backbone, representation, labels)
            lines.append(f'<tr><th scope="row">{backbone}</th><td>{name}</td>{cells}<td>{links}</td></tr>')
        lines += ["</tbody>", "</table>", "</div>"]
    return page(title, "\n".join(lines) + "\n")


# ------------------------------------------------------------------ references

TOLERANCE = 0.001  # where no standard deviation was published


def verdict(mean: float, published: float, sd: float | None) -> str:
    """Return how a mean, to the four digits shown, stands to a published one: "equal" within two of its s.d."""
    difference, width = round(mean - published, 4), round(TOLERANCE if sd is None else 2 * sd, 4)
    return "equal" if abs(difference) <= width else "above" if difference > 0 else "below"


def references(tables: pl.DataFrame) -> str:
    """Return Markdown of every value of `tables` (TABLE frames) that has a published one, with its verdict."""
    given = tables.filter(pl.col("published").is_not_null()).unique(
        [*PANEL, "backbone", "representation", "metric", "k"],
        keep="first",
        maintain_order=True,
    )
    values = given.to_dicts()
    judged = [verdict(v["mean"], v["published"], v["published_sd"]) for v in values]
    counts = ", ".join(f"{judged.count(word)} {word}" for word in ("above", "equal", "below"))
    lines = ["# References", "", f"{len(values)} values with a published one beside: {counts}. Equal is within two of"]
    lines[-1] += f" the published standard deviations, or {TOLERANCE} where none was published."
    for source in given["source"].unique(maintain_order=True):
        lines += ["", f"## {source}", ""]
        lines += ["| dataset | protocol | backbone | representation | metric | ours | published | Δ | verdict |"]
        lines += ["|---|---|---|---|---|---:|---:|---:|---|"]
        for v, word in zip(values, judged, strict=True):
            if v["source"] == source:
                asked = _asked(v["protocol"], v["ranking"], v["group"])
                sd = "" if v["published_sd"] is None else f" (s.d. {v['published_sd']:.4f})"
                lines.append(
                    f"| {v['dataset']} | {asked} | {v['backbone']} | {v['representation']} "
                    f"| {v['metric']}@{v['k']} | {_mean(v | {'mark': ''}, '', '')} | {v['published']:.4f}{sd} "
                    f"| {_difference(v)} | {word} |"
                )
    return "\n".join([*lines, ""])


# ---------------------------------------------------------- dataset statistics


def statistics_wide(frame: pl.DataFrame) -> pl.DataFrame:
    """Return one row a dataset; a statistic that is published somewhere has its published value and verdict beside.

    `frame` is a STATISTICS frame of all datasets.
    """
    datasets = frame["dataset"].unique(maintain_order=True)
    wide = {"dataset": datasets}
    for (name,), part in frame.group_by("statistic", maintain_order=True):
        row = {d: n for n, d in enumerate(part["dataset"])}
        at = [row.get(d) for d in datasets]
        wide[name] = part["value"].gather(at)
        if part["published"].count():
            wide[f"{name}_published"] = part["published"].gather(at)
            wide[f"{name}_verdict"] = part["verdict"].gather(at)
    return pl.DataFrame(wide)


def _statistic(name: str, value: float) -> str:
    if name.endswith("timestamp"):
        return datetime.fromtimestamp(value, UTC).date().isoformat()
    return f"{value:,.10g}"


def _statistics(frame: pl.DataFrame, cell) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Return the datasets, and for each statistic its name and the cell (own, published or None, verdict) of each."""
    datasets, rows = frame["dataset"].unique(maintain_order=True).to_list(), []
    for (name,), part in frame.group_by("statistic", maintain_order=True):
        found = {
            d: cell(_statistic(name, value), None if published is None else _statistic(name, published), verdict)
            for d, value, published, verdict in part.select("dataset", "value", "published", "verdict").iter_rows()
        }
        rows.append((name.replace("_", " "), [found.get(d, "") for d in datasets]))
    return datasets, rows


def snapshots_markdown(frame: pl.DataFrame) -> str:
    """Return the datasets of two snapshots as papers print them, one row a dataset; "" where there is none."""
    rows = []
    for (dataset,), part in frame.group_by("dataset", maintain_order=True):
        found = {row["statistic"]: row for row in part.iter_rows(named=True)}
        if "overlap_items" in found:
            cells = [found[name] for name in SNAPSHOTS]
            rows.append([dataset, *(_beside(c["value"], c["published"], c["verdict"]) for c in cells)])
    if not rows:
        return ""
    names = ("dataset", *SNAPSHOTS.values())
    lines = ["# Snapshots", "", "Equal to the published value: ✓.", ""]
    lines += [f"| {' | '.join(names)} |", f"|---|{'---:|' * len(SNAPSHOTS)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows), "", ""])


def _beside(value: float, published: float | None, verdict: str) -> str:
    """Return a value, marked where it equals the published one, which stands beside where it differs."""
    mark = "" if published is None else " ✓" if verdict == "equal" else f" (published {published:,.10g})"
    return f"{value:,.10g}{mark}"


def statistics_markdown(frame: pl.DataFrame) -> str:
    """Return the statistics as Markdown, the snapshots in short and then all, one column a dataset."""

    def cell(own, published, verdict):
        return own if published is None else f"{own}<br>published {published}: {verdict}"

    datasets, rows = _statistics(frame, cell)
    lines = [
        f"{snapshots_markdown(frame)}# Datasets",
        "",
        f"| statistic | {' | '.join(datasets)} |",
        f"|---|{'---:|' * len(datasets)}",
    ]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows), ""])


def statistics_latex(frame: pl.DataFrame) -> str:
    """Return the statistics for LaTeX with the package booktabs, one column a dataset."""

    def cell(own, published, verdict):
        return tex(own) if published is None else rf"{tex(own)} {{\scriptsize ({tex(published)}: {verdict})}}"

    datasets, rows = _statistics(frame, cell)
    lines = [r"\begin{table}", r"\centering", r"\caption{Datasets. Published counts in parentheses.}"]
    lines += [r"\label{tab:statistics}", rf"\begin{{tabular}}{{l{'r' * len(datasets)}}}", r"\toprule"]
    lines += [f"statistic & {' & '.join(map(tex, datasets))} " + r"\\", r"\midrule"]
    lines += [f"{tex(name)} & {' & '.join(cells)} " + r"\\" for name, cells in rows]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])
