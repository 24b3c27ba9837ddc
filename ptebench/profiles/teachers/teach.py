"""The lessons of a teacher at an endpoint."""

from pathlib import Path

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import item_lessons, user_prompts
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.tables import fields_by_id
from ptebench.profiles.teachers.endpoint import none_of, write_side
from ptebench.profiles.writing.compose import failed_of


def teach(split: Split, cards, template: dict[str, dict], spec: dict, file: Path) -> tuple[dict, dict]:
    """Return the profiles that distillation needs, in rows as of a supplied file, and counts; both by side.

    template: the template's fields by side and id. file: of the answers so far. Raises InputError where the model
    writes no profiles of a side.
    """
    roles = draw(split, spec["seed"], spec["probes"])
    rest = split.without(roles.pairs)
    ids = {side: pool[: spec["examples"]] for side, pool in roles.pool.items()}
    frames, record = {}, {}

    def ask(side: str, prompts: list[str]) -> None:
        frame, record[side] = write_side(ids[side], prompts, side, spec["endpoint"], file)
        frames[side] = frame.drop_nulls("fields")
        if frames[side].is_empty():
            raise none_of(spec["endpoint"], failed_of(frame), file)

    ask("user", user_prompts(ids["user"], rest.train, split.cards, {}, spec))
    readers = template["user"] | fields_by_id(frames["user"])
    ask("item", item_lessons(ids["item"], split, rest, readers, template["item"], cards, spec))
    rows = {}
    for side, frame in frames.items():
        raw = dict(split.vocabulary.filter(side=side).select("id", "raw").iter_rows())
        rows[side] = [{f"{side}_id": raw[i], "text": text} for i, text in frame.select("id", "text").iter_rows()]
    return rows, record
