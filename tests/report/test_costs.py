"""What a row took, from records."""

import json
from pathlib import Path

import polars as pl

from ptebench.files import write_table
from ptebench.report.costs import COSTS, build_costs, rising


def record(folder, name, **values):
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"parameters": 7, **values}))
    return path


def test_costs_are_the_mean_of_a_rows_trainings_and_the_sum_of_its_trials(tmp_path):
    place = {"dataset": "toys", "protocol": "leave_one_out", "representation": "id"}
    spec = {
        "cells": [["toys", "leave_one_out", "sasrec", "id", [0, 1]], ["toys", "leave_one_out", "markov", "id", [0]]],
        "trials": [3, 0],
    }  # fmt: skip
    metrics = pl.DataFrame([{**place, "backbone": b, "text": t} for b, t in (("sasrec", "card"), ("markov", None))])
    seconds = {"a": (10.0, 20.0), "b": (14.0, 22.0), "c": (1.0, 2.0), "d": (3.0, 4.0), "e": (5.0, 6.0), "f": (9.0, 8.0)}
    files = {k: record(tmp_path, k, wall_seconds=wall, cpu_seconds=cpu) for k, (wall, cpu) in seconds.items()}
    costs = build_costs(spec, metrics, [files[k] for k in "abc"], [files[k] for k in "def"])
    assert costs.schema == COSTS
    sasrec, markov = costs.drop("dataset", "protocol", "representation", "backbone").iter_rows()
    nothing = (0.0, 0.0, 0.0, 0.0, 0)
    assert sasrec == ("card", 7, 2, 12.0, 21.0, 3, 17.0, 18.0, *nothing)
    assert markov == (None, 7, 1, 1.0, 2.0, 0, 0.0, 0.0, *nothing)


def test_a_row_names_what_its_embedding_and_what_its_text_took(tmp_path, monkeypatch):
    """A language model that is taught, writes both sides, and is read by an alignment: each job once."""
    monkeypatch.chdir(tmp_path)

    def job(script, seconds, output, *inputs):
        folder = (tmp_path / output).parent
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / output).write_text("")
        values = {"script": script, "wall_seconds": seconds, "cpu_seconds": 2 * seconds, "outputs": {output: ""}}
        return record(folder, f"{Path(output).stem}.provenance", inputs=dict.fromkeys(inputs, ""), **values)

    models, vectors = "results/profiles/toys/smollm2", "results/embeddings/toys"
    job("split", 500.0, "results/splits/toys/train.parquet")
    job("grpo", 100.0, f"{models}/grpo/item.safetensors", "results/splits/toys/train.parquet")
    job("write_profiles", 30.0, f"{models}/item.parquet", f"{models}/grpo/item.safetensors")
    job("embed", 4.0, f"{vectors}/sft/item.safetensors", f"{models}/item.parquet")
    job("embed", 5.0, f"{vectors}/card/item.safetensors", "results/data/toys/items.parquet")
    texts = f"{vectors}/sft/item.safetensors", f"{vectors}/card/item.safetensors"
    aligned = job("align", 7.0, f"{vectors}/aligned/item.safetensors", *texts)
    cells = [
        job("train", 1.0, "results/cells/a", f"{vectors}/aligned/item.safetensors"),
        job("train", 1.0, "results/cells/b", texts[1]),
    ]
    spec = {"cells": [["toys", "p", "sasrec", name, [0]] for name in ("aligned", "card")], "trials": [0, 0]}
    metrics = pl.DataFrame(
        {"dataset": "toys", "protocol": "p", "backbone": "sasrec", "representation": ["aligned", "card"], "text": "x"}
    )
    costs = build_costs(spec, metrics, cells, [])
    assert costs["embedding_seconds"].to_list() == [7.0, 0.0] and costs["text_seconds"].to_list() == [139.0, 5.0]
    assert costs["embedding_cpu_seconds"].to_list() == [14.0, 0.0]
    aligned.unlink()
    gone = build_costs(spec, metrics, cells, [])
    write_table(gone, tmp_path / "costs.csv", COSTS)
    assert gone["text_seconds"].to_list() == [None, 5.0] and gone["seconds"].to_list() == costs["seconds"].to_list()


def test_a_row_that_still_rose_is_named(tmp_path):
    place = {"dataset": "toys", "protocol": "p", "backbone": "sasrec"}
    spec = {"cells": [["toys", "p", "sasrec", name, [0, 1]] for name in ("id", "card")], "trials": [0, 0]}
    metrics = pl.DataFrame([{**place, "representation": name, "text": None} for name in ("id", "card")])
    took = {"wall_seconds": 1.0, "cpu_seconds": 1.0}
    notes = [{"still_rising": True}, {"still_rising": False}, {"still_rising": False}, {}]
    records = [record(tmp_path, str(k), **took, **note) for k, note in enumerate(notes)]
    (sentence,) = rising(build_costs(spec, metrics, records, []))
    assert "sasrec/id of toys, p (1 of 2 seeds)" in sentence and "card" not in sentence
    assert rising(build_costs(spec, metrics, records[1:3] * 2, [])) == []
