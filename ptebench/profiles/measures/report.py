"""What is said of all writers of a split: one row of measures for each side and writer."""

from functools import cache
from pathlib import Path

import polars as pl

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.measures.quality import Side, form, speed
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.models.adapters import with_adapter
from ptebench.profiles.models.loading import load_base, load_tokenizer
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.schema.tables import fields_by_id, texts_by_id


def sides_of(
    split: Split, valid: pl.DataFrame, cards, frames: dict, supplied: dict[str, dict], lesson_ids: dict[str, set],
    encode, spec: dict,
) -> dict[str, Side]:  # fmt: skip
    """Return both sides by name.

    valid: validation events. frames: profiles by writer and side, the template's among them. supplied: of a teacher,
    fields by side and id. lesson_ids: ids in any lesson, by side; nothing is asked of these, nor of the last of the
    pool, `optimised` of a side, whom GRPO trained on.
    """

    @cache
    def scorer() -> Scorer:
        return Scorer(split, cards, encode, spec["seed"])

    roles = draw(split, spec["seed"], spec["probes"])
    rest, readers, sides = split.without(roles.pairs), fields_by_id(frames["template", "user"]), {}
    for side in ("user", "item"):
        fields = {writer: fields_by_id(frame) for (writer, of), frame in frames.items() if of == side}
        if side in supplied:
            fields["teacher"] = supplied[side]
        closed = lesson_ids[side] | set(roles.pool[side][::-1][: spec["optimised"]])
        material = (fields, readers, closed, roles.probes[side], valid, scorer)
        sides[side] = Side(side, split, rest, cards, *material, encode, spec)
    return sides


def texts_of(frames: dict, supplied: dict[str, dict]) -> dict[str, dict[str, dict[int, str]]]:
    """Return the texts of profiles by writer, side and id."""
    texts: dict[str, dict[str, dict[int, str]]] = {}
    for (writer, side), frame in frames.items():
        texts.setdefault(writer, {})[side] = texts_by_id(frame)
    for side, fields in supplied.items():
        texts.setdefault("teacher", {})[side] = {i: layout(f, side) for i, f in fields.items()}
    return texts


def measure(
    sides: dict[str, Side],
    frames: dict[tuple[str, str], pl.DataFrame],
    tuned: dict[tuple[str, str], tuple[Path, dict]],
    source: dict,
) -> list[dict]:
    """Return a row of measures for each side and writer, and for the base model.

    tuned: by writer and side, the adapter that wrote and its record. source: of `model_source`.
    """
    tokenizer = load_tokenizer(source["source"], source["revision"], source["template_arguments"])

    def perplexity(side: Side, adapter: Path | None) -> float | None:
        model = load_base(source["source"], source["revision"], source["context"])
        return side.perplexity(with_adapter(model, adapter.parent, {}, False) if adapter else model, tokenizer)

    rows = []
    for name, side in sides.items():
        rows.append({"side": name, "writer": "base", "perplexity": perplexity(side, None)})
        for writer, worth in side.worths().items():
            row = {"side": name, "writer": writer} | worth
            if (writer, name) in frames:
                row |= form(frames[writer, name], name)
            if (writer, name) in tuned:
                adapter, record = tuned[writer, name]
                row |= {"perplexity": perplexity(side, adapter), "tokens_per_second": speed(record)}
            rows.append(row)
            print(", ".join(f"{k} {v:.3f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))
    return rows
