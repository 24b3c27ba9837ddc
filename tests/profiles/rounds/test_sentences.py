"""The model's own sentence in its instructions."""

from ptebench.profiles.evidence.prompts import BEYOND, CONTRACT, messages
from ptebench.profiles.rounds import sentences
from ptebench.profiles.rounds.sentences import sentence_in, with_sentences
from ptebench.profiles.schema.fields import SENTENCE, layout, skeleton, strict

SPEC = {"schema": "sentence", "context": 200, "new_tokens": {"user": 40}, "write_batch": 2}
FIELDS = {"Roles": ["hiker", "cook", "reader"], "Interests": ["tents", "bread", "novels"]}
PROMPT = f"Summarise.\n- red tent\n{BEYOND}\n{skeleton('user', True)}"


class Tokenizer:
    """A tokenizer whose tokens are characters."""

    pad_token_id = 0

    def apply_chat_template(self, turns, **_):
        return turns[0]["content"]

    def __call__(self, text, **_):
        return {"input_ids": [ord(c) for c in text]}

    def decode(self, tokens, **_):
        return "".join(map(chr, tokens))


def row(fields):
    """Return a dialogue's instruction, whose first answer is a profile."""
    rest = [*messages("Would they?"), {"role": "assistant", "content": "yes"}]
    return {"prompt": messages(PROMPT), "completion": [{"role": "assistant", "content": layout(fields, "user")}, *rest]}


def test_what_the_teacher_does_not_say_the_model_says_and_no_other_word_changes(monkeypatch):
    asked = []

    def generate(model, tokenizer, prompts, limit, batch):
        asked.extend(prompts)
        return [[ord(c) for c in answer] for answer in ("Sure:\nSentence: They camp by lakes.", "...")]

    monkeypatch.setattr(sentences, "generate", generate)
    said = FIELDS | {SENTENCE: ["They sail at dawn."]}
    rows = [row(FIELDS), row(FIELDS), row(said)]
    new, added = with_sentences(rows, "user", None, Tokenizer(), SPEC | {"context": 2000})
    assert added == 1 and len(asked) == 2 and all(CONTRACT not in p and BEYOND not in p for p in asked)
    assert "- red tent" in asked[0] and "Roles: hiker; cook; reader" in asked[0]
    assert strict(new[0]["completion"][0]["content"], "user") == FIELDS | {SENTENCE: ["They camp by lakes."]}
    assert new[0]["completion"][1:] == rows[0]["completion"][1:] and new[1:] == rows[1:]


def test_a_sentence_is_the_first_line_that_is_one():
    assert sentence_in("Here it is:\n\n...\nThey like lakes.\nThey sail.") == "They like lakes."
    assert (
        sentence_in("Sentence: They sail.") == sentence_in("- They sail.") == "They sail."
        and sentence_in("...\n") is None
    )
