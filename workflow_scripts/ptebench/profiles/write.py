"""Writing profiles: greedy, in batches alike in length; parsed strictly, every failure counted."""

from collections import Counter

import numpy as np
import polars as pl
import torch

from ptebench.profiles.language_model import fitted, prompt_tokens
from ptebench.profiles.parse import layout, repaired
from ptebench.profiles.prompts import digest
from ptebench.profiles.teachers import profiles_frame


def generate(model, tokenizer, prompts: list[str], new_tokens: int, batch_size: int, say=print) -> list[list[int]]:
    """Return the token ids of the greedy answer to each prompt, without the prompt and the end mark."""
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
                do_sample=False, temperature=None, top_p=None, top_k=None, pad_token_id=pad, eos_token_id=list(ends),
            )[:, width:].tolist()  # fmt: skip
        for row, tokens in zip(rows, found):
            stop = next((p for p, t in enumerate(tokens) if t in ends), len(tokens))
            answers[row] = tokens[:stop]
        if start // batch_size % 20 == 19:
            say(f"{start + len(rows):,} of {len(ids):,} written")
    return answers


def write(model, tokenizer, ids: list[int], prompts: list[str], side: str, spec: dict, made: dict, say=print):
    """Write the profiles of `ids` of one side: (frame of the PROFILES contract, counts).

    A text that cannot be parsed keeps its text and has no fields; texts that were repaired are
    laid out anew. Nothing else takes the place of a failed text.
    """
    limit = spec["new_tokens"][side]
    prompts = fitted(prompts, tokenizer, spec["context"] - limit)
    answers = generate(model, tokenizer, prompts, limit, spec["write_batch"], say) if prompts else []
    texts, fields, generation, counts = [], [], [], Counter()
    for text, tokens in zip(tokenizer.batch_decode(answers, skip_special_tokens=True), answers):
        parsed, repair = repaired(text.strip(), side)
        counts[("failed: " if parsed is None else "repaired: ") + repair if repair else "strict"] += 1
        texts.append(text if parsed is None else layout(parsed, side))
        fields.append(parsed)
        generation.append({**made, "tokens": len(tokens), "repair": repair})
    frame = profiles_frame(ids, texts, fields, [digest(p) for p in prompts], generation)
    parsed = sum(f is not None for f in fields)
    record = {"profiles": len(ids), "parsed": parsed, "tokens": sum(map(len, answers)), **dict(sorted(counts.items()))}
    say(f"{side} profiles: " + ", ".join(f"{k} {v:,}" for k, v in record.items()))
    return frame.sort("id"), record


def parse_rate(frame: pl.DataFrame) -> float:
    """Return the share of profiles with fields."""
    return 1 - frame["fields"].null_count() / max(1, frame.height)
