"""Write the distillation instructions of both sides: prompts and the teacher's answers."""

from dataclasses import asdict

from ptebench.files import InputError, read_embeddings, write_jsonl
from ptebench.job import run
from ptebench.profiles.evidence.owners import cold_examples, draw
from ptebench.profiles.evidence.prompts import item_prompts, user_prompts
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.rounds.dialogues import conversation, dialogues, first_turn
from ptebench.profiles.rounds.instructions import instruction
from ptebench.profiles.schema.tables import read_profiles
from ptebench.profiles.teachers.supplied import supplied
from ptebench.provenance import digest


def main(job):
    spec, split = job.spec, read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn, record = draw(split, spec["seed"], spec["probes"]), {}
    shown = split.without(drawn.held)
    teacher = {side: read_profiles(job.input(f"template_{side}")) for side in ("user", "item")}
    taught = dict(teacher)
    for side in ("user", "item"):
        if path := job.input(f"teacher_{side}"):
            words = split.vocabulary.filter(side=side)
            taught[side], record[f"supplied_{side}"] = supplied(path, dict(zip(words["raw"], words["id"])), side)
            # as evidence in the other side's prompts the template fills what was not supplied
            teacher[side] = teacher[side] | taught[side]
    ids = {side: [i for i in drawn.pool[side] if i in taught[side]][: spec["examples"]] for side in taught}
    for side, chosen in ids.items():
        if not chosen:
            raise InputError(
                f"{job.input(f'teacher_{side}')}: none of the supplied {side} profiles belongs to a {side} of the "
                "training data; check that keys and dataset belong together"
            )
    warm = {i: teacher["item"][i] for i in split.warm().tolist()}
    cold = cold_examples(ids["item"], spec["seed"])
    prompts = {
        "user": user_prompts(ids["user"], shown.train, split.cards, {}, spec),
        "item": item_prompts(ids["item"], shown, teacher["user"], warm, cold, cards, spec),
    }
    together = {}
    if count := round(spec["collaborative"] * len(ids["user"])):
        found = dialogues(ids["user"][:count], shown, spec)
        # asked about what they chose and what they did not, in turn
        pairs = enumerate(zip(found[::2], found[1::2]))
        together = {d.user: d for d in (pair[place % 2] for place, pair in pairs)}
        record["collaborative"] = len(together)
    for side, chosen in ids.items():
        rows = [instruction(i, p, taught[side][i], side) for i, p in zip(chosen, prompts[side])]
        for place, row in enumerate(rows):
            if side == "user" and (dialogue := together.get(row["id"])):
                prompt, answer = first_turn(dialogue, shown, {}, spec), row["completion"][0]["content"]
                turns = conversation(prompt, answer, dialogue, split.cards)
                rows[place] = {
                    "id": row["id"], "prompt": turns[:1], "completion": turns[1:], "prompt_sha256": digest(prompt),
                    "dialogue": asdict(dialogue),
                }  # fmt: skip
        write_jsonl(rows, job.outputs[side])
        record[side] = len(rows)
        print(f"{len(rows)} {side} instructions")
    return record


if __name__ == "__main__":
    run(main)
