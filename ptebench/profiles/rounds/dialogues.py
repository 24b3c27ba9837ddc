"""Two-turn instructions: a profile beside those who chose alike, then whether the person would choose an item."""

from dataclasses import dataclass

import numpy as np

from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.collaborative import user_vectors
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.prompts import collaborative_prompt, form, messages, question
from ptebench.profiles.evidence.split import Split
from ptebench.randomness import generator

WINDOW = 25  # places above and below an item in the order of popularity, from which its match is drawn


@dataclass(frozen=True)
class Dialogue:
    """A user, whom they are shown beside, what is held out, and the item that the second turn asks about."""

    user: int
    others: list[int]
    last: int
    item: int
    chosen: bool


def dialogues(users: list[int], split: Split, spec: dict) -> list[Dialogue]:
    """Return two dialogues a user: about the last training item (yes), and about one never chosen (no).

    The latter is, with equal chance, of a neighbour's history or as popular as the former. Neighbours are the users
    of the nearest collaborative vectors, which know nothing of the held-out items. Nothing is asked about an item
    without text. A user who has chosen everything that could be asked about is left out.
    """
    last = {u: split.train[u][-1] for u in users}
    rest = split.without(set(last.items()))
    near = nearest(users, user_vectors(rest.train, split.items), list(rest.train), spec["neighbours"])
    counts = np.bincount(split.ragged()[0], minlength=split.items + 1)
    warm = split.warm()
    ladder = warm[np.argsort(counts[warm], kind="stable")]
    place = np.empty(split.items + 1, dtype=np.int64)
    place[ladder] = np.arange(len(ladder))
    random, pairs, title = generator(spec["seed"], "dialogues"), [], split.cards.title.__getitem__
    for user in users:
        own, item = set(split.train[user]), last[user]
        theirs = sorted({i for o in near[user] for i in rest.train[o] if title(i)} - own)
        first = max(0, place[item] - WINDOW)
        alike = [i for i in ladder[first : place[item] + WINDOW + 1].tolist() if i not in own and title(i)]
        pools = [theirs, alike] if random.random() < 0.5 else [alike, theirs]
        pool = pools[0] or pools[1]
        if pool and title(item):
            pairs.append(Dialogue(user, near[user], item, item, True))
            pairs.append(Dialogue(user, near[user], item, pool[int(random.integers(len(pool)))], False))
    return pairs


def first_turn(dialogue: Dialogue, split: Split, audiences: dict, spec: dict) -> str:
    """Return the prompt of the profile.

    Neither the item held out nor the one that will be asked about is in any of its histories: what stands in a
    neighbour's would be known for a `no`.
    """

    def history(user):
        return [i for i in split.train[user] if i not in (dialogue.last, dialogue.item)]

    others = [history(user) for user in dialogue.others]
    count, annotated = spec["history"], spec["neighbours"]
    prompt = collaborative_prompt(history(dialogue.user), split.cards, audiences, count, annotated, others)
    return form(prompt, "user", spec)


def conversation(prompt: str, profile: str, dialogue: Dialogue, cards: Cards) -> list[dict]:
    """Return the four turns of a dialogue."""
    return [
        *messages(prompt),
        {"role": "assistant", "content": profile},
        *messages(question(dialogue.item, cards)),
        {"role": "assistant", "content": "yes" if dialogue.chosen else "no"},
    ]


def area_under_curve(scores: np.ndarray, chosen: np.ndarray) -> float:
    """Return how often a chosen item scores above one that is not; ties count half."""
    difference = scores[chosen][:, None] - scores[~chosen][None]
    return float((difference > 0).mean() + 0.5 * (difference == 0).mean())
