"""Write a split as plain CSV and as RecBole's benchmark files."""

import polars as pl

from ptebench.data.exports import PARTS, Names, features, general, plain, sequential
from ptebench.files import CANDIDATES, EVENTS, ITEMS, OWN_CANDIDATES, TRAIN, VOCABULARY, atomic, read_table
from ptebench.job import run


def write(blocks, path, separator=","):
    """Write blocks of a table as one text file."""
    with atomic(path) as temporary, open(temporary, "wb") as stream:
        for number, block in enumerate(blocks):
            quotes = "necessary" if separator == "," else "never"
            block.write_csv(stream, separator=separator, include_header=number == 0, quote_style=quotes)


def main(job):
    names = Names(read_table(job.input("vocabulary"), VOCABULARY))
    names.refuse_blanks()
    parts = {part: read_table(job.input(part), TRAIN) for part in ("train", "histories")}
    parts |= {part: read_table(job.input(part), EVENTS) for part in ("valid", "test")}
    parts["test_candidates"] = read_table(job.input("candidates"), CANDIDATES, OWN_CANDIDATES)
    items = read_table(job.input("items"), ITEMS)
    for name, table in plain(parts, names).items():
        write([table], job.outputs[name])
    known = pl.col("item_id").is_in(names.raw["item"].implode())
    text = pl.col("categories").list.join("|")
    write([items.filter(known).drop("card").with_columns(text)], job.outputs["items"])
    for part in PARTS:
        write([general(part, parts[part], names)], job.outputs[f"general_{part}"], "\t")
        write(sequential(part, parts[part], names), job.outputs[f"sequential_{part}"], "\t")
    for kind in ("general", "sequential"):
        write([features(items, names)], job.outputs[f"{kind}_item"], "\t")
    return {"rows": {part: parts[part].height for part in PARTS}}


if __name__ == "__main__":
    run(main)
