"""Splits as other code reads them: plain CSV, and RecBole's benchmark files, all with raw ids."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from ptebench.files import InputError

LENGTH = 50  # items of a history in RecBole's files on sequences, its default
USERS = 250  # whose beginnings of histories are written at once
PARTS = ("train", "valid", "test")
ITEM = {"item_id": "token", "title": "token_seq", "categories": "token_seq", "brand": "token"}


class Names:
    """Raw ids by dense ones."""

    def __init__(self, vocabulary: pl.DataFrame):
        self.raw = {
            side: pl.concat([pl.Series([""]), vocabulary.filter(side=side).sort("id")["raw"]])
            for side in ("user", "item")
        }

    def of(self, side: str, ids: pl.Series) -> pl.Series:
        """Return the raw ids of a column of dense ones."""
        return self.raw[side].gather(ids)

    def refuse_blanks(self) -> None:
        """Raise InputError for an id that RecBole's files cannot hold: blanks part its lists, quotes join its lines."""
        for side, names in self.raw.items():
            if (bad := names.filter(names.str.contains(r"[\s\"]"))).len():
                raise InputError(
                    f"vocabulary: the {side} {bad[0]!r} has a blank or a quote in its id, which RecBole's files do not "
                    f"know; give {side}s other ids in the raw file"
                )


def plain(parts: dict[str, pl.DataFrame], names: Names) -> dict[str, pl.DataFrame]:
    """Return by name the tables of a split in raw ids, from its frames by name.

    train and histories (user_id, item_id, position), the latter what a writer of texts may see; valid and test (event,
    ranking, user_id, item_id), a row a target;
    valid_histories and test_histories (event, position, item_id), oldest first; test_candidates (ranking, item_id), or
    of events with their own (event, item_id), empty where a ranking ranks all items.
    """
    tables = {part: of_users(parts[part], names) for part in ("train", "histories")}
    for part in ("valid", "test"):
        targets = parts[part].select("event", "ranking", "user", item="targets").explode("item")
        users = names.of("user", targets["user"])
        tables[part] = targets.select("event", "ranking", user_id=users, **_item(targets, names))
        histories = _positions(parts[part], "event")
        tables[f"{part}_histories"] = histories.select("event", "position", **_item(histories, names))
    pool = parts["test_candidates"]
    if "events" in pool.columns:
        pool = pool.explode("events").explode("items").rename({"events": "event", "items": "item"})
    tables["test_candidates"] = pool.select(pl.exclude("item"), **_item(pool, names))
    return tables


def of_users(frame: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return the table of users' histories: user_id, item_id, position, oldest first."""
    rows = _positions(frame, "user")
    return rows.select(user_id=names.of("user", rows["user"]), **_item(rows, names), position="position")


def check_histories(path: Path, frame: pl.DataFrame, names: Names, text: str, sha256: str) -> None:
    """Raise InputError where the table of a split's histories has another digest than that which a writer saw."""
    now = hashlib.sha256(of_users(frame, names).write_csv().encode()).hexdigest()
    if now != sha256:
        raise InputError(
            f"texts.{text}.saw.histories: its writer saw a histories.csv of the sha256 {sha256}, and that of {path} is "
            f"{now}: the split is another since; write the texts anew from what `snakemake exports` writes and name "
            "the new sha256, or set the dataset and the protocol back"
        )


def _positions(frame: pl.DataFrame, owner: str) -> pl.DataFrame:
    """Return owner, position and item of the rows of a column `history`."""
    places = frame.select(owner, item="history", position=pl.int_ranges(pl.col("history").list.len()))
    return places.filter(pl.col("item").list.len() > 0).explode("item", "position")


def _item(frame: pl.DataFrame, names: Names) -> dict[str, pl.Series]:
    return {"item_id": names.of("item", frame["item"])}


def general(part: str, frame: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return a RecBole file of pairs; of `train` the position in the history stands for the time."""
    if part == "train":
        rows = _positions(frame, "user").with_columns(time=pl.col("position").cast(pl.Float64))
    else:
        length = pl.col("history").list.len().cast(pl.Float64)
        rows = frame.select("user", item="targets", time=length).explode("item").unique(maintain_order=True)
    columns = {
        "user_id:token": names.of("user", rows["user"]), "item_id:token": names.of("item", rows["item"]),
        "timestamp:float": rows["time"],
    }  # fmt: skip
    return pl.DataFrame(columns)


def sequential(part: str, frame: pl.DataFrame, names: Names) -> Iterator[pl.DataFrame]:
    """Yield blocks of a RecBole file of histories and next items: of `train`, all beginnings of a history.

    Histories are cut to their last `LENGTH` items; events without one are left out.
    """
    for block in frame.iter_slices(USERS):
        at = pl.int_ranges(1, pl.col("history").list.len())
        if part == "train":
            rows = block.filter(pl.col("history").list.len() > 1).with_columns(at=at).explode("at")
            item = pl.col("history").list.get(pl.col("at"))
        else:
            rows = block.with_columns(at=pl.col("history").list.len()).explode("targets")
            item = pl.col("targets")
        rows = rows.filter(pl.col("at") > 0)
        start = (pl.col("at").cast(pl.Int64) - LENGTH).clip(0)
        rows = rows.select("user", item=item, history=pl.col("history").list.slice(start, pl.col("at") - start))
        if part != "train":  # rankings of one event
            rows = rows.unique(maintain_order=True)
        if rows.height:
            yield _histories(rows.with_row_index("row"), names)


def _histories(rows: pl.DataFrame, names: Names) -> pl.DataFrame:
    flat = rows.select("row", item="history").explode("item")
    lists = flat.select("row", name=names.of("item", flat["item"])).group_by("row", maintain_order=True)
    return pl.DataFrame({
        "user_id:token": names.of("user", rows["user"]),
        "item_id_list:token_seq": lists.agg(pl.col("name").str.join(" "))["name"],
        "item_id:token": names.of("item", rows["item"]),
    })  # fmt: skip


def features(items: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Return RecBole's file of the items of a split: id, title, categories, brand."""
    there = items.filter(pl.col("item_id").is_in(names.raw["item"].implode()))
    words = {
        "item_id": pl.col("item_id"), "title": pl.col("title"), "brand": pl.col("brand"),
        "categories": pl.col("categories").list.eval(pl.element().str.replace_all(r"\s+", "_")).list.join(" "),
    }  # fmt: skip
    clean = {
        f"{name}:{kind}": words[name].fill_null("").str.replace_all(r"[\s\"]+", " ") for name, kind in ITEM.items()
    }
    return there.select(**clean)
