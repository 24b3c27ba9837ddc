"""Propose a configuration for a file of interactions of one's own: columns, filters, split, and what is not clear.

python -m ptebench.propose purchases.csv --items products.csv > own.yaml
"""

import argparse
import re
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import polars as pl
import yaml

from ptebench.config.base import NAME
from ptebench.config.datasets import Dataset, Sequences, Table
from ptebench.data.filters import height, prepare
from ptebench.data.parts import distinct
from ptebench.errors import InputError, printable
from ptebench.raw.lines import Malformed
from ptebench.raw.meaning import NAMES, columns_of, find_times, look, named
from ptebench.raw.tables import form, table_blocks

ACTS = {"user_id": "who acts", "item_id": "what is acted on"}
SOURCES: dict[str, type[Dataset]] = {"table": Table, "sequences": Sequences}
PUBLISHERS = {
    "amazon": {"asin", "reviewerID"}, "yelp": {"business_id", "review_id"}, "mind": {"impression_id", "user_id"},
}  # fmt: skip
CORES = (5, 3, 2, 0)
FEWEST = {"users": 50, "items": 20}  # that a core must leave
TOLD = 0.01  # of the interactions that are tied
BAD = 0.05  # of the lines that may be malformed
SHARE = 0.2  # of the interactions that a core must leave
# users, and interactions, from which on a sample is proposed for a first try, and its users
MANY, LONG, SAMPLE = 10_000, 500_000, 1500


@dataclass
class Proposal:
    """What is proposed for a file: settings of a dataset, what was found in it, and what was not understood."""

    settings: dict
    facts: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    users: int = 0  # whom the filters leave
    total: int = 0  # interactions


def propose(path: Path, items: Path | None = None) -> Proposal:
    """Return the proposal for a file of interactions, and a file of item texts beside it."""
    columns = columns_of(path)
    chosen = named(columns, ("user_id", "item_id", "timestamp", "rating"))
    if missing := [ours for ours in ACTS if ours not in chosen]:
        swapped = items is not None and len(named(columns_of(items), tuple(ACTS))) == len(ACTS)
        raise InputError(
            f"{path}: no column's name tells {' or '.join(ACTS[ours] for ours in missing)}; it has "
            f"{', '.join(columns)}; "
            + (
                f"are the two files swapped? {items} has these"
                if swapped
                else f"rename the column to {', '.join(missing)}"
            )
        )
    if sum(column.lower().startswith(("train", "valid", "test")) for column in columns) > 1:
        raise InputError(
            f"{path}: its columns, {', '.join(columns)}, are parts of a split that somebody made; name the file "
            "yourself, `source: sequences, parts: FILE`, with the protocol snapshot, which takes such a split"
        )
    if "timestamp" not in chosen and (times := find_times(path, [c for c in columns if c not in chosen.values()])):
        chosen["timestamp"] = times
    told = ", ".join(f"{theirs} is {ours}" for ours, theirs in chosen.items())
    interacted = look(path, chosen["item_id"])
    if not len(interacted):
        raise InputError(f"{path}: no row below the names of the columns has a {chosen['item_id']}; fetch it again")
    if in_order := 2 * interacted.str.contains(r"\S \S").sum() > len(interacted):
        settings: dict = {"source": "sequences", "sequences": str(path)}
        settings |= {"times": str(path)} if "timestamp" in chosen else {}
        interacted = interacted.str.split(" ").explode()
    else:
        settings = {"source": "table", "interactions": str(path), "columns": chosen}
    proposal = Proposal(settings, [f"{path}: {told}" + ", the items of a user in one line" * in_order])
    if left := [column for column in columns if column not in chosen.values()]:
        proposal.doubts.append(f"{path}: nothing reads {', '.join(left)}")
    if form(path) in (".inter", ".item"):
        proposal.doubts.append(
            f"{path}: a file of RecBole's, which `source: recbole` reads as it comes, `inter: {path}`"
        )
    if publisher := next((name for name, marks in PUBLISHERS.items() if marks <= set(columns)), None):
        proposal.doubts.append(
            f"{path}: it looks like a file of {publisher}, which `source: {publisher}` reads as it comes "
            "(docs/guide/datasets.md)"
        )
    if items is not None:
        _propose_texts(proposal, items, interacted)
    _propose_filters(proposal, path, "timestamp" in chosen)
    return proposal


