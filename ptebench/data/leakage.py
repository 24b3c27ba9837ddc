"""Checks for leakage, computed from the frames of a split and the interactions that it was made from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from ptebench.data.filters import seconds
from ptebench.data.splits import encode, groups, histories, of_events, windows
from ptebench.data.twins import NEAR, near_duplicates

LAST_TWO = {"leave_one_out", "long_tail"}  # of a user's items the last tests, the one before it validates
FITTED = r"^(user_|item_|known_item$|new_item$)"  # groups that follow from training counts


def _pairs(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return (user, item) of every item in a column of lists."""
    return frame.select("user", item=column).explode("item", empty_as_null=False)


def _excess(pairs: pl.DataFrame, covering: pl.DataFrame) -> int:
    """Return how many of the (user, item) pairs, with repeats, are not among the covering pairs."""
    count = pairs.group_by("user", "item").agg(n=pl.len().cast(pl.Int64))
    cover = covering.group_by("user", "item").agg(m=pl.len().cast(pl.Int64))
    both = count.join(cover, on=["user", "item"], how="left")
    return int((both["n"] - both["m"].fill_null(0)).clip(lower_bound=0).sum())


def _text(lists: pl.Expr) -> pl.Expr:
    """Return lists of ids as text, with a space before and after every id."""
    return pl.lit(" ") + lists.list.eval(pl.element().cast(pl.String) + " ").list.join("")


def _disordered(events: pl.DataFrame, encoded: pl.DataFrame) -> int:
    """Return how many events have a history that the target does not follow in the user's sequence."""
    whole = histories(encoded).select("user", whole=_text(pl.col("history")))
    sequences = events.select("user", part=_text(pl.concat_list("history", "targets"))).join(whole, on="user")
    return events.height - int(
        sequences.select(pl.col("whole").str.contains(pl.col("part"), literal=True)).sum().item()
    )


@dataclass(frozen=True)
class Check:
    """A number that tells of leakage: `leak` where it is not what is expected, `reported` where nothing is.

    What is reported is a property of the data that a reader must know.
    """

    check: str
    value: float
    meaning: str
    expected: float | None = None

    @property
    def row(self) -> dict:
        """Return check, value, expected, verdict and meaning."""
        verdict = "reported" if self.expected is None else "ok" if self.value == self.expected else "leak"
        return {
            "check": self.check, "value": self.value, "expected": self.expected, "verdict": verdict,
            "meaning": self.meaning,
        }  # fmt: skip


class Case:
    """A complete split with its settings, and the interactions that it was made from."""

    def __init__(self, interactions: pl.DataFrame, parts: dict[str, pl.DataFrame], settings: dict):
        self.interactions, self.parts, self.settings, self.kind = interactions, parts, settings, settings["kind"]
        self.training, self.valid, self.test = parts["train"], parts["valid"], parts["test"]
        self.encoded = encode(interactions, parts["vocabulary"])
        # the rankings of long_tail and cold_k ask the same events again
        self.once = self.test.filter(pl.col("ranking") == self.test["ranking"][0])
        self.people = [set(frame["user"]) for frame in (self.training, self.valid, self.test)]
        self.used = int(self.training["history"].list.len().sum())

    @cached_property
    def repeats(self) -> dict[str, int]:
        """Return how many targets of each part are not asked with `remove_seen`."""
        if "repeats" not in self.parts:
            return {}
        return dict(self.parts["repeats"].group_by("part").agg(pl.col("events").sum()).rows())

    @cached_property
    def train_pairs(self) -> pl.DataFrame:
        """Return the distinct pairs (user, item) of training."""
        return _pairs(self.training, "history").unique()

    @cached_property
    def test_pairs(self) -> pl.DataFrame:
        """Return the distinct pairs (user, item) that the test asks for."""
        return _pairs(self.test, "targets").unique()


def check_split(interactions: pl.DataFrame, parts: dict[str, pl.DataFrame], settings: dict) -> list[dict]:
    """Return the checks of a complete split: check, value, expected, verdict and meaning of each."""
    case = Case(interactions, parts, settings)
    return [check.row for family in FAMILIES for check in family(case)]


def _users(case: Case) -> Iterator[Check]:
    train, valid, test = case.people
    yield Check(
        "users_in_several_parts", len((train & valid) | (train & test) | (valid & test)),
        "users that occur in more than one of train, valid and test", 0 if case.kind == "cold_start_user" else None,
    )  # fmt: skip


