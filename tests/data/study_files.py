"""Simulated raw files under the names and in the schemas that configs/paper.yaml reads.

python -m tests.data.study_files FOLDER writes them, so that the whole grid can be tried
without a publisher's file.
"""

import gzip
import json
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from ptebench.data.simulate import write, write_file

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "paper.yaml"
EARLIER = timedelta(days=14 * 365)  # than a simulated dataset: the years of the study's Yelp


def write_all(folder: Path, users: int = 160, items: int = 220) -> None:
    """Write every raw file of configs/paper.yaml below `folder`, its data_root; heads and tails are in all."""
    datasets = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["datasets"]
    for seed, settings in enumerate(datasets.values()):
        world = {
            "layout": "amazon", "seed": seed, "users": users, "items": items, "behaviour_only": 0.2, "text_only": 0.2,
            "sequential": 0.5, "new_items": 0.0, "mean_length": max(12.0, 1.3 * settings.get("user_core", 0)),
        }  # fmt: skip
        yelp = settings["source"] == "yelp"
        reviews, about = (folder / settings[key] for key in ("reviews", "businesses" if yelp else "metadata"))
        reviews.parent.mkdir(parents=True, exist_ok=True)
        truth = folder / "truth.npz"
        write(world, {"reviews": reviews, "metadata": about, "truth": truth})
        truth.unlink()
        if heads := settings.get("heads_compat"):
            _thin(reviews, settings["user_core"], max(settings["item_core"], heads["item"] - 1))
        if yelp:
            _rewrite(reviews, _yelp_review, json.dumps)
            _rewrite(about, _yelp_business, json.dumps)
        elif settings["release"] == "2014":
            _rewrite(reviews, _review_2014, json.dumps)
            _rewrite(about, _item_2014, repr)  # as Python writes a dict, no JSON


def _records(path: Path) -> list[dict]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    return [json.loads(line) for line in lines]


def _rewrite(path: Path, change, text) -> None:
    write_file(path, "".join(f"{text(change(record))}\n" for record in _records(path)))


def _thin(path: Path, of_user: int, of_item: int) -> None:
    """Leave so many reviews of every third item, then of every third user, and of every sixth one less."""
    reviews = _records(path)
    for key, most in (("asin", lambda n: of_item), ("reviewerID", lambda n: of_user - (n % 6 == 3))):
        limit = {name: most(n) for n, name in enumerate(sorted({r[key] for r in reviews})) if n % 3 == 0}
        seen = Counter()
        kept = []
        for review in sorted(reviews, key=lambda r: r["unixReviewTime"]):
            seen[review[key]] += 1
            if seen[review[key]] <= limit.get(review[key], len(reviews)):
                kept.append(review)
        reviews = kept
    write_file(path, "".join(f"{json.dumps(review)}\n" for review in sorted(reviews, key=lambda r: r["asin"])))


def _review_2014(review: dict) -> dict:
    keys = ("reviewerID", "asin", "overall", "unixReviewTime", "reviewTime")
    return {"reviewerName": "J. D", "helpful": [0, 1], "reviewText": "", "summary": "", **{k: review[k] for k in keys}}


def _item_2014(item: dict) -> dict:
    return {
        "asin": item["asin"], "title": item["title"], "brand": item["brand"], "categories": [item["category"]],
        "description": item["description"][0], "salesRank": {}, "related": {},
    }  # fmt: skip


def _yelp_review(review: dict) -> dict:
    day = datetime.fromtimestamp(review["unixReviewTime"], UTC) - EARLIER
    return {
        "votes": {"funny": 0, "useful": 1, "cool": 0}, "user_id": review["reviewerID"], "review_id": "R",
        "stars": int(review["overall"]), "date": f"{day:%Y-%m-%d}", "text": "", "type": "review",
        "business_id": review["asin"],
    }  # fmt: skip


def _yelp_business(item: dict) -> dict:
    return {
        "business_id": item["asin"], "full_address": "1 X St", "open": True, "categories": item["category"],
        "city": "Phoenix", "state": "AZ", "review_count": 9, "name": item["title"], "neighborhoods": [], "stars": 4.0,
        "type": "business",
    }  # fmt: skip


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
