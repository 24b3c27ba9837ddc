"""The wording of all prompts.

Evidence is in lines that begin with "- "; only these are cut when a prompt is too long.
"""

from ptebench.files import InputError
from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.owners import cold_examples
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.schema.fields import FIELDS, WORDS, skeleton

MARK = "- "
USER_TASK = "Summarise what this person likes. Items they chose, newest last:"
STRANGER_TASK = "Summarise what this person likes. Nothing is known of them; a typical person here is:"
ITEM_TASK = "Summarise who likes this item."
READERS = "Profiles of people who chose it:"
NEIGHBOURS = "Nobody has chosen it yet. Similar items and their audiences:"
ALONE = "Nobody has chosen it yet."
NOTHING = "nothing yet"
SIMILAR = "People who chose alike, and what they chose:"
QUESTION = "Would this person choose the following item? Answer yes or no."
CONTRACT = "Answer in exactly this form, lower case, no numbers:"
BEYOND = (
    f"Answer in exactly this form, no numbers; the sentence, of at most {WORDS} words, says what you know beyond this:"
)
CONTRACTS = {CONTRACT, BEYOND}
SAY = f"In one sentence of at most {WORDS} words, say what else"
SAY_OF = {"user": f"{SAY} this person probably likes.", "item": f"{SAY} people who like this item probably like."}
LIKED = "liked by "
WORDING = {USER_TASK, STRANGER_TASK, ITEM_TASK, READERS, NEIGHBOURS, ALONE, MARK + NOTHING, SIMILAR}


def audience(fields: dict) -> str:
    """Return the head of an item's profile, short enough to stand in the item's line."""
    roles, interests = (fields[f][:2] for f in FIELDS["item"])
    return LIKED + ", ".join(roles + interests)


def in_one_line(fields: dict) -> str:
    """Return a user's profile as a line of evidence."""
    return "; ".join(p for f in FIELDS["user"] for p in fields[f])


def assemble(task: str, evidence: list[str], side: str) -> str:
    """Return the text of a prompt: task, evidence, contract."""
    return "\n".join([task, *(MARK + e for e in evidence), CONTRACT, skeleton(side)])


def form(prompt: str, side: str, spec: dict) -> str:
    """Return the prompt as the language model's schema has it: `sentence` asks for one beside the phrases."""
    if spec.get("schema", "phrases") == "phrases":
        return prompt
    return prompt.removesuffix(f"{CONTRACT}\n{skeleton(side)}") + f"{BEYOND}\n{skeleton(side, True)}"


def sentence_prompt(prompt: str, profile: str, side: str) -> str:
    """Return the prompt that asks for the sentence alone, beside a prompt's evidence and the phrases said of it."""
    return "\n".join([*evidence_lines(prompt), profile, SAY_OF[side]])


def history_lines(history: list[int], cards: Cards, audiences: dict, count: int, annotated: int) -> list[str]:
    """Return the `count` newest items, a line each; the `annotated` newest of them with their audience."""
    history = cards.newest(history, count)
    lines = [cards.line(i) for i in history]
    for place in range(max(0, len(history) - annotated), len(history)):
        if fields := audiences.get(history[place]):
            lines[place] += " | " + audience(fields)
    return lines or [NOTHING]


def user_prompt(history: list[int], cards: Cards, audiences: dict, count: int, annotated: int) -> str:
    """Return the prompt for a user from the newest items of the history."""
    return assemble(USER_TASK, history_lines(history, cards, audiences, count, annotated), "user")


def stranger_prompt(prior: dict) -> str:
    """Return the prompt for a user of whom nothing is known: the profile of a typical one."""
    return assemble(STRANGER_TASK, [in_one_line(prior)], "user")


def collaborative_prompt(
    history: list[int], cards: Cards, audiences: dict, count: int, annotated: int, others: list[list[int]]
) -> str:
    """Return the prompt for a user beside the histories of similar users, whose newest titles share a line each."""
    lines = history_lines(history, cards, audiences, count, annotated)
    theirs = [MARK + "; ".join(cards.title[i] for i in newest) for o in others if (newest := cards.newest(o, count))]
    task = "\n".join([SIMILAR, *theirs, USER_TASK]) if theirs else USER_TASK
    return assemble(task, lines, "user")


