"""Prompts and conversations in tokens."""

import re
from dataclasses import dataclass

import numpy as np

from ptebench.files import InputError
from ptebench.profiles.evidence.prompts import fit, messages
from ptebench.profiles.schema.thoughts import CLOSES, OPENS

NO_THOUGHTS = re.compile(rf"(?:{OPENS})\s*(?:(?:{CLOSES})\s*)?", re.I)


def prompt_tokens(prompt: str, tokenizer) -> list[int]:
    """Return the token ids of a prompt through the chat template, up to where the answer begins."""
    text = tokenizer.apply_chat_template(messages(prompt), tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def conversation_tokens(turns: list[dict], tokenizer) -> tuple[list[int], list[int]]:
    """Return (token ids, labels) of a conversation; labels are the ids of answers and -100 elsewhere.

    A prompt has the very tokens that `prompt_tokens` gives it when profiles are written. Raises InputError where the
    chat template renders a turn differently once another follows it, but for an empty place for thoughts.
    """

    def rendered(count: int, ask: bool) -> str:
        return tokenizer.apply_chat_template(turns[:count], tokenize=False, add_generation_prompt=ask)

    def same(one: str, other: str) -> bool:
        return NO_THOUGHTS.sub("", one) == NO_THOUGHTS.sub("", other)

    ids: list[int] = []
    labels: list[int] = []
    done, said = "", ""
    for place in range(1, len(turns), 2):
        prompt, whole = rendered(place, True), rendered(place + 1, False)
        start = len(done) if prompt.startswith(done) else prompt.rfind(said) + len(said)
        asked = prompt[start:]
        answer = len(prompt) if whole.startswith(prompt) else whole.rfind(turns[place]["content"].strip())
        if not (same(prompt[:start], done) and same(whole[:answer], prompt)):
            raise InputError(
                "language model: its chat template does not keep prompt and answer apart; choose a model whose "
                "template renders a conversation turn by turn"
            )
        said, done = whole[answer:], prompt + whole[answer:]
        for text, learnt in ((asked, False), (said, True)):
            tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += tokens
            labels += tokens if learnt else [-100] * len(tokens)
    return ids, labels


def fitted(prompts: list[str], tokenizer, limit: int) -> list[str]:
    """Return prompts of at most `limit` tokens each, shortened in the middle of their evidence."""
    return [fit(p, lambda text: len(prompt_tokens(text, tokenizer)) - limit) for p in prompts]


def shortened(rows: list[dict], tokenizer, limit: int) -> tuple[list[dict], dict]:
    """Return instructions whose prompt and later turns have at most `limit` tokens, and the lengths of prompts.

    The lengths are in tokens through the chat template, before and after evidence was taken from the middle.
    """
    short, before, after = [], [], []
    for row in rows:
        prompt, answers = row["prompt"][0]["content"], row["completion"]
        whole, first = (len(conversation_tokens(row["prompt"] + a, tokenizer)[0]) for a in (answers, answers[:1]))
        before.append(len(prompt_tokens(prompt, tokenizer)))
        (prompt,) = fitted([prompt], tokenizer, limit - (whole - first))
        after.append(len(prompt_tokens(prompt, tokenizer)))
        short.append({**row, "prompt": messages(prompt)})

    def figures(tokens):
        middle, late, longest = np.quantile(tokens, [0.5, 0.95, 1], method="higher").tolist()
        return {"median": middle, "95 %": late, "longest": longest}

    cut = float(np.mean(np.array(after) < np.array(before)))
    lengths = {"prompts": len(rows), "truncated": cut, "before": figures(before), "after": figures(after)}
    return short, lengths


@dataclass(frozen=True)
class Row:
    """A lesson in tokens."""

    ids: list[int]
    start: int  # where the answer begins


def rows_of(pairs: list[tuple[str, str]], tokenizer, context: int) -> list[Row]:
    """Return the rows of pairs of prompt and answer, with the template's own end of the turn.

    Prompts lose evidence until the pair fits.
    """
    rows = []
    for prompt, answer in pairs:
        said = {"role": "assistant", "content": answer}
        whole, labels = conversation_tokens([*messages(prompt), said], tokenizer)
        if len(whole) > context:
            (prompt,) = fitted([prompt], tokenizer, context - sum(label != -100 for label in labels))
            whole, labels = conversation_tokens([*messages(prompt), said], tokenizer)
        rows.append(Row(whole, next(place for place, label in enumerate(labels) if label != -100)))
    return rows
