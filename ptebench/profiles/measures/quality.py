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
from ptebench.profiles.evidence.vectors import history_means, padded
from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine
from ptebench.profiles.measures.faithfulness import chance_support, copied, faithfulness, phrase_vectors, support
from ptebench.profiles.measures.identification import crowds, identification
from ptebench.profiles.measures.ranking import ranks
from ptebench.profiles.models.tokens import rows_of
from ptebench.profiles.schema.fields import layout, phrases
from ptebench.profiles.schema.tables import parse_rate
from ptebench.randomness import generator

SAMPLE = 256  # owners that are drawn, of each side


def sample(ids, taken: set, seed: int, side: str) -> list[int]:
    """Return up to SAMPLE of `ids` that are not `taken`, drawn by seed, ascending."""
    left = np.array(sorted(set(ids) - taken), dtype=np.int64)
    return np.sort(generator(seed, f"quality {side}").permutation(left)[:SAMPLE]).tolist()


def evidence(owners: list[int], side: str, split: Split, spec: dict) -> np.ndarray:
    """Return (B, H) items, 0 for none, whose cards may support what is said of each owner.

    Of a user: the newest training items that prompts show. Of an item: itself, and the newest items of its readers that
    prompts show.
    """
    shown = spec["history"]
    if side == "user":
        rows = [split.train[u][-shown:] for u in owners]
    else:
        readers = split.readers(spec["neighbours"], spec["seed"])
        rows = [[i, *dict.fromkeys(j for u in readers.get(i, []) for j in split.train[u][-shown:])] for i in owners]
    return padded(rows)


def spoken(fields: dict[int, dict], owners: list[int], side: str) -> tuple[list[int], list[list[str]]]:
    """Return the places of the owners who have a profile, and its phrases."""
    places = [p for p, o in enumerate(owners) if o in fields]
    return places, [phrases(fields[owners[p]], side) for p in places]


def threshold(fields: dict[int, dict], owners: list[int], side: str, shown: np.ndarray, encode) -> float:
    """Return the support that phrases find by chance: each profile meets the evidence (B, H, d) of the next owner."""
    places, said = spoken(fields, owners, side)
    return chance_support(phrase_vectors(said, encode), shown[np.roll(places, 1)])


def form(frame: pl.DataFrame, side: str) -> dict:
    """Return how the profiles of a side keep to the grammar; those of owners without any evidence do not count."""
    frame = frame.filter(pl.col("generation") != "{}")
    made = [json.loads(g) for g in frame["generation"]]
    count = max(1, frame.height)
    return {
        "profiles": frame.height,
        "parsed": parse_rate(frame),
        "strict": sum(m.get("repair") is None for m in made) / count,
        "by_grammar": sum("grammar" in m.get("decoding", "") for m in made) / count,
        "words": float(np.mean([len(t.split()) for t in frame["text"]])) if frame.height else None,
    }


def worth(fields: dict[int, dict], owners, side, shown, known, among, prompts, chance: float, encode) -> dict:
    """Return the measures of truth and diversity over `owners`; one without a profile earns the least of each.

    shown: (B, H, d) evidence. known: (n + 1, d), among: (B, M) ids in it, the owner first. prompts: what was shown to
    whom, for copying. chance: of `threshold`.
    """
    places, said = spoken(fields, owners, side)
    if len(places) < 2:
        return {"owners": len(places)}
    texts = encode(["; ".join(own) for own in said])
    faith, found = np.full(len(owners), -1.0), np.zeros(len(owners))
    supports = support(phrase_vectors(said, encode), shown[places])
    faith[places] = faithfulness(supports, chance, copied(said, [prompts[p] for p in places]))
    found[places] = identification(ranks(texts, known, among[places]))
    every = [p for own in said for p in own]
    return {
        "owners": len(places), "faithfulness": float(faith.mean()), "identification": float(found.mean()),
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


@dataclass
class Side:
    """What the writers of one side are measured on.

    fields: of each writer by id, the template and a supplied `teacher` among them. readers: the template's users, whom
    the prompts of items show. taught: ids that any lesson told of. probes: ids that no lesson told of.
    """

    side: str
    split: Split
    rest: Split  # without what is held out of the probes
    cards: np.ndarray
    fields: dict[str, dict[int, dict]]
    readers: dict[int, dict]
    taught: set[int]
    probes: list[int]
    encode: Callable
    spec: dict

    def prompts(self, ids: list[int], split: Split) -> list[str]:
        """Return the plain prompts of owners."""
        if self.side == "user":
            return user_prompts(ids, split.train, split.cards, {}, self.spec)
        return item_prompts(ids, split, self.readers, {}, set(), self.cards, self.spec)

    @cached_property
    def owners(self) -> list[int]:
        """The sample: with training data, in no lesson, and covered by a supplied teacher where there is one."""
        split, covered = self.split, self.fields.get("teacher")
        ids = [u for u, h in split.train.items() if h] if self.side == "user" else split.warm().tolist()
        ids = [i for i in ids if covered is None or i in covered]
        return sample(ids, self.taught, self.spec["seed"], self.side)

    @cached_property
    def owner_prompts(self) -> list[str]:
        """The plain prompts of the sample."""
        return self.prompts(self.owners, self.split)

    def worths(self) -> dict[str, dict]:
        """Return the measures of truth and diversity of each writer."""
        known = self.cards if self.side == "item" else history_means(self.split, self.cards)
        random = generator(self.spec["seed"], f"crowd {self.side}")
        among = crowds(self.owners, known, np.flatnonzero(known.any(1)), random)
        shown = self.cards[evidence(self.owners, self.side, self.split, self.spec)]
        chance = threshold(self.fields["template"], self.owners, self.side, shown, self.encode)
        judge = (self.owners, self.side, shown, known, among, self.owner_prompts, chance, self.encode)
        return {writer: worth(fields, *judge) for writer, fields in self.fields.items()}

    def perplexity(self, model, tokenizer) -> float | None:
        """Return the perplexity of the teacher's answers of the probes, who were in no lesson of a fine-tuned model."""
        answers = self.fields.get("teacher", self.fields["template"])
        probes = [i for i in self.probes if i in answers]
        pairs = [(p, layout(answers[i], self.side)) for i, p in zip(probes, self.prompts(probes, self.rest))]
        return perplexity(model, tokenizer, pairs, self.spec["context"]) if pairs else None
