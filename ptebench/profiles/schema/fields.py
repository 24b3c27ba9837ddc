"""The schema of a profile: its fields, its phrases, and the grammar that a text keeps to the letter.

A user's profile is two lines, `Roles: a; b; c` and `Interests: a; b; c`; an item's is
`Audience roles: ...` and `Audience interests: ...` with five phrases each.
"""

import re

FIELDS = {"user": ("Roles", "Interests"), "item": ("Audience roles", "Audience interests")}
PHRASES = {"user": 3, "item": 5}
LONGEST = 60  # characters of a phrase
SPACE = re.compile(r"\s+")
EDGES = " .,;:-*_\"'`[](){}“”‘’«»…"
# a number of a catalogue: a long one, letters among the digits of a long word, or one that is called so
ID = re.compile(
    r"\d{5,}|\b(?=\w{8})(?=(?:\w*?\d){3})\w*\d[^\W\d]+\d|\b(?:items?|products?|users?|ids?|asin|sku)\W*\d{3,}\b", re.I
)
SLOT = re.compile(r"(?:(?:audience |user )?(?:role|identity|interest)|phrase|item)s? ?\d+", re.I)
MARK = re.compile(r"<[^<>]+>|<\|")  # of a language model or of HTML
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
BULLET = re.compile(r"[ \t]*(?:[-*•·‣◦▪–—+][ \t]+|\(?\d{1,2}[.):](?:[ \t]+|(?=[^\W\d]))|[(]?[a-e][)][ \t]+)")


def skeleton(side: str) -> str:
    """Return the empty profile of a side, as the prompt's contract shows it."""
    slots = "; ".join(["..."] * PHRASES[side])
    return "\n".join(f"{field}: {slots}" for field in FIELDS[side])


def layout(fields: dict, side: str) -> str:
    """Return the one text of a profile's fields."""
    return "\n".join(f"{field}: {'; '.join(fields[field])}" for field in FIELDS[side])


def normalise(phrase: str) -> str:
    """Return a phrase in lower case, without surrounding punctuation and repeated spaces."""
    return SPACE.sub(" ", phrase).strip(EDGES).lower()


def usable(phrase: str) -> bool:
    """Say whether a phrase may stand in a profile: words, no number, id, mark or slot, at most LONGEST characters."""
    has_words = 0 < len(phrase) <= LONGEST and any(c.isalpha() for c in phrase) and ";" not in phrase
    faults = ID.search(phrase), SLOT.fullmatch(phrase), UNSEEN.search(phrase), BULLET.match(phrase), MARK.search(phrase)
    return has_words and not any(faults)


def strict(text: str, side: str) -> dict | None:
    """Return the fields of a text that follows the grammar to the letter, else None."""
    lines, fields = text.strip("\n").split("\n"), {}
    if len(lines) != len(FIELDS[side]):
        return None
    for line, field in zip(lines, FIELDS[side]):
        if not line.startswith(f"{field}: "):
            return None
        phrases = line[len(field) + 2 :].split("; ")
        if len(phrases) != PHRASES[side] or len(set(phrases)) < len(phrases):
            return None
        if any(p != normalise(p) or not usable(p) for p in phrases):
            return None
        fields[field] = phrases
    return fields


def phrases(fields: dict, side: str) -> list[str]:
    """Return the phrases of a profile's fields in the schema's order, equally many for every profile of a side."""
    return [phrase for field in FIELDS[side] for phrase in fields[field]]