def _propose_texts(proposal: Proposal, path: Path, interacted: pl.Series) -> None:
    """Add the columns of a file of item texts."""
    columns, wanted = columns_of(path), {*interacted.unique()}
    keys = [column for column in columns if any(word in column.lower() for word in ("id", *NAMES["item_id"]))]
    share = {column: len(wanted.intersection(look(path, column))) for column in keys or columns}
    key = max(share, key=lambda column: share[column])
    if not share[key]:
        raise InputError(
            f"{path}: no column holds ids of the interactions, such as {interacted[0]!r}; it has {', '.join(columns)}; "
            "write the ids of both files alike, in a column item_id"
        )
    texts = named([column for column in columns if column != key], ("title", "categories", "brand", "description"))
    if not texts:
        proposal.doubts.append(
            f"{path}: no column's name tells a title, categories, a brand or a description, so the file is left out; "
            "rename its columns"
        )
        return
    proposal.settings |= {"items": str(path), "item_columns": {"item_id": key, **texts}}
    proposal.facts.append(f"{path}: {key} is item_id, {', '.join(f'{t} is {o}' for o, t in texts.items())}")
    _check_ids(proposal, path, key, share, interacted, next(iter(texts.values())))


def _check_ids(
    proposal: Proposal, path: Path, key: str, share: dict[str, int], interacted: pl.Series, text: str
) -> None:
    """Say how many items have a row, which other column has their ids too, and whose plain numbers they may be."""
    distinct_ids = interacted.unique()
    several = f"{share[key]:,} of" if share[key] < len(distinct_ids) else "all"
    proposal.facts.append(
        f"{path}: {several} {len(distinct_ids):,} items that the first rows of the interactions name have a row"
    )
    if share[key] < 0.9 * len(distinct_ids):
        proposal.doubts.append(f"{path}: items without a row have no text; are these the items of the interactions?")
    for other in (column for column in share if column != key and share[column] >= 0.5 * share[key]):
        proposal.doubts.append(
            f"{path}: {other} holds ids of {share[other]:,} of them too; name it if it is the right one"
        )
    if distinct_ids.str.contains(r"^\d{1,7}$").all():
        most = interacted.alias("item").value_counts().sort("count", "item", descending=[True, False])["item"][0]
        proposal.doubts.append(
            f"{path}: ids are plain numbers, so that a file of any other catalogue would seem to fit too. Item {most}, "
            f"chosen most, would be {_text_of(path, key, most, text)!r}; is it?"
        )


def _text_of(path: Path, key: str, item: str, text: str) -> str | None:
    """Return the text of an item in a column of a file, None where it has none."""
    for block in table_blocks(path, [key], Malformed(10**9), [text]):
        found = block.filter(pl.col(key).cast(pl.String, strict=False) == item)
        if found.height:
            return str(found[text][0])[:60]
    return None


def _propose_filters(proposal: Proposal, path: Path, timed: bool) -> None:
    """Read the whole file and add the highest core that leaves enough, and what the split needs to know."""
    settings, source = proposal.settings, proposal.settings["source"]
    defaults = SOURCES[source].model_validate(settings).model_dump() | {"max_bad_rows": 10**9}
    files = {key: [path] for key in ("interactions", "sequences", "times") if key in settings}
    read = import_module(f"ptebench.data.sources.{source}").read(files, defaults)
    users, items = (len(distinct(read.interactions, column)) for column in ("user_id", "item_id"))
    total = height(read.interactions)
    if bad := read.malformed.count:
        lines = bad + (users if source == "sequences" else total)
        if bad > BAD * lines:
            raise InputError(f"{read.malformed.first}; {bad:,} of {lines:,} lines are malformed: mend the file")
        settings["max_bad_rows"] = bad
        proposal.doubts.append(f"{bad:,} malformed lines are skipped, the first {read.malformed.first}")
    proposal.facts.append(f"{total:,} interactions of {users:,} users with {items:,} items")
    for core in CORES:
        left = _left(read.interactions, defaults | {"user_core": core, "item_core": core, "duplicates": "first"})
        if not core or left["rows"] >= SHARE * total and all(left[name] >= least for name, least in FEWEST.items()):
            break
    settings |= {"user_core": core, "item_core": core, "duplicates": "first"}
    proposal.users, proposal.total = left["users"], left["rows"]
    if few := [f"{left[name]:,} {name}" for name, least in FEWEST.items() if left[name] < least]:
        proposal.doubts.append(f"{path}: {' and '.join(few)} are too few to tell one method from another")
    proposal.facts.append(
        f"{core}-core, first of repeated pairs: {left['rows']:,} interactions of {left['users']:,} users"
    )
    if "rating" in settings.get("columns", {}):
        proposal.facts.append("every rating counts as an interaction; `min_rating: 4` would keep what was liked alone")
    if timed and total > users and (tied := _tied(read.interactions, total) / (total - users)) >= TOLD:
        proposal.doubts.append(
            f"{path}: {tied:.0%} of a user's interactions have the time of the one before, so that their order is "
            "drawn (tie_break)"
        )
    if not timed:
        settings["tie_break"] = "file"
        proposal.doubts.append(f"{path}: no column's name tells a time, so that the file's order counts as the order")


