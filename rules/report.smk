# From ranks to metrics and tables.
import os

PUBLISHED = os.path.relpath(REPOSITORY / "workflow_scripts/ptebench/report/published.csv")


def metric_ks():
    """Return every K that the configuration or a table asks for."""
    named = (int(m.split("@")[1]) for table in TABLES.values() for m in table["metrics"])
    return sorted({*CONFIG["ks"], *named})


def metrics_spec(wildcards):
    names = ("dataset", "protocol", "backbone", "representation")
    cell = {name: wildcards[name] for name in names}
    return canonical({**cell, "seed": int(wildcards.seed), "ks": metric_ks()})


def metrics_of_backbone(wildcards):
    names = (wildcards.dataset, wildcards.protocol, wildcards.backbone)
    return [f"{cell_folder((*names, *cell))}/metrics.csv" for cell in cells_of(*names)]


def table_cells(table):
    """Return dataset, protocol, backbone, representation and seeds of each method of a table, in its order."""
    methods = {}
    for *method, seed in cells_of_table(TABLES[table]):
        methods.setdefault(tuple(method), []).append(seed)
    return [[*method, seeds] for method, seeds in methods.items()]


def table_metrics(wildcards):
    files = (
        f"results/metrics/{dataset}/{protocol}/{backbone}.csv"
        for dataset, protocol, backbone, *_ in table_cells(wildcards.table)
    )
    return list(dict.fromkeys(files))


def table_spec(wildcards):
    settings = TABLES[wildcards.table]
    rules = {p: {k: PROTOCOLS[p][k] for k in ("kind", "remove_seen")} for p in settings["protocols"]}
    return canonical(
        {
            "table": wildcards.table,
            **{key: settings[key] for key in ("title", "metrics", "rankings", "groups")},
            "cells": table_cells(wildcards.table),
            "published": {d: DATASETS[d]["published"] for d in settings["datasets"]},
            "protocols": rules,
        }
    )


rule metrics:
    input:
        ranks=f"{CELL}/ranks.parquet",
        groups="results/splits/{dataset}/{protocol}/groups.parquet",
    output:
        metrics=f"{CELL}/metrics.csv",
        provenance=f"{CELL}/metrics.provenance.json",
    log:
        f"logs/{CELL}/metrics.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=more_memory,
        runtime=30,
    params:
        spec=metrics_spec,
        code=code_digest("workflow_scripts.metrics"),
    shell:
        "python -m workflow_scripts.metrics --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input ranks {input.ranks:q} --input groups {input.groups:q}"
        " --output metrics {output.metrics:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule collect_metrics:
    input:
        cells=metrics_of_backbone,
    output:
        metrics="results/metrics/{dataset}/{protocol}/{backbone}.csv",
        provenance="results/metrics/{dataset}/{protocol}/{backbone}.provenance.json",
    log:
        "logs/metrics/{dataset}/{protocol}/{backbone}.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=more_memory,
        runtime=30,
    params:
        code=code_digest("workflow_scripts.collect_metrics"),
    shell:
        "python -m workflow_scripts.collect_metrics --code {params.code} --threads {threads}"
        " --input cells {input.cells:q}"
        " --output metrics {output.metrics:q} --provenance {output.provenance:q} > {log:q} 2>&1"


localrules:
    table,
    statistics_table,


rule table:
    input:
        metrics=table_metrics,
        published=PUBLISHED,
    output:
        csv="results/tables/{table}.csv",
        markdown="results/tables/{table}.md",
        latex="results/tables/{table}.tex",
        html="results/tables/{table}.html",
        provenance="results/tables/{table}.provenance.json",
    log:
        "logs/tables/{table}.log",
    params:
        spec=table_spec,
        code=code_digest("workflow_scripts.table"),
    shell:
        "python -m workflow_scripts.table --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input metrics {input.metrics:q} --input published {input.published:q}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --output latex {output.latex:q}"
        " --output html {output.html:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule statistics_table:
    input:
        statistics=expand("results/data/{dataset}/statistics.csv", dataset=dict.fromkeys(d for d, _ in PAIRS)),
    output:
        csv="results/tables/statistics.csv",
        markdown="results/tables/statistics.md",
        latex="results/tables/statistics.tex",
        provenance="results/tables/statistics.provenance.json",
    log:
        "logs/tables/statistics.log",
    params:
        code=code_digest("workflow_scripts.statistics_table"),
    shell:
        "python -m workflow_scripts.statistics_table --code {params.code} --threads {threads}"
        " --input statistics {input.statistics:q}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --output latex {output.latex:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"
