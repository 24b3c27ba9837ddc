"""How good written profiles are: form, truth, diversity; each writer on the same owners, beside the teacher's."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import torch

from ptebench.profiles.evidence.prompts import item_prompts, user_prompts
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import history_means
from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine
from ptebench.profiles.measures.faithfulness import (
    chance_support,
    copying,
    evidence_of,
    faithfulness,
    phrase_vectors,
    strangers,
    support,
)
from ptebench.profiles.measures.floors import MEAN, floors
from ptebench.profiles.measures.gain import Gain, questions
from ptebench.profiles.measures.identification import crowds, identification
from ptebench.profiles.measures.ranking import ranks
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.models.tokens import rows_of
from ptebench.profiles.schema.fields import SENTENCE, layout, phrases
from ptebench.profiles.schema.tables import first_parses
from ptebench.randomness import generator

SAMPLE = 256  # owners that are drawn, of each side


def sample(ids, exclude: set, seed: int, side: str) -> list[int]:
    """Return up to SAMPLE of `ids` that are not in `exclude`, drawn by seed, ascending."""
    left = np.array(sorted(set(ids) - exclude), dtype=np.int64)
    return np.sort(generator(seed, f"quality {side}").permutation(left)[:SAMPLE]).tolist()


def phrases_of(fields: dict[int, dict], owners: list[int], side: str) -> tuple[list[int], list[list[str]]]:
    """Return the places of the owners who have a profile, and its phrases, the sentence among them."""
    places = [p for p, o in enumerate(owners) if o in fields]
    return places, [phrases(fields[owners[p]], side) for p in places]


def form(frame: pl.DataFrame, side: str) -> dict:
    """Return how the profiles of a side keep to the grammar; those of owners without any evidence do not count.

    sentences: the share that has one, None where none has.
    parsed, strict: of first answers, which a writer that decodes within the grammar at once does not give.
    """
    frame = frame.filter(pl.col("generation") != "{}")
    generations = [json.loads(g) for g in frame["generation"]]
    count = max(1, frame.height)
    return {
        "profiles": frame.height,
        "parsed": float(first_parses(frame).sum()) / count,
        "strict": sum(p and m.get("repair") is None for p, m in zip(first_parses(frame), generations)) / count,
        "by_grammar": sum("grammar" in m.get("decoding", "") for m in generations) / count,
        "sentences": sum(SENTENCE in json.loads(f or "{}") for f in frame["fields"]) / count or None,
        "words": float(np.mean([len(t.split()) for t in frame["text"]])) if frame.height else None,
    }


def worth(fields: dict[int, dict], owners, side, evidence, signatures, among, prompts, chance: float, encode) -> dict:
    """Return the measures of truth and diversity over `owners`; one without a profile earns the least of each.

    evidence: (B, H, d) cards. signatures: (n + 1, d), among: (B, M) ids in it, the owner first. prompts: of them, for
    `copying`. chance: of `chance_support`.
    """
    places, own_phrases = phrases_of(fields, owners, side)
    if len(places) < 2:
        return {"owners": len(places)}
    texts = encode([layout(fields[owners[p]], side) for p in places])
    faith, identity = np.full(len(owners), -1.0), np.zeros(len(owners))
    supports = support(phrase_vectors(own_phrases, encode), evidence[places])
    faith[places] = faithfulness(supports, chance, copying(own_phrases, [prompts[p] for p in places]))
    identity[places] = identification(ranks(texts, signatures, among[places]))
    every = [p for own in own_phrases for p in own]
    return {
        "owners": len(places), "faithfulness": float(faith.mean()), "identification": float(identity.mean()),
        "effective_rank": effective_rank(texts), "pairwise_cosine": mean_pairwise_cosine(texts),
        "distinct_phrases": len(set(every)) / len(every),
    }  # fmt: skip


def perplexity(model, tokenizer, pairs: list[tuple[str, str]], context: int) -> float:
    """Return exp of the mean loss of a token of the answers, given their prompts."""
    losses = []
    model.eval()
    with torch.inference_mode():
        for row in rows_of(pairs, tokenizer, context):
            ids = torch.tensor([row.ids], device=model.device)
            scores = torch.log_softmax(model(input_ids=ids).logits[0, row.start - 1 : -1].float(), -1)
            losses += (-scores.gather(1, ids[0, row.start :, None])[:, 0]).tolist()
    return float(np.exp(np.mean(losses)))


def speed(record: dict) -> float | None:
    """Return the tokens per second of a writer's record, which has parts where there were cold items."""
    parts = [p for p in (record["written"], *record["written"].values()) if isinstance(p, dict)]
    paces = [(p["tokens_written"], p["tokens_per_second"]) for p in parts if p.get("tokens_written")]
    return sum(t for t, _ in paces) / sum(t / s for t, s in paces) if paces else None