def _tied(parts: list[pl.LazyFrame], total: int) -> int:
    """Return how many of all interactions have the time of another one of their user."""
    moments = pl.concat(parts).select("user_id", "timestamp").unique().select(pl.len()).collect().item()
    return int(total - moments)


def _left(parts: list[pl.LazyFrame], settings: dict) -> dict[str, int]:
    """Return how many rows, users and items filters leave."""
    try:
        kept, _ = prepare(parts, settings)
    except InputError:  # none is left
        return {"rows": 0, "users": 0, "items": 0}
    return {"rows": height(kept), "users": len(distinct(kept, "user_id")), "items": len(distinct(kept, "item_id"))}


def comment(text: str) -> str:
    """Return text on one line: a comment of YAML ends with its line."""
    return printable(text.replace("\n", "\\n"))


def flow(value) -> str:
    """Return a value as YAML in one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**9).removesuffix("...\n").strip()


def configuration(proposal: Proposal, name: str = "own") -> str:
    """Return the proposal as a configuration file, with the `name` of its dataset and table."""
    entry = [f"    {key}: {flow(value)}" for key, value in proposal.settings.items()]
    if proposal.users >= MANY or proposal.total >= LONG:
        entry += [
            f"    # users: {SAMPLE}                     # a sample for a first try: items are not filtered again, many",
            "    # never train, and ids suffer: `groups: [overall, known_item]` in the table tells those that trained",
        ]
    texts, timed = "items" in proposal.settings, proposal.settings.get("tie_break") != "file"
    floors = {"popularity": "", "markov": "", "itemknn": ""}
    if texts:
        floors["textknn_whitened"] = " {kind: textknn, components: 256}"
    temporal = (
        "\n  # global_temporal: {cuts: [0.8]}   # or one timeline for all, the latest fifth of the interactions last"
    )
    return "\n".join([
        f"# A benchmark of your own: snakemake --cores 2 --configfile {name}.yaml",
        *(f"# {comment(fact)}" for fact in proposal.facts),
        *(f"# not clear: {comment(doubt)}" for doubt in proposal.doubts),
        "seeds: [0, 1]",
        "data_root: .                           # paths start in the folder that Snakemake runs in",
        "",
        "datasets:",
        f"  {name}:",
        *entry,
        "",
        "protocols:",
        "  leave_one_out:                     # a user's last item is the test, the one before it validates"
        + (temporal if timed else ""),
        "",
        *(["encoders:", "  minilm:", ""] if texts else []),
        f"backbones:                           # the first {len(floors)} count, and are what a model has to beat",
        *(f"  {name}:{settings}" for name, settings in floors.items()),
        "  sasrec: {max_length: 50, dimension: 64, dropout: 0.3, epochs: 60, patience: 10}",
        "",
        "representations:",
        "  id:",
        *(["  card:                                # an item is its text, through a trained adapter"] if texts else []),
        "",
        "tables:",
        f"  {name}:",
        "    title: My data",
        f"    datasets: [{name}]",
        "    protocols: [leave_one_out]",
        "    rows:",
        f"      - backbones: [{', '.join(floors)}]",
        f"      - {{backbones: [sasrec], representations: [{'id, card' if texts else 'id'}]}}",
        "    metrics: [HR@10, NDCG@10]",
        "",
    ])  # fmt: skip


def main() -> None:
    """Read the command line and print the configuration."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("interactions", type=Path, help="CSV, TSV, Parquet or JSON lines, one interaction a row")
    parser.add_argument("--items", type=Path, help="the same with texts of items, one item a row")
    parser.add_argument("--name", default="own", help="of dataset and table; each of several files wants its own")
    options = parser.parse_args()
    try:
        if not re.fullmatch(NAME, options.name):
            raise InputError(f"--name {options.name!r}: expected small letters, digits, _ and -")
        print(configuration(propose(options.interactions, options.items), options.name), end="")
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
