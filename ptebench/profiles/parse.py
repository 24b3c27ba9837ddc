"""The schema of a profile and its strict grammar, with repairs that are counted and never guessed.

A user's profile is two lines, `Roles: a; b; c` and `Interests: a; b; c`; an item's is
`Audience roles: ...` and `Audience interests: ...` with five phrases each.
"""

import json
import re

FIELDS = {"user": ("Roles", "Interests"), "item": ("Audience roles", "Audience interests")}
PHRASES = {"user": 3, "item": 5}
FEW = "too few phrases"
THOUGHTS = "thoughts without an answer"
LONGEST = 60  # characters of a phrase
SPACE = re.compile(r"\s+")
EDGES = " .,;:-*_\"'`[](){}“”‘’«»…"
# a number of a catalogue: a long one, letters among the digits of a long word, or one that is called so
ID = re.compile(
    r"\d{5,}|\b(?=\w{8})(?=(?:\w*?\d){3})\w*\d[^\W\d]+\d|\b(?:items?|products?|users?|ids?|asin|sku)\W*\d{3,}\b", re.I
)
SLOT = re.compile(r"(?:(?:audience |user )?(?:role|identity|interest)|phrase|item)s? ?\d+", re.I)

# ------------------------------------------------------------------ what is no part of an answer

THINKING = r"(?:\w+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratchpad)"
OPENS = rf"<{THINKING}>|\[THINK\]|◁think▷|<\|(?:START_THINKING|begin_of_thought)\|>|<\|channel>thought"
CLOSES = rf"</{THINKING}>|\[/THINK\]|◁/think▷|<\|(?:END_THINKING|end_of_thought)\|>|<channel\|>"
OPENING, CLOSING = re.compile(OPENS, re.I), re.compile(CLOSES, re.I)
BLOCK = re.compile(f"(?:{OPENS}).*?(?:{CLOSES})", re.I | re.S)
CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)[^<]*<\|message\|>")
MARKS = re.compile(f"{OPENS}|{CLOSES}|{CHANNEL.pattern}", re.I)
BARE_CHANNELS = re.compile(r"\Aanalysis(?=[A-Z\"'*]).*?(?:assistantfinal|\Z)", re.S)  # marks lost in decoding
AFTER = re.compile(r"<\|[^|>\s]*\|>|</s>|<end_of_turn>|<eos>|\[/?INST\]")  # another turn begins

