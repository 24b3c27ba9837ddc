"""Layouts that say the same as the schema: headings, markup, JSON."""

import json
import re

from ptebench.profiles.schema.fields import BULLET, FIELDS, PHRASES, UNSEEN
from ptebench.profiles.schema.phrases import pieces
from ptebench.profiles.schema.thoughts import AFTER

FENCE = re.compile(r"^[ \t]*(?:```|~~~)[\w-]*[ \t]*$", re.M)
TAGGED = re.compile(r"<((?:audience[_ ]|user[_ ])?(?:roles?|identity|interests?|sentence))>", re.I)
TAG = re.compile(r"</?[a-z][^<>\n]*>", re.I)
EMPHASIS = re.compile(r"\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|^[ \t]*(?:#+|>)[ \t]*", re.M)
WIDE = str.maketrans("：；，、｜／\u00a0\u3000", ":;,,|/  ")
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
SAID = re.compile(
    rf"(?:^[ \t|{{]*(?:{BULLET.pattern})?|(?<=[.;,|!])[ \t]*)[\"']?(?:(?:one|a|the|in a|in one)[ \t]+)?sentence[\"']?"
    r"(?:[ \t]*\([^()\n]*\))?[ \t]*(?:[:=|]|[ \t][-–—][ \t])[ \t]*\n?([^\n]*)", re.I | re.M,
)  # fmt: skip


def without_sentence(text: str) -> tuple[str, str]:
    """Return a plain text without its line `Sentence: ...`, and what that says; empty where there is none."""
    if (line := SAID.search(text)) is None:
        return text, ""
    return text[: line.start()].rstrip(" \t") + "\n" + text[line.end() :], line[1]


def plain(text: str) -> str:
    """Return a text without markup and what follows the answer's end; a JSON object as lines."""
    text = next(filter(str.strip, AFTER.split(text)), "")
    text = UNSEEN.sub("", text).translate(WIDE)
    for brace in re.finditer("{", text):
        try:
            fields, _ = json.JSONDecoder().raw_decode(text, brace.start())
        except (ValueError, RecursionError):
            continue
        lines = [
            f"{name.replace('_', ' ')}: {'; '.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in fields.items()
            if isinstance(value, str | list)
        ]
        if any(HEADINGS[0].match(line) for line in lines):
            return "\n".join(lines)
    text = TAG.sub("", re.sub(r"<br ?/?>|</(?:p|li|div|h\d)>", "\n", TAGGED.sub(r"\n\1: ", FENCE.sub("", text))))
    return EMPHASIS.sub("", text)


def bodies(text: str, side: str) -> dict[str, str] | str:
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
            first, again = (pieces(b, PHRASES[side]) for b in (bodies[field], body))
            same = again == first or (place == len(parts) - 1 and "; ".join(first).startswith("; ".join(again)))
            if not same or field != parts[place - count][0]:
                return "repeated heading"
        return bodies
    return "missing heading"
