"""From an answer to the fields of a profile: repairs are counted, and nothing is ever guessed."""

from html import unescape

from ptebench.profiles.schema.fields import FIELDS, ID, PHRASES, SENTENCE, normalise, sentence_of, strict, usable
from ptebench.profiles.schema.headings import bodies, plain, without_sentence
from ptebench.profiles.schema.phrases import pieces
from ptebench.profiles.schema.thoughts import THOUGHTS, without_thoughts

FEW = "too few phrases"


def repaired(text: str, side: str) -> tuple[dict | None, str | None]:
    """Return the fields and the name of the repair that was needed.

    The repair is None where the text is strictly right. Fields are None where a heading is
    missing or given twice, or where fewer distinct phrases are left than the schema asks for:
    nothing is ever invented. A sentence that cannot stand is left out.
    """
    if (fields := strict(text, side)) is not None:
        return fields, None
    answer = without_thoughts(text)
    if not answer and text.strip():
        return None, THOUGHTS
    if (fields := strict(answer, side)) is not None:
        return fields, "thoughts" if answer != unescape(text).strip() else "layout"
    lists, line = without_sentence(plain(answer))
    answers = bodies(lists, side)
    if isinstance(answers, str):
        return None, answers
    fields, repair = {}, "layout"
    for field in FIELDS[side]:
        parts = pieces(answers[field], PHRASES[side])
        result = list(dict.fromkeys(map(normalise, parts)))
        phrases = [p for p in result if usable(p)]
        if len(phrases) < PHRASES[side]:
            return None, "item ids" if any(map(ID.search, result)) else FEW
        if len(parts) > PHRASES[side]:
            repair = "surplus phrases"
        fields[field] = phrases[: PHRASES[side]]
    if sentence := sentence_of(line):
        fields[SENTENCE] = [sentence]
    return fields, "sentence left out" if line and not sentence else repair
