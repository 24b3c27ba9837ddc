"""Encode the texts of one side of a split: item cards, or profiles of users or items."""

import polars as pl

from ptebench.embeddings.encoders import encode
from ptebench.files import ITEMS, PROFILES, TRAIN, VOCABULARY, InputError, read_table, write_embeddings
from ptebench.job import run
from ptebench.provenance import canonical, file_digest


def texts_by_id(path, text: str, vocabulary: pl.DataFrame) -> list[str]:
    """Return the text of each dense id, entry 0 (padding) empty; raise InputError where an id has none."""
    if text == "card":
        frame = read_table(path, ITEMS).select(pl.col("item_id").alias("raw"), pl.col("card").alias("text"))
    else:
        frame = read_table(path, PROFILES).select("id", "text")
    frame = vocabulary.join(frame, on=frame.columns[0], how="left", maintain_order="left").sort("id")
    if frame.height != vocabulary.height:
        raise InputError(f"{path}: {frame.columns[0]!r} has repeated values; expected one row for each")
    if frame["text"].null_count():
        raw = frame.filter(pl.col("text").is_null())["raw"][0]
        raise InputError(f"{path}: {raw!r} of the vocabulary has no row; make this file again from the same data")
    return ["", *frame["text"]]


def main(job) -> dict:
    """Write the vectors of one side, and tell how many texts had something to say."""
    text, side, encoder = job.spec["text"], job.spec["side"], job.spec["encoder"]
    vocabulary = read_table(job.input("vocabulary"), VOCABULARY)
    texts = texts_by_id(job.input("texts"), text, vocabulary.filter(side=side))
    fit = None
    if encoder["kind"] == "lsa":
        items = texts_by_id(job.input("fit"), text, vocabulary.filter(side="item"))
        seen = read_table(job.input("train"), TRAIN)["history"].explode().drop_nulls().unique().sort()
        fit = [items[item] for item in seen]
    vectors = encode(texts, encoder, fit)
    used = {name: file_digest(path) for name in sorted(job.inputs) if (path := job.input(name))}
    made_of = {"text": text, "side": side, "encoder": encoder, "inputs": used}
    write_embeddings(vectors, job.outputs["vectors"], {"made_of": canonical(made_of)})
    spoken = int(vectors.any(1).sum())
    print(f"{side} vectors: {spoken:,} of {len(texts) - 1:,} texts, {vectors.shape[1]} dimensions")
    return {"texts": len(texts) - 1, "empty": len(texts) - 1 - spoken, "dimensions": vectors.shape[1]}


if __name__ == "__main__":
    run(main)
