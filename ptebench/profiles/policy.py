"""What the policy is asked and how its answers are judged: by frozen encoders, in one pass over a batch of texts."""

from dataclasses import dataclass

import numpy as np

from ptebench.files import InputError
from ptebench.profiles.instructions import Split, generator, item_prompts, nearest, user_prompts
from ptebench.profiles.parse import strict
from ptebench.profiles.rewards import (
    auc,
    chance_support,
    copied,
    faithfulness,
    gain,
    gate,
    identification,
    length,
    likeness,
    over_smoothing,
    phrases,
    support,
)
from ptebench.profiles.rounds import effective_rank, negatives, ranks

COMPONENTS = {side: (task, "faithfulness", "identification", "length", "preference") for side, task in
              {"user": "rank", "item": "auc"}.items()}  # fmt: skip
CROWD, NEAREST = 256, 5  # among whom an owner is identified, and how many of them resemble the owner most
READERS = 8  # of an item that are held out at most, and never more than half
STRANGERS = 128  # profiles whose phrases meet evidence that is not theirs, for the threshold of faithfulness


@dataclass(frozen=True)
class Tasks:
    """What T owners' profiles are written from and judged by; ids are rows of the matrix beside them, 0 for none."""

    owners: np.ndarray  # (T,) dense ids
    prompts: list[str]
    judged: np.ndarray  # (n, d) vectors of what the profile is to rank
    wanted: np.ndarray  # (T, K) ids in `judged` of what was held out
    others: np.ndarray  # (T, C) ids in `judged` that it is ranked against
    sources: np.ndarray  # (m, d) vectors of what prompts show
    evidence: np.ndarray  # (T, H) ids in `sources` of what the prompt shows
    known: np.ndarray  # (k, d) what owners are known by: history means of users, cards of items
    crowd: np.ndarray  # (T, M) ids in `known`, the owner first


def padded(rows: list[list[int]]) -> np.ndarray:
    """Return lists of ids as one matrix, zeros behind the shorter ones."""
    matrix = np.zeros((len(rows), max(1, *map(len, rows))), dtype=np.int64)
    for row, ids in zip(matrix, rows):
        row[: len(ids)] = ids
    return matrix


def means(split: Split, cards: np.ndarray) -> np.ndarray:
    """Return the mean card of each training history by user id; zeros where nothing is known."""
    vectors = np.zeros((max(split.train) + 1, cards.shape[1]), dtype=np.float32)
    for user, history in split.train.items():
        if history:
            vectors[user] = cards[history].mean(0)
    return vectors


def crowds(owners: list[int], known: np.ndarray, members: np.ndarray, random) -> np.ndarray:
    """Return (T, M) ids: each owner, the NEAREST members by `known` (k, d), and others of the members at random."""
    near = nearest(owners, known, members.tolist(), NEAREST)
    strangers = set(range(1, len(known))) - set(members.tolist())
    closed = [{o, *near[o]} | strangers for o in owners]
    drawn = negatives(random, np.ones(len(known)), closed, CROWD - 1 - NEAREST)
    return np.concatenate([np.array(owners)[:, None], np.array([near[o] for o in owners]), drawn], 1)


def last_items(users: list[int], split: Split, seed: int) -> dict[int, int]:
    """Return for each user one of the last three items, drawn by seed, to be held out."""
    drawn = generator(seed, "policy held out").integers(3, size=len(users))
    return {u: split.train[u][-1 - int(k)] for u, k in zip(users, drawn)}


def user_tasks(
    held: dict[int, int], split: Split, audiences: dict, cards: np.ndarray, encode, spec: dict, candidates: int
) -> Tasks:
    """Rank a user's held-out item among training items that the user never chose.

    held: item by user. audiences: item profiles by id, as prompts show them. cards: (n_items + 1, d).
    """
    random, users = generator(spec["seed"], "policy user"), list(held)
    rest = split.without(set(held.items()))
    counts = np.bincount(rest.ragged()[0], minlength=split.items + 1)
    cold = split.cold()
    drawn = negatives(random, counts, [set(split.train[u]) | cold for u in users], candidates)
    known = means(rest, cards)
    return Tasks(
        owners=np.array(users), prompts=user_prompts(users, rest.train, split.cards, audiences, spec),
        judged=cards, wanted=np.array([[held[u]] for u in users]), others=drawn,
        sources=cards, evidence=padded([rest.train[u][-spec["history"] :] for u in users]),
        known=known, crowd=crowds(users, known, np.flatnonzero(known.any(1)), random),
    )  # fmt: skip


