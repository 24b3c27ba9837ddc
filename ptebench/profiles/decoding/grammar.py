"""Decoding within the grammar of profiles: of all tokens only those are open after which a strict profile can stand."""

import re
from dataclasses import dataclass, field

import numpy as np
import torch

from ptebench.profiles.schema.fields import FIELDS, ID, LONGEST, PHRASES, normalise, usable
from ptebench.profiles.schema.words import STOP_WORDS

WORD = re.compile(r" ?[^\W_]+(['’][^\W_]+)?|['’][^\W_]+")  # a piece of a phrase, the first of a word with its space
JOINERS = "-'&/_"  # may stand inside a phrase, never two in a row
PIECE = 20  # characters of the longest piece
NAMES = re.compile(r"[^\W\d_][^\W_]*(?:[-'&/_][^\W_]+)*")  # words that may name something: they begin with a letter


def names(text: str) -> list[str]:
    """Return the words of a text that may stand in a phrase, each as often as it occurs."""
    return [w for w in NAMES.findall(text) if 1 < len(w) <= PIECE and w not in STOP_WORDS and not ID.search(w)]


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
        self.inner = np.array(words)
        self.plain = self.inner & np.array([not any(map(str.isdigit, t)) for t in self.texts])  # numbers grow into ids
        self.first = np.array([w and t[0] == " " and t[1].isalpha() for w, t in zip(words, self.texts)])
        self.joiners = np.array([len(t) == 1 and t in JOINERS for t in self.texts])
        self.semicolons = [i for i, t in enumerate(self.texts) if t == ";"]
        self.known: dict[str, list[int]] = {}
        self.spelled: dict[str, list[int]] = {}
        self.tokenizer = tokenizer

    def spell(self, words: set[str]) -> None:
        """Have words cut behind a space, all at once; `spelled` has their tokens, none where a word cannot stand."""
        if new := sorted(words - self.spelled.keys()):
            cut = self.tokenizer([f" {word}" for word in new], add_special_tokens=False)["input_ids"]
            for word, tokens in zip(new, cut):
                fits = self.first[tokens[0]] and all(self.inner[t] or self.joiners[t] for t in tokens[1:])
                self.spelled[word] = tokens if fits else []

    def fixed(self, text: str) -> list[int]:
        """Return the tokens of a fixed text as the tokenizer cuts it, after a letter where it begins a new line."""
        if text not in self.known:
            ahead = "a" if text.startswith("\n") else ""
            before = self.tokenizer.encode(ahead, add_special_tokens=False)
            self.known[text] = self.tokenizer.encode(ahead + text, add_special_tokens=False)[len(before) :]
        return self.known[text]


@dataclass
class Node:
    """A place in the spelling of words: the tokens that go on from here, and the least of them that end a word."""

    children: dict[int, "Node"] = field(default_factory=dict)
    least: int = PIECE


class Words:
    """The words that an answer may be made of, spelled in tokens; `frame` words stand behind others alone."""

    def __init__(self, pieces: Pieces, own: set[str], frame: set[str]):
        self.root = Node()
        self.starts: set[int] = set()
        pieces.spell(own | frame)
        for word in sorted(own | frame):
            node, tokens = self.root, pieces.spelled[word]
            for place, token in enumerate(tokens, 1):
                if token not in node.children:
                    node.children[token] = Node()
                node = node.children[token]
                node.least = min(node.least, len(tokens) - place)
            if tokens and word not in frame:
                self.starts.add(tokens[0])


class Answer:
    """One answer under way: what is fixed next, the phrases of the field so far, and the phrase under way.

    With `words` its phrases are made of these alone, as long as there are some that fit.
    """

    def __init__(self, pieces: Pieces, side: str, limit: int, ends: list[int], words: Words | None = None):
        self.pieces, self.ends, self.left, self.words = pieces, ends, limit, words
        self.fields, self.count = list(FIELDS[side]), PHRASES[side]
        self.done = False
        self.fixed = list(pieces.fixed(f"{self.fields.pop(0)}:"))
        self._start()

    def _start(self) -> None:
        self.phrases: list[str] = []
        self.begun: set[int] = set()
        self._phrase()

    def _phrase(self) -> None:
        self.phrase = ""
        self.used: set[int] = set()
        # where the word under way stands; None: any word may
        self.node = None if self.words is None else self.words.root

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
        elif token in self.pieces.semicolons:
            self.phrases.append(self.phrase)
            self._phrase()
        else:
            if not self.phrase:
                self.begun.add(token)
            self.phrase += self.pieces.texts[token]
            self.used.add(token)
            if self.words is not None and self.node is not None:
                self.node = self.node.children.get(token) or self.words.root.children.get(token)

    def _next_field(self) -> list[int]:
        return self.pieces.fixed(f"\n{self.fields[0]}:")

    def _need(self) -> int:
        """Return the least tokens that end the answer once the phrase under way is whole."""
        after = 2 * (self.count - 1 - len(self.phrases)) + 1
        return after + sum(len(self.pieces.fixed(f"\n{f}:")) + 2 * self.count for f in self.fields)

    def open(self) -> tuple[list[np.ndarray], set[int], set[int]]:
        """Return what may follow: masks (vocabulary,) and single tokens, and the tokens that may not even so."""
        pieces = self.pieces
        if self.done:
            return [], set(self.ends), set()
        if self.fixed:
            return [], set(self.fixed[:1]), set()
        room = self.left - self._need()
        if not self.phrase:  # each phrase of a field begins differently
            if self.words is not None and self.node is not None:
                starts = (self._spelled(self.node, room) & self.words.starts) - self.begun
                if starts:
                    return [], starts, set()
            self.node = None  # none is left that fits
            return [pieces.first & pieces.plain], set(), self.begun
        if self.words is not None and self.node is not None:
            return [], self._in_words(self.words, self.node, room), set()
        masks, phrase = [], self.phrase[1:]
        joined = phrase[-1] in JOINERS
        # a whole piece must fit after a joiner
        room = min(room, LONGEST - PIECE - len(phrase))
        if room > 0 or joined:
            masks.append(pieces.plain)
        if room > 1 and not joined:
            masks.append(pieces.joiners)
        whole = usable(phrase) and phrase == normalise(phrase) and phrase not in (p[1:] for p in self.phrases)
        closing = self._closing() if whole or not masks else set()
        return masks, closing, self.used  # no token twice in a phrase: small models go in circles

    def _spelled(self, node: Node, room: int) -> set[int]:
        """Return the tokens after which the word can end within `room` tokens."""
        return {token for token, child in node.children.items() if child.least < room}

    def _in_words(self, words: Words, node: Node, room: int) -> set[int]:
        """Return what goes on with the word; behind a whole one also what begins another, and the end."""
        going = self._spelled(node, room)
        if node.least:
            return going
        if len(self.phrase) <= LONGEST - PIECE:
            going |= self._spelled(words.root, room) - self.used
        return going | self._closing()

    def _closing(self) -> set[int]:
        if len(self.phrases) < self.count - 1:
            return set(self.pieces.semicolons)
        return set(self._next_field()[:1] if self.fields else self.ends)


def closed(answers: list[Answer], size: int) -> torch.Tensor:
    """Return the mask (answers, size) of the tokens after which no profile could stand.

    `size` is that of the model's head, which may be wider than the tokenizer.
    """
    found = np.ones((len(answers), size), dtype=bool)
    for row, answer in zip(found, answers):
        masks, tokens, barred = answer.open()
        for mask in masks:
            row[: len(mask)] &= ~mask
        row[list(tokens)] = False
        row[list(barred)] = True
    return torch.from_numpy(found)