def _repeated_targets(case: Case) -> Iterator[Check]:
    for name, frame in (("valid", case.valid), ("test", case.test)):
        inside = frame.filter((pl.col("targets").list.set_intersection("history")).list.len() > 0).height
        yield Check(
            f"{name}_targets_in_history", inside,
            "events with a target that the visible history holds already (repeated consumption)",
            0 if case.kind == "snapshot" or case.settings["remove_seen"] else None,
        )  # fmt: skip
    for name, number in sorted(case.repeats.items(), reverse=True):
        yield Check(
            f"{name}_repeats_not_asked", number,
            "targets that the visible history holds already, which are no events with remove_seen",
        )  # fmt: skip


def _trained_pairs(case: Case) -> Iterator[Check]:
    for name, pairs in (("valid", _pairs(case.valid, "targets").unique()), ("test", case.test_pairs)):
        yield Check(
            f"{name}_pairs_in_train", pairs.join(case.train_pairs, on=["user", "item"]).height,
            f"{name} pairs of user and item that also occur in training",
            0 if case.kind in ("cold_start_user", "snapshot") else None,
        )  # fmt: skip


def _order(case: Case) -> Iterator[Check]:
    if case.kind in LAST_TWO:
        asked_once = sum(int(frame["targets"].list.len().sum()) for frame in (case.valid, case.once))
        yield Check(
            "interactions_used_twice", case.encoded.height - case.used - asked_once - sum(case.repeats.values()),
            "interactions less those that train, validate, test, or are repeats not asked: every one has one use", 0,
        )  # fmt: skip
    if case.kind != "snapshot":
        yield Check(
            "events_out_of_order", _disordered(case.valid, case.encoded) + _disordered(case.test, case.encoded),
            "events whose visible history and target do not follow one another in their user's sequence", 0,
        )  # fmt: skip


def _after_cut(case: Case) -> Iterator[Check]:
    encoded, test, settings = case.encoded, case.test, case.settings
    time = pl.col("timestamp")
    if settings["kind"] == "global_temporal":
        before = {name: encoded.filter(time < start) for name, start, _ in windows(settings)}
    elif settings["kind"] == "snapshot":
        early = time < seconds(settings["cut"]) if settings["cut"] else pl.col("part") != "test"
        before = dict.fromkeys(("full", "zero_shot", "impression"), encoded.filter(early))
    else:
        return
    late = _excess(_pairs(case.training, "history"), next(iter(before.values())))
    meaning = "training pairs, repeats counted, that do not occur before the first cut"
    yield Check("train_pairs_after_cut", late, meaning, 0)
    histories_of = {
        r: test.filter(pl.col("ranking") == r).unique(["user", "history"]) for r in before
    }  # impressions repeat it
    late = sum(_excess(_pairs(histories_of[r], "history"), interactions) for r, interactions in before.items())
    meaning = "items of test histories that do not occur before their test period"
    yield Check("test_history_after_cut", late, meaning, 0)


def _profiles(case: Case) -> Iterator[Check]:
    profiled = case.parts["histories"].rename({"history": "known"})
    visible = pl.concat([case.valid, case.test]).join(profiled, on="user", how="left")
    yield Check(
        "events_that_profiles_outrun",
        visible.filter(pl.col("known").list.set_difference("history").list.len() > 0).height,
        "events whose visible history lacks an item of histories.parquet, which profiles are written from", 0,
    )  # fmt: skip


def _zero_shot(case: Case) -> Iterator[Check]:
    if case.kind == "snapshot":
        candidates = case.parts["candidates"].filter(pl.col("ranking") == "zero_shot")["item"]
        train_items = pl.concat([case.training["history"], case.valid["targets"]]).explode(empty_as_null=False)
        yield Check(
            "zero_shot_candidates_in_train", int(candidates.is_in(train_items.implode()).sum()),
            "candidates of ranking zero_shot that occur in training or validation", 0,
        )  # fmt: skip


def _impressions(case: Case) -> Iterator[Check]:
    if "impression" not in case.test["ranking"]:
        return
    own = of_events(case.parts["test_candidates"])
    single = case.test.filter(pl.col("ranking") == "impression").join(own, on="event")
    after = case.encoded.filter(pl.col("timestamp") >= seconds(case.settings["cut"]))
    unclicked = _pairs(single, "targets").join(after, on=["user", "item"], how="anti").height
    yield Check("impression_targets_not_clicked", unclicked, "targets of impressions without a click after the cut", 0)
    both = single.filter(pl.col("items").list.set_intersection("targets").list.len() > 0).height
    yield Check("impressions_with_targets_as_negatives", both, "impressions that list a target as not clicked", 0)
    later = single.select("user", item="items").explode("item").join(after, on=["user", "item"], how="semi").height
    yield Check(
        "impression_negatives_clicked_elsewhere", later,
        "items shown and not clicked in one impression that the user clicks in another one after the cut",
    )  # fmt: skip


