"""What the policy is asked, and what its answers are judged by."""

from dataclasses import dataclass

import numpy as np

from ptebench.files import InputError
from ptebench.profiles.evidence.collaborative import user_vectors
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.prompts import form, item_prompts, user_prompt
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.evidence.vectors import history_means, padded
from ptebench.profiles.measures.faithfulness import evidence_of
from ptebench.profiles.measures.identification import NEAREST, crowds
from ptebench.profiles.measures.ranking import negatives
from ptebench.randomness import generator

READERS = 8  # of an item that are held out at most, and never more than half
HELD = 3  # items of a user that are held out, one at a time


@dataclass(frozen=True)
class Tasks:
    """What T owners' profiles are written from and judged by; ids are rows of the matrix beside them, 0 for none."""

    owners: np.ndarray  # (T,) dense ids
    prompts: list[str]
    judged: np.ndarray  # (n, d) vectors of what the profile is to rank
    targets: np.ndarray  # (T, K) ids in `judged` of what was held out
    others: np.ndarray  # (T, C) ids in `judged` that it is ranked against
    rest: Split  # without what was held out
    histories: list[list[int]]  # (T,) of users, without what the task holds out; empty of items
    sources: np.ndarray  # (m, d) cards that prompts show
    evidence: np.ndarray  # (T, H) ids in `sources` that may support what is said
    signatures: np.ndarray  # (k, d) what owners are known by: history means of users, cards of items
    crowd: np.ndarray  # (T, M) ids in `signatures`, the owner first


def last_items(users: list[int], split: Split) -> list[tuple[int, int]]:
    """Return for each user the last three items, each to be held out in a task of its own; the first one stays."""
    later = {u: [i for i in split.train[u] if i != split.train[u][0]] for u in users}
    return [(u, i) for u in users for i in dict.fromkeys(later[u][-HELD:])]


def user_tasks(
    pairs: list[tuple[int, int]], split: Split, audiences: dict, cards: np.ndarray, spec: dict, candidates: int,
    readers: dict[int, list[int]],
) -> Tasks:  # fmt: skip
    """Rank a user's held-out item among training items that the user never chose.

    A quarter of these are of the histories of users who chose alike. pairs: (user, item), a task each; a user's prompt
    lacks the item, and so do the crowd and whatever the neighbours are told by. audiences: item profiles by id, as
    prompts show them, and `readers` whom they were written of: no prompt shows what was written of its own user, whose
    profile knew the item. cards: (n_items + 1, d). Users of whom no item with a text is left have no task; raises
    InputError where nobody has one.
    """
    rest, cold = split.without(set(pairs)), split.cold()
    signatures = history_means(rest, cards)
    pairs = [(u, i) for u, i in pairs if signatures[u].any()]
    if not pairs:
        raise InputError("grpo: no user has two training items with texts, one to hold out; use another dataset")
    random, users = generator(spec["seed"], "policy user"), [u for u, _ in pairs]
    counts = np.bincount(rest.ragged()[0], minlength=split.items + 1)
    alike = nearest(sorted(set(users)), user_vectors(rest.train, split.items), list(rest.train), NEAREST)
    near = [[i for other in alike[u] for i in rest.train[other]] for u in users]
    others = negatives(random, counts, [set(split.train[u]) | cold for u in users], candidates, near)
    histories = [[i for i in split.train[u] if i != item] for u, item in pairs]
    length, annotated = spec["history"], spec["neighbours"]

    def audiences_of(user: int, history: list[int]) -> dict:
        return without(user, audiences, split.cards.newest(history, annotated), readers)

    among = crowds(sorted(set(users)), signatures, np.flatnonzero(signatures.any(1)), random)
    return Tasks(
        owners=np.array(users),
        prompts=[
            form(user_prompt(h, split.cards, audiences_of(u, h), length, annotated), "user", spec)
            for u, h in zip(users, histories)
        ],
        judged=cards, targets=np.array([[item] for _, item in pairs]), others=others,
        rest=rest, histories=histories, sources=cards,
        evidence=padded([split.cards.newest(h, length) for h in histories]),
        signatures=signatures, crowd=among[np.searchsorted(among[:, 0], users)],
    )  # fmt: skip


def without(user: int, audiences: dict, items: list[int], readers: dict[int, list[int]]) -> dict:
    """Return the audiences of items but for those that were written of the user's own profile."""
    return {i: audiences[i] for i in items if i in audiences and user not in readers.get(i, ())}


def match_activity(random, degree: np.ndarray, readers: np.ndarray, targets: np.ndarray, count: int) -> list[int]:
    """Return up to `count` users who are no readers, drawn so that their activity is spread as that of `targets`.

    degree: (n_users + 1,) items chosen, 0 for nobody. Activity counts in powers of two; users of another class are
    drawn where those of the held-out readers' classes are not enough.
    """
    kind = np.log2(np.maximum(degree, 1)).astype(int)
    open_ = degree > 0
    open_[readers] = False
    need, there = (np.bincount(kind[who], minlength=kind.max() + 1) for who in (targets, open_))
    weight = (need / np.maximum(there, 1))[kind] + 1e-9
    # an exponential race: the smallest keys are a weighted draw without replacement
    race = np.where(open_, random.exponential(size=len(degree)) / weight, np.inf)
    return np.argsort(race, kind="stable")[: min(count, int(open_.sum()))].tolist()


def item_tasks(items: list[int], split: Split, readers: dict, cards: np.ndarray, spec: dict, candidates: int) -> Tasks:
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
    test_readers = {
        i: np.sort(random.choice(p, min(READERS, len(p) // 2), replace=False)) for i in items for p in [people[i]]
    }
    rest = split.without({(int(u), i) for i in items for u in test_readers[i]})
    vectors, degree = history_means(split, cards), np.zeros(max(split.train) + 1, dtype=np.int64)
    degree[list(split.train)] = np.diff(offsets)
    # the vector of a held-out reader depends on the item: one more row for each
    means: list[np.ndarray] = []
    targets = []
    for i in items:
        targets.append([len(vectors) + len(means) + n for n in range(len(test_readers[i]))])
        for user in test_readers[i].tolist():
            left = [j for j in split.train[user] if j != i]
            means.append(cards[left].mean(0) if left else cards[0])
    return Tasks(
        owners=np.array(items), prompts=item_prompts(items, rest, readers, {}, set(), cards, spec),
        judged=np.concatenate([vectors, np.stack(means)]), targets=padded(targets),
        others=padded([match_activity(random, degree, people[i], test_readers[i], candidates) for i in items]),
        rest=rest, histories=[[]] * len(items), sources=cards, evidence=evidence_of(items, "item", rest, spec),
        signatures=cards, crowd=crowds(items, cards, split.warm(), random),
    )  # fmt: skip
