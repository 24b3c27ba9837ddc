"""Chat templates whose prompts end where answers begin."""

import re

from jinja2 import TemplateError

from ptebench.files import InputError
from ptebench.profiles.evidence.prompts import messages
from ptebench.profiles.schema.thoughts import CLOSED_BY, OPENS

# a template that tells the day tells this one: what is written must not depend on when
DAY = {"%d": "1", "%-d": "1", "%m": "01", "%b": "Jan", "%B": "January", "%y": "25", "%Y": "2025"}
OPENED = re.compile(rf"({OPENS})\s*\Z", re.I)
ANSWER = "the answer"


def plain_turns(tokenizer) -> str:
    """Return the beginning of a template after which no user's turn holds a control token, but the same as words.

    A mark of the template in a title is text: a space parts its last character from the rest.
    """
    marks = {str(token) for token in tokenizer.added_tokens_decoder.values()} | set(tokenizer.all_special_tokens)
    marks = {mark for mark in marks if len(mark) > 2 and not re.search(r"\s", mark)}
    words = "".join(f"|replace({mark!r}, {mark[:-1] + ' ' + mark[-1]!r})" for mark in sorted(marks))
    return (
        "{% set plain = namespace(turns=[]) %}{% for turn in messages %}{% set plain.turns = plain.turns + "
        "[dict(turn, content=turn['content']" + words + ") if turn['role'] == 'user' else turn] %}{% endfor %}"
        "{% set messages = plain.turns %}"
    )


def with_template(tokenizer, arguments: dict, source: str) -> None:
    """Fix arguments and the day of the chat template, and have its prompts end where answers begin.

    In a user's turn nothing is a control token. The template of a reasoning model puts an empty place for thoughts (or
    the mark of a channel) before an answer, but not into a prompt, or opens the thoughts there; then the prompt is
    completed, so that nothing is thought.
    """
    template = tokenizer.get_chat_template().removesuffix("\n")
    for name in arguments:
        if not re.search(rf"\b{name}\b", template):
            raise InputError(
                f"language model {source!r}: 'template_arguments': its chat template does not read {name!r}"
            )
    assignments = "".join(f"{{% set {name} = {value!r} %}}" for name, value in arguments.items())
    if "strftime_now" in template:
        day = "".join(f"|replace({mark!r}, {value!r})" for mark, value in DAY.items())
        assignments += f"{{% macro strftime_now(format) %}}{{{{ format{day} }}}}{{% endmacro %}}"
    tokenizer.chat_template = assignments + plain_turns(tokenizer) + template
    turns = [*messages("a question"), {"role": "assistant", "content": ANSWER}]
    try:
        prompt = tokenizer.apply_chat_template(turns[:1], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(turns, tokenize=False)
    except TemplateError as error:
        raise InputError(
            f"language model {source!r}: its chat template refuses a question and its answer ({error}); see "
            "'template_arguments', or choose another model"
        ) from error
    before, _, _ = whole.rpartition(ANSWER)
    lacking = ""
    if before.startswith(prompt):
        lacking = before[len(prompt) :]
    elif opening := OPENED.search(prompt):
        mark = re.sub(r"^([<\[◁])([\w:-]+)[^\]▷>]*", r"\1/\2", opening[1])
        lacking = "\n" + CLOSED_BY.get(opening[1].lower(), mark) + "\n\n"
    if lacking.strip():
        tokenizer.chat_template += f"{{% if add_generation_prompt %}}{{{{ {lacking!r} }}}}{{% endif %}}"
