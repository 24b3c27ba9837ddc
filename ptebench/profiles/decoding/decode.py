"""Decoding of many prompts at once, greedy or sampled, as `generate` takes it in place of its own loop."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from transformers.cache_utils import Cache, DynamicLayer

from ptebench.files import InputError
from ptebench.profiles.decoding.grammar import closed
from ptebench.randomness import generator

STRETCH = 64  # tokens of every prompt that are read at once: what a layer hands on stays in the processor's cache
ROWS = 8  # batches are multiples of this many prompts


class Sampling(NamedTuple):
    """How answers are sampled: so many of each prompt, by the softmax at a temperature; the same of the same seed."""

    copies: int
    temperature: float
    seed: int

    def places(self, rows: Iterable[int], steps: int) -> torch.Tensor:
        """Return where in its distribution each token of each answer lies (B * copies, steps)."""
        return torch.from_numpy(
            np.concatenate([generator(self.seed, f"answers {row}").random((self.copies, steps)) for row in rows])
        )

    def tokens(self, scores: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Return the token at a place (B) of the distribution that scores (B, V) are of."""
        below = (scores.double() / self.temperature).softmax(1).cumsum(1)
        return (below <= places.to(scores.device)[:, None]).sum(1).clamp(max=scores.shape[1] - 1)


class Read(Exception):
    """All that a stretch of a prompt leaves behind is in the cache."""


class Room(DynamicLayer):
    """Keys and values of one layer with room for all to come; the parent copies them whenever a token is added."""

    keys: torch.Tensor  # (B, heads, room, d), once there are any
    values: torch.Tensor

    def __init__(self, room: int):
        super().__init__()
        self.room, self.length, self.enough = room, 0, False

    def lazy_initialization(self, key_states, value_states) -> None:
        """Take the room."""
        self.dtype, self.device, self.is_initialized = key_states.dtype, key_states.device, True
        self.keys, self.values = (s.new_empty(*s.shape[:2], self.room, s.shape[3]) for s in (key_states, value_states))

    def update(self, key_states, value_states, *args, **kwargs):
        """Add keys and values and return all so far; raise Read where to have them is enough."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self.length = self.length, self.length + key_states.shape[2]
        self.keys[:, :, start : self.length] = key_states
        self.values[:, :, start : self.length] = value_states
        if self.enough:
            raise Read
        return self.keys[:, :, : self.length], self.values[:, :, : self.length]

    def get_seq_length(self) -> int:
        """Return how many tokens are in."""
        return self.length


def read(cache: Cache, tokens: torch.Tensor, logits: Callable[[torch.Tensor, int, int], Any]) -> None:
    """Read tokens (B, T) into a cache in stretches; logits(tokens of a stretch, start, end) runs the model."""
    deepest: Any = cache.layers[-1]
    deepest.enough = True  # which Room heeds
    width = tokens.shape[1]
    for start, end in pairwise(sorted({0, *range(width % STRETCH, width + 1, STRETCH)})):
        with suppress(Read):
            logits(tokens[:, start:end], start, end)
    deepest.enough = False


def decode(
    model, input_ids, logits_processor, stopping_criteria, generation_config, rules=None, sampling=None, places=None,
    **model_kwargs,
) -> list[list[int]]:  # fmt: skip
    """Return the tokens of each answer up to its end mark: a `custom_generate` for `generate`.

    Greedy, or with `sampling` and its `places`, then of each prompt in turn all its answers. Each prompt stands to the
    right, behind padding. All of it but the last token is read in stretches and only as far as the cache needs it; rows
    that have ended are dropped as soon as ROWS of them have. `rules` has the `Answer` of each row that keeps to the
    grammar. Raises InputError where the model has no cache.
    """
    cache = next((value for value in model_kwargs.values() if isinstance(value, Cache)), None)
    if cache is None:
        raise InputError(f"language model: {type(model).__name__} has no cache to read prompts into; choose another")
    width, last = input_ids.shape[1] - 1, generation_config.max_length - 1
    cache.layers = [Room(last) if type(layer) is DynamicLayer else layer for layer in cache.layers]
    mask = F.pad(model_kwargs.pop("attention_mask"), (0, last - width - 1), value=1)
    positions, placed = (mask.cumsum(1) - 1).clamp(min=0), model_kwargs.pop("position_ids", None) is not None

    def logits(tokens, start: int, end: int) -> torch.Tensor:
        where = {"position_ids": positions[:, start:end]} if placed else {}
        inputs = model.prepare_inputs_for_generation(
            tokens, attention_mask=mask[:, :end], is_first_iteration=not start, **where, **model_kwargs
        )
        return model(**inputs, return_dict=True).logits[:, -1]

    read(cache, input_ids[:, :width], logits)
    if sampling:
        of = [row for row in range(len(input_ids)) for _ in range(sampling.copies)]
        cache.reorder_cache(torch.LongTensor(of))
        input_ids, mask, positions = input_ids[of], mask[of], positions[of]

    ends, pad = set(generation_config.eos_token_id), generation_config.pad_token_id
    answers: list[list[int]] = [[] for _ in input_ids]
    ended, tokens = [False] * len(input_ids), input_ids[:, -1]
    rows = list(range(len(input_ids)))  # that are in the batch still
    for column in range(width, last):
        scores = logits(tokens[:, None], column, column + 1).float()
        if logits_processor:  # the model's own, which know each row by its place among all
            whole = scores.new_zeros(len(answers), scores.shape[1])
            whole[rows] = scores
            scores = logits_processor(input_ids, whole)[rows]
        if rules:
            barred = closed([rules[row] for row in rows], scores.shape[1])
            scores = scores.masked_fill(barred.to(scores.device), -torch.inf)
        tokens = sampling.tokens(scores, places[rows, column - width]) if sampling else scores.argmax(1)
        for row, token in zip(rows, tokens.tolist()):
            if not ended[row]:
                answers[row].append(token)
                ended[row] = token in ends
                if rules:
                    rules[row].take(token)
        if all(ended):
            break
        if logits_processor:
            added = torch.full_like(input_ids[:, :1], pad)
            added[rows, 0] = tokens
            input_ids = torch.cat([input_ids, added], 1)
        count = -(-ended.count(False) // ROWS) * ROWS
        if count < len(rows):
            # sorting is stable: those that go on, and of the others as many as are wanted
            kept = sorted(sorted(range(len(rows)), key=lambda place: ended[rows[place]])[:count])
            cache.reorder_cache(torch.LongTensor(kept))
            mask, positions, tokens = mask[kept], positions[kept], tokens[kept]
            rows = [rows[place] for place in kept]
    return answers
