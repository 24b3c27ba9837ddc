"""Writing profiles: greedy, in batches alike in length; parsed strictly, every failure counted."""

import time
from collections import Counter

import numpy as np
import polars as pl
import torch

from ptebench.files import InputError
from ptebench.profiles.compose import TRIED, compose, none_parsed
from ptebench.profiles.grammar import Answer, Pieces, Words, names
from ptebench.profiles.greedy import ROWS, greedy
from ptebench.profiles.language_model import fitted, prompt_tokens
from ptebench.profiles.parse import MARKS, repaired
from ptebench.profiles.prompts import digest, evidence_text

WIDTH = 64  # prompts are padded to multiples of this many tokens and one more


def batches(lengths: list[int], size: int) -> list[tuple[np.ndarray, int]]:
    """Return batches as (row numbers, width in tokens), the longest first; a width depends on a row's own length.

    Of equal shapes the arithmetic of a row does not depend on its neighbours: on one thread the same prompt has the
    same answer to the bit, whatever else is written with it.
    """
    widths = -(-np.asarray(lengths, dtype=np.int64) // WIDTH) * WIDTH
    found = []
    for width in np.unique(widths)[::-1].tolist():  # too little memory shows at once
        rows = np.flatnonzero(widths == width)
        found += [(rows[start : start + size], width) for start in range(0, len(rows), size)]
    return found


def too_large(error: BaseException) -> bool:
    """Say whether an error of torch is want of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def generate(
    model,
    tokenizer,
    prompts: list[str],
    new_tokens: int,
    batch_size: int,
    side: str | None = None,
    say=print,
    take=None,
) -> list[list[int]]:
    """Return the token ids of the greedy answer to each prompt, without the prompt and the end mark.

    With `side`: the greedy answer within the grammar of that side's profiles; where the model has `frame_words`
    (embedded) of these and the words of the prompt's own evidence. take(row, token ids) hears of each answer when its
    batch is done. Where memory does not suffice the batch is halved once; raises InputError where that is not enough.
    """
    answers = [[] for _ in prompts]
    ids = [prompt_tokens(p, tokenizer) for p in prompts]
    pad, ends = tokenizer.pad_token_id, {tokenizer.eos_token_id}
    configured = model.generation_config.eos_token_id
    ends = sorted(ends | (set(configured) if isinstance(configured, list) else {configured} - {None}))
    pieces = Pieces(tokenizer) if side and prompts else None
    frame, own = getattr(model.config, "frame_words", None), []
    if pieces and frame is not None:
        own = [set(names(evidence_text(prompt))) for prompt in prompts]
        pieces.spell(set(frame).union(*own))  # of all prompts at once, which is much faster
    model.eval()

    def words(row: int) -> Words | None:
        return Words(pieces, own[row], set(frame)) if own else None

    def answer(rows: np.ndarray, width: int) -> None:
        step = min(ROWS, size)
        count = -(-len(rows) // step) * step
        inputs = torch.full((count, width + 1), pad)
        mask = torch.zeros_like(inputs)
        filled = np.resize(rows, count)  # up with the first
        for place, row in enumerate(filled):
            inputs[place, -len(ids[row]) :] = torch.tensor(ids[row])
            mask[place, -len(ids[row]) :] = 1
        rules = [Answer(pieces, side, new_tokens, ends, words(row)) for row in filled] if side else None
        with torch.inference_mode():
            found = model.generate(
                input_ids=inputs.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=new_tokens,
                do_sample=False, temperature=None, top_p=None, top_k=None, pad_token_id=pad, eos_token_id=ends,
                use_cache=True, custom_generate=greedy, rules=rules,
            )  # fmt: skip
        for row, tokens in zip(rows, found):
            stop = next((p for p, t in enumerate(tokens) if t in ends), len(tokens))
            answers[row] = tokens[:stop]
            if take is not None:
                take(int(row), answers[row])

    queue, size, told, done = batches([len(i) for i in ids], batch_size)[::-1], batch_size, time.monotonic(), 0
    while queue:
        rows, width = queue.pop()
        try:
            answer(rows, width)
        except RuntimeError as error:
            if not too_large(error):
                raise
            half = size // 2
            if size < batch_size or not half:
                raise InputError(
                    f"language model: {len(rows)} prompts of {width} tokens do not fit into memory; lower "
                    "'write_batch' or 'context'"
                ) from error
            size = half
            say(f"out of memory with {batch_size} prompts of {width} tokens at once: going on with {half}")
            queue.append((rows, width))
            queue = [(part, w) for r, w in queue for part in np.split(r, range(half, len(r), half))[::-1]]
            continue
        done += len(rows)
        if time.monotonic() - told > 5:
            told = time.monotonic()
            say(f"{done:,} of {len(ids):,} written")
    return answers


def text_of(tokens: list[int], tokenizer) -> str:
    """Return the text of an answer, with special tokens where they mark thoughts."""
    text = tokenizer.decode(tokens)
    return text if MARKS.search(text) else tokenizer.decode(tokens, skip_special_tokens=True)


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
            if fields is None and not within:
                wrong[key] = repair
                return
            failed.append(fields is None and (repair, text))
            if all(failed) and len(failed) >= TRIED:
                raise nothing_written(spec, failed)
            found[key] = answer
            if keep is not None:
                keep(key, answer)

        generate(model, tokenizer, list(left.values()), limit, batch, side if within else None, say, take)

    wrong, failed = {}, []
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


def parse_rate(frame: pl.DataFrame) -> float:
    """Return the share of profiles with fields."""
    return 1 - frame["fields"].null_count() / max(1, frame.height)
