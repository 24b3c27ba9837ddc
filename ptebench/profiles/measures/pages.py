"""The table and the page of samples of written profiles."""

import polars as pl

from ptebench.profiles.evidence.prompts import MARK
from ptebench.profiles.schema.fields import strict

SHOWN = 5  # owners of each side on the page of samples
MEASURES = (
    "profiles", "parsed", "strict", "by_grammar", "words", "owners", "faithfulness", "identification",
    "effective_rank", "pairwise_cosine", "distinct_phrases", "perplexity", "tokens_per_second",
)  # fmt: skip
SHARES = {"parsed", "strict", "by_grammar", "distinct_phrases"}
QUALITY = {"side": pl.String, "writer": pl.String, "measure": pl.String, "value": pl.Float64}


def table(rows: list[dict]) -> pl.DataFrame:
    """Return the measures that each row of a side and writer has, in long format."""
    long = [(row["side"], row["writer"], m, row[m]) for row in rows for m in MEASURES if row.get(m) is not None]
    return pl.DataFrame(long, schema=QUALITY, orient="row")


def markdown(frame: pl.DataFrame, title: str) -> str:
    """Return the measures as a Markdown table, one row a side and writer."""
    wide = frame.pivot("measure", index=["side", "writer"], values="value", maintain_order=True)
    names = [m for m in MEASURES if m in wide.columns]

    def cell(name, value):
        if value is None:
            return ""
        if name in SHARES:
            return f"{100 * value:.1f} %"
        return f"{value:,.0f}" if name in ("profiles", "owners") else f"{value:.1f}" if value >= 10 else f"{value:.3f}"

    lines = [f"# {title}", "", "| side | writer | " + " | ".join(n.replace("_", " ") for n in names) + " |"]
    lines.append("|---|---|" + "---:|" * len(names))
    for row in wide.iter_rows(named=True):
        lines.append(f"| {row['side']} | {row['writer']} | " + " | ".join(cell(n, row[n]) for n in names) + " |")
    return "\n".join(lines) + "\n"


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
            known = prompts[side][identity].split("\n")[1:-3]
            lines += [line if line.startswith(MARK) else f"{MARK}{line}" for line in known] + [""]
            text_by_writer = {w: of[side][identity] for w, of in texts.items() if identity in of.get(side, {})}
            lines += ["| writer | profile |", "|---|---|"]
            lines += [
                f"| {w} | {quoted(t)}{'' if strict(t, side) else ' (no profile)'} |" for w, t in text_by_writer.items()
            ]
            lines.append("")
    return "\n".join(lines)