def _named(gains: dict[str, dict]) -> dict:
    """Return what is said of gains under the name of each."""
    return {key.replace("gain", name, 1): value for name, of in gains.items() for key, value in of.items()}


@dataclass
class Side:
    """What the writers of one side are measured on.

    fields: of each writer by id, the template and a supplied `teacher` among them. readers: the template's users, whom
    the prompts of items show. closed: ids that a writer has learned from. probes: ids that no lesson told of. valid:
    validation events, whose items the gain ranks.
    """

    side: str
    split: Split
    rest: Split  # without what is held out of the probes
    cards: np.ndarray
    fields: dict[str, dict[int, dict]]
    readers: dict[int, dict]
    closed: set[int]
    probes: list[int]
    valid: pl.DataFrame
    scorer: Callable[[], Scorer]
    encode: Callable
    spec: dict

    def prompts(self, ids: list[int], split: Split) -> list[str]:
        """Return the plain prompts of owners."""
        if self.side == "user":
            return user_prompts(ids, split.train, split.cards, {}, self.spec)
        return item_prompts(ids, split, self.readers, {}, set(), self.cards, self.spec)

    @cached_property
    def owners(self) -> list[int]:
        """The sample: with training data, learned from by no writer, and of whom a supplied teacher speaks."""
        split, covered = self.split, self.fields.get("teacher")
        ids = [u for u, h in split.train.items() if h] if self.side == "user" else split.warm().tolist()
        ids = [i for i in ids if covered is None or i in covered]
        return sample(ids, self.closed, self.spec["seed"], self.side)

    @cached_property
    def owner_prompts(self) -> list[str]:
        """The plain prompts of the sample."""
        return self.prompts(self.owners, self.split)

    @cached_property
    def gains(self) -> dict[str, Gain]:
        """What held-out items ask of owners that the training data know, and of others, by the name of the measure."""
        covered, seed = self.fields.get("teacher"), self.spec["seed"]
        ids = set(self.split.vocabulary.filter(side=self.side)["id"])
        closed = self.closed | (set() if covered is None else ids - set(covered))
        by_measure = {
            name: questions(self.side, warm, self.valid, self.split, self.cards, closed, seed)
            for name, warm in (("gain", True), ("gain_cold", False))
        }
        return {name: Gain(of, self.scorer(), seed) for name, of in by_measure.items() if of}

    @cached_property
    def floors(self) -> dict[str, dict[int, dict]]:
        """The fields of the floors, by name and id."""
        ids = {i for gain in self.gains.values() for i in gain.questions.ids()} | set(self.owners)
        if self.side == "item":
            evidence = {i: [i] for i in sorted(ids)}
        else:
            histories = dict(self.valid.select("user", "history").iter_rows()) | self.split.train
            evidence = {u: self.split.cards.newest(histories[u], self.spec["history"]) for u in sorted(ids)}
        return floors(evidence, self.fields["template"], self.side, self.split.cards, self.spec["seed"])

    def worths(self) -> dict[str, dict]:
        """Return the measures of truth, diversity and gain of each writer, then those of the floors."""
        signatures = self.cards if self.side == "item" else history_means(self.split, self.cards)
        seed, owners = self.spec["seed"], self.owners
        among = crowds(owners, signatures, np.flatnonzero(signatures.any(1)), generator(seed, f"crowd {self.side}"))
        evidence = self.cards[evidence_of(owners, self.side, self.split, self.spec)]
        others = strangers(self.fields["template"], self.side, self.split, seed)
        chance = chance_support(others, self.side, np.array(owners), evidence, self.encode, seed)
        judge = (owners, self.side, evidence, signatures, among, self.owner_prompts, chance, self.encode)
        by_writer = {}
        for writer, fields in (self.fields | self.floors).items():
            texts = {i: layout(f, self.side) for i, f in fields.items()}
            gains = {n: gain(texts, self.encode) for n, gain in self.gains.items()}
            by_writer[writer] = worth(fields, *judge) | _named(gains)
        gains = {n: gain.of_cards() for n, gain in self.gains.items()}
        by_writer[MEAN] = {"identification": float(identification(ranks(signatures[owners], signatures, among)).mean())}
        by_writer[MEAN] |= _named(gains)
        return by_writer

    def perplexity(self, model, tokenizer) -> float | None:
        """Return the perplexity of the teacher's answers of the probes, who were in no lesson of a fine-tuned model."""
        answers = self.fields.get("teacher", self.fields["template"])
        probes = [i for i in self.probes if i in answers]
        pairs = [(p, layout(answers[i], self.side)) for i, p in zip(probes, self.prompts(probes, self.rest))]
        return perplexity(model, tokenizer, pairs, self.spec["context"]) if pairs else None