def matched(random, degree: np.ndarray, readers: np.ndarray, held: np.ndarray, count: int) -> list[int]:
    """Return up to `count` users who are no readers, drawn so that their activity is spread as that of `held`.

    degree: (n_users + 1,) items chosen, 0 for nobody. Activity counts in powers of two; users of another class are
    drawn where those of the held-out readers' classes are not enough.
    """
    kind = np.log2(np.maximum(degree, 1)).astype(int)
    open_ = degree > 0
    open_[readers] = False
    wanted, there = (np.bincount(kind[who], minlength=kind.max() + 1) for who in (held, open_))
    weight = (wanted / np.maximum(there, 1))[kind] + 1e-9
    # an exponential race: the smallest keys are a weighted draw without replacement
    race = np.where(open_, random.exponential(size=len(degree)) / weight, np.inf)
    return np.argsort(race, kind="stable")[: min(count, int(open_.sum()))].tolist()


def item_tasks(
    items: list[int], split: Split, readers: dict, cards: np.ndarray, encode, spec: dict, candidates: int
) -> Tasks:
    """Tell held-out readers of an item from users as active who never chose it.

    A user stands for the mean card of the history, without the item where the user is a held-out reader. readers: user
    profiles by id, as prompts show them. cards: (n_items + 1, d). Items without two readers and a stranger are left
    out; raises InputError where no other is left.
    """
    random = generator(spec["seed"], "policy item")
    values, offsets = split.ragged()
    owner = np.repeat(np.fromiter(split.train, dtype=np.int64), np.diff(offsets))
    people = {i: np.unique(owner[values == i]) for i in items}
    items = [i for i in items if 2 <= len(people[i]) < len(split.train)]
    if not items:
        raise InputError("train.parquet: no item has two users and a stranger; GRPO on items needs one to hold out")
    held = {i: np.sort(random.choice(p, min(READERS, len(p) // 2), replace=False)) for i in items for p in [people[i]]}
    rest = split.without({(int(u), i) for i in items for u in held[i]})
    vectors, degree = means(split, cards), np.zeros(max(split.train) + 1, dtype=np.int64)
    degree[list(split.train)] = np.diff(offsets)
    # the vector of a held-out reader depends on the item: one more row for each
    targets, wanted = [], []
    for i in items:
        wanted.append([len(vectors) + len(targets) + n for n in range(len(held[i]))])
        for user in held[i].tolist():
            left = [j for j in split.train[user] if j != i]
            targets.append(cards[left].mean(0) if left else cards[0])
    shown = rest.readers(spec["neighbours"], spec["seed"])
    said = [[p for u in shown.get(i, []) if u in readers for p in phrases(readers[u], "user")] for i in items]
    place = {p: n for n, p in enumerate(dict.fromkeys(p for own in said for p in own), len(cards))}
    return Tasks(
        owners=np.array(items), prompts=item_prompts(items, rest, readers, {}, set(), cards, spec),
        judged=np.concatenate([vectors, np.stack(targets)]), wanted=padded(wanted),
        others=padded([matched(random, degree, people[i], held[i], candidates) for i in items]),
        sources=np.concatenate([cards, encode(list(place))]) if place else cards,
        evidence=padded([[i, *dict.fromkeys(place[p] for p in own)] for i, own in zip(items, said)]),
        known=cards, crowd=crowds(items, cards, split.warm(), random),
    )  # fmt: skip


def strangers(template: dict, side: str, split: Split, seed: int) -> dict[int, dict]:
    """Return the fields of STRANGERS template profiles of training owners, drawn by seed, by id."""
    known = split.train if side == "user" else set(split.warm().tolist())
    ids = [i for i in sorted(template) if i in known]
    drawn = generator(seed, f"strangers {side}").permutation(ids)[:STRANGERS]
    return {i: template[i] for i in sorted(drawn.tolist())}


def strangers_support(tasks: Tasks, others: dict, encode, side: str, seed: int) -> float:
    """Return the support that phrases of `others`, profiles by id, find by chance in the evidence of the tasks."""
    random, ids = generator(seed, f"evidence of strangers {side}"), np.array(list(others))
    rows = random.integers(len(tasks.owners), size=len(ids))
    rows, ids = (part[tasks.owners[rows] != ids] for part in (rows, ids))  # nobody is a stranger to the own evidence
    said = [phrases(others[i], side) for i in ids.tolist()]
    vectors = encode([p for own in said for p in own]).reshape(len(rows), len(said[0]), -1)
    return chance_support(vectors, tasks.sources[tasks.evidence[rows]])


class Judge:
    """The components of the reward of one side, those of weight 0 left out.

    encode(texts) -> (n, d) in the space of the tasks' vectors. threshold: `strangers_support`. prefer: a fitted
    `Preference`. Either is None where no component asks for it.
    """

    def __init__(self, tasks: Tasks, encode, side: str, weights: dict, threshold: float | None, prefer=None):
        self.tasks, self.encode, self.side, self.threshold, self.prefer = tasks, encode, side, threshold, prefer
        self.components = [c for c in COMPONENTS[side] if weights[c] > 0]
        self.weights = {"schema": 1.0} | {c: weights[c] for c in self.components}
        self.reference = self._utility(tasks.known[tasks.owners], np.arange(len(tasks.owners)))

    def _utility(self, vectors: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the rank of the held-out item (users), or how well held-out readers are told from others (items)."""
        wanted, others = self.tasks.wanted[rows], self.tasks.others[rows]
        if self.side == "user":
            return ranks(vectors, self.tasks.judged, np.concatenate([wanted, others], 1))
        return auc(vectors, self.tasks.judged, wanted, others)

    def __call__(self, texts: list[str], rows, tokens, usual: float | None = None) -> tuple[dict, dict]:
        """Judge B texts.

        rows: (B,) the task of each text. tokens: (B,) its length. usual: the likeness among texts before any training;
        that of these texts where None. Returns (component -> (B,), NaN where the gate is shut; what the open texts
        have in common: `likeness` and `effective_rank`, NaN where there are too few).
        """
        texts, rows, tokens = [t.strip() for t in texts], np.asarray(rows), np.asarray(tokens)
        found = {"schema": np.array(gate(texts, self.side))}
        found |= {c: np.full(len(texts), np.nan) for c in self.components}
        together = {"likeness": float("nan"), "effective_rank": float("nan")}
        open_ = np.flatnonzero(found["schema"] == 0)
        if not len(open_):
            return found, together
        texts, rows, tokens = [texts[p] for p in open_], rows[open_], tokens[open_]
        profiles = [phrases(strict(t, self.side), self.side) for t in texts]
        # apart from the texts: phrases are short, and a batch is as wide as its longest
        said = self.encode([p for own in profiles for p in own]) if "faithfulness" in self.components else None
        vectors = self.encode(texts)
        alike = likeness(vectors, self.tasks.owners[rows])
        if not np.isnan(alike).all():
            together["likeness"] = float(np.nanmean(alike))
        if len(texts) > 1:
            together["effective_rank"] = effective_rank(vectors)
        usual = together["likeness"] if usual is None else usual

        def faithful():
            shown = self.tasks.sources[self.tasks.evidence[rows]]
            supports = support(said.reshape(len(rows), -1, said.shape[1]), shown)
            return faithfulness(supports, self.threshold, copied(profiles, [self.tasks.prompts[r] for r in rows]))

        def identified():
            found = identification(ranks(vectors, self.tasks.known, self.tasks.crowd[rows]))
            return found - over_smoothing(alike, usual)

        measures = {
            "rank": lambda: gain(self._utility(vectors, rows), self.reference[rows]),
            "auc": lambda: self._utility(vectors, rows) - self.reference[rows],
            "faithfulness": faithful, "identification": identified, "length": lambda: length(tokens),
            "preference": lambda: self.prefer(vectors, self.tasks.known[self.tasks.owners[rows]]),
        }  # fmt: skip
        for name in self.components:
            found[name][open_] = measures[name]()
        return found, together

    def total(self, found: dict) -> np.ndarray:
        """Return the weighted sum of components (B,), as the trainer takes it: -1 where the gate is shut."""
        return np.nansum([w * found[name] for name, w in self.weights.items()], 0)
