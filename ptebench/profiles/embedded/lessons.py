"""The lessons of the embedded language model: the template teacher's answers to every form of prompt."""

from collections import Counter

import numpy as np

from ptebench.profiles.decoding.grammar import names
from ptebench.profiles.evidence.owners import COLD
from ptebench.profiles.evidence.prompts import cold_item_prompt, evidence_text, item_prompt, user_prompt
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.fields import layout
from ptebench.profiles.teachers.template import Template
from ptebench.randomness import generator

FRAME = 0.01  # of the lessons add a frame word to what their evidence says, and fewer begin a phrase with it


def lessons(split: Split, template: Template, count: int, spec: dict, leave_out: set) -> list[tuple[str, str]]:
    """Return `count` pairs of prompt and the template teacher's answer, in every form that later prompts take.

    The evidence of a user is a random stretch of a training history (never of the users to leave out)
    and the answer is the template's for that very stretch, so that what is taught is to read evidence.
    """
    random, cards = generator(spec["seed"], "lessons"), split.cards
    newest, near = spec["history"], spec["neighbours"]
    users = [u for u in split.train if u not in leave_out]
    warm = split.warm()
    audiences = dict(zip(warm.tolist(), template.items(warm)))
    histories = [split.train[users[k]] for k in random.integers(len(users), size=count)]
    lengths = np.array([len(h) for h in histories])
    takes = np.minimum(1 + random.integers(newest, size=count), lengths)
    starts = (random.random(count) * (lengths - takes + 1)).astype(int)
    stretches = [h[s : s + t] for h, s, t in zip(histories, starts, takes)]
    offsets = np.concatenate([[0], np.cumsum(takes)])
    profiles = template.users(np.concatenate([np.asarray(s) for s in stretches]), offsets)
    readers: dict[int, list[dict]] = {}
    for place, stretch in enumerate(stretches):
        readers.setdefault(stretch[-1], []).append(profiles[place])
    kinds = random.random(count)
    picks = random.integers(len(warm), size=(count, near + 1))
    pairs = []
    for place, kind in enumerate(kinds):
        if kind < 0.6:
            audiences_of_lesson = audiences if kind < 0.3 else {}
            prompt = user_prompt(stretches[place], cards, audiences_of_lesson, newest, near)
            pairs.append((prompt, layout(profiles[place], "user")))
            continue
        item, *others = warm[picks[place]].tolist()
        if random.random() < COLD:
            prompt = cold_item_prompt(item, cards, [(i, audiences[i]) for i in others if i != item])
        else:
            choice = readers.get(item, [])
            first = int(random.integers(max(1, len(choice) - near + 1)))
            prompt = item_prompt(item, cards, choice[first : first + near])
        pairs.append((prompt, layout(audiences[item], "item")))
    return pairs


def frame_words(pairs: list[tuple[str, str]]) -> list[str]:
    """Return the words that answers put behind those of their evidence, such as `fan`: few phrases begin with them."""
    first: Counter[str] = Counter()
    behind: Counter[str] = Counter()
    for prompt, answer in pairs:
        phrases = [p.split(maxsplit=1) for line in answer.split("\n") for p in line.split(":", 1)[1].split(";")]
        first.update({words[0] for words in phrases})
        behind.update({w for _, *rest in phrases for w in names(" ".join(rest))} - set(names(evidence_text(prompt))))
    return sorted(w for w, count in behind.items() if count >= FRAME * len(pairs) > first[w])
