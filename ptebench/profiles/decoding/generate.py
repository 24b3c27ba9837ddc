"""Answers of a language model to prompts, in batches alike in length."""

import time
from collections.abc import Callable

import numpy as np
import torch

from ptebench.files import InputError
from ptebench.profiles.decoding.decode import ROWS, Sampling, decode
from ptebench.profiles.decoding.grammar import Answer, Pieces, Words, names
from ptebench.profiles.evidence.prompts import evidence_text
from ptebench.profiles.models.tokens import prompt_tokens
from ptebench.profiles.schema.thoughts import MARKS
from ptebench.progress import Progress

WIDTH = 64  # prompts are padded to multiples of this many tokens and one more


def batches(lengths: list[int], size: int) -> list[tuple[np.ndarray, int]]:
    """Return batches as (row numbers, width in tokens), the longest first; a width depends on a row's own length.

    Of equal shapes the arithmetic of a row does not depend on its neighbours: on one thread the same prompt has the
    same answer to the bit, whatever else is written with it.
    """
    widths = -(-np.asarray(lengths, dtype=np.int64) // WIDTH) * WIDTH
    result = []
    for width in np.unique(widths)[::-1].tolist():  # too little memory shows at once
        rows = np.flatnonzero(widths == width)
        result += [(rows[start : start + size], width) for start in range(0, len(rows), size)]
    return result


def too_large(error: BaseException) -> bool:
    """Say whether an error of torch is want of memory."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def grammar(
    model, tokenizer, prompts: list[str], new_tokens: int, ends: list[int], side: str
) -> Callable[[int], Answer]:
    """Return what makes the `Answer` to the prompt of a row, which keeps to the grammar of a side's profiles."""
    pieces, frame = Pieces(tokenizer), getattr(model.config, "frame_words", None)
    if frame is None:
        return lambda row: Answer(pieces, side, new_tokens, ends)
    own = [set(names(evidence_text(prompt))) for prompt in prompts]
    pieces.spell(set(frame).union(*own))  # of all prompts at once, which is much faster
    return lambda row: Answer(pieces, side, new_tokens, ends, Words(pieces, own[row], set(frame)))


def padded(rows: list[list[int]], width: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return tokens (B, width) behind padding, and the mask of those that are no padding."""
    inputs = torch.full((len(rows), width), pad)
    mask = torch.zeros_like(inputs)
    for place, ids in enumerate(rows):
        inputs[place, -len(ids) :], mask[place, -len(ids) :] = torch.tensor(ids), 1
    return inputs, mask


def generate(
    model,
    tokenizer,
    prompts: list[str],
    new_tokens: int,
    batch_size: int,
    side: str | None = None,
    say=print,
    take=None,
    sampling: Sampling | None = None,
) -> list[list[int]]:
    """Return the token ids of the greedy answer to each prompt, without the prompt and the end mark.

    With `side`: the greedy answer within the grammar of that side's profiles; where the model has `frame_words`
    (embedded) of these and the words of the prompt's own evidence. With `sampling`: of each prompt in turn all its
    samples, `batch_size` of them at once. take(number, token ids) hears of each answer when its batch is done. Where
    memory does not suffice the batch is halved once; raises InputError where that is not enough.
    """
    copies = sampling.copies if sampling else 1
    answers: list[list[int]] = [[] for _ in range(len(prompts) * copies)]
    batch_size = max(1, batch_size // copies)
    ids = [prompt_tokens(p, tokenizer) for p in prompts]
    pad, eos = tokenizer.pad_token_id, model.generation_config.eos_token_id
    more = set(eos) if isinstance(eos, list) else {eos} - {None}
    ends = sorted(more | {tokenizer.eos_token_id})
    rules_of = grammar(model, tokenizer, prompts, new_tokens, ends, side) if side and prompts else None
    model.eval()

    def answer(rows: np.ndarray, width: int) -> int:
        step = min(ROWS, size)
        batch = np.resize(rows, -(-len(rows) // step) * step)  # up with the first
        inputs, mask = padded([ids[row] for row in batch], width + 1, pad)
        rules = rules_of and list(map(rules_of, batch))
        with torch.inference_mode():
            result = model.generate(
                input_ids=inputs.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=new_tokens,
                do_sample=False, temperature=None, top_p=None, top_k=None, pad_token_id=pad, eos_token_id=ends,
                use_cache=True, custom_generate=decode, rules=rules,
                sampling=sampling, places=sampling and sampling.places(batch, new_tokens),
            )  # fmt: skip
        for number, tokens in zip((row * copies + copy for row in rows for copy in range(copies)), result):
            stop = next((p for p, t in enumerate(tokens) if t in ends), len(tokens))
            answers[number] = tokens[:stop]
            if take is not None:
                take(int(number), answers[number])
        return sum(len(answers[row * copies + copy]) for row in rows for copy in range(copies))

    queue, size, done = batches([len(i) for i in ids], batch_size)[::-1], batch_size, 0
    progress, token_count = Progress("prompts", "answered", len(ids), say), 0
    while queue:
        rows, width = queue.pop()
        try:
            token_count += answer(rows, width)
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
        progress(done, f", {token_count / (time.monotonic() - progress.start_time):,.0f} tokens per second")
    return answers


def text_of(tokens: list[int], tokenizer) -> str:
    """Return the text of an answer, with special tokens where they mark thoughts."""
    text = tokenizer.decode(tokens)
    return text if MARKS.search(text) else tokenizer.decode(tokens, skip_special_tokens=True)
