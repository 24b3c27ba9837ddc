"""The leakage checks of a split, from the written frames alone and the interactions that they came from."""

import polars as pl
from ptebench.data.filters import seconds
from ptebench.data.splits import encode, highest_overlap

NEAR = 0.5  # Jaccard overlap from which two sequences count as near duplicates


def _pairs(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return (user, item) of every item in a column of lists."""
    return frame.select("user", item=column).explode("item", empty_as_null=False)


def checks(interactions: pl.DataFrame, parts: dict[str, pl.DataFrame], settings: dict) -> list[dict]:
    """Return the checks of a split: check, value, expected, verdict and meaning of each.

    Verdict: `ok` or `leak` where a value is expected, `reported` where none is (a property of the data that a
    reader must know).
    """
    training, valid, test = parts["train"], parts["valid"], parts["test"]
    kind = settings["kind"]
    found = []

    def add(check: str, value: float, meaning: str, expected: float | None = None) -> None:
        verdict = "reported" if expected is None else "ok" if value == expected else "leak"
        found.append({"check": check, "value": value, "expected": expected, "verdict": verdict, "meaning": meaning})

    people = [set(frame["user"]) for frame in (training, valid, test)]
    shared = len((people[0] & people[1]) | (people[0] & people[2]) | (people[1] & people[2]))
    add(
        "users_in_several_parts", shared, "users that occur in more than one of train, valid and test",
        0 if kind == "cold_start_user" else None,
    )  # fmt: skip
    for name, frame in (("valid", valid), ("test", test)):
        inside = frame.filter((pl.col("targets").list.set_intersection("history")).list.len() > 0).height
        add(
            f"{name}_targets_in_history", inside,
            "events with a target that the visible history holds already (repeated consumption)",
            0 if kind == "snapshot" else None,
        )  # fmt: skip
    trained = _pairs(training, "history").unique()
    asked = _pairs(test, "targets").unique()
    repeats = asked.join(trained, on=["user", "item"]).height
    add(
        "test_pairs_in_train", repeats, "test pairs of user and item that also occur in training",
        None if kind == "leave_one_out" else 0,
    )  # fmt: skip

    encoded = encode(interactions, parts["vocabulary"])
    used = int(training["history"].list.len().sum())
    if kind == "leave_one_out":
        rest = encoded.height - used - int(valid["targets"].list.len().sum()) - int(test["targets"].list.len().sum())
        add(
            "interactions_used_twice", rest,
            "interactions less those that train, those validated and those tested: every one has one use", 0,
        )  # fmt: skip
    if kind == "cold_start_user":
        whole, known = test.select(pl.concat_list("history", "targets")).to_series(), training["history"]
        near = int((highest_overlap(whole, known) >= NEAR).sum())
        twins = whole.list.eval(pl.element().cast(pl.String)).list.join(" ")
        same = int(twins.is_in(known.list.eval(pl.element().cast(pl.String)).list.join(" ").implode()).sum())
        add("identical_test_sequences", same, "test sequences, target included, that equal a training user's")
        add(
            "near_duplicate_test_sequences", near,
            f"test users whose items overlap a training user's, Jaccard {NEAR} or more (group near_duplicate)",
        )  # fmt: skip
    if kind == "snapshot":
        zero_shot = parts["candidates"].filter(pl.col("ranking") == "zero_shot")["item"]
        held = pl.concat([training["history"], valid["targets"]]).explode(empty_as_null=False)
        add(
            "zero_shot_candidates_in_train", int(zero_shot.is_in(held.implode()).sum()),
            "candidates of ranking zero_shot that occur in training or validation", 0,
        )  # fmt: skip
        if settings["cut"] is not None:
            early = encoded.filter(pl.col("timestamp") < seconds(settings["cut"]))
            late = trained.join(early, on=["user", "item"], how="anti").height
            add("train_pairs_after_cut", late, "training pairs that occur only from the cut on", 0)
    elif encoded["timestamp"].null_count() == 0:
        # per user the order is right by construction; across users, training may lie in the future of a test event
        last = encoded.group_by("user").agg(pl.col("timestamp").last()).join(test.select("user"), on="user", how="semi")
        later = encoded.join(training.select("user"), on="user", how="semi")["timestamp"] > last["timestamp"].min()
        add(
            "interactions_of_train_users_after_first_test_event", round(float(later.mean()), 6),
            "share of the training users' interactions later than the earliest test target: what a deployment at that "
            "time could not know; the protocol snapshot has none",
        )  # fmt: skip
    size = dict(parts["groups"].group_by("group").len().iter_rows())
    if ties := size.get("tied", 0) + size.get("untied", 0):
        add(
            "tied_test_transitions", round(size.get("tied", 0) / ties, 6),
            "share of test events whose target has the same timestamp as the item before it: their order is the "
            "tie-break's, not the user's (groups tied, untied)",
        )  # fmt: skip
    elif encoded["timestamp"].null_count():
        add("test_events_without_times", test.height, "test events whose times are unknown: ties cannot be told")
    seen = pl.Series(trained["item"].unique())
    unseen = int((~asked["item"].is_in(seen.implode())).sum())
    add("test_pairs_of_items_unseen_in_train", unseen, "test pairs whose item has no training interaction")
    add(
        "groups_fitted_on_interactions", used,
        "interactions behind the groups' thresholds: those of train.parquet, all of them and no others",
    )  # fmt: skip
    left = interactions["user_id"].n_unique() - len(people[0] | people[1] | people[2])
    add("users_left_out", left, "users without a training row and without an event")
    return found
