"""Draw each protocol's split of a small example as a timeline: python -m ptebench.data.timeline FOLDER.

The drawings come from the code that splits datasets, so that they agree with it.
"""

import sys
from importlib import import_module
from pathlib import Path

import polars as pl

from ptebench.data.filters import seconds
from ptebench.data.splits import complete
from ptebench.files import INTERACTIONS

DAY = 86400
# the days on which each user of the example did something
USERS = {
    "Ada": [1, 3, 5, 8, 11, 14],
    "Ben": [2, 4, 6, 7, 9],
    "Cleo": [3, 6, 10, 12, 15, 17],
    "Dan": [5, 7, 8, 13, 16],
    "Eve": [1, 4, 9, 10, 13, 16, 18],
    "Fay": [6, 8, 11, 14],
    "Gus": [2, 5],
    "Hal": [12, 15, 17],
}
LAST_DAY = 18
EXAMPLES: dict[str, dict] = {
    "leave_one_out": {"remove_seen": True},
    "long_tail": {"negatives": 3, "seed": 0, "heads_compat": None, "bins": None, "remove_seen": True},
    "cold_start_user": {
        "last": 5,
        "valid": 0.25,
        "test": 0.25,
        "seed": 2,
        "given": False,
        "cold_k": [2],
        "remove_seen": False,
    },
    "snapshot": {"cut": "1970-01-11", "end": None, "valid": 0.2, "seed": 0},
    "global_temporal": {"cuts": ["1970-01-11", "1970-01-15"], "end": "1970-01-18", "valid": 0.2, "remove_seen": True},
}
ROLES = {  # colour, ring only, what it means
    "train": ("#3b6ea5", False, "trains"),
    "valid": ("#e0a030", False, "validation target"),
    "test": ("#c0392b", False, "test target"),
    "shown": ("#7f8c8d", True, "shown before a target only"),
    "unused": ("#d0d3d4", False, "not used"),
}
LEFT, TOP, STEP, ROW = 60, 30, 32, 28


def example() -> pl.DataFrame:
    """Return the example's interactions, each with an item of its own, which identifies it."""
    rows = [(user, f"{user} {day}", day * DAY) for user, days in USERS.items() for day in days]
    frame = pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "timestamp": pl.Int64}, orient="row")
    blank = (pl.lit(None, kind).alias(c) for c, kind in INTERACTIONS.items() if c not in (*frame.columns, "row"))
    return frame.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64), *blank).select(*INTERACTIONS)


def roles(kind: str) -> dict[tuple[str, int], str]:
    """Return the role of each interaction (user, day) in the split of the example by a protocol."""
    interactions = example()
    module = import_module(f"ptebench.data.protocols.{kind}")
    parts = complete(module.split(interactions, {"kind": kind, **EXAMPLES[kind]}))
    names = dict(parts["vocabulary"].filter(pl.col("side") == "item").select("id", "raw").iter_rows())
    role_of = dict.fromkeys(((user, d) for user, days in USERS.items() for d in days), "unused")
    # later entries overrule earlier ones: what trains may be shown, too, and a validation target may be shown in a test
    for role, frame, column in (
        ("shown", parts["valid"], "history"), ("shown", parts["test"], "history"), ("train", parts["train"], "history"),
        ("valid", parts["valid"], "targets"), ("test", parts["test"], "targets"),
    ):  # fmt: skip
        for item in frame[column].explode(empty_as_null=False).unique():
            user, day = names[item].split()
            role_of[user, int(day)] = role
    return role_of


def drawing(kind: str) -> str:
    """Return the SVG of one protocol: a line per user, a dot per interaction, coloured by its role."""
    role_of, settings = roles(kind), EXAMPLES[kind]
    bounds = [(day, "cut") for day in (settings.get("cut"), *settings.get("cuts", []))] + [(settings.get("end"), "end")]
    width, height = LEFT + LAST_DAY * STEP + 30, TOP + len(USERS) * ROW + 60
    bottom = TOP + len(USERS) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif"'
        ' font-size="12">',
        f"<title>{kind}: what trains, what validates, what tests</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for x, word in ((LEFT + (seconds(day) // DAY - 1) * STEP, word) for day, word in bounds if day):
        lines.append(f'<path d="M{x:g} {TOP - 12}V{bottom}" stroke="#222222" stroke-dasharray="4 3"/>')
        lines.append(f'<text x="{x:g}" y="{TOP - 16}" text-anchor="middle">{word}</text>')
    for row, (user, days) in enumerate(USERS.items()):
        y = TOP + row * ROW + ROW // 2
        lines.append(f'<text x="10" y="{y + 4}">{user}</text>')
        lines.append(f'<path d="M{LEFT} {y}H{LEFT + LAST_DAY * STEP}" stroke="#ececec"/>')
        for day in days:
            lines.append(_dot(LEFT + day * STEP - STEP // 2, y, role_of[user, day]))
    lines.append(f'<text x="{LEFT}" y="{bottom + 16}" fill="#555555">time →</text>')
    x = LEFT
    for role in dict.fromkeys(r for r in ROLES if r in role_of.values()):
        lines += [_dot(x, bottom + 40, role), f'<text x="{x + 12}" y="{bottom + 44}">{ROLES[role][2]}</text>']
        x += 30 + 7 * len(ROLES[role][2])
    return "\n".join([*lines, "</svg>"]) + "\n"


def _dot(x: float, y: float, role: str) -> str:
    colour, ring, _ = ROLES[role]
    fill = f'fill="#ffffff" stroke="{colour}" stroke-width="2"' if ring else f'fill="{colour}"'
    return f'<circle cx="{x:g}" cy="{y:g}" r="{6 if ring else 7}" {fill}/>'


if __name__ == "__main__":
    for name in EXAMPLES:
        (Path(sys.argv[1]) / f"{name}.svg").write_text(drawing(name), encoding="utf-8")
