"""The grammar of profiles: what is accepted, what is repaired, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptebench.profiles.schema.fields import (
    FIELDS,
    PHRASES,
    SENTENCE,
    WORDS,
    layout,
    phrases,
    sentence_of,
    skeleton,
    strict,
)
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.schema.thoughts import without_thoughts

GOOD = "Roles: jazz fan; home cook; hiker\nInterests: piano; bread; long trails"
ITEM = "Audience roles: ab; cd; ef; gh; ij\nAudience interests: kl; mn; op; qr; st"
R, I = GOOD.split("\n")  # noqa: E741
words = st.text("abcdefghij klmnop", min_size=1, max_size=12).map(lambda t: " ".join(t.split())).filter(bool)


def listed(mark, end="\n", heading="{}:"):
    """Return the good profile as two lists."""
    fields = strict(GOOD, "user").items()
    return end.join(
        heading.format(f) + end + end.join(mark.format(n, p) for n, p in enumerate(v, 1)) for f, v in fields
    )


@pytest.mark.parametrize("side", ["user", "item"])
@given(st.data())
def test_what_is_laid_out_is_read_back(side, data):
    phrases = st.lists(words, min_size=PHRASES[side], max_size=PHRASES[side], unique=True)
    fields = {field: data.draw(phrases) for field in FIELDS[side]}
    assert strict(layout(fields, side), side) == fields
    assert repaired(layout(fields, side), side) == (fields, None)


SAME = {
    "capitals": GOOD.upper(),
    "full stop": GOOD + ".",
    "commas": GOOD.replace(";", ","),
    "one semicolon": R.replace("; hiker", ", hiker") + "\n" + I,
    "bars": GOOD.replace(";", " |"),
    "slashes": GOOD.replace("; ", " / "),
    "tabs": GOOD.replace(" jazz", "\tjazz").replace("; ", ";\t"),
    "comma and": R.replace(";", ",").replace(", hiker", ", and hiker") + "\n" + I,
    "and without a comma": R + "\nInterests: piano, bread and long trails",
    "preamble": "Sure! Here is the profile:\n\n" + GOOD,
    "preamble that names both": "Here are the roles and interests:\n\n" + GOOD,
    "preamble that names one": "Here is a summary of the user interests:\n" + GOOD,
    "announcement as a heading": "Interests:\n" + GOOD,
    "chatter behind": GOOD + "\n\nLet me know if you need anything else!",
    "chatter in the line": GOOD + ". Let me know if this helps, I can refine it!",
    "chatter with commas": GOOD.replace(";", ",") + "\n\nLet me know, I can refine it, really!",
    "chatter cut off": GOOD + "\n\nNote: based on the history; this prof",
    "explanation": GOOD + "\n\nRoles explanation: because; of; them",
    "bold headings": f"**Roles:**{R[6:]}\n**Interests:**{I[10:]}",
    "bold headings, colon out": f"**Roles**:{R[6:]}\n**Interests**:{I[10:]}",
    "bold phrases": GOOD.replace("jazz fan", "**jazz fan**").replace("piano", "*piano*"),
    "hash headings": f"### Roles:\n{R[7:]}\n### Interests:\n{I[11:]}",
    "hash headings without a colon": listed("- {1}", heading="### {}"),
    "bold headings alone": listed("* {1}", heading="**{}**"),
    "bullets": listed("- {1}"),
    "round bullets": listed("• {1}"),
    "bullets apart": listed("- {1}", "\n\n"),
    "numbered": listed("{0}. {1}"),
    "numbered in brackets": listed("{0}) {1}"),
    "bullets that say why": listed("- **{1}**: they chose much of it"),
    "bullets that say why, dashed": listed("- {1} – from the newest items"),
    "lines": listed("{1}"),
    "numbered in the line": R.replace(": ", ": 1. ").replace("; home", "; 2. home").replace("; hiker", "; 3. hiker") + "\n" + I,
    "numbered without separators": "Roles: 1. jazz fan 2. home cook 3. hiker\n" + I,
    "numbered headings": f"1. {R}\n2. {I}",
    "dashed headings": f"- {R}\n- {I}",
    "counted headings": GOOD.replace("Roles:", "Roles (3):"),
    "dash for colon": GOOD.replace(":", " -"),
    "equals for colon": GOOD.replace(":", " ="),
    "table": f"| Field | Phrases |\n|---|---|\n| Roles | {R[7:]} |\n| Interests | {I[11:]} |",
    "JSON": '{"roles": ["jazz fan", "home cook", "hiker"], "interests": ["piano", "bread", "long trails"]}',
    "JSON of texts": '{"Roles": "jazz fan; home cook; hiker", "Interests": "piano, bread, long trails"}',
    "JSON in a fence": 'Here:\n```json\n{\n "roles": ["jazz fan", "home cook", "hiker"],\n "interests": ["piano", "bread",'
    ' "long trails"]\n}\n```',
    "JSON within JSON": '{"profile": {"roles": ["jazz fan", "home cook", "hiker"], "interests": ["piano", "bread", '
    '"long trails"]}}',
    "JSON not closed": '{\n "roles": [\n  "jazz fan",\n  "home cook",\n  "hiker"\n ],\n "interests": [\n  "piano",\n'
    '  "bread",\n  "long trails"',
    "Python": "{'roles': ['jazz fan', 'home cook', 'hiker'], 'interests': ['piano', 'bread', 'long trails']}",
    "YAML": listed("  - {1}").lower(),
    "lists of JSON in lines": 'Roles: ["jazz fan", "home cook", "hiker"]\nInterests: ["piano", "bread", "long trails"]',
    "XML": "<profile><roles>jazz fan; home cook; hiker</roles><interests>piano; bread; long trails</interests></profile>",
    "HTML": f"<b>Roles:</b>{R[6:]}<br><b>Interests:</b>{I[10:]}",
    "code fence": f"```\n{GOOD}\n```",
    "code fence with a language": f"```text\n{GOOD}\n```\n",
    "quotation": "> " + GOOD.replace("\n", "\n> "),
    "quotes": GOOD.replace("jazz fan", '"jazz fan"').replace("piano", "“piano”"),
    "full width": GOOD.translate(str.maketrans(":;,", "：；，")).replace("： ", "："),
    "one line": GOOD.replace("\n", ". "),
    "one line without a stop": GOOD.replace("\n", " "),
    "in a sentence": "The roles: jazz fan, home cook, hiker and the interests: piano, bread, long trails.",
    "wrapped line": GOOD.replace("home cook; ", "home cook;\n"),
    "other order": f"{I}\n{R}",
    "one of each": GOOD.replace("Roles", "Role").replace("Interests", "Interest"),
    "another writer's headings": "User identity: Jazz fan, Home cook, Hiker; User interests: Piano, Bread, Long trails.",
    "possessive headings": GOOD.replace("Roles", "User's roles").replace("Interests", "User's interests"),
    "said again": "\n".join([GOOD] * 3),
    "said again, cut off": f"{GOOD}\n{GOOD[:50]}",
    "the next turn": GOOD + "<|im_end|>\n<|im_start|>user\nMore",
    "the next turn of another": GOOD + "</s>[INST] More",
    "unseen characters": GOOD.replace("hiker", "hi\x00ker\u200b"),
    "windows lines": GOOD.replace("\n", "\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_what_says_the_same_is_read_the_same(name):
    assert strict(SAME[name], "user") is None
    assert repaired(SAME[name], "user") == (strict(GOOD, "user"), "layout")


@pytest.mark.parametrize("text", [
    ITEM.replace("Audience roles", "Roles").replace("Audience interests", "Interests"),
    "This item appeals to the following audience roles: ab, cd, ef, gh, ij. Audience interests: kl, mn, op, qr, st.",
    '{"audience_roles": ["ab", "cd", "ef", "gh", "ij"], "audience_interests": ["kl", "mn", "op", "qr", "st"]}',
    ITEM + "\nWhy: because the item is a tool for gardeners; cooks",
    ITEM.replace("Audience ", "**Audience ").replace(":", ":**"),
])  # fmt: skip
def test_items_are_read_as_users_are(text):
    assert repaired(text, "item") == (strict(ITEM, "item"), "layout")


def test_surplus_phrases_are_cut():
    assert repaired(GOOD.replace("hiker", "hiker; sailor"), "user") == (strict(GOOD, "user"), "surplus phrases")


FORM = "The form is Roles: a b; c d; e f and Interests: x y; z; w."
THOUGHTS = {
    "think": f"<think>\n{FORM}\n</think>\n\n{GOOD}",
    "without headings": f"<think>\nThey like lamps.\n</think>\n\n{GOOD}",
    "nothing thought": f"<think>\n\n</think>\n\n{GOOD}",
    "the opening mark in the prompt": f"{FORM}\n</think>\n{GOOD}",
    "the closing mark quoted": f"<think>I write </think> at the end. {FORM}</think>{GOOD}",
    "nested": f"<think>a <think>{FORM}</think> b</think>{GOOD}",
    "twice": f"<think>{FORM}</think><think>and again</think>{GOOD}",
    "thinking": f"<thinking>{FORM}</thinking>{GOOD}",
    "reasoning": f"<reasoning>{FORM}</reasoning>\n<answer>\n{GOOD}\n</answer>",
    "thought": f"<thought>{FORM}</thought>\n{GOOD}",
    "seed": f"<seed:think>{FORM}</seed:think>{GOOD}",
    "capitals": f"<THINK>{FORM}</THINK>{GOOD}",
    "mistral": f"[THINK]{FORM}[/THINK]{GOOD}",
    "kimi": f"◁think▷{FORM}◁/think▷{GOOD}",
    "command": f"<|START_THINKING|>{FORM}<|END_THINKING|><|START_RESPONSE|>{GOOD}<|END_RESPONSE|>",
    "channels": f"<|channel|>analysis<|message|>{FORM}<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>",
    "channels without marks": f"analysisWe see. {FORM}assistantfinal{GOOD}",
    "a mark with attributes": f'<details type="reasoning"><summary>3 s</summary>{FORM}</details>{GOOD}',
    "a name with more words": f"<reasoning_content>{FORM}</reasoning_content>{GOOD}",
    "bars": f"<|think|>{FORM}<|/think|>{GOOD}",
    "inner": f"<|inner_prefix|>{FORM}<|inner_suffix|>{GOOD}",
    "unused": f"<unused94>thought\n{FORM}<unused95>{GOOD}",
    "brackets": f"[THINKING]{FORM}[/THINKING]{GOOD}",
    "escaped": f"&lt;think&gt;{FORM}&lt;/think&gt;{GOOD}",
    "wide": f"＜think＞{FORM}＜/think＞{GOOD}",
    "constrained": f"<|channel|>analysis<|message|>{FORM}<|end|><|channel|>final <|constrain|>json<|message|>{GOOD}",
    "opened behind": f"{GOOD}<think>",
    "thoughts behind": f"{GOOD}\n<think>{FORM}</think>",
    "thoughts behind, cut": f"{GOOD}\n<think>{FORM}",
}
CUT = {
    "think": f"<think>\n{FORM} Now",
    "closed and silent": f"<think>\n{FORM}\n</think>\n",
    "the opening mark in the prompt": f"{FORM}</think>",
    "reasoning": f"<reasoning>{FORM}",
    "mistral": f"[THINK]{FORM}",
    "attributes": f'<think time="3">{FORM}',
    "bars": f"<|thinking|>{FORM}",
    "escaped": f"&lt;think&gt;{FORM}",
    "cut within the closing mark": f"{FORM}</think",
    "channel": f"<|channel|>analysis<|message|>{FORM}",
    "channel, ended": f"<|channel|>analysis<|message|>{FORM}<|end|>",
    "channel without marks": f"analysisWe see. {FORM}",
}


@pytest.mark.parametrize("name", THOUGHTS)
def test_thoughts_are_no_part_of_an_answer(name):
    fields, repair = repaired(THOUGHTS[name], "user")
    assert fields == strict(GOOD, "user") and repair in ("thoughts", "layout")
    assert FORM not in without_thoughts(THOUGHTS[name])


@pytest.mark.parametrize("name", CUT)
def test_an_answer_cut_within_its_thoughts_is_none(name):
    assert repaired(CUT[name], "user") == (None, "thoughts without an answer")


@pytest.mark.parametrize(
    "text, why",
    [
        ("", "missing heading"),
        ("Roles: a; b; c", "missing heading"),
        ("I'm sorry, but I can't help with that.", "missing heading"),
        ("Rollen: Jazzfan; Koch; Wanderer\nInteressen: Klavier; Brot; Wege", "missing heading"),
        ("Roles: a; b; b\nInterests: d; e; f", "too few phrases"),
        ("Roles: a; b; 17\nInterests: d; e; f", "too few phrases"),
        (R + "\nInterests: piano; bread\nNote: based on the history; may vary", "too few phrases"),
        ("Roles: role 1; role 2; role 3\nInterests: interest 1; interest 2; interest 3", "too few phrases"),
        ("Roles: [role 1]; [role 2]; [role 3]\n" + I, "too few phrases"),
        ("Roles: jazz fan and home cook and hiker\n" + I, "too few phrases"),
        ("Roles: a; b; c\nRoles: a; b; c\nInterests: d; e; f", "repeated heading"),
        (GOOD + "\n" + GOOD.replace("hiker", "sailor"), "repeated heading"),
        (GOOD.replace("hiker", "x" * 61), "too few phrases"),
        (GOOD.replace("hiker", "b0071y61r8 buyer"), "item ids"),
        (GOOD.replace("hiker", "buyer of 1234567"), "item ids"),
        (GOOD.replace("hiker", "item 4711"), "item ids"),
        (GOOD.replace("hiker", "item_42"), "item ids"),
        (GOOD.replace("hiker", "reader of item #12"), "item ids"),
        (GOOD.replace("hiker", "id 42"), "item ids"),
        (GOOD.replace("hiker", "n123"), "item ids"),
        ('{"a":' * 3000, "missing heading"),
        (GOOD + "; let me know if you need anything else!", None),
        (GOOD + " let me know if you need anything else!", None),
        (GOOD.replace("long trails", "let me know if you need anything else!"), "too few phrases"),
        (GOOD.replace("hiker", "1. hiker"), None),
    ],
)
def test_nothing_is_invented(text, why):
    fields, repair = repaired(text, "user")
    assert strict(text, "user") is None
    assert (fields, repair) == ((None, why) if why else (strict(GOOD, "user"), "layout"))


@pytest.mark.parametrize(
    "phrase",
    [
        "1990s music",
        "80s cook",
        "4x4 driver",
        "ps4",
        "windows2000",
        "n64 games",
        "vitamin b12",
        "items in 3d",
        "id4 fan",
        "thank you for smoking fan",
        "3d printing",
        "lover of new interests: art",
    ],
)
def test_numbers_of_things_are_no_ids(phrase):
    text = GOOD.replace("hiker", phrase)
    assert repaired(text, "user") == (strict(text, "user"), None) and strict(text, "user")


def test_the_skeleton_is_no_profile():
    for side in FIELDS:
        assert repaired(skeleton(side), side)[0] is None
        assert repaired(skeleton(side, True), side)[0] is None


SAYS = "Hikers like them often camp by lakes, and may want a stove."
WITH = f"{GOOD}\nSentence: {SAYS}"
SAID = {
    "as asked": WITH,
    "bold": WITH.replace("Sentence:", "**Sentence:**"),
    "a bold heading, colon out": WITH.replace("Sentence:", "**Sentence**:"),
    "a hash heading, the sentence below": WITH.replace("Sentence: ", "### Sentence:\n"),
    "lower case": WITH.replace("Sentence", "sentence"),
    "with its bounds": WITH.replace("Sentence:", "Sentence (40 words):"),
    "in one sentence": WITH.replace("Sentence:", "In one sentence:"),
    "quoted": WITH.replace(SAYS, f'"{SAYS}"'),
    "an empty line before": WITH.replace("\nSentence", "\n\nSentence"),
    "a list": "- " + WITH.replace("\n", "\n- "),
    "numbers": f"1. {R}\n2. {I}\n3. Sentence: {SAYS}",
    "first": f"Sentence: {SAYS}\n{GOOD}",
    "in the line of interests": WITH.replace("\nSentence", ". Sentence"),
    "full-width colons": WITH.replace(": ", "："),
    "chatter behind": WITH + "\n\nLet me know if you need anything else!",
    "chatter in the line": WITH + " Let me know if this helps.",
    "fenced": f"```\n{WITH}\n```",
    "thoughts": f"<think>{FORM} Sentence: they sail.</think>\n{WITH}",
    "JSON": '{"roles": ["jazz fan", "home cook", "hiker"], "interests": ["piano", "bread", "long trails"], '
    f'"sentence": "{SAYS}"}}',
    "XML": f"<roles>jazz fan; home cook; hiker</roles><interests>piano; bread; long trails</interests>"
    f"<sentence>{SAYS}</sentence>",
}


@pytest.mark.parametrize("name", SAID)
def test_a_sentence_is_read_beside_the_phrases(name):
    fields, repair = repaired(SAID[name], "user")
    assert fields == strict(GOOD, "user") | {SENTENCE: [SAYS]}
    assert repair is None if name == "as asked" else repair in ("layout", "thoughts")
    assert layout(fields, "user") == WITH and phrases(fields, "user")[-1] == SAYS and len(phrases(fields, "user")) == 7


@pytest.mark.parametrize("said", ["", "...", "hm", "they bought 12345678 last", "[...]"])
def test_a_sentence_that_cannot_stand_is_left_out(said):
    fields, repair = repaired(f"{GOOD}\nSentence: {said}", "user")
    assert fields == strict(GOOD, "user") and repair == ("sentence left out" if said else "layout")


def test_a_long_sentence_ends_where_one_ends_or_at_its_last_word():
    ends = "They hike. " + "and on " * WORDS
    assert sentence_of(ends) == "They hike."
    assert sentence_of("on and " * WORDS) == " ".join(["on and"] * (WORDS // 2))
    assert strict(f"{GOOD}\nSentence: {ends}", "user") is None
    assert strict(f"{WITH}\nSentence: {SAYS}", "user") is None


@given(st.text(max_size=400))
def test_a_sentence_is_one_again(text):
    sentence = sentence_of(text)
    assert sentence is None or (sentence_of(sentence) == sentence and len(sentence.split()) <= WORDS)
