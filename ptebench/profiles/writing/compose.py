"""From answers to profiles, whoever gave the answers."""

import json
from collections import Counter

import polars as pl

from ptebench.files import InputError
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.schema.tables import first_parses, profiles_frame
from ptebench.profiles.schema.thoughts import without_thoughts
from ptebench.provenance import digest

TRIED = 24  # answers of which at least one is a profile, or the writer is asked no further


def none_parsed(writer: str, failed: list[tuple[str, str]], mend: str) -> InputError:
    """Return the error of a writer none of whose answers is a profile; `failed` has (reason, text) of each."""
    ((reason, _),) = Counter(reason for reason, _ in failed).most_common(1)
    text = " ".join(next((text for why, text in failed if why == reason), "").split())
    example = f": {text[:100]!r}" if text else ""
    return InputError(f"{writer}: none of {len(failed)} answers is a profile ({reason}{example}); {mend}")


def failed_of(frame: pl.DataFrame) -> list[tuple[str, str]]:
    """Return (reason, text) of every profile without fields that a writer wrote."""
    rows = frame.filter(pl.col("fields").is_null()).select("generation", "text").iter_rows()
    return [(made["repair"], text) for made, text in ((json.loads(g), text) for g, text in rows) if "repair" in made]


def compose(ids, prompts: list[str], answers: list[str], side: str, made: list[dict], counts: Counter, say=print):
    """Return (frame of the PROFILES contract, record) from one answer to each prompt.

    A text that cannot be parsed is kept, without thoughts, and has no fields; texts that were repaired are laid out
    anew.
    `made` says of each answer how it came about, `tokens` among it; `counts` are those of the answers so far. What was
    decoded within the grammar is counted apart, and is neither parsed nor strict.
    """
    found = [repaired(text.strip(), side) for text in answers]
    texts = [
        without_thoughts(text) if fields is None else layout(fields, side) for text, (fields, _) in zip(answers, found)
    ]
    generation = [{**how, "repair": repair} for how, (_, repair) in zip(made, found)]
    fields = [f for f, _ in found]
    frame = profiles_frame(ids, texts, fields, [digest(p) for p in prompts], generation)
    first = first_parses(frame)
    counts = Counter(counts)
    counts.update(
        f"failed: {repair}" if f is None
        else "within the grammar" if not once
        else "strict" if repair is None else f"repaired: {repair}"
        for (f, repair), once in zip(found, first)
    )  # fmt: skip
    record = {"profiles": len(ids), "parsed": int(first.sum())}
    record |= {"tokens": sum(how["tokens"] for how in made), **dict(sorted(counts.items()))}
    say(f"{side} profiles: " + ", ".join(f"{k} {v:,}" for k, v in record.items()))
    return frame.sort("id"), record
