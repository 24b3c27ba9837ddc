"""The instructions of distillation: prompts and the teacher's answers."""

from dataclasses import asdict
from pathlib import Path

from ptebench.files import InputError
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import item_lessons, messages, user_prompts
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.measures.scorer import texts_of_scorer
from ptebench.profiles.rounds.dialogues import conversation, dialogues, first_turn
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.teachers.supplied import supplied_sides
from ptebench.provenance import digest


def instruction(identity: int, prompt: str, fields: dict, side: str) -> dict:
    """Return one line of an instructions file."""
    return {
        "id": identity,
        "prompt": messages(prompt),
        "completion": [{"role": "assistant", "content": layout(fields, side)}],
        "prompt_sha256": digest(prompt),
    }


def with_dialogues(rows: list[dict], split: Split, spec: dict) -> tuple[list[dict], int]:
    """Return users' instructions, a share of them with a second turn, and the number of those.

    They are asked about what they chose and what they did not, in turn. split: without what is held out.
    """
    questions = dialogues([row["id"] for row in rows[: round(spec["collaborative"] * len(rows))]], split, spec)
    pairs = enumerate(zip(questions[::2], questions[1::2]))
    by_user = {d.user: d for d in (pair[place % 2] for place, pair in pairs)}

    def extend(row: dict, dialogue) -> dict:
        prompt, answer = first_turn(dialogue, split, {}, spec), row["completion"][0]["content"]
        turns = conversation(prompt, answer, dialogue, split.cards)
        return {
            "id": row["id"], "prompt": turns[:1], "completion": turns[1:], "prompt_sha256": digest(prompt),
            "dialogue": asdict(dialogue),
        }  # fmt: skip

    return [extend(row, by_user[row["id"]]) if row["id"] in by_user else row for row in rows], len(by_user)


def texts_of_rounds(split: Split, spec: dict) -> list[str]:
    """Return the texts that the scorers of the rounds and of GRPO learn from, but for a few that hold out more."""
    return texts_of_scorer(split.without(draw(split, spec["seed"], spec["probes"]).pairs), spec["seed"])


def instructions(
    split: Split, cards, template: dict[str, dict], files: dict[str, Path], spec: dict
) -> tuple[dict[str, list[dict]], dict]:
    """Return the instructions of both sides by side, and a record of what they were made from.

    template: the template's fields by side and id; where `files` supply a side's profiles, those teach instead. As
    evidence in the other side's prompts the template fills what was not supplied. Raises InputError where a file
    supplies nobody of the training data.
    """
    roles = draw(split, spec["seed"], spec["probes"])
    rest = split.without(roles.pairs)
    fields, counts = supplied_sides(files, split)
    record: dict = {f"supplied_{side}": count for side, count in counts.items()}
    answers = template | fields
    profiles_in_prompts = {side: template[side] | answers[side] for side in template}
    ids = {side: [i for i in roles.pool[side] if i in answers[side]][: spec["examples"]] for side in answers}
    for side, ids_of_side in ids.items():
        if not ids_of_side:
            raise InputError(
                f"{files.get(side)}: none of the supplied {side} profiles belongs to a {side} of the training data; "
                "check that keys and dataset belong together"
            )
    prompts = {
        "user": user_prompts(ids["user"], rest.train, split.cards, {}, spec),
        "item": item_lessons(
            ids["item"], split, rest, profiles_in_prompts["user"], profiles_in_prompts["item"], cards, spec
        ),
    }
    rows = {
        side: [instruction(i, prompt, answers[side][i], side) for i, prompt in zip(ids[side], prompts[side])]
        for side in ids
    }
    if round(spec["collaborative"] * len(rows["user"])):
        rows["user"], record["collaborative"] = with_dialogues(rows["user"], rest, spec)
    return rows, record | {side: len(of) for side, of in rows.items()}
