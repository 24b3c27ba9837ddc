"""The profiles of all users or all items of a split, in the order in which prompts need them."""

import polars as pl

from ptebench.profiles.evidence.neighbours import typical
from ptebench.profiles.evidence.prompts import form, item_prompts, stranger_prompt, user_prompts
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.tables import fields_by_id, with_unknown


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
            prompts = [form(stranger_prompt(fields[prior]), "user", spec)] * len(strangers)
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