# ------------------------------------------------------------------ layouts that say the same

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w-]*[ \t]*$", re.M)
TAGGED = re.compile(r"<((?:audience[_ ]|user[_ ])?(?:roles?|identity|interests?))>", re.I)
TAG = re.compile(r"</?[a-z][^<>\n]*>", re.I)
EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|^[ \t]*(?:#+|>)[ \t]*", re.M)
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f\u00ad\u200b-\u200f\u2060\ufeff]")
WIDE = str.maketrans("：；，、｜／\u00a0\u3000", ":;,,|/  ")
BULLET = re.compile(r"[ \t]*(?:[-*•·‣◦▪–—+][ \t]+|\(?\d{1,2}[.):](?:[ \t]+|(?=[^\W\d]))|[(]?[a-e][)][ \t]+)")
# other writers' headings: RecLM's teacher answers "User identity: ...; User interests: ..."
NAME = r"[\"']?(?:(?:audience|user|target)(?:['’]s)?[ _]+)?(roles?|identit(?:y|ies)|interests?)[\"']?"
NAME += r"(?:[ \t]*\([^()\n]*\))?"  # "Roles (3)"
HEADINGS = (
    re.compile(
        rf"(?:^[ \t|{{]*(?:{BULLET.pattern})?|(?<=[.;,|{{!])[ \t]*){NAME}[ \t]*(?:[:=|]|[ \t][-–—][ \t])"
        rf"|^[ \t]*(?:{BULLET.pattern})?{NAME}[ \t]*$", re.I | re.M,
    ),
    re.compile(rf"\b(?:and\s+)?(?:(?:the|their)\s+)?{NAME}\s*:", re.I),
)  # fmt: skip
NUMBERED = re.compile(r"\s(?=\(?\d[.)]\s)")
CHAT = re.compile(
    r"(?<=[.!])\s+(?:let me|note|i |i['’]|feel free|please|these|this|based|here|would|is there|if you|hope).*\Z", re.I
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
    return SPACE.sub(" ", phrase).strip(EDGES).lower()


def usable(phrase: str) -> bool:
    """Say whether a phrase may stand in a profile: words, no number, id or empty slot, at most LONGEST characters."""
    worded = 0 < len(phrase) <= LONGEST and any(c.isalpha() for c in phrase) and ";" not in phrase
    return worded and not (ID.search(phrase) or SLOT.fullmatch(phrase) or UNSEEN.search(phrase) or BULLET.match(phrase))


def without_thoughts(text: str) -> str:
    """Return an answer without what a reasoning model thought before it; empty where it got no further."""
    if channels := list(CHANNEL.finditer(text)):
        last = channels[-1]
        text = AFTER.split(text[last.end() :])[0] if last[1] == "final" else ""
    text = BARE_CHANNELS.sub("", BLOCK.sub("", text))
    *_, text = CLOSING.split(text)  # the opening mark stood in the prompt
    return OPENING.split(text)[0].strip()


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
    answer = without_thoughts(text)
    if not answer and text.strip():
        return None, THOUGHTS
    if (fields := strict(answer, side)) is not None:
        return fields, "thoughts" if answer != text.strip() else "layout"
    bodies = _bodies(_plain(answer), side)
    if isinstance(bodies, str):
        return None, bodies
    fields, repair = {}, "layout"
    for field in FIELDS[side]:
        pieces = _pieces(bodies[field], PHRASES[side])
        found = list(dict.fromkeys(map(normalise, pieces)))
        phrases = [p for p in found if usable(p)]
        if len(phrases) < PHRASES[side]:
            return None, "item ids" if any(map(ID.search, found)) else FEW
        if len(pieces) > PHRASES[side]:
            repair = "surplus phrases"
        fields[field] = phrases[: PHRASES[side]]
    return fields, repair


def _plain(text: str) -> str:
    """Return a text without markup and what follows the answer's end; a JSON object as lines."""
    text = next(filter(str.strip, AFTER.split(text)), "")
    text = UNSEEN.sub("", text).translate(WIDE)
    for brace in re.finditer("{", text):
        try:
            found, _ = json.JSONDecoder().raw_decode(text, brace.start())
        except ValueError:
            continue
        lines = [
            f"{name.replace('_', ' ')}: {'; '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in found.items()
            if isinstance(value, str | list)
        ]
        if any(HEADINGS[0].match(line) for line in lines):
            return "\n".join(lines)
    text = TAG.sub("", re.sub(r"<br ?/?>|</(?:p|li|div|h\d)>", "\n", TAGGED.sub(r"\n\1: ", FENCE.sub("", text))))
    return EMPHASIS.sub("", text)


def _bodies(text: str, side: str) -> dict[str, str] | str:
    """Return what stands behind each heading, or why that cannot be told."""
    for pattern in HEADINGS:
        headings = list(pattern.finditer(text))
        ends = [h.start() for h in headings[1:]] + [len(text)]
        parts = [
            (FIELDS[side][next(filter(None, h.groups())).lower().startswith("interest")], text[h.end() : end])
            for h, end in zip(headings, ends)
        ]
        # a heading above a heading announces both
        parts = [part for part in parts if any(map(str.isalnum, part[1]))]
        count = len(FIELDS[side])
        if len({field for field, _ in parts}) < count:
            continue
        bodies = dict(parts[:count])
        if len(bodies) < count:
            return "repeated heading"
        for place, (field, body) in enumerate(parts[count:], count):  # a profile said again, the last perhaps cut
            first, again = (_pieces(b, PHRASES[side]) for b in (bodies[field], body))
            same = again == first or (place == len(parts) - 1 and "; ".join(first).startswith("; ".join(again)))
            if not same or field != parts[place - count][0]:
                return "repeated heading"
        return bodies
    return "missing heading"


def _pieces(body: str, count: int) -> list[str]:
    """Return the phrases in what stands behind a heading, `count` where that much is there; chatter is left out."""
    head, *lines = body.split("\n")
    if any(map(str.isalnum, head)) and not BULLET.match(head):
        # one line, and the next where a separator ends it
        while lines and head.rstrip().endswith((";", ",")):
            head += lines.pop(0)
        return _cut(head, count)
    lines = [line for line in [head, *lines] if any(map(str.isalnum, line)) or not line.strip()]
    while lines and not lines[0].strip():
        del lines[0]
    if lines and not BULLET.match(lines[0]):
        if len(pieces := _cut(lines[0], count)) > 1:
            return pieces
        bare = (lines + [""]).index("")
        return [_cut(line, 1)[0] for line in lines[:bare]]
    found = []
    for line in filter(str.strip, lines):
        if not (bullet := BULLET.match(line)):
            break
        # a bullet may say why: "- Jazz fan: they chose ..."
        found.append(re.split(r":\s|\s[-–—]\s", line[bullet.end() :])[0])
    return found if len(found) > 1 else [p for piece in found for p in _cut(piece, count)]


def _cut(line: str, count: int) -> list[str]:
    """Return the phrases of one line."""
    line = CHAT.sub("", line).strip(" ;,.\t|")
    pieces = line.split(";")
    for separators in (r";", r"\|", r",", r"[;,]", r"\s/\s"):
        if (parts := re.split(separators, line)) and len(parts) >= count > 1:
            pieces = parts
            break
    else:
        if len(parts := NUMBERED.split(line)) > 1:
            pieces = parts
        elif "," in line and ";" not in line:
            pieces = line.split(",")
    if len(pieces) == count - 1 > 1 and ";" not in line:  # "a, b and c"
        pieces = pieces[:-1] + re.split(r"\s+and\s+", pieces[-1])
    pieces = [piece[bullet.end() :] if (bullet := BULLET.match(piece.lstrip() + " ")) else piece for piece in
              map(str.strip, pieces)]  # fmt: skip
    return [re.sub(r"^(?:and|&)\s+", "", piece, flags=re.I) for piece in pieces if piece.strip(EDGES)]
