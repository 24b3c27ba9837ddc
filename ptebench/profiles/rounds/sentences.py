"""The sentence of instructions: what the language model knows itself, where a teacher's answer has none."""

from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.evidence.prompts import sentence_prompt
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.fields import BULLET, SENTENCE, layout, sentence_of, strict


def sentence_in(text: str) -> str | None:
    """Return the sentence in an answer, its first line that is one; None where there is none."""
    lines = (BULLET.sub("", line, count=1).strip().removeprefix(f"{SENTENCE}:") for line in text.split("\n"))
    return next((sentence for line in lines if not line.endswith(":") and (sentence := sentence_of(line))), None)


def with_sentences(rows: list[dict], side: str, model, tokenizer, spec: dict) -> tuple[list[dict], int]:
    """Return instructions whose first answers have a sentence, and how many the model, untaught, added.

    It is asked for the sentence alone, beside evidence and phrases; where its answer is none the instruction stays.
    """
    limit = spec["new_tokens"][side]
    answers = [strict(row["completion"][0]["content"], side) or {} for row in rows]
    places = [place for place, fields in enumerate(answers) if SENTENCE not in fields]
    pairs = [(rows[p]["prompt"][0]["content"], rows[p]["completion"][0]["content"]) for p in places]
    prompts = fitted([sentence_prompt(*pair, side) for pair in pairs], tokenizer, spec["context"] - limit)
    replies = generate(model, tokenizer, prompts, limit, spec["write_batch"])
    new, added = list(rows), 0
    for place, reply in zip(places, replies):
        if sentence := sentence_in(text_of(reply, tokenizer)):
            first, *rest = rows[place]["completion"]
            text = layout(answers[place] | {SENTENCE: [sentence]}, side)
            new[place] = {**rows[place], "completion": [{**first, "content": text}, *rest]}
            added += 1
    return new, added
