"""The probes: owners of whom no lesson tells, on whom each round is measured."""

from functools import cached_property

import numpy as np
import polars as pl

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import fit
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.measures.bootstrap import spread
from ptebench.profiles.measures.diversity import effective_rank, pairwise_cosines
from ptebench.profiles.measures.gain import Gain, Questions
from ptebench.profiles.measures.ranking import gain, nearness, negatives
from ptebench.profiles.measures.scorer import Scorer, read_history
from ptebench.profiles.models.tokens import conversation_tokens
from ptebench.profiles.models.yes_no import preference
from ptebench.profiles.rounds.dialogues import area_under_curve, conversation, dialogues, first_turn
from ptebench.profiles.rounds.drift import embedding_drift, field_drift
from ptebench.profiles.schema.tables import fields_by_id, first_parses
from ptebench.randomness import generator

CANDIDATES = 49  # that a held-out item is ranked against


class Probes:
    """The probes of a split: `users`, whose last training item is held out of `rest`, and items."""

    def __init__(self, split: Split, cards: np.ndarray, encode, spec: dict):
        self.cards, self.encode, self.spec = cards, encode, spec
        roles = draw(split, spec["seed"], spec["probes"])
        self.ids, self.rest, pairs = roles.probes, split.without(roles.pairs), dict(roles.pairs)
        self.users, cold = roles.probes["user"], split.cold()
        counts = np.bincount(self.rest.ragged()[0], minlength=split.items + 1)
        closed = [set(split.train[u]) | cold for u in self.users]
        others = negatives(generator(spec["seed"], "probe"), counts, closed, CANDIDATES)
        self.candidates = np.concatenate([np.array([pairs[u] for u in self.users])[:, None], others], 1)

    def of_probes(self, profiles: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
        """Return the profiles of the probes, by side and id."""
        return {s: frame.filter(pl.col("id").is_in(self.ids[s])).sort("id") for s, frame in profiles.items()}

    @cached_property
    def gain(self) -> Gain:
        """What a user's profile adds to the cards for finding the held-out item, by a scorer that does not know it."""
        history = read_history([self.rest.train[u] for u in self.users], self.cards)
        questions = Questions("user", np.array(self.users), history, self.candidates)
        seed = self.spec["seed"]
        return Gain(questions, Scorer(self.rest, self.cards, self.encode, seed), seed)

    def ranks(self, users: pl.DataFrame, vectors: np.ndarray) -> np.ndarray:
        """Return the rank of each user's held-out item by cards and profile; by cards where no profile was parsed."""
        by_id = {
            user: vector
            for user, fields, vector in zip(users["id"].to_list(), users["fields"].to_list(), vectors)
            if fields is not None
        }
        return self.gain.ranks_of(by_id) if len(by_id) > 1 else self.gain.reference

    def measure(self, profiles: dict[str, pl.DataFrame]) -> dict:
        """Return the figures of a round, from its profiles by side."""
        now = self.of_probes(profiles)
        vectors = {s: self.encode(frame["text"].to_list()) for s, frame in now.items()}
        rank, reference = self.ranks(now["user"], vectors["user"]), self.gain.reference
        random = generator(self.spec["seed"], "bootstrap")
        return {
            "round": self.spec["round"],
            "passed": False,
            "continues": None,
            "embedding_drift": None,
            "field_drift": None,
            "utility_change": None,
            "parse_rate_change": None,
            "effective_rank_before": None,
            "parse_rate": {s: float(first_parses(frame).mean()) for s, frame in now.items()},
            "pairwise_cosine": {s: spread(pairwise_cosines(v), random) for s, v in vectors.items()},
            "effective_rank": {s: effective_rank(v) for s, v in vectors.items()},
            "utility": float(nearness(rank).mean()),
            "utility_of_cards": float(nearness(reference).mean()),
            "gain": spread(gain(rank, reference), random),
            "candidates": self.candidates.shape[1],
            "probes": {s: frame.height for s, frame in now.items()},
        }

    def compare(self, profiles: dict[str, pl.DataFrame], earlier: dict[str, pl.DataFrame]) -> dict:
        """Return what changed from an earlier round's profiles to these, by side."""
        frames = [self.of_probes(profiles), self.of_probes(earlier)]
        new, old = ({s: self.encode(f["text"].to_list()) for s, f in of.items()} for of in frames)
        parsed, could = ({s: first_parses(f) for s, f in of.items()} for of in frames)
        random = generator(self.spec["seed"], "bootstrap")
        rank, before = (self.ranks(f["user"], v["user"]) for f, v in zip(frames, (new, old)))
        fields, once = ([f for s in new for f in of[s]["fields"]] for of in frames)
        vectors, former = (np.concatenate([v[s] for s in new]) for v in (new, old))
        return {
            "embedding_drift": spread(embedding_drift(vectors, former), random),
            "field_drift": spread(field_drift(fields, once, self.encode), random),
            "utility_change": spread(gain(rank, before), random),
            "parse_rate_change": {s: spread(parsed[s].astype(float) - could[s], random) for s in new},
            "effective_rank_before": effective_rank(old["user"]),
        }

    def ask(self, model, tokenizer, profiles: dict[str, pl.DataFrame], split: Split, audiences: pl.DataFrame | None):
        """Return how well the model tells what users chose from what they did not, and how often it was asked.

        audiences: the item profiles that the prompts of this round's users showed.
        """
        spec, readers = self.spec, {} if audiences is None else fields_by_id(audiences)
        questions, now = dialogues(self.users, split, spec), self.of_probes(profiles)["user"]
        texts, turns = dict(now.select("id", "text").iter_rows()), []
        for dialogue in questions:

            def whole(prompt: str, dialogue=dialogue) -> list[dict]:
                return conversation(prompt, texts[dialogue.user], dialogue, split.cards)

            def excess(prompt: str, whole=whole) -> int:
                return len(conversation_tokens(whole(prompt), tokenizer)[0]) - spec["context"]

            turns.append(whole(fit(first_turn(dialogue, self.rest, readers, spec), excess)))
        truth = np.array([d.chosen for d in questions])
        return {"asked": len(turns), "area_under_curve": area_under_curve(preference(model, tokenizer, turns), truth)}
