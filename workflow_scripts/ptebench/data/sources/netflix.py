"""Netflix Prize: combined_data files (`movie:` lines, then `customer,rating,date`) and movie_titles.csv."""

from pathlib import Path

import polars as pl
from ptebench.data.interactions import complete as complete_interactions
from ptebench.data.items import clean, complete
from ptebench.data.raw import Malformed, lines
from ptebench.files import InputError

MOVIE = r"^\s*(\d+):\s*$"
RATING = r"^(?<user_id>\d+),(?<rating>[1-5]),(?<date>\d{4}-\d\d-\d\d)\s*$"
TITLE = r"^(?<item_id>\d+),(?<year>\d{4}|NULL),(?<title>.*)$"


def read(paths: dict[str, list[Path]], settings: dict) -> tuple[list[pl.LazyFrame], pl.DataFrame, dict]:
    """Return interactions (times have day resolution), items and counts."""
    malformed = Malformed(settings["max_bad_rows"])
    ratings = complete_interactions(frame for path in paths["ratings"] for frame in _ratings(path, malformed))
    return ratings, _titles(paths["titles"][0], malformed), {"malformed_lines": malformed.count}


def _ratings(path: Path, malformed: Malformed):
    movie = None
    for block in lines(path):
        text = pl.col("text")
        # what is not three fields stands where a heading may have been: nobody knows the movie of what follows
        heading = text.str.count_matches(",", literal=True) != 2
        frame = block.with_columns(
            text.str.extract_groups(RATING).struct.unnest(),
            item_id=pl.when(heading).then(text.str.extract(MOVIE).fill_null("")),
            title=text.str.contains(MOVIE),
        )
        frame = frame.with_columns(
            pl.col("item_id").forward_fill().fill_null(pl.lit(movie, pl.String)),
            pl.col("rating").cast(pl.Float64),
            timestamp=pl.col("date").str.to_datetime("%Y-%m-%d", strict=False).dt.epoch("s"),
        )
        movie = frame["item_id"][-1]
        whole = (pl.col("item_id") != "") & pl.col("timestamp").is_not_null()
        expected = "'movie:' or, below one, 'customer,rating from 1 to 5,YYYY-MM-DD'"
        frame = malformed.keep(path, frame.filter(~pl.col("title")), whole, expected)
        yield frame.select("user_id", "item_id", "timestamp", "rating")


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
