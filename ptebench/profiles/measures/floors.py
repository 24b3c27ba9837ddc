"""The floors of a quality table: texts that mean nothing, and that a measure must put below the template."""

from collections.abc import Callable

from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.measures.faithfulness import WORD
from ptebench.profiles.schema.fields import FIELDS, PHRASES, normalise, usable
from ptebench.randomness import generator

WORDS, FRAGMENTS, ANOTHER, MEAN = FLOORS = (
    "floor: random words", "floor: pieces of titles", "floor: another's profile", "floor: mean card",
)  # fmt: skip
LENGTHS = {WORDS: 3, FRAGMENTS: 4}  # words of a phrase
TRIED = 200
JUDGED = ("gain", "gain_cold", "faithfulness", "identification")  # measures that a floor may win


def random_words(items: list[int], cards: Cards, random) -> str:
    """Return random words of the cards of items, as one phrase."""
    words = list(dict.fromkeys(w for i in items for w in WORD.findall(cards.line(i)) if w.isalpha()))
    return " ".join(random.permutation(words)[: LENGTHS[WORDS]]) if words else ""


def piece_of_title(items: list[int], cards: Cards, random) -> str:
    """Return some words in a row of one of the items' titles."""
    words = cards.title[items[random.integers(len(items))]].split()
    start = random.integers(max(1, len(words) - LENGTHS[FRAGMENTS] + 1))
    return " ".join(words[start : start + LENGTHS[FRAGMENTS]])


def fields_of(items: list[int], side: str, cards: Cards, phrase: Callable, random) -> dict | None:
    """Return fields of phrases that are drawn from the cards of items; None where these say too little."""
    fields = {}
    for field in FIELDS[side]:
        unique: dict[str, None] = {}
        for _ in range(TRIED):
            if len(unique) < PHRASES[side] and usable(text := normalise(phrase(items, cards, random))):
                unique[text] = None
        if len(unique) < PHRASES[side]:
            return None
        fields[field] = list(unique)
    return fields


def floors(evidence: dict[int, list[int]], template: dict[int, dict], side: str, cards: Cards, seed: int) -> dict:
    """Return the fields of each floor that has any, by id.

    evidence: by id of an owner, the items whose cards may be shown of it. template: fields by id.
    """
    by_floor = {}
    for name, phrase in ((WORDS, random_words), (FRAGMENTS, piece_of_title)):
        random = generator(seed, f"{name} {side}")
        profiles = {o: fields_of(items, side, cards, phrase, random) for o, items in evidence.items() if items}
        by_floor[name] = {o: fields for o, fields in profiles.items() if fields}
    ids = [o for o in evidence if o in template]
    by_floor[ANOTHER] = {o: template[other] for o, other in zip(ids, ids[1:] + ids[:1]) if o != other}
    return by_floor


def without_verdict(rows: list[dict]) -> set[tuple[str, str]]:
    """Return the sides and measures that a floor wins against the template; a gain has to be above 0 for that."""
    lost = set()
    for side in dict.fromkeys(row["side"] for row in rows):
        of = {row["writer"]: row for row in rows if row["side"] == side}
        for measure in JUDGED:
            floors = [of[f] for f in FLOORS if of.get(f, {}).get(measure) is not None]
            best = max((f[measure] for f in floors if f.get(f"{measure}_low", 1.0) > 0), default=None)
            if best is not None and best > of["template"].get(measure, -1):
                lost.add((side, measure))
    return lost
