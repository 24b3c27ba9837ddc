"""The prompts, all in one place. Evidence stands in lines that begin with "- "; only these are ever cut."""

import hashlib
from dataclasses import dataclass

import polars as pl

from ptebench.files import InputError
from ptebench.profiles.parse import FIELDS, skeleton

WORDS = 20  # of an item's description that a prompt shows
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
LIKED = "liked by "
WORDING = {USER_TASK, STRANGER_TASK, ITEM_TASK, READERS, NEIGHBOURS, ALONE, MARK + NOTHING, SIMILAR}


@dataclass(frozen=True)
class Cards:
    """What a prompt shows of each item; every list has n + 1 entries, entry 0 stands for padding.

    An item without any text has an empty title, and no prompt shows it among others.
    """

    title: list[str]
    categories: list[list[str]]
    brand: list[str]
    description: list[str]

    def line(self, item: int) -> str:
        """Return an item in one line: title, categories, brand, the first words of the description."""
        parts = [self.title[item], " > ".join(self.categories[item]), self.brand[item], self.description[item]]
        return " | ".join(p for p in parts if p)


def clean(column: pl.Expr) -> pl.Expr:
    """Return a text column on one line each, null as the empty text, in lower case as answers are."""
    return column.fill_null("").str.replace_all(r"\s+", " ").str.strip_chars().str.to_lowercase()


def cards_of(items: pl.DataFrame, vocabulary: pl.DataFrame) -> Cards:
    """Return the cards by dense id; raise InputError for an item of the vocabulary that has no row."""
    known = vocabulary.filter(side="item").sort("id").join(items, left_on="raw", right_on="item_id", how="left")
    if known["card"].null_count():
        raw = known.filter(pl.col("card").is_null())["raw"][0]
        raise InputError(f"items.parquet: item {raw!r} of the split has no row; delete both files and run again")
    words = pl.col("text").str.split(" ").list.head(WORDS).list.join(" ")
    title, card = clean(pl.col("title")), clean(pl.col("card"))
    known = known.with_columns(
        # without a title the card speaks; it then stands once, not as the description again
        name=pl.when(title != "").then(title).otherwise(card),
        text=clean(pl.col("description")),
    ).with_columns(
        name=pl.col("name").str.split(" ").list.head(WORDS).list.join(" "),
        text=words,
    )
    categories = known.select(
        pl.col("categories").fill_null([]).list.eval(clean(pl.element()).filter(clean(pl.element()) != ""))
    )["categories"]
    return Cards(
        [""] + known["name"].to_list(),
        [[]] + categories.to_list(),
        [""] + known.select(clean(pl.col("brand")))["brand"].to_list(),
        [""] + known["text"].to_list(),
    )


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


def history_lines(history: list[int], cards: Cards, audiences: dict, shown: int, annotated: int) -> list[str]:
    """Return the `shown` newest items, a line each; the `annotated` newest of them with their audience."""
    history = [i for i in history if cards.title[i]][-shown:]
    lines = [cards.line(i) for i in history]
    for place in range(max(0, len(history) - annotated), len(history)):
        if fields := audiences.get(history[place]):
            lines[place] += " | " + audience(fields)
    return lines or [NOTHING]


def user_prompt(history: list[int], cards: Cards, audiences: dict, shown: int, annotated: int) -> str:
    """Return the prompt for a user from the newest items of the history."""
    return assemble(USER_TASK, history_lines(history, cards, audiences, shown, annotated), "user")


def stranger_prompt(prior: dict) -> str:
    """Return the prompt for a user of whom nothing is known: the profile of a typical one."""
    return assemble(STRANGER_TASK, [in_one_line(prior)], "user")


def collaborative_prompt(
    history: list[int], cards: Cards, audiences: dict, shown: int, annotated: int, others: list[list[int]]
) -> str:
    """Return the prompt for a user beside the histories of similar users, whose newest titles share a line each."""
    lines = history_lines(history, cards, audiences, shown, annotated)
    theirs = [
        MARK + "; ".join(titles[-shown:])
        for other in others
        if (titles := [cards.title[i] for i in other if cards.title[i]])
    ]
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
    lines = prompt.split("\n")
    shown = (line for line in lines[: lines.index(CONTRACT)] if line not in WORDING)
    return "\n".join(line.removeprefix(MARK) for line in shown).replace(LIKED, "")


def fit(prompt: str, excess) -> str:
    """Return the prompt without as many lines from the middle of its evidence as `excess` asks for.

    excess(prompt) -> tokens beyond the limit. Task, card and contract are never cut; raises
    InputError where they alone are too long.
    """
    while (surplus := excess(prompt)) > 0:
        lines = prompt.split("\n")
        places = [p for p, line in enumerate(lines) if line.startswith(MARK)]
        if not places:
            raise InputError(
                f"language model: the prompt without evidence is {surplus} tokens too long; raise 'context', lower "
                "'new_tokens', or choose a model with a longer context"
            )
        del lines[places[len(places) // 2]]
        prompt = "\n".join(lines)
    return prompt


def digest(prompt: str) -> str:
    """Return the sha256 of a prompt's text."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def messages(prompt: str) -> list[dict]:
    """Return the prompt as a conversation: one user turn, which every chat template admits."""
    return [{"role": "user", "content": prompt}]
