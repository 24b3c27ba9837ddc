"""Ask the teacher at an endpoint for the profiles that distillation needs; they are written as supplied ones are."""

from ptebench.files import read_embeddings, write_jsonl
from ptebench.job import run
from ptebench.profiles.evidence.owners import cold_examples, draw
from ptebench.profiles.evidence.prompts import item_prompts, user_prompts
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.schema.tables import fields_by_id, read_profiles
from ptebench.profiles.teachers.endpoint import none_of, written
from ptebench.profiles.writing.compose import failed_of


def main(job):
    spec, split = job.spec, read_split(job.input("train"), job.input("vocabulary"), job.input("items"))
    endpoint = spec["endpoint"]
    cards = read_embeddings(job.input("cards"), split.items + 1).numpy()
    drawn = draw(split, spec["seed"], spec["probes"])
    shown = split.without(drawn.held)
    template = {side: read_profiles(job.input(f"template_{side}")) for side in ("user", "item")}
    ids = {side: pool[: spec["examples"]] for side, pool in drawn.pool.items()}
    # beside the one model's own profiles, so that all who ask it share its answers
    answers = job.outputs["user"].parents[2] / endpoint["name"] / "answers.jsonl"
    frames, record = {}, {}

    def ask(side, prompts):
        frame, record[side] = written(ids[side], prompts, side, endpoint, answers)
        frames[side] = frame.drop_nulls("fields")
        if frames[side].is_empty():
            raise none_of(endpoint, failed_of(frame), answers)

    ask("user", user_prompts(ids["user"], shown.train, split.cards, {}, spec))
    readers = template["user"] | fields_by_id(frames["user"])
    warm = {i: template["item"][i] for i in split.warm().tolist()}
    cold = cold_examples(ids["item"], spec["seed"])
    ask("item", item_prompts(ids["item"], shown, readers, warm, cold, cards, spec))
    for side, frame in frames.items():
        raw = dict(split.vocabulary.filter(side=side).select("id", "raw").iter_rows())
        write_jsonl(
            [{f"{side}_id": raw[i], "text": text} for i, text in frame.select("id", "text").iter_rows()],
            job.outputs[side],
        )
    return {"taught": record}


if __name__ == "__main__":
    run(main)
