"""Writing profiles with a language model that runs here; parsed strictly, every failure counted."""

import time
from collections import Counter

from ptebench.files import InputError
from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.models.tokens import fitted
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.writing.compose import TRIED, compose, none_parsed
from ptebench.provenance import digest


def nothing_written(spec: dict, failed: list[tuple[str, str]]) -> InputError:
    """Return the error of a model none of whose answers is a profile; `failed` has (reason, text) of each."""
    mend = "raise 'new_tokens' to what a whole profile needs, or choose an instruction-tuned model"
    return none_parsed(f"language model {spec['model']!r}", failed, mend)


def answered(
    model, tokenizer, prompts: list[str], side: str, spec: dict, known: dict, keep=None, say=print
) -> tuple[list[dict], Counter]:
    """Return the answer to each prompt (text, tokens, decoding, what was wrong with a first answer), and counts.

    Answers that are no profiles are written once more within the grammar; the embedded model, which is too small to
    keep to it, writes that way at once. Nothing else takes the place of a failed text. What is `known`, by the digest
    of the prompt, is not written again; keep(digest, answer) hears of each answer at once.
    """
    limit, batch, embedded = spec["new_tokens"][side], spec["write_batch"], spec["model"] == "embedded"
    found = {key: known[key] for key in map(digest, prompts) if key in known}
    missing = {key: p for key, p in zip(map(digest, prompts), prompts) if key not in found}
    counts = Counter(kept=len(found), written=len(missing))

    def ask(left: dict[str, str], within: bool) -> None:
        """Have the prompts answered; what is no profile waits for its second turn."""
        keys, decoding = list(left), "greedy, within the grammar" if within else "greedy"

        def take(row: int, tokens: list[int]) -> None:
            text, key = text_of(tokens, tokenizer), keys[row]
            answer = {"text": text, "tokens": len(tokens), "decoding": decoding, "first": wrong.get(key)}
            fields, repair = repaired(text.strip(), side)
            fault = repair if fields is None else None
            if fault and not within:
                wrong[key] = fault
                return
            failed.append((fault, text) if fault else None)
            if all(failed) and len(failed) >= TRIED:
                raise nothing_written(spec, [pair for pair in failed if pair])
            found[key] = answer
            if keep is not None:
                keep(key, answer)

        generate(model, tokenizer, list(left.values()), limit, batch, side if within else None, say, take)

    wrong: dict[str, str] = {}
    failed: list[tuple[str, str] | None] = []
    ask(missing, embedded)
    ask({key: missing[key] for key in wrong}, True)
    counts["tokens_written"] = sum(found[key]["tokens"] for key in missing)
    counts.update(f"rewritten: {a['first']}" for a in found.values() if a["first"])
    return [found[digest(p)] for p in prompts], counts


def write(
    model, tokenizer, ids: list[int], prompts: list[str], side: str, spec: dict, made: dict, say=print,
    known: dict | None = None, keep=None,
):  # fmt: skip
    """Write the profiles of `ids` of one side: (frame of the PROFILES contract, counts); see `answered`."""
    prompts = fitted(prompts, tokenizer, spec["context"] - spec["new_tokens"][side])
    started = time.perf_counter()
    answers, counts = answered(model, tokenizer, prompts, side, spec, known or {}, keep, say)
    seconds, tokens = time.perf_counter() - started, counts["tokens_written"]
    generation = [{**made, "decoding": a["decoding"], "tokens": a["tokens"]} for a in answers]
    frame, record = compose(ids, prompts, [a["text"] for a in answers], side, generation, counts, say)
    return frame, record | {"tokens_per_second": round(tokens / seconds, 1) if tokens else None}