def question(item: int, cards: Cards) -> str:
    """Return the second turn of a dialogue."""
    return f"{QUESTION}\n{cards.line(item)}"


def _of_item(item: int, cards: Cards, evidence: str) -> str:
    return "\n".join(part for part in (ITEM_TASK, cards.line(item), evidence) if part)


def item_prompt(item: int, cards: Cards, readers: list[dict]) -> str:
    """Return the prompt for an item that people chose: its card and the fields of its readers' profiles."""
    task = _of_item(item, cards, READERS if readers else ALONE)
    return assemble(task, [in_one_line(fields) for fields in readers], "item")


def cold_item_prompt(item: int, cards: Cards, similar: list[tuple[int, dict]]) -> str:
    """Return the prompt for an item that nobody chose: its card, and similar items with their audiences."""
    task = _of_item(item, cards, NEIGHBOURS if similar else ALONE)
    return assemble(task, [f"{cards.title[i]} | {audience(fields)}" for i, fields in similar], "item")


def evidence_text(prompt: str) -> str:
    """Return what a prompt tells of its owner: cards and profiles, without the wording that all prompts share."""
    evidence = (line for line in evidence_lines(prompt) if line not in WORDING)
    return "\n".join(line.removeprefix(MARK) for line in evidence).replace(LIKED, "")


def evidence_lines(prompt: str) -> list[str]:
    """Return the lines of a prompt before its contract; all where it has none."""
    lines = prompt.split("\n")
    return lines[: next((place for place, line in enumerate(lines) if line in CONTRACTS), len(lines))]


def fit(prompt: str, excess) -> str:
    """Return the prompt without as many lines from the middle of its evidence as `excess` asks for.

    excess(prompt) -> tokens beyond the limit. Task, card and contract are never cut; raises InputError where they alone
    are too long, or where no evidence is left: nobody can be described by none.
    """
    whole = evidence_text(prompt).strip()
    while (surplus := excess(prompt)) > 0:
        lines = prompt.split("\n")
        places = [p for p, line in enumerate(lines) if line.startswith(MARK)]
        if places:
            del lines[places[len(places) // 2]]
        shorter = "\n".join(lines)
        if not places or (whole and not evidence_text(shorter).strip()):
            raise InputError(
                f"language model: a prompt with the least evidence is {surplus} tokens too long; raise 'context', "
                "lower 'new_tokens', or choose a model with a longer context"
            )
        prompt = shorter
    return prompt


def messages(prompt: str) -> list[dict]:
    """Return the prompt as a conversation: one user turn, which every chat template admits."""
    return [{"role": "user", "content": prompt}]


def user_prompts(ids, histories: dict, cards: Cards, audiences: dict, spec: dict) -> list[str]:
    """Return the prompts of users; `audiences` are item profiles by id (none: the plain prompt)."""
    count, annotated = spec["history"], spec["neighbours"]
    return [form(user_prompt(histories[u], cards, audiences, count, annotated), "user", spec) for u in ids]


def item_prompts(ids, split: Split, profiles: dict, audiences: dict, cold: set, vectors, spec: dict) -> list[str]:
    """Return the prompts of items.

    Warm items show the profiles of their readers (`profiles`, users by id); items in `cold` or without
    readers show the content-nearest warm items that have one of `audiences` (item profiles by id).
    """
    readers = split.readers(spec["neighbours"], spec["seed"])
    strangers = [i for i in ids if i in cold or i not in readers]
    similar = nearest(strangers, vectors, [i for i in readers if i in audiences], spec["neighbours"])
    prompts = []
    for i in ids:
        if i in similar:
            prompts.append(cold_item_prompt(i, split.cards, [(j, audiences[j]) for j in similar[i]]))
        else:
            prompts.append(item_prompt(i, split.cards, [profiles[u] for u in readers[i] if u in profiles]))
    return [form(prompt, "item", spec) for prompt in prompts]


def item_lessons(ids, split: Split, rest: Split, readers: dict, audiences: dict, vectors, spec: dict) -> list[str]:
    """Return the prompts that teach of items; some warm ones stand in for cold ones.

    rest: the split without what is held out. readers, audiences: profiles of users and items by id.
    """
    warm = {i: audiences[i] for i in split.warm().tolist()}
    return item_prompts(ids, rest, readers, warm, cold_examples(ids, spec["seed"]), vectors, spec)
