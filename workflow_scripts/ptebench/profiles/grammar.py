"""Decoding within the grammar of profiles: of all tokens only those are open after which a strict profile can stand."""

import re

import torch
from ptebench.profiles.parse import FIELDS, LONGEST, PHRASES, normalise, usable
from transformers import LogitsProcessor

WORD = re.compile(r" ?[^\W_]+(['’][^\W_]+)?|['’][^\W_]+")  # a piece of a phrase, the first of a word with its space
JOINERS = "-'&/_"  # may stand inside a phrase, never two in a row
PIECE = 20  # characters of the longest piece


class Pieces:
    """What each token of a tokenizer adds to a text, and which tokens may stand where."""

    def __init__(self, tokenizer):
        """Read every token after a semicolon, where a leading space is kept."""
        anchor = tokenizer.encode(";", add_special_tokens=False)
        before, count = len(tokenizer.decode(anchor)), len(tokenizer)
        texts = tokenizer.batch_decode([[*anchor, i] for i in range(count)], clean_up_tokenization_spaces=False)
        special = set(tokenizer.all_special_ids)
        self.texts = ["" if i in special else t[before:] for i, t in enumerate(texts)]
        words = [len(t) <= PIECE and t == t.lower() and bool(WORD.fullmatch(t)) for t in self.texts]
        self.inner = torch.tensor(words)
        self.first = torch.tensor([w and t[0] == " " and t[1].isalpha() for w, t in zip(words, self.texts)])
        self.joiners = torch.tensor([len(t) == 1 and t in JOINERS for t in self.texts])
        self.semicolon = torch.tensor([t == ";" for t in self.texts])
        self.known, self.tokenizer = {}, tokenizer

    def fixed(self, text: str) -> list[int]:
        """Return the tokens of a fixed text as the tokenizer cuts it, after a letter where it begins a new line."""
        if text not in self.known:
            ahead = "a" if text.startswith("\n") else ""
            before = self.tokenizer.encode(ahead, add_special_tokens=False)
            self.known[text] = self.tokenizer.encode(ahead + text, add_special_tokens=False)[len(before) :]
        return self.known[text]

    def only(self, tokens: list[int]) -> torch.Tensor:
        """Return the mask (vocabulary,) of some tokens."""
        mask = torch.zeros(len(self.texts), dtype=torch.bool)
        mask[tokens] = True
        return mask


class Answer:
    """One answer under way: what is fixed next, the phrases of the field so far, and the phrase under way."""

    def __init__(self, pieces: Pieces, side: str, limit: int, ends: list[int]):
        self.pieces, self.ends, self.left = pieces, ends, limit
        self.fields, self.count = list(FIELDS[side]), PHRASES[side]
        self.done = False
        self.fixed = list(pieces.fixed(f"{self.fields.pop(0)}:"))
        self._start()

    def _start(self) -> None:
        self.phrases, self.begun = [], set()
        self._phrase()

    def _phrase(self) -> None:
        self.phrase, self.used = "", set()

    def take(self, token: int) -> None:
        """Add the token that was chosen."""
        self.left -= 1
        if self.done or token in self.ends:
            self.done = True
        elif self.fixed:
            self.fixed.pop(0)
        elif self.fields and token == self._next_field()[0]:
            self.fixed = self._next_field()[1:]
            del self.fields[0]
            self._start()
        elif self.pieces.semicolon[token]:
            self.phrases.append(self.phrase)
            self._phrase()
        else:
            if not self.phrase:
                self.begun.add(token)
            self.phrase += self.pieces.texts[token]
            self.used.add(token)

    def _next_field(self) -> list[int]:
        return self.pieces.fixed(f"\n{self.fields[0]}:")

    def _need(self) -> int:
        """Return the least tokens that end the answer once the phrase under way is whole."""
        after = 2 * (self.count - 1 - len(self.phrases)) + 1
        return after + sum(len(self.pieces.fixed(f"\n{f}:")) + 2 * self.count for f in self.fields)

    def open(self) -> tuple[list[torch.Tensor], set[int]]:
        """Return the masks (vocabulary,) of the tokens that may follow, and single tokens that may not."""
        pieces = self.pieces
        if self.done:
            return [pieces.only(self.ends)], set()
        if self.fixed:
            return [pieces.only(self.fixed[:1])], set()
        if not self.phrase:  # each phrase of a field begins differently
            return [pieces.first], self.begun
        masks, phrase = [], self.phrase[1:]
        joined = phrase[-1] in JOINERS
        # a whole piece must fit after a joiner
        if (room := min(self.left - self._need(), LONGEST - PIECE - len(phrase))) > 0 or joined:
            masks.append(pieces.inner)
        if room > 1 and not joined:
            masks.append(pieces.joiners)
        whole = usable(phrase) and phrase == normalise(phrase) and phrase not in (p[1:] for p in self.phrases)
        if whole or not masks:
            masks.append(self._closing())
        return masks, self.used  # no token twice in a phrase: small models go in circles

    def _closing(self) -> torch.Tensor:
        if len(self.phrases) < self.count - 1:
            return self.pieces.semicolon
        return self.pieces.only(self._next_field()[:1] if self.fields else self.ends)


class Grammar(LogitsProcessor):
    """Closes every token after which no profile of the side could stand; phrases of a field begin differently."""

    def __init__(self, pieces: Pieces, side: str, rows: int, limit: int, ends: list[int]):
        """`limit` is in tokens, end mark included; `ends` are the tokens that end an answer."""
        self.answers = [Answer(pieces, side, limit, ends) for _ in range(rows)]
        self.pieces, self.started = pieces, False

    def __call__(self, input_ids, scores):
        if self.started:
            for answer, token in zip(self.answers, input_ids[:, -1].tolist()):
                answer.take(token)
        self.started = True
        # a model's head may be wider than its tokenizer
        closed = torch.ones(scores.shape, dtype=torch.bool)
        size = len(self.pieces.texts)
        for row, answer in zip(closed, self.answers):
            masks, barred = answer.open()
            for mask in masks:
                row[:size] &= ~mask
            row[sorted(barred)] = True
        return scores.masked_fill(closed.to(scores.device), -torch.inf)
