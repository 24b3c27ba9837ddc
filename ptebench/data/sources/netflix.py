"""Netflix Prize: movie_titles.csv, and files in which a line `movie:` heads the lines of its customers.

A line below is `customer,rating,date` in combined_data, `customer` in probe.txt, `customer,date` in qualifying.txt.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl

from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete
from ptebench.data.reading import Reading
from ptebench.files import InputError
from ptebench.raw.lines import Malformed, lines

MOVIE = r"^\s*(\d+):\s*$"
RATING = r"^(?<user_id>\d+),(?<rating>[1-5]),(?<date>\d{4}-\d\d-\d\d)\s*$"
PROBE = r"^(?<user_id>\d+)\s*$"
QUALIFYING = r"^(?<user_id>\d+),(?<date>\d{4}-\d\d-\d\d)\s*$"
COMMAS = pl.col("text").str.count_matches(",", literal=True)
NO_KEY = np.iinfo(np.uint64).max
# a movie and a customer as one number: movies have at most five digits, customers seven
KEY = (
    pl.col("item_id").cast(pl.UInt32, strict=False).cast(pl.UInt64) * 2**32
    + pl.col("user_id").cast(pl.UInt32, strict=False)
).fill_null(NO_KEY)
TITLE = r"^(?<item_id>\d+),(?<year>\d{4}|NULL),(?<title>.*)$"


def read(paths: dict[str, list[Path]], settings: dict) -> Reading:
    """Return interactions (times have day resolution), items and counts.

    With `probe`, its ratings are part `test` and all others `train`, as the publisher splits them. With `qualifying`,
    its pairs follow the ratings: they have a time, no rating, and never part `test`.
    """
    malformed = Malformed(settings["max_bad_rows"])
    frames = _ratings(paths["ratings"], malformed)
    if "probe" in paths:
        frames = _in_parts(frames, paths["probe"][0], malformed)
    if "qualifying" in paths:
        frames = chain(frames, _qualifying(paths["qualifying"][0], "train" if "probe" in paths else None, malformed))
    ratings = complete_interactions(frames)
    return Reading(ratings, _titles(paths["titles"][0], malformed), malformed)


def _ratings(paths: list[Path], malformed: Malformed) -> Iterator[pl.DataFrame]:
    for path in paths:
        expected = "'movie:' or, below one, 'customer,rating from 1 to 5,YYYY-MM-DD'"
        for frame in _below_movies(path, RATING, COMMAS != 2, expected, malformed):
            yield frame.select("user_id", "item_id", "timestamp", pl.col("rating").cast(pl.Float64))


def _qualifying(path: Path, part: str | None, malformed: Malformed) -> Iterator[pl.DataFrame]:
    expected = "'movie:' or, below one, 'customer,YYYY-MM-DD'"
    for frame in _below_movies(path, QUALIFYING, COMMAS != 1, expected, malformed):
        yield frame.select("user_id", "item_id", "timestamp", part=pl.lit(part, pl.String))


def _in_parts(ratings: Iterable[pl.DataFrame], path: Path, malformed: Malformed) -> Iterator[pl.DataFrame]:
    """Yield ratings with their part; a line of the probe is malformed if it is no rating or a second copy."""
    heading = ~pl.col("text").str.contains(PROBE)
    probe = pl.concat(_below_movies(path, PROBE, heading, "'movie:' or, below one, 'customer'", malformed))
    keys = probe.select(KEY).to_series().to_numpy()
    order = np.argsort(keys, kind="stable")  # of equal lines the first counts
    ascending, in_ratings = np.append(keys[order], NO_KEY), np.zeros(len(keys) + 1, dtype=bool)
    for frame in ratings:
        own = frame.select(KEY).to_series().to_numpy()
        place = np.searchsorted(ascending, own)
        testing = ascending[place] == own
        testing &= own != NO_KEY
        in_ratings[place[testing]] = True
        yield frame.with_columns(part=pl.when(pl.Series(testing)).then(pl.lit("test")).otherwise(pl.lit("train")))
    good = np.empty(len(keys), dtype=bool)
    good[order] = in_ratings[:-1]
    probe = probe.with_columns(text=pl.format("{}: {}", "item_id", "user_id"))
    malformed.keep(path, probe, pl.lit(pl.Series(good)), "a movie and customer of the ratings, named once")


def _below_movies(
    path: Path, pattern: str, heading: pl.Expr, expected: str, malformed: Malformed
) -> Iterator[pl.DataFrame]:
    """Yield line, text, item_id and the groups of `pattern`, `date` as timestamp, of the lines below `movie:` lines.

    `heading` marks lines that may be broken headings: the movie of the lines below them is unknown.
    """
    movie, text = None, pl.col("text")
    for block in lines(path):
        frame = block.with_columns(
            text.str.extract_groups(pattern).struct.unnest(),
            item_id=pl.when(heading).then(text.str.extract(MOVIE).fill_null("")),
            title=text.str.contains(MOVIE),
        )
        frame = frame.with_columns(pl.col("item_id").forward_fill().fill_null(pl.lit(movie, pl.String)))
        movie = frame["item_id"][-1]
        whole = (pl.col("item_id") != "") & pl.col("user_id").is_not_null()
        if "date" in frame.columns:
            date = pl.col("date").str.to_datetime("%Y-%m-%d", strict=False)
            frame = frame.with_columns(timestamp=date.dt.epoch("s"))
            whole &= pl.col("timestamp").is_not_null()
        yield malformed.keep(path, frame.filter(~pl.col("title")), whole, expected)


def _titles(path: Path, malformed: Malformed) -> pl.DataFrame:
    """Return items; a title may hold commas and is not quoted, a year may be NULL."""
    frames = []
    for block in lines(path, "iso-8859-1"):
        frame = block.with_columns(pl.col("text").str.extract_groups(TITLE).struct.unnest())
        frames.append(malformed.keep(path, frame, pl.col("item_id").is_not_null(), "'movie,year or NULL,title'"))
    frame = pl.concat(frames)
    if frame.is_empty():
        raise InputError(f"{path}: no title in it; expected lines 'movie,year or NULL,title'")
    frame = frame.with_columns(clean(pl.col("title")), pl.col("year").replace("NULL", None))
    return complete(frame, {"title": "Title", "year": "Year"})
