"""Building blocks of all protocols: dense ids, histories, events, groups of test events."""

from datetime import UTC, date, datetime, timedelta
from math import ceil, floor

import numpy as np
import polars as pl

from ptebench.data.filters import seconds
from ptebench.files import CANDIDATES, EVENTS, GROUPS, TRAIN, VOCABULARY, InputError

# of the tables of a split, by name
CONTRACTS = {
    "vocabulary": VOCABULARY, "train": TRAIN, "histories": TRAIN, "valid": EVENTS, "valid_candidates": CANDIDATES,
    "test": EVENTS, "test_candidates": CANDIDATES, "groups": GROUPS,
}  # fmt: skip
HEAD = 0.2  # share of items, or of users, that make the head


def vocabulary(interactions: pl.DataFrame, shown_items: pl.Series | None = None) -> pl.DataFrame:
    """Return the VOCABULARY of all interactions: dense ids from 1, in the order of the sorted raw keys.

    It includes `shown_items`, which may be in no interaction.
    """
    sides = []
    for side in ("user", "item"):
        raw = interactions[f"{side}_id"]
        if side == "item" and shown_items is not None:
            raw = pl.concat([raw, shown_items.alias(raw.name)])
        raw = raw.unique().sort()
        ids = pl.arange(1, len(raw) + 1, dtype=pl.Int32, eager=True)
        sides.append(pl.DataFrame({"side": [side] * len(raw), "id": ids, "raw": raw}, schema=VOCABULARY))
    return pl.concat(sides)


def encode(interactions: pl.DataFrame, words: pl.DataFrame) -> pl.DataFrame:
    """Return the interactions, order kept, with dense ids in columns `user` and `item`."""
    for side in ("user", "item"):
        ids = words.filter(pl.col("side") == side).select(pl.col("raw").alias(f"{side}_id"), pl.col("id").alias(side))
        interactions = interactions.join(ids, on=f"{side}_id", how="left", maintain_order="left")
    return interactions


def histories(encoded: pl.DataFrame) -> pl.DataFrame:
    """Return one row per user: user, history (items, oldest first), time (their timestamps), part; sorted by user."""
    return (
        encoded.group_by("user", maintain_order=True)
        .agg(pl.col("item").alias("history"), pl.col("timestamp").alias("time"), pl.col("part").first())
        .sort("user")
    )


