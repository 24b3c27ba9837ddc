"""The schema of a profile: its fields, its phrases, and the grammar that a text keeps to the letter.

A user's profile is two lines, `Roles: a; b; c` and `Interests: a; b; c`; an item's is
`Audience roles: ...` and `Audience interests: ...` with five phrases each. A third line, `Sentence: ...`, may follow:
what the writer knows beyond the evidence.
"""

import re

FIELDS = {"user": ("Roles", "Interests"), "item": ("Audience roles", "Audience interests")}
PHRASES = {"user": 3, "item": 5}
LONGEST = 60  # characters of a phrase
SENTENCE, WORDS = "Sentence", 40  # the field of the one sentence, and how many words it has at most
SPACE = re.compile(r"\s+")
EDGES = " .,;:-*_\"'`[](){}“”‘’«»…"
# a number of a catalogue: a long one, letters among the digits of a long word, or one that is called so
ID = re.compile(
    r"\d{5,}|\b(?=\w{8})(?=(?:\w*?\d){3})\w*\d[^\W\d]+\d|\b(?:items?|products?|users?|ids?|asin|sku)(?:\W*\d{3,}|[\W_]+\d+)\b"
    r"|\b[inu]\d{3,}\b", re.I,
)  # fmt: skip
SLOT = re.compile(r"(?:(?:audience |user )?(?:role|identity|interest)|phrase|item)s? ?\d+", re.I)
OFFER = re.compile(
    r"(?<=[.!?])\s+(?:let me know|note\b|feel free|please|is there|if you|i hope|hope this).*\Z", re.I | re.S
)
# words to the reader, which no phrase has
ASIDE = re.compile(
    r"\s*\b(?:let me know if|feel free to|i hope this|hope this helps|thank you for (?:asking|reading|your))\b.*\Z",
    re.I | re.S,
)
MARK = re.compile(r"<[^<>]+>|<\|")  # of a language model or of HTML
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
BULLET = re.compile(r"[ \t]*(?:[-*•·‣◦▪–—+][ \t]+|\(?\d{1,2}[.):](?:[ \t]+|(?=[^\W\d]))|[(]?[a-e][)][ \t]+)")


def skeleton(side: str, sentence: bool = False) -> str:
    """Return the empty profile of a side, as the prompt's contract shows it."""
    slots = "; ".join(["..."] * PHRASES[side])
    return "\n".join([f"{field}: {slots}" for field in FIELDS[side]] + [f"{SENTENCE}: ..."] * sentence)


def layout(fields: dict, side: str) -> str:
    """Return the one text of a profile's fields."""
    names = [*FIELDS[side], *([SENTENCE] if SENTENCE in fields else [])]
    return "\n".join(f"{field}: {'; '.join(fields[field])}" for field in names)


def normalise(phrase: str) -> str:
    """Return a phrase in lower case, without surrounding punctuation and repeated spaces."""
    return SPACE.sub(" ", phrase).strip(EDGES).lower()


def usable(phrase: str) -> bool:
    """Say whether a phrase may stand in a profile: words, no number, id, mark or slot, at most LONGEST characters."""
    has_words = 0 < len(phrase) <= LONGEST and any(c.isalpha() for c in phrase) and ";" not in phrase
    faults = [p.search(phrase) for p in (ID, ASIDE, UNSEEN, MARK)] + [SLOT.fullmatch(phrase), BULLET.match(phrase)]
    return has_words and not any(faults)


def sentence_of(text: str) -> str | None:
    """Return a text as the sentence of a profile, None where it cannot be one: at most WORDS words, no id, no mark.

    What is longer ends where a sentence ends within them, or behind the last of them; offers of help are no part of it.
    """
    words = OFFER.sub("", text).strip(" \t\"'`*_“”«»").split()
    if len(words) > WORDS:
        ends = [place for place, word in enumerate(words[:WORDS], 1) if word[-1] in ".!?"]
        words = words[: ends[-1] if ends else WORDS]
    sentence = " ".join(words)
    faults = ID.search(sentence), UNSEEN.search(sentence), MARK.search(sentence)
    return sentence if any(map(str.isalpha, sentence)) and len(words) > 1 and not any(faults) else None


def strict(text: str, side: str) -> dict | None:
    """Return the fields of a text that follows the grammar to the letter, else None."""
    lines, fields = text.strip("\n").split("\n"), {}
    count = len(FIELDS[side])
    if len(lines) not in (count, count + 1):
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
    for line in lines[count:]:
        sentence = line.removeprefix(f"{SENTENCE}: ")
        if sentence == line or sentence != sentence_of(sentence):
            return None
        fields[SENTENCE] = [sentence]
    return fields


def phrases(fields: dict, side: str) -> list[str]:
    """Return the phrases of a profile's fields in the schema's order, and its sentence where it has one."""
    return [phrase for field in (*FIELDS[side], SENTENCE) for phrase in fields.get(field, [])]
