"""Writing profiles: greedy, in batches alike in length; parsed strictly, every failure counted."""

from collections import Counter

import numpy as np
import polars as pl
import torch
from ptebench.profiles.compose import compose
from ptebench.profiles.language_model import fitted, prompt_tokens
from ptebench.profiles.parse import FEW, phrase_marks, repaired
from transformers import LogitsProcessor, LogitsProcessorList


class DistinctStarts(LogitsProcessor):
    """Forbids a phrase of a field to begin with a token that another phrase of that field began with."""

    def __init__(self, tokenizer, start: int):
        """`start` is where the answer begins in the rows of token ids."""
        self.heads, self.marks = phrase_marks(tokenizer)
        self.start = start

    def __call__(self, input_ids, scores):
        for row, tokens in enumerate(input_ids[:, self.start :].tolist()):
            if tokens and tokens[-1] in self.marks:
                field = next((p for p in range(len(tokens) - 1, -1, -1) if tokens[p] in self.heads), 0)
                begun = [tokens[p + 1] for p in range(field, len(tokens) - 1) if tokens[p] in self.marks]
                scores[row, begun] = -torch.inf
        return scores


def generate(
    model, tokenizer, prompts: list[str], new_tokens: int, batch_size: int, distinct: bool = False, say=print
) -> list[list[int]]:
    """Return the token ids of the greedy answer to each prompt, without the prompt and the end mark.

    `distinct`: the most probable answer whose phrases begin differently within a field.
    """
    ids = [prompt_tokens(p, tokenizer) for p in prompts]
    order = np.argsort([-len(i) for i in ids], kind="stable")  # the longest first: too little memory shows at once
    answers = [[] for _ in ids]
    pad, ends = tokenizer.pad_token_id, {tokenizer.eos_token_id}
    configured = model.generation_config.eos_token_id
    ends |= set(configured) if isinstance(configured, list) else {configured} - {None}
    model.eval()
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        width = max(len(ids[r]) for r in rows)
        inputs = torch.full((len(rows), width), pad)
        mask = torch.zeros_like(inputs)
        for place, row in enumerate(rows):
            inputs[place, width - len(ids[row]) :] = torch.tensor(ids[row])
            mask[place, width - len(ids[row]) :] = 1
        with torch.inference_mode():
            found = model.generate(
                input_ids=inputs.to(model.device), attention_mask=mask.to(model.device), max_new_tokens=new_tokens,
                do_sample=False, temperature=None, top_p=None, top_k=None, pad_token_id=pad,
                eos_token_id=sorted(ends),
                logits_processor=LogitsProcessorList([DistinctStarts(tokenizer, width)] if distinct else []),
            )[:, width:].tolist()  # fmt: skip
        for row, tokens in zip(rows, found):
            stop = next((p for p, t in enumerate(tokens) if t in ends), len(tokens))
            answers[row] = tokens[:stop]
        if start // batch_size % 20 == 19:
            say(f"{start + len(rows):,} of {len(ids):,} written")
    return answers


def write(model, tokenizer, ids: list[int], prompts: list[str], side: str, spec: dict, made: dict, say=print):
    """Write the profiles of `ids` of one side: (frame of the PROFILES contract, counts).

    Answers that repeat a phrase, so that too few are left, are written once more with distinct
    beginnings; the embedded model, which does so nearly always, writes that way at once. Nothing else
    takes the place of a failed text.
    """
    limit, batch = spec["new_tokens"][side], spec["write_batch"]
    prompts = fitted(prompts, tokenizer, spec["context"] - limit)

    def answers(places: list[int], distinct: bool):
        tokens = generate(model, tokenizer, [prompts[p] for p in places], limit, batch, distinct, say)
        return list(zip(tokenizer.batch_decode(tokens, skip_special_tokens=True), map(len, tokens)))

    embedded = spec["model"] == "embedded"
    found = answers(range(len(prompts)), embedded)
    again = [] if embedded else [p for p, (text, _) in enumerate(found) if repaired(text.strip(), side)[1] == FEW]
    for place, answer in zip(again, answers(again, True)):
        found[place] = answer
    again, generation = set(again), []
    for place, (_, length) in enumerate(found):
        decoding = "greedy, distinct beginnings" if embedded or place in again else "greedy"
        generation.append({**made, "decoding": decoding, "tokens": length})
    counts = Counter(rewritten=len(again))
    return compose(ids, prompts, [text for text, _ in found], side, generation, counts, say)


def parse_rate(frame: pl.DataFrame) -> float:
    """Return the share of profiles with fields."""
    return 1 - frame["fields"].null_count() / max(1, frame.height)
