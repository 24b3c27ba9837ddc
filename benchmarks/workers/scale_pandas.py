"""Worker of benchmarks/scale.py: the same tasks as a user of pandas would write them."""

import gzip
import json
import sys
import time

import pandas as pd


def netflix(*paths):
    """Read ratings (a movie's heading has no second field), sort them by user and time, write a Parquet file."""
    *ratings, _, output = paths
    frames = []
    for path in ratings:
        frame = pd.read_csv(path, header=None, names=["user_id", "rating", "date"], dtype={"user_id": str})
        heading = frame["rating"].isna()
        frame["item_id"] = frame["user_id"].where(heading).str.rstrip(":").ffill()
        frames.append(frame[~heading])
    frame = pd.concat(frames, ignore_index=True)
    frame["timestamp"] = pd.to_datetime(frame.pop("date"), format="%Y-%m-%d").astype("int64")
    frame.sort_values(["user_id", "timestamp"], kind="stable").to_parquet(output, index=False)


def amazon(reviews, metadata, output):
    """Read reviews and metadata in chunks, keep the columns that count, sort, write Parquet files."""
    columns = ["reviewerID", "asin", "overall", "unixReviewTime"]
    chunks = pd.read_json(reviews, lines=True, chunksize=200_000)
    frame = pd.concat([chunk[columns] for chunk in chunks], ignore_index=True)
    frame.sort_values(["reviewerID", "unixReviewTime"], kind="stable").to_parquet(output, index=False)
    with gzip.open(metadata, "rt", encoding="utf-8") as stream:
        items = pd.DataFrame([json.loads(line) for line in stream])
    items[items["asin"].isin(frame["asin"].unique())].sort_values("asin").to_parquet(output + ".items", index=False)


def core(path, _):
    """Drop users and items with fewer than 5 rows until none is left to drop."""
    frame = pd.read_parquet(path)
    clock = time.perf_counter()
    while True:
        before = len(frame)
        frame = frame[frame.groupby("user_id")["user_id"].transform("size") >= 5]
        frame = frame[frame.groupby("item_id")["item_id"].transform("size") >= 5]
        if len(frame) == before:
            break
    print({"rows": before, "seconds_of_the_core": round(time.perf_counter() - clock, 2)})


{"netflix": netflix, "amazon": amazon, "core": core}[sys.argv[1]](*sys.argv[2:])
