"""The phrases behind a heading, in one line or as a list."""

import re

from ptebench.profiles.schema.fields import ASIDE, BULLET, EDGES

NUMBERED = re.compile(r"\s(?=\(?\d[.)]\s)")
CHAT = re.compile(
    r"(?<=[.!])\s+(?:let me|note|i |i['’]|feel free|please|these|this|based|here|would|is there|if you|hope).*\Z", re.I
)  # fmt: skip


def pieces(body: str, count: int) -> list[str]:
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
        if len(phrases := _cut(lines[0], count)) > 1:
            return phrases
        bare = (lines + [""]).index("")
        return [_cut(line, 1)[0] for line in lines[:bare]]
    result = []
    for line in filter(str.strip, lines):
        if not (bullet := BULLET.match(line)):
            break
        # a bullet may say why: "- Jazz fan: they chose ..."
        result.append(re.split(r":\s|\s[-–—]\s", line[bullet.end() :])[0])
    return result if len(result) > 1 else [p for piece in result for p in _cut(piece, count)]


def _cut(line: str, count: int) -> list[str]:
    """Return the phrases of one line."""
    line = ASIDE.sub("", CHAT.sub("", line)).strip(" ;,.\t|")
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