def _negatives(case: Case) -> Iterator[Check]:
    if case.kind != "long_tail":
        return
    own, number = case.parts["test_candidates"], case.settings["negatives"]
    negatives = case.test.join(of_events(own), on="event").select("user", item="items").explode("item")
    yield Check(
        "negatives_of_the_user", negatives.join(case.encoded, on=["user", "item"], how="semi").height,
        "frozen negatives that the event's user has interacted with", 0,
    )  # fmt: skip
    yield Check(
        "events_with_other_numbers_of_negatives", int((own["items"].list.n_unique() != number).sum()),
        f"events with a list of frozen negatives that are not {number} different items", 0,
    )  # fmt: skip


def _twins(case: Case) -> Iterator[Check]:
    once, training = case.once, case.training
    whole, train_lists = once.select(pl.concat_list("history", "targets")).to_series(), training["history"]
    near = int(near_duplicates(whole, train_lists, (once["user"], training["user"])).sum())
    twins = whole.list.eval(pl.element().cast(pl.String)).list.join(" ")
    same = int(twins.is_in(train_lists.list.eval(pl.element().cast(pl.String)).list.join(" ").implode()).sum())
    yield Check("identical_test_sequences", same, "test sequences, target included, that equal a training user's")
    yield Check(
        "near_duplicate_test_sequences", near,
        f"test events whose items, target included, overlap another user's training items, Jaccard {NEAR} or more"
        " (in cold_start_user the group near_duplicate)",
    )  # fmt: skip


def _future(case: Case) -> Iterator[Check]:
    encoded, test = case.encoded, case.test
    if case.kind in ("snapshot", "global_temporal") or encoded["timestamp"].null_count():
        return
    # per user the order is right by construction; across users, training may lie in the future of a test event
    last = encoded.group_by("user").agg(pl.col("timestamp").last()).join(test.select("user"), on="user", how="semi")
    late = encoded.join(case.training.select("user"), on="user", how="semi")["timestamp"] > last["timestamp"].min()
    yield Check(
        "interactions_of_train_users_after_first_test_event", round(float(late.to_numpy().mean()), 6),
        "share of the training users' interactions later than the earliest test target: what a deployment at that "
        "time could not know; the protocols snapshot and global_temporal have none",
    )  # fmt: skip


def _ties(case: Case) -> Iterator[Check]:
    size = dict(case.parts["groups"].group_by("group").len().iter_rows())
    if ties := size.get("tied", 0) + size.get("untied", 0):
        yield Check(
            "tied_test_transitions", round(size.get("tied", 0) / ties, 6),
            "share of test events whose target has the same timestamp as its neighbour (the item before it; in "
            "global_temporal the one after it): their order is the tie-break's, not the user's (groups tied, untied)",
        )  # fmt: skip
    elif case.encoded["timestamp"].null_count():
        yield Check(
            "test_events_without_times", case.test.height, "test events whose times are unknown: ties cannot be told"
        )


def _items(case: Case) -> Iterator[Check]:
    items, train_items = case.test_pairs["item"], pl.Series(case.train_pairs["item"].unique())
    unseen = int((~items.is_in(train_items.implode())).sum())
    yield Check("test_pairs_of_items_unseen_in_train", unseen, "test pairs whose item has no training interaction")
    overlap = int(items.unique().is_in(train_items.implode()).sum())
    yield Check("items_in_train_and_test", overlap, f"of {items.n_unique()} items that are test targets")


def _groups(case: Case) -> Iterator[Check]:
    yield Check(
        "groups_fitted_on_interactions", case.used,
        "interactions behind the groups' thresholds: those of train.parquet, all of them and no others",
    )  # fmt: skip
    if case.settings.get("heads_compat"):
        yield Check(
            "compat_groups_made_of_interactions", case.encoded.height,
            "interactions that the groups ..._compat count: all of them, test included, as published",
        )  # fmt: skip
    both_groups = groups(case.parts, bins=case.settings.get("bins")), case.parts["groups"]
    again, of_file = (g.filter(pl.col("group").str.contains(FITTED)) for g in both_groups)
    yield Check(
        "groups_not_from_train", again.join(of_file, on=["event", "group"], how="anti").height,
        "groups of events that follow from train.parquet and are not those of groups.parquet", 0,
    )  # fmt: skip


def _left_out(case: Case) -> Iterator[Check]:
    left_out = case.interactions["user_id"].n_unique() - len(set().union(*case.people))
    yield Check("users_left_out", left_out, "users without a training row and without an event")


FAMILIES: tuple[Callable[[Case], Iterator[Check]], ...] = (
    _users, _repeated_targets, _trained_pairs, _order, _after_cut, _profiles, _zero_shot, _impressions, _negatives,
    _twins, _future, _ties, _items, _groups, _left_out,
)  # fmt: skip
