"""From answers to the profiles of a side, whoever gave the answers."""

import json
from collections import Counter

import polars as pl

from ptebench.files import InputError
from ptebench.profiles.instructions import Split, fields_by_id, item_prompts, typical, user_prompts
from ptebench.profiles.parse import layout, repaired, without_thoughts
from ptebench.profiles.prompts import digest, stranger_prompt
from ptebench.profiles.teachers import profiles_frame, with_unknown

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
    `made` says of each answer how it came about, `tokens` among it; `counts` are those of the answers so far.
    """
    found = [repaired(text.strip(), side) for text in answers]
    counts = Counter(counts)
    counts.update(
        "strict" if repair is None else f"{'failed' if fields is None else 'repaired'}: {repair}"
        for fields, repair in found
    )
    texts = [
        without_thoughts(text) if fields is None else layout(fields, side) for text, (fields, _) in zip(answers, found)
    ]
    generation = [{**how, "repair": repair} for how, (_, repair) in zip(made, found)]
    fields = [f for f, _ in found]
    frame = profiles_frame(ids, texts, fields, [digest(p) for p in prompts], generation)
    record = {"profiles": len(ids), "parsed": sum(f is not None for f in fields)}
    record |= {"tokens": sum(how["tokens"] for how in made), **dict(sorted(counts.items()))}
    say(f"{side} profiles: " + ", ".join(f"{k} {v:,}" for k, v in record.items()))
    return frame.sort("id"), record


def everybody(side: str, split: Split, histories: pl.DataFrame, cards, evidence: dict, spec: dict, write):
    """Return (frame, record) of all users or all items of a split.

    write(ids, prompts) -> (frame, record). `evidence` is what the prompts show of the other side, by dense id.
    """
    ids = split.vocabulary.filter(side=side)["id"].to_list()
    if side == "user":
        shown = dict(zip(histories["user"].to_list(), histories["history"].to_list()))
        known = [u for u in ids if u in shown]
        # who has an empty history is described last: the prompt shows the profile of a typical person
        strangers = [u for u in known if not shown[u]]
        met = [u for u in known if shown[u]]
        frame, record = write(met, user_prompts(met, shown, split.cards, evidence, spec))
        if not strangers:
            return with_unknown(frame, ids), record
        fields = fields_by_id(frame)
        prior = typical(split, cards, fields)
        if prior is None:
            prompts = user_prompts(strangers, shown, split.cards, evidence, spec)
        else:
            prompts = [stranger_prompt(fields[prior])] * len(strangers)
        more, extra = write(strangers, prompts)
        return with_unknown(pl.concat([frame, more]), ids), {"met": record, "strangers": extra}
    # warm items first: cold ones show the audiences of the warm items that resemble them
    warm = split.warm().tolist()
    frame, record = write(warm, item_prompts(warm, split, evidence, {}, set(), cards, spec))
    cold = sorted(set(ids) - set(warm))
    if not cold:
        return frame, record
    more, extra = write(cold, item_prompts(cold, split, {}, fields_by_id(frame), set(cold), cards, spec))
    return pl.concat([frame, more]).sort("id"), {"warm": record, "cold": extra}