def train(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a TRAIN frame from rows of user and history."""
    return frame.select(*TRAIN).sort("user")


def events(*frames: pl.DataFrame) -> pl.DataFrame:
    """Return an EVENTS frame from rows of ranking, user, history, targets; numbered in the order given."""
    frame = pl.concat([f.select(c for c in EVENTS if c != "event") for f in frames])
    number = pl.arange(frame.height, dtype=pl.Int32, eager=True).alias("event")
    return frame.with_columns(number).select(*EVENTS)


def next_item(frame: pl.DataFrame, back: int) -> pl.DataFrame:
    """Return rows whose target is the item `back` places before the end (1: the last) and whose history precedes it.

    Further columns are kept; `tied` says whether target and last item of the history share their time (null: unknown).
    """
    cut = pl.col("history").list.len() - back
    time = pl.col("time")
    return frame.with_columns(
        ranking=pl.lit("full"),
        history=pl.col("history").list.head(cut),
        targets=pl.col("history").list.slice(cut, 1),
        tied=time.list.get(cut) == time.list.get(cut - 1),
    )


def drop_repeats(frame: pl.DataFrame, settings: dict, what: str) -> pl.DataFrame:
    """Return the rows of history and targets, with `remove_seen` without those whose history holds a target.

    With `remove_seen` no item of the history is ranked unless it is a target, so a repeated target would be the only
    one, and easy to find. Raises InputError where no row is left.
    """
    if not settings["remove_seen"] or frame.is_empty():
        return frame
    new = frame.filter(pl.col("targets").list.set_intersection("history").list.len() == 0)
    mend = "set the protocol's remove_seen: false, or the dataset's duplicates: first"
    require(new, f"with remove_seen no {what} target is new to its user", mend)
    return new


def repeats(**frames: tuple[pl.DataFrame, pl.DataFrame]) -> pl.DataFrame:
    """Return the number of rows that `drop_repeats` dropped from each part, given the rows before and after."""
    rows = [(part, before.height - after.height) for part, (before, after) in frames.items()]
    return pl.DataFrame(rows, schema={"part": pl.String, "events": pl.Int64}, orient="row")


def candidates(**rankings: np.ndarray) -> pl.DataFrame:
    """Return a CANDIDATES frame from the items of each ranking; a ranking without items has the whole catalogue."""
    frames = [pl.DataFrame({"ranking": [name] * len(i), "item": i}, schema=CANDIDATES) for name, i in rankings.items()]
    return pl.concat(frames) if frames else pl.DataFrame(schema=CANDIDATES)


def of_events(lists: pl.DataFrame) -> pl.DataFrame:
    """Return OWN_CANDIDATES with a row for each event: event, items."""
    return lists.select("items", event=pl.col("events")).explode("event").select("event", "items")


def require(frame: pl.DataFrame, what: str, mend: str) -> None:
    """Raise InputError where a part of the split is empty."""
    if frame.is_empty():
        raise InputError(f"the dataset is too small for this protocol: {what}; {mend}")


def latest(before: pl.DataFrame, number: int) -> pl.Series:
    """Return a mask of the latest `number` (at least 1) interactions and of those that tie with them in time."""
    return before["timestamp"] >= before["timestamp"].sort(descending=True)[number - 1]


def dated(settings: dict, interactions: pl.DataFrame) -> dict:
    """Return a protocol's settings with days for cuts that are shares: the first day that leaves the share before it.

    Raises InputError for a cut that leaves no interaction on one of its sides.
    """
    mask_of_side = settings.get("cuts") or [cut for cut in [settings.get("cut")] if cut is not None]
    times = interactions["timestamp"].sort()
    if not mask_of_side or times.null_count():  # the protocols say what they need times for
        return settings

    def day(cut: str | float) -> str:
        if isinstance(cut, float):
            latest = times[ceil(cut * len(times)) - 1]
            return str(date_of(latest) + timedelta(days=1))
        return cut

    days = [day(cut) for cut in mask_of_side]
    for cut, start in zip(mask_of_side, days, strict=True):
        if not times[0] < seconds(start) <= times[-1]:
            raise InputError(
                f"{settings['kind']}: the cut {cut} lies outside the interactions, which are of {date_of(times[0])} to "
                f"{date_of(times[-1])}; move it between them"
            )
    if len(set(days)) < len(days):
        raise InputError(
            f"{settings['kind']}: two of the cuts {mask_of_side} fall on {max(days, key=days.count)}; drop one"
        )
    return settings | ({"cuts": days} if "cuts" in settings else {"cut": days[0]})


def date_of(second: int) -> date:
    """Return the day (UTC) of a time in seconds since 1970."""
    return datetime.fromtimestamp(second, UTC).date()


def windows(settings: dict) -> list[tuple[str, int, int]]:
    """Return (ranking, first second, first second after it) of the test windows between the cuts of `settings`."""
    starts = [seconds(day) for day in settings["cuts"]]
    ends = [*starts[1:], seconds(settings["end"]) if settings["end"] else 2**62]
    names = ["full"] if len(starts) == 1 else [f"window_{n}" for n in range(1, len(starts) + 1)]
    return list(zip(names, starts, ends, strict=True))


def counts(lists: pl.Series, size: int) -> np.ndarray:
    """Return how often each id from 0 to `size` occurs in a column of lists."""
    return np.bincount(lists.explode(empty_as_null=False).to_numpy(), minlength=size + 1)


def head(count: np.ndarray) -> np.ndarray:
    """Return a mask of the ids (row 0 is padding) in the top 20 % of those that occur; ties go to the tail."""
    return shelf(count, [HEAD]) == 1


def shelf(count: np.ndarray, shares: list[float]) -> np.ndarray:
    """Return the bin, from 1, of each id (row 0 is padding); ascending `shares` end all bins but the last.

    Ids are ordered by falling count; ties go to the later bin, and ids that do not occur to the last one.
    """
    occurring = np.sort(count[count > 0])[::-1]
    least = [occurring[floor(share * len(occurring))] for share in shares] if len(occurring) else []
    return 1 + sum((count <= level for level in least), np.full(len(count), 0 if least else len(shares)))


def groups(
    parts: dict[str, pl.DataFrame],
    tied: pl.Series | None = None,
    twins: np.ndarray | None = None,
    heads: tuple[np.ndarray, np.ndarray] | None = None,
    bins: int | None = None,
) -> pl.DataFrame:
    """Return the GROUPS of the test events, from training counts and the optional masks.

    Where test users train: user_head, user_tail by training length. Events with one target: item_head, item_tail and
    known_item, new_item by the training count of the target. `tied` (per event; null: unknown): tied, untied.
    `twins` (per event): near_duplicate, distinct. `heads` (per event: of the user, of the target): user_head_compat,
    user_tail_compat, item_head_compat, item_tail_compat. With `bins`, user_1, user_2, ... and item_1, item_2, ...
    replace the head and tail of training counts: equal shares of users and items, the first with the highest counts.
    """
    test, training = parts["test"], parts["train"]
    items, users = (parts["vocabulary"].filter(pl.col("side") == s)["id"].to_numpy().max() for s in ("item", "user"))
    event, user = test["event"].to_numpy(), test["user"].to_numpy()
    labels = []

    def label(mask: np.ndarray, yes: str, no: str, among: np.ndarray | None = None) -> None:
        for name, rows in ((yes, mask), (no, ~mask)):
            rows = rows if among is None else rows & among
            labels.append(pl.DataFrame({"event": event[rows], "group": [name] * int(rows.sum())}, schema=GROUPS))

    length = np.zeros(users + 1, dtype=np.int64)
    length[training["user"].to_numpy()] = training["history"].list.len().to_numpy()

    def by_count(side: str, count: np.ndarray, ids: np.ndarray) -> None:
        if bins is None:
            label(head(count)[ids], f"{side}_head", f"{side}_tail")
            return
        of_event = shelf(count, [n / bins for n in range(1, bins)])[ids]
        names = [f"{side}_{n}" for n in of_event]
        labels.append(pl.DataFrame({"event": event, "group": names}, schema=GROUPS))

    if length[user].any():
        by_count("user", length, user)
    if (test["targets"].list.len() == 1).all():
        count, target = counts(training["history"], items), test["targets"].list.first().to_numpy()
        by_count("item", count, target)
        label(count[target] > 0, "known_item", "new_item")
    for side, mask_of_side in zip(("user", "item"), heads or (), strict=False):
        label(mask_of_side, f"{side}_head_compat", f"{side}_tail_compat")
    if tied is not None and tied.null_count() < len(tied):
        label(tied.fill_null(False).to_numpy(), "tied", "untied", tied.is_not_null().to_numpy())
    if twins is not None:
        label(twins, "near_duplicate", "distinct")
    return pl.concat([pl.DataFrame(schema=GROUPS), *labels]).sort("event", "group")


def visible(parts: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Return the history of each user before any target: the training history, else the shortest of an event."""
    cold = pl.concat([parts["valid"], parts["test"]]).join(parts["train"], on="user", how="anti")
    shortest = cold.sort(pl.col("history").list.len(), maintain_order=True).unique("user", keep="first")
    return train(pl.concat([parts["train"], shortest.select(*TRAIN)]))


def complete(parts: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the frames of a split, completed by histories, valid_candidates and test_candidates.

    The two sets of candidates are separate files, because training must not read the items of the test period.
    """
    result = {}
    for name in ("valid", "test"):
        rankings = parts[name]["ranking"].unique()
        result[f"{name}_candidates"] = parts["candidates"].filter(pl.col("ranking").is_in(rankings.implode()))
    return {"histories": visible(parts), **result, **parts}
