"""Simulated raw files under the names and in the schemas that configs/paper.yaml reads.

PYTHONPATH=workflow_scripts python -m tests.data.study_files FOLDER writes them, so that the whole grid can be tried
without a publisher's file.
"""

import gzip
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from ptebench.data.simulate import write, write_file

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "paper.yaml"
EARLIER = timedelta(days=14 * 365)  # than a simulated dataset: the years of the study's Yelp


def write_all(folder: Path, users: int = 150, items: int = 160) -> None:
    """Write every raw file of configs/paper.yaml below `folder`, its data_root."""
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
        if yelp:
            _rewrite(reviews, _yelp_review, json.dumps)
            _rewrite(about, _yelp_business, json.dumps)
        elif settings["release"] == "2014":
            _rewrite(reviews, _review_2014, json.dumps)
            _rewrite(about, _item_2014, repr)  # as Python writes a dict, no JSON


def _rewrite(path: Path, change, text) -> None:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()
    write_file(path, "".join(f"{text(change(json.loads(line)))}\n" for line in lines))


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
