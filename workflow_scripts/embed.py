"""Encode the texts of one side of a split: item cards, or profiles of users or items."""

from ptebench.data.exports import Names, check_histories
from ptebench.embeddings.texts import read_texts, read_training_texts, tell_gaps
from ptebench.encoders import encode
from ptebench.files import TRAIN, VOCABULARY, read_table, write_embeddings
from ptebench.job import run
from ptebench.provenance import canonical, file_digest


def main(job) -> dict:
    text, side, encoder = job.spec["text"], job.spec["side"], job.spec["encoder"]
    vocabulary = read_table(job.input("vocabulary"), VOCABULARY)
    columns = job.spec.get("columns", {})
    if sha256 := job.spec.get("histories"):
        path = job.input("histories")
        check_histories(path, read_table(path, TRAIN), Names(vocabulary), text, sha256)
    texts, fit = read_texts(job.input("texts"), text, vocabulary.filter(side=side), columns.get(side)), None
    if columns:
        tell_gaps(job.input("texts"), texts, text, side, job.spec.get("partial", False))
    if encoder["kind"] == "lsa":
        name = "card" if columns and "item" not in columns else text
        items = vocabulary.filter(side="item")
        fit = read_training_texts(job.input("fit"), name, items, job.input("train"), columns.get("item"))
    vectors = encode(texts, encoder, fit)
    used = {name: file_digest(path) for name in sorted(job.inputs) if (path := job.input(name))}
    made_of = {"text": text, "columns": columns, "side": side, "encoder": encoder, "inputs": used}
    write_embeddings(vectors, job.outputs["vectors"], {"made_of": canonical(made_of)})
    text_count = int(vectors.any(1).sum())
    print(f"{side} vectors: {text_count:,} of {len(texts) - 1:,} texts, {vectors.shape[1]} dimensions")
    return {"texts": len(texts) - 1, "empty": len(texts) - 1 - text_count, "dimensions": vectors.shape[1]}


if __name__ == "__main__":
    run(main)
