"""A table as a self-contained HTML page."""

from html import escape

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

STYLE = """
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
  h1 { font-size: 1.5rem; } p { max-width: 50rem; }
  .panel { overflow-x: auto; margin: 2rem 0; }
  table { border-collapse: separate; border-spacing: 0; border-top: 2px solid; border-bottom: 2px solid; }
  caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
  caption small { font-weight: normal; }
  th, td { padding: .3rem .8rem; text-align: left; vertical-align: top; white-space: nowrap; }
  thead th { border-bottom: 1px solid; } tbody th { font-weight: normal; }
  .number { text-align: right; font-variant-numeric: tabular-nums; }
  small { display: block; color: #5a5a5a; }
  tbody tr, tbody th { background: #fff; }
  tbody tr:nth-child(even), tbody tr:nth-child(even) th { background: #f5f5f5; }
  th:first-child { position: sticky; left: 0; }
  caption small, caption span { position: sticky; left: 0; max-width: calc(100vw - 2rem); white-space: normal; }
  caption span { display: inline-block; }
  thead th:first-child { background: #fff; }
  @media (max-width: 40rem) {
    body { margin: 1rem auto; padding: 0 .8rem; } th, td { padding: .3rem .45rem; }
    tbody th { white-space: normal; max-width: 7.5rem; }
  }
"""

LINK = '<a href="{path}">{text}</a>'


def page(title: str, body: str) -> str:
    """Return a complete HTML page without links to other files."""
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{escape(title)}</h1>\n{body}</body>\n</html>\n"
    )


def render(sheet: Sheet) -> str:
    """Return the table as one HTML page, verdicts and claims below; the last column links records."""
    lines = [f"<p>{escape(text)}</p>" for text in (note(sheet.table), sources(sheet.table)) if text]
    for heading, names, rows in panels(sheet.table):
        head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in names)
        small = f"<small>{escape(sheet.captions[heading])}</small>" if heading in sheet.captions else ""
        lines += [
            '<div class="panel" tabindex="0">',
            "<table>",
            f"<caption><span>{escape(heading)}</span>{small}</caption>",
        ]
        read = {name: "" if name == "text" else ' class="number"' for name in inputs(rows)}
        head += "".join(f'<th scope="col"{side}>{name}</th>' for name, side in read.items())
        lines += [f'<thead><tr><th scope="col">row</th>{head}']
        lines += ['<th scope="col">record of seed</th></tr></thead>', "<tbody>"]
        labels = letters(rows)
        for backbone, representation, values in rows:
            cells = ""
            for v in values:
                beside = "" if v["published"] is None else f"<small>{published_text(v)}</small>"
                lead = lead_mark(v, labels, "<sup>{}</sup>")
                cells += f'<td class="number">{value_text(v, "<strong>{}</strong>", "<u>{}</u>")}{lead}{beside}</td>'
            texts = zip(read.values(), input_texts(values, list(read)))
            cells += "".join(f"<td{side}>{escape(text)}</td>" for side, text in texts)
            links = record_links(values, '<a href="{path}">{seed}</a>')
            name = label_row(backbone, representation, labels)
            lines.append(f'<tr><th scope="row">{backbone} {name}</th>{cells}<td>{links}</td></tr>')
        for f in failed_rows(sheet.failed, rows[0][2]):
            cells = '<td class="number">failed</td>' * len(names) + "<td></td>" * len(read)
            name = escape(f"{f['backbone']} {f['representation']}")
            lines.append(f'<tr><th scope="row">{name}</th>{cells}')
            lines.append(f"<td>{log_link(f, LINK)}</td></tr>")
        lines += ["</tbody>", "</table>", *verdicts(rows), "</div>"]
    below = [
        *failure_texts([f | {"reason": escape(f["reason"])} for f in sheet.failed], LINK),
        *map(escape, sheet.below),
    ]
    lines += ["<ul>", *(f"<li>{text}</li>" for text in below), "</ul>"] if below else []
    return page(sheet.title, "\n".join(lines) + "\n")


def verdicts(rows: list[tuple[str, str, list[dict]]]) -> list[str]:
    """Return the lines of a panel's verdicts, folded."""
    items = "".join(f"<li>{escape(text)}</li>" for text in verdict_texts(rows))
    return [f"<details><summary>{verdict_heading(rows)}</summary><ul>{items}</ul></details>"] if items else []
