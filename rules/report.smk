# From ranks to metrics and tables.


rule metrics:
    input:
        ranks=f"{CELL}/ranks.parquet",
        groups="results/splits/{dataset}/{protocol}/groups.parquet",
        record=f"{CELL}/provenance.json",
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
        " --input ranks {input.ranks:q} --input groups {input.groups:q} --input record {input.record:q}"
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
    statistics_table,
    references_table,


rule table:
    input:
        metrics=table_metrics,
        ranks=table_ranks,
        groups=table_groups,
        published=PUBLISHED,
    output:
        csv="results/tables/{table}.csv",
        markdown="results/tables/{table}.md",
        latex="results/tables/{table}.tex",
        html="results/tables/{table}.html",
        comparisons="results/tables/{table}.comparisons.csv",
        provenance="results/tables/{table}.provenance.json",
    log:
        "logs/tables/{table}.log",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=more_memory,
        runtime=30,
    params:
        spec=table_spec,
        code=code_digest("workflow_scripts.table"),
    shell:
        "python -m workflow_scripts.table --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input metrics {input.metrics:q} --input ranks {input.ranks:q} --input groups {input.groups:q}"
        " --input published {input.published:q}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --output latex {output.latex:q}"
        " --output html {output.html:q} --output comparisons {output.comparisons:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule statistics_table:
    input:
        statistics=statistics_of_datasets,
    output:
        csv="results/tables/statistics.csv",
        markdown="results/tables/statistics.md",
        latex="results/tables/statistics.tex",
        provenance="results/tables/statistics.provenance.json",
    log:
        "logs/tables/statistics.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("workflow_scripts.statistics_table"),
    shell:
        "python -m workflow_scripts.statistics_table --code {params.code} --threads {threads}"
        " --input statistics {input.statistics:q}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --output latex {output.latex:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule references_table:
    input:
        tables=csv_of_tables,
    output:
        markdown="results/tables/references.md",
        provenance="results/tables/references.provenance.json",
    log:
        "logs/tables/references.log",
    conda:
        "../envs/report.yaml"
    params:
        code=code_digest("workflow_scripts.references"),
    shell:
        "python -m workflow_scripts.references --code {params.code} --threads {threads}"
        " --input tables {input.tables:q}"
        " --output markdown {output.markdown:q} --provenance {output.provenance:q} > {log:q} 2>&1"
