"""Checks for leakage, computed from the frames of a split and the interactions that it was made from."""

import polars as pl

from ptebench.data.filters import seconds
from ptebench.data.splits import encode, groups, highest_overlap, histories, of_events, windows

NEAR = 0.5  # Jaccard overlap from which two sequences count as near duplicates
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


def check_split(interactions: pl.DataFrame, parts: dict[str, pl.DataFrame], settings: dict) -> list[dict]:
    """Return the checks of a complete split: check, value, expected, verdict and meaning of each.

    The verdict is `ok` or `leak` where a value is expected, and `reported` for a property of the data.
    """
    training, valid, test = parts["train"], parts["valid"], parts["test"]
    kind = settings["kind"]
    encoded = encode(interactions, parts["vocabulary"])
    # the rankings of long_tail and cold_k ask the same events again
    once = test.filter(pl.col("ranking") == test["ranking"][0])
    results = []

    def add(check: str, value: float, meaning: str, expected: float | None = None) -> None:
        verdict = "reported" if expected is None else "ok" if value == expected else "leak"
        results.append({"check": check, "value": value, "expected": expected, "verdict": verdict, "meaning": meaning})

    people = [set(frame["user"]) for frame in (training, valid, test)]
    several = len((people[0] & people[1]) | (people[0] & people[2]) | (people[1] & people[2]))
    add(
        "users_in_several_parts", several, "users that occur in more than one of train, valid and test",
        0 if kind == "cold_start_user" else None,
    )  # fmt: skip
    for name, frame in (("valid", valid), ("test", test)):
        inside = frame.filter((pl.col("targets").list.set_intersection("history")).list.len() > 0).height
        add(
            f"{name}_targets_in_history", inside,
            "events with a target that the visible history holds already (repeated consumption)",
            0 if kind == "snapshot" or settings["remove_seen"] else None,
        )  # fmt: skip
    repeats = dict(parts["repeats"].group_by("part").agg(pl.col("events").sum()).rows()) if "repeats" in parts else {}
    for name, number in sorted(repeats.items(), reverse=True):
        add(
            f"{name}_repeats_not_asked", number,
            "targets that the visible history holds already, which are no events with remove_seen",
        )  # fmt: skip
    train_pairs, test_pairs = _pairs(training, "history").unique(), _pairs(test, "targets").unique()
    for name, pairs in (("valid", _pairs(valid, "targets").unique()), ("test", test_pairs)):
        add(
            f"{name}_pairs_in_train", pairs.join(train_pairs, on=["user", "item"]).height,
            f"{name} pairs of user and item that also occur in training",
            0 if kind in ("cold_start_user", "snapshot") else None,
        )  # fmt: skip

    used = int(training["history"].list.len().sum())
    if kind in LAST_TWO:
        asked_once = sum(int(frame["targets"].list.len().sum()) for frame in (valid, once))
        rest = encoded.height - used - asked_once - sum(repeats.values())
        add(
            "interactions_used_twice", rest,
            "interactions less those that train, validate, test, or are repeats not asked: every one has one use", 0,
        )  # fmt: skip
    if kind != "snapshot":
        add(
            "events_out_of_order", _disordered(valid, encoded) + _disordered(test, encoded),
            "events whose visible history and target do not follow one another in their user's sequence", 0,
        )  # fmt: skip
    for check, value, meaning in _after_cut(encoded, training, test, settings):
        add(check, value, meaning, 0)
    visible = pl.concat([valid, test]).join(parts["histories"].rename({"history": "known"}), on="user", how="left")
    add(
        "events_that_profiles_outrun",
        visible.filter(pl.col("known").list.set_difference("history").list.len() > 0).height,
        "events whose visible history lacks an item of histories.parquet, which profiles are written from", 0,
    )  # fmt: skip
    if kind == "snapshot":
        zero_shot = parts["candidates"].filter(pl.col("ranking") == "zero_shot")["item"]
        train_items = pl.concat([training["history"], valid["targets"]]).explode(empty_as_null=False)
        add(
            "zero_shot_candidates_in_train", int(zero_shot.is_in(train_items.implode()).sum()),
            "candidates of ranking zero_shot that occur in training or validation", 0,
        )  # fmt: skip
    if "impression" in test["ranking"]:
        single = test.filter(pl.col("ranking") == "impression").join(of_events(parts["test_candidates"]), on="event")
        after = encoded.filter(pl.col("timestamp") >= seconds(settings["cut"]))
        unclicked = _pairs(single, "targets").join(after, on=["user", "item"], how="anti").height
        add("impression_targets_not_clicked", unclicked, "targets of impressions without a click after the cut", 0)
        both = single.filter(pl.col("items").list.set_intersection("targets").list.len() > 0).height
        add("impressions_with_targets_as_negatives", both, "impressions that list a target as not clicked", 0)
        later = single.select("user", item="items").explode("item").join(after, on=["user", "item"], how="semi").height
        add(
            "impression_negatives_clicked_elsewhere", later,
            "items shown and not clicked in one impression that the user clicks in another one after the cut",
        )  # fmt: skip
    if kind == "long_tail":
        negatives = (
            test.join(of_events(parts["test_candidates"]), on="event").select("user", item="items").explode("item")
        )
        add(
            "negatives_of_the_user", negatives.join(encoded, on=["user", "item"], how="semi").height,
            "frozen negatives that the event's user has interacted with", 0,
        )  # fmt: skip
        distinct = parts["test_candidates"]["items"].list.n_unique()
        add(
            "events_with_other_numbers_of_negatives", int((distinct != settings["negatives"]).sum()),
            f"events with a list of frozen negatives that are not {settings['negatives']} different items", 0,
        )  # fmt: skip

    whole, train_lists = once.select(pl.concat_list("history", "targets")).to_series(), training["history"]
    near = int((highest_overlap(whole, train_lists, (once["user"], training["user"])) >= NEAR).sum())
    twins = whole.list.eval(pl.element().cast(pl.String)).list.join(" ")
    same = int(twins.is_in(train_lists.list.eval(pl.element().cast(pl.String)).list.join(" ").implode()).sum())
    add("identical_test_sequences", same, "test sequences, target included, that equal a training user's")
    add(
        "near_duplicate_test_sequences", near,
        f"test events whose items, target included, overlap another user's training items, Jaccard {NEAR} or more"
        " (in cold_start_user the group near_duplicate)",
    )  # fmt: skip
    if kind not in ("snapshot", "global_temporal") and encoded["timestamp"].null_count() == 0:
        # per user the order is right by construction; across users, training may lie in the future of a test event
        last = encoded.group_by("user").agg(pl.col("timestamp").last()).join(test.select("user"), on="user", how="semi")
        late = encoded.join(training.select("user"), on="user", how="semi")["timestamp"] > last["timestamp"].min()
        add(
            "interactions_of_train_users_after_first_test_event", round(float(late.to_numpy().mean()), 6),
            "share of the training users' interactions later than the earliest test target: what a deployment at that "
            "time could not know; the protocols snapshot and global_temporal have none",
        )  # fmt: skip
    size = dict(parts["groups"].group_by("group").len().iter_rows())
    if ties := size.get("tied", 0) + size.get("untied", 0):
        add(
            "tied_test_transitions", round(size.get("tied", 0) / ties, 6),
            "share of test events whose target has the same timestamp as its neighbour (the item before it; in "
            "global_temporal the one after it): their order is the tie-break's, not the user's (groups tied, untied)",
        )  # fmt: skip
    elif encoded["timestamp"].null_count():
        add("test_events_without_times", test.height, "test events whose times are unknown: ties cannot be told")
    train_items = pl.Series(train_pairs["item"].unique())
    unseen = int((~test_pairs["item"].is_in(train_items.implode())).sum())
    add("test_pairs_of_items_unseen_in_train", unseen, "test pairs whose item has no training interaction")
    overlap = int(test_pairs["item"].unique().is_in(train_items.implode()).sum())
    add("items_in_train_and_test", overlap, f"of {test_pairs['item'].n_unique()} items that are test targets")
    add(
        "groups_fitted_on_interactions", used,
        "interactions behind the groups' thresholds: those of train.parquet, all of them and no others",
    )  # fmt: skip
    if settings.get("heads_compat"):
        add(
            "compat_groups_made_of_interactions", encoded.height,
            "interactions that the groups ..._compat count: all of them, test included, as published",
        )  # fmt: skip
    both_groups = groups(parts, bins=settings.get("bins")), parts["groups"]
    again, of_file = (g.filter(pl.col("group").str.contains(FITTED)) for g in both_groups)
    add(
        "groups_not_from_train", again.join(of_file, on=["event", "group"], how="anti").height,
        "groups of events that follow from train.parquet and are not those of groups.parquet", 0,
    )  # fmt: skip
    left_out = interactions["user_id"].n_unique() - len(people[0] | people[1] | people[2])
    add("users_left_out", left_out, "users without a training row and without an event")
    return results


def _after_cut(encoded: pl.DataFrame, training: pl.DataFrame, test: pl.DataFrame, settings: dict):
    """Yield name, value and meaning of the checks of a split by periods."""
    time = pl.col("timestamp")
    if settings["kind"] == "global_temporal":
        before = {name: encoded.filter(time < start) for name, start, _ in windows(settings)}
    elif settings["kind"] == "snapshot":
        early = time < seconds(settings["cut"]) if settings["cut"] else pl.col("part") != "test"
        before = dict.fromkeys(("full", "zero_shot", "impression"), encoded.filter(early))
    else:
        return
    late = _excess(_pairs(training, "history"), next(iter(before.values())))
    yield "train_pairs_after_cut", late, "training pairs, repeats counted, that do not occur before the first cut"
    histories_of = {
        r: test.filter(pl.col("ranking") == r).unique(["user", "history"]) for r in before
    }  # impressions repeat it
    late = sum(_excess(_pairs(histories_of[r], "history"), interactions) for r, interactions in before.items())
    yield "test_history_after_cut", late, "items of test histories that do not occur before their test period"
