"""What the columns of a file mean, by their names and by what they hold."""

import json
import re
from pathlib import Path

import polars as pl

from ptebench.errors import InputError, absence
from ptebench.raw.columns import fault_of_names
from ptebench.raw.lines import Malformed, lines
from ptebench.raw.tables import header, table_blocks

LOOK = 20_000  # rows that columns are judged by
NAMES = {
    "user_id": ("user", "customer", "reviewer", "member", "visitor", "session", "client", "uid", "viewer", "buyer",
                "person", "account", "listener", "reader", "player", "subscriber"),
    "item_id": ("item", "product", "asin", "sku", "movie", "business", "book", "isbn", "news", "article", "track",
                "song", "game", "app", "video", "recipe", "venue", "hotel", "restaurant", "course", "poi"),
    "timestamp": ("timestamp", "unix", "time", "date", "created", "ts"),
    "rating": ("rating", "stars", "score", "overall", "grade"),
    "title": ("title", "name", "headline"),
    "categories": ("categor", "genre", "tags", "topic", "department"),
    "brand": ("brand", "maker", "author", "artist", "publisher", "manufacturer"),
    "description": ("description", "abstract", "summary", "text", "about"),
}  # fmt: skip
TIMES = r"^1?\d{9}(\.\d+)?$|^\d{4}-\d\d-\d\d"  # seconds since 1970, of 1973 to 2033; a day
NUMBER = re.compile(r"(?i)(id|no|nr|num|number|code|isbn|count|price|amount)$")  # ends the name of what counts or names


def named(columns: list[str], names: tuple[str, ...]) -> dict[str, str]:
    """Return the column for each of our names in `names` that a column's name tells, each column once."""
    meanings: dict[str, str] = {}
    for ours in names:
        left = [column for column in columns if column not in meanings.values()]
        plain = {column: column.lower().replace("-", "_") for column in left}
        # a name that begins with the word, and one that says it is an id, come first
        order = sorted(
            left, key=lambda c: (not plain[c].endswith(("id", "_no")), len(c)) if ours.endswith("_id") else 0
        )
        for word in (ours, *NAMES[ours]):
            if match := next((c for c in order if plain[c].startswith(word)), None) or next(
                (c for c in order if word in plain[c]), None
            ):
                meanings[ours] = match
                break
    return meanings


def columns_of(path: Path) -> list[str]:
    """Return the names of a file's columns; of JSON lines, the keys of its first records without those of objects.

    Raises InputError where the first line holds data in place of names.
    """
    if not path.is_file():
        raise InputError(f"{path}: {absence(path)}")
    if (names := header(path)) is None:
        try:
            pairs = [pair for line in next(lines(path))["text"].head(100) for pair in json.loads(line).items()]
        except (ValueError, RecursionError, AttributeError) as error:
            raise InputError(f"{path}: its first lines are no records ({error}); see what they hold") from error
        nested = {key for key, value in pairs if isinstance(value, dict)}
        return [key for key in dict.fromkeys(key for key, _ in pairs) if key not in nested]
    if fault := fault_of_names(names):
        raise InputError(f"{path}: {fault}")
    return names


def look(path: Path, column: str) -> pl.Series:
    """Return the first texts of a column, those of lists apart; none where it holds neither."""
    texts, malformed = list[pl.Series](), Malformed(10**9)
    for block in table_blocks(path, [], malformed, [column]):
        values = block[column].explode() if block.schema[column].is_nested() else block[column]
        texts.append(values.cast(pl.String, strict=False).drop_nulls())
        if sum(map(len, texts)) >= LOOK:
            break
    if malformed.first and not any(map(len, texts)):
        raise InputError(
            f"{malformed.first}; {malformed.count:,} lines are malformed, and no other is there: mend them"
        )
    return pl.concat(texts)


def find_times(path: Path, columns: list[str]) -> str | None:
    """Return the first column all of whose values look like times, whatever its name but that of a number."""
    for column in columns:
        if not NUMBER.search(column) and len(values := look(path, column)) and values.str.contains(TIMES).all():
            return column
    return None
