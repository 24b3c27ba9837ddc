"""A table as Markdown."""

from ptebench.report.rendering import (
    Sheet,
    failed_rows,
    failure_texts,
    input_texts,
    inputs,
    label_row,
    lead_mark,
    letters,
    log_link,
    note,
    panels,
    published_text,
    record_links,
    sources,
    value_text,
    verdict_heading,
    verdict_texts,
)

LINK = "[{text}]({path})"


def render(sheet: Sheet) -> str:
    """Return the table as Markdown, verdicts and claims below; the last column links records."""
    lines = [f"# {sheet.title}", "", note(sheet.table)]
    lines += ["", sources(sheet.table)] if sources(sheet.table) else []
    for heading, names, rows in panels(sheet.table):
        read = inputs(rows)
        head, left = ["backbone", "representation", *read, *names, "record of seed"], 2 + ("text" in read)
        lines += ["", f"## {heading}", "", *([sheet.captions[heading], ""] if heading in sheet.captions else [])]
        lines += [f"| {' | '.join(head)} |", f"|{'---|' * left}{'---:|' * (len(head) - left - 1)}---|"]
        labels = letters(rows)
        for backbone, representation, values in rows:
            cells = input_texts(values, read) + [
                value_text(v, "**{}**", "<ins>{}</ins>")
                + lead_mark(v, labels, "<sup>{}</sup>")
                + ("" if v["published"] is None else f"<br>{published_text(v)}")
                for v in values
            ]
            name = label_row(backbone, representation, labels)
            lines.append(f"| {backbone} | {name} | {' | '.join(cells)} | {record_links(values, '[{seed}]({path})')} |")
        for f in failed_rows(sheet.failed, rows[0][2]):
            cells = [""] * len(read) + ["failed"] * len(names)
            lines.append(f"| {f['backbone']} | {f['representation']} | {' | '.join(cells)} | {log_link(f, LINK)} |")
        lines += verdicts(rows)
    below = [*failure_texts(sheet.failed, LINK), *sheet.below]
    lines += ["", *(f"- {text}" for text in below)] if below else []
    return "\n".join(lines) + "\n"


def verdicts(rows: list[tuple[str, str, list[dict]]]) -> list[str]:
    """Return the lines of a panel's verdicts, folded."""
    texts = verdict_texts(rows)
    if not texts:
        return []
    return [
        "",
        "<details><summary>",
        verdict_heading(rows),
        "</summary>",
        "",
        *(f"- {t}" for t in texts),
        "",
        "</details>",
    ]
