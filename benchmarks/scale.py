"""Publishers' files of full size, written as a stream, through the job that reads them; pandas beside it.

A task runs in a process of its own; its wall and CPU seconds and its peak memory are the system's account of that
process. Files are in the publishers' schemas: `netflix` has 17,770 movies and 480,189 customers, `amazon` reviews
(gzip, JSON lines) and metadata, `core` a frame of interactions whose users and items are Zipf-distributed.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from measure import machine, save

WORKER = Path(__file__).parent / "workers" / "scale_pandas.py"
BLOCK = 2_000_000  # rows written at once
MOVIES, CUSTOMERS = 17_770, 480_189  # of the Netflix Prize
DAY, FIRST = 86_400, 942_192_000  # 1999-11-10, its first day


def shares(count: int, exponent: float, rng) -> np.ndarray:
    """Return Zipf-distributed shares of `count` ids, in no order."""
    weight = 1.0 / np.arange(10, count + 10) ** exponent
    return rng.permutation(weight / weight.sum())


def draw(share: np.ndarray, size: int, rng) -> np.ndarray:
    """Return `size` ids by their shares."""
    return np.searchsorted(share.cumsum(), rng.random(size)).clip(max=len(share) - 1)


def write_netflix(folder: Path, rows: int, seed: int) -> dict:
    """Write combined_data_1.txt to _4.txt and movie_titles.csv; return the inputs of the job."""
    rng = np.random.default_rng(seed)
    counts = np.maximum(np.rint(rows * shares(MOVIES, 0.9, rng)).astype(int), 1)
    customers = shares(CUSTOMERS, 0.7, rng).cumsum()
    part_of = np.searchsorted(counts.cumsum() - counts, np.linspace(0, rows, 5)[1:-1])
    paths = [folder / f"combined_data_{n}.txt" for n in range(1, 5)]
    for path, movies in zip(paths, np.split(np.arange(MOVIES), part_of)):
        with open(path, "wb") as stream:
            for some in np.array_split(movies, max(int(counts[movies].sum()) // BLOCK, 1)):
                movie = np.repeat(some, counts[some])
                order = movie * 2.0 + 1  # a movie's ratings come behind its heading
                customer = np.searchsorted(customers, rng.random(len(movie))).clip(max=CUSTOMERS - 1) * 5 + 6
                day = pl.Series(FIRST + rng.integers(0, 2243, len(movie)) * DAY)
                ratings = pl.select(
                    order=pl.lit(pl.Series(order)),
                    text=pl.concat_str(
                        pl.lit(pl.Series(customer)), pl.lit(pl.Series(rng.integers(1, 6, len(movie)))),
                        pl.from_epoch(day).dt.strftime("%Y-%m-%d"), separator=",",
                    ),
                )  # fmt: skip
                headings = pl.DataFrame({"order": some * 2.0, "text": [f"{m + 1}:" for m in some]})
                block = pl.concat([headings, ratings]).sort("order", maintain_order=True)
                block.select("text").write_csv(stream, include_header=False, quote_style="never")
    titles = folder / "movie_titles.csv"
    titles.write_text("".join(f"{m},{1950 + m % 55},Film No. {m}\n" for m in range(1, MOVIES + 1)), "iso-8859-1")
    return {"ratings": paths, "titles": [titles]}


def write_amazon(folder: Path, rows: int, seed: int) -> dict:
    """Write reviews and metadata (one row per nine reviews) of the release of 2018; return the inputs of the job."""
    rng = np.random.default_rng(seed)
    items, users = rows // 9, rows // 5
    of_item, of_user = shares(items, 0.9, rng), shares(users, 0.5, rng)
    words = np.array("great sound works well would buy again broke after a week good value for the price".split())
    sentence = pl.Series([" ".join(rng.choice(words, 40)) for _ in range(1000)])
    paths = {"reviews": folder / "reviews.json.gz", "metadata": folder / "metadata.json.gz"}
    for name, total in (("reviews", rows), ("metadata", items)):
        with (
            open(paths[name], "wb") as raw,
            subprocess.Popen(["gzip", "-1"], stdin=subprocess.PIPE, stdout=raw) as pack,
        ):
            for start in range(0, total, BLOCK // 10):
                size = min(BLOCK // 10, total - start)
                text = pl.lit(sentence.gather(rng.integers(0, len(sentence), size)))
                asin = pl.Series(np.arange(start, start + size) if name == "metadata" else draw(of_item, size, rng))
                key = pl.format("B{}", pl.lit(asin).cast(pl.String).str.zfill(9))
                if name == "metadata":
                    frame = pl.select(
                        category=pl.concat_list(pl.lit("Electronics"), pl.format("Aisle {}", pl.lit(asin) % 97)),
                        description=pl.concat_list(text), title=pl.format("Thing No. {}", pl.lit(asin)),
                        brand=pl.format("Maker {}", pl.lit(asin) % 9973), feature=pl.concat_list(text),
                        price=pl.format("${}.99", pl.lit(asin) % 300), asin=key,
                    )  # fmt: skip
                else:
                    user = pl.lit(pl.Series(draw(of_user, size, rng))).cast(pl.String).str.zfill(12)
                    frame = pl.select(
                        overall=pl.lit(pl.Series(rng.integers(1, 6, size).astype(float))), verified=pl.lit(True),
                        reviewTime=pl.lit("07 1, 2016"), reviewerID=pl.format("A{}", user), asin=key, reviewText=text,
                        unixReviewTime=pl.lit(pl.Series(FIRST + rng.integers(0, 6000, size) * DAY)),
                    )  # fmt: skip
                pack.stdin.write(frame.write_ndjson().encode())
            pack.stdin.close()
    return {name: [path] for name, path in paths.items()}


def write_core(folder: Path, rows: int, seed: int) -> dict:
    """Write a frame of interactions: about seven of ten rows survive its 5-core."""
    rng = np.random.default_rng(seed)
    path = folder / "frame.parquet"
    user, item = draw(shares(rows // 6, 0.6, rng), rows, rng), draw(shares(rows // 60, 0.9, rng), rows, rng)
    frame = pl.select(
        user_id=pl.format("u{}", pl.lit(pl.Series(user))), item_id=pl.format("i{}", pl.lit(pl.Series(item)))
    )
    frame.write_parquet(path)
    return {"frame": [path]}


WRITERS = {"netflix": write_netflix, "amazon": write_amazon, "core": write_core}
CORE = """
import sys, time, polars as pl
from ptebench.data.filters import apply_core
frame = pl.read_parquet(sys.argv[1])
clock = time.perf_counter()
left = pl.concat(apply_core([frame.lazy()], 5, 5))
print({"rows": left.height, "seconds_of_the_core": round(time.perf_counter() - clock, 2)})
"""


def commands(task: str, inputs: dict, folder: Path) -> dict[str, list]:
    """Return the command of each contestant."""
    flat = [str(path) for paths in inputs.values() for path in paths]
    pandas = [sys.executable, WORKER, task, *flat, folder / "pandas.parquet"]
    if task == "core":
        return {"ours": [sys.executable, "-c", CORE, *flat], "pandas": pandas}
    spec = {
        "source": task, "max_bad_rows": 0, "tie_break": "file", "tie_seed": 0, "start": None, "end": None,
        "min_rating": None, "duplicates": "keep", "user_core": 0, "item_core": 0, "core": "iterative",
    }  # fmt: skip
    job = [sys.executable, "-m", "workflow_scripts.interactions", "--spec", json.dumps(spec), "--threads", 2]
    for name, paths in inputs.items():
        job += ["--input", name, *paths]
    for name in ("interactions", "items"):
        job += ["--output", name, folder / f"{name}.parquet"]
    return {"ours": job, "pandas": pandas}


def account(command: list) -> dict:
    """Run a command; return its wall and CPU seconds, peak memory in GB and last line; a failure is a result too."""
    clock = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    return {
        "seconds": round(time.perf_counter() - clock, 1), "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_gb": round(used.ru_maxrss / 1e6, 2), "exit": os.waitstatus_to_exitcode(status),
        "said": said.strip().splitlines()[-1:],
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=WRITERS)
    parser.add_argument("rows", type=int, help="ratings, reviews or interactions")
    parser.add_argument("--contestants", nargs="+", choices=["ours", "pandas"], default=["ours", "pandas"])
    parser.add_argument("--scratch", type=Path, default=Path("results/benchmarks/scale"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = options.scratch / f"{options.task}-{options.rows}"
    folder.mkdir(parents=True, exist_ok=True)
    result = {"machine": machine(2), "task": options.task, "rows": options.rows}
    # in a process of its own: what a parent has held counts as its children's peak
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        inputs = pool.submit(WRITERS[options.task], folder, options.rows, options.seed).result()
    result["gigabytes_of_files"] = round(sum(p.stat().st_size for paths in inputs.values() for p in paths) / 1e9, 2)
    run = commands(options.task, inputs, folder)
    result["contestants"] = {name: account(run[name]) for name in options.contestants}
    save(f"scale_{options.task}", result)


if __name__ == "__main__":
    main()
