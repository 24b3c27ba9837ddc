"""The schema of a profile and its strict grammar, with repairs that are counted and never guessed.

A user's profile is two lines, `Roles: a; b; c` and `Interests: a; b; c`; an item's is
`Audience roles: ...` and `Audience interests: ...` with five phrases each.
"""

import re

FIELDS = {"user": ("Roles", "Interests"), "item": ("Audience roles", "Audience interests")}
PHRASES = {"user": 3, "item": 5}
FEW = "too few phrases"
LONGEST = 60  # characters of a phrase
SPACE = re.compile(r"\s+")
# other writers' headings: RecLM's teacher answers "User identity: ...; User interests: ..."
HEADINGS = re.compile(
    r"(?:(?:audience|user)\s+)?(roles?|identit(?:y|ies)|interests?)\s*:", re.IGNORECASE
)  # fmt: skip


def skeleton(side: str) -> str:
    """Return the empty profile of a side, as the prompt's contract shows it."""
    slots = "; ".join(["..."] * PHRASES[side])
    return "\n".join(f"{field}: {slots}" for field in FIELDS[side])


def layout(fields: dict, side: str) -> str:
    """Return the one text of a profile's fields."""
    return "\n".join(f"{field}: {'; '.join(fields[field])}" for field in FIELDS[side])


def normalise(phrase: str) -> str:
    """Return a phrase in lower case, without surrounding punctuation and repeated spaces."""
    return SPACE.sub(" ", phrase).strip(" .,;:-*\"'[]()").lower()


def usable(phrase: str) -> bool:
    """Say whether a phrase may stand in a profile: words, not a number, not longer than LONGEST characters."""
    return 0 < len(phrase) <= LONGEST and any(c.isalpha() for c in phrase) and ";" not in phrase


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


def repaired(text: str, side: str) -> tuple[dict | None, str | None]:
    """Return the fields and the name of the repair that was needed.

    The repair is None where the text is strictly right. Fields are None where a heading is
    missing or given twice, or where fewer distinct phrases are left than the schema asks for:
    nothing is ever invented.
    """
    if (fields := strict(text, side)) is not None:
        return fields, None
    parts = HEADINGS.split(text)
    bodies = {}
    for heading, body in zip(parts[1::2], parts[2::2]):
        field = FIELDS[side][heading.lower().startswith("interest")]
        if field in bodies:
            return None, "repeated heading"
        bodies[field] = body
    if len(bodies) < len(FIELDS[side]):
        return None, "missing heading"
    fields, repair = {}, "layout"
    for field in FIELDS[side]:
        body = bodies[field].strip(" ;\n")
        pieces = body.split(";") if body.count(";") else body.split(",")
        phrases = list(dict.fromkeys(p for p in map(normalise, pieces) if usable(p)))
        if len(phrases) < PHRASES[side]:
            return None, FEW
        if len(pieces) > PHRASES[side]:
            repair = "surplus phrases"
        fields[field] = phrases[: PHRASES[side]]
    return fields, repair
