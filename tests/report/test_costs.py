"""What a row took, from records."""

import json

import polars as pl

from ptebench.report.costs import COSTS, build_costs


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
    assert sasrec == ("card", 7, 2, 12.0, 21.0, 3, 17.0, 18.0) and markov == (None, 7, 1, 1.0, 2.0, 0, 0.0, 0.0)
