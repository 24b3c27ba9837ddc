"""The table and the page of samples of written profiles."""

import polars as pl

from ptebench.files import write_table, write_text
from ptebench.profiles.evidence.prompts import MARK, evidence_lines
from ptebench.profiles.measures.floors import without_verdict
from ptebench.profiles.measures.gain import OF_GAIN
from ptebench.profiles.schema.fields import strict

SHOWN = 10  # owners of each side on the page of samples
GAINS = ("gain", "gain_cold")
MEASURES = (
    "profiles", "parsed", "strict", "by_grammar", "sentences", "words",
    *(g + end for g in GAINS for end in ("", *OF_GAIN)), "owners", "faithfulness",
    "identification", "effective_rank", "pairwise_cosine", "distinct_phrases", "perplexity",
    "tokens_per_second",
)  # fmt: skip
SHARES = {"parsed", "strict", "by_grammar", "sentences", "distinct_phrases"}
COUNTS = {"profiles", "owners"}
NONE = "†"  # beside a measure that a floor wins
QUALITY = {
    "side": pl.String, "writer": pl.String, "measure": pl.String, "value": pl.Float64, "verdict": pl.Boolean,
}  # fmt: skip


def table(rows: list[dict]) -> pl.DataFrame:
    """Return the measures of each side and writer in long format; verdict: no floor wins the measure."""
    none = without_verdict(rows)
    long = [
        (row["side"], row["writer"], m, row[m], (row["side"], m) not in none)
        for row in rows
        for m in MEASURES
        if row.get(m) is not None
    ]
    return pl.DataFrame(long, schema=QUALITY, orient="row")


def markdown(frame: pl.DataFrame, title: str) -> str:
    """Return the measures as a Markdown table, one row a side and writer."""
    wide = frame.pivot("measure", index=["side", "writer"], values="value", maintain_order=True)
    ends = {g + end for g in GAINS for end in OF_GAIN}
    names = [m for m in MEASURES if m in wide.columns and m not in ends]
    none = set(frame.filter(~pl.col("verdict")).select("side", "measure").iter_rows())

    def cell(name: str, row: dict) -> str:
        value = row[name]
        if value is None:
            return ""
        if name in GAINS:
            low, high, owners = (row[name + end] for end in OF_GAIN)
            text = f"{value:+.3f} [{low:+.3f}, {high:+.3f}] of {owners:,.0f}"
        elif name in SHARES:
            text = f"{100 * value:.1f} %"
        else:
            text = f"{value:,.0f}" if name in COUNTS else f"{value:.1f}" if value >= 10 else f"{value:.3f}"
        return f"{text} {NONE}" if (row["side"], name) in none else text

    lines = [f"# {title}", "", "| side | writer | " + " | ".join(n.replace("_", " ") for n in names) + " |"]
    lines.append("|---|---|" + "---:|" * len(names))
    for row in wide.iter_rows(named=True):
        lines.append(f"| {row['side']} | {row['writer']} | " + " | ".join(cell(n, row) for n in names) + " |")
    if none:
        lines += ["", f"{NONE} no verdict: a floor, which means nothing, is above the template."]
    return "\n".join(lines) + "\n"


def write_quality(frame: pl.DataFrame, title: str, outputs: dict) -> None:
    """Write the measures as `csv` and `md`."""
    write_table(frame, outputs["csv"], QUALITY)
    write_text(markdown(frame, title), outputs["md"])


def page(title: str, owners: dict[str, list[int]], prompts: dict, texts: dict) -> str:
    """Return sampled profiles as Markdown: what the plain prompt shows, and what each writer says.

    owners: ids by side. prompts: by side and id. texts: by writer, side and id; who has nothing is left out.
    """

    def quoted(text):
        return text.replace("|", "\\|").replace("\n", "<br>")

    lines = [f"# {title}", ""]
    for side, ids in owners.items():
        for identity in ids:
            lines += [f"## {side} {identity}", ""]
            evidence = evidence_lines(prompts[side][identity])[1:]
            lines += [line if line.startswith(MARK) else f"{MARK}{line}" for line in evidence] + [""]
            text_by_writer = {w: of[side][identity] for w, of in texts.items() if identity in of.get(side, {})}
            lines += ["| writer | profile |", "|---|---|"]
            lines += [
                f"| {w} | {quoted(t)}{'' if strict(t, side) else ' (no profile)'} |" for w, t in text_by_writer.items()
            ]
            lines.append("")
    return "\n".join(lines)
