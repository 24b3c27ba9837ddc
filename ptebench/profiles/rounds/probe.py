"""The probes: owners of whom no lesson tells, on whom each round is measured."""

import numpy as np
import polars as pl

from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.prompts import fit
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import history_means
from ptebench.profiles.measures.diversity import effective_rank, mean_pairwise_cosine
from ptebench.profiles.measures.ranking import ndcg, negatives, ranks
from ptebench.profiles.models.tokens import conversation_tokens
from ptebench.profiles.models.yes_no import preference
from ptebench.profiles.rounds.dialogues import area_under_curve, conversation, dialogues, first_turn
from ptebench.profiles.rounds.drift import embedding_drift, field_drift
from ptebench.profiles.rounds.verdict import change
from ptebench.profiles.schema.tables import fields_by_id, first_parses
from ptebench.randomness import generator

CANDIDATES = 49  # that a held-out item is ranked against


class Probes:
    """The probes of a split: `users`, whose last training item is held out, and items."""

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

    def utility(self, vectors: np.ndarray, parsed=True) -> np.ndarray:
        """Return NDCG@10 of the held-out item of each user; a profile that could not be parsed ranks nothing."""
        return np.where(parsed, ndcg(ranks(vectors, self.cards, self.candidates)), 0)

    def measure(self, profiles: dict[str, pl.DataFrame]) -> dict:
        """Return the figures of a round, from its profiles by side."""
        now = self.of_probes(profiles)
        vectors = {s: self.encode(frame["text"].to_list()) for s, frame in now.items()}
        parsed = now["user"]["fields"].is_not_null().to_numpy()
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
            "mean_pairwise_cosine": {s: mean_pairwise_cosine(v) for s, v in vectors.items()},
            "effective_rank": {s: effective_rank(v) for s, v in vectors.items()},
            "utility": float(self.utility(vectors["user"], parsed).mean()),
            "utility_of_history_mean": float(self.utility(history_means(self.rest, self.cards)[self.users]).mean()),
            "candidates": self.candidates.shape[1],
            "probes": {s: frame.height for s, frame in now.items()},
        }

    def compare(self, profiles: dict[str, pl.DataFrame], earlier: dict[str, pl.DataFrame]) -> dict:
        """Return what changed from an earlier round's profiles to these, by side."""
        frames = [self.of_probes(profiles), self.of_probes(earlier)]
        new, old = ({s: self.encode(f["text"].to_list()) for s, f in of.items()} for of in frames)
        parses = ({s: f["fields"].is_not_null().to_numpy() for s, f in of.items()} for of in frames)
        parsed, could = ({s: first_parses(f) for s, f in of.items()} for of in frames)
        random = generator(self.spec["seed"], "bootstrap")
        utility, before = (self.utility(v["user"], p["user"]) for v, p in zip((new, old), parses))
        fields, once = ([f for s in new for f in of[s]["fields"]] for of in frames)
        return {
            "embedding_drift": embedding_drift(*(np.concatenate([v[s] for s in new]) for v in (new, old))),
            "field_drift": field_drift(fields, once, self.encode),
            "utility_change": change(utility, before, random),
            "parse_rate_change": {s: change(parsed[s], could[s], random) for s in new},
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
