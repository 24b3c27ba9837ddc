# From ranks to metrics and tables.


rule metrics:
    input:
        unpack(reporting.metric_inputs),
    output:
        **recorded(metrics=f"{METRICS}.csv"),
    log:
        "logs/metrics/{dataset}/{protocol}/{backbone}.log",
    benchmark:
        "logs/metrics/{dataset}/{protocol}/{backbone}.tsv"
    conda:
        "../envs/report.yaml"
    params:
        **job("metrics", reporting.metric_settings),
    shell:
        RUN


use rule metrics as cell_metrics with:
    input:
        unpack(reporting.cell_metric_inputs),
    output:
        **recorded(metrics=f"{CELL}/metrics.csv"),
    log:
        f"logs/{CELL}/metrics.log",
    benchmark:
        f"logs/{CELL}/metrics.tsv"
    params:
        **job("metrics", reporting.cell_metric_settings),


use rule metrics as table with:
    input:
        unpack(reporting.table_inputs),
    output:
        **recorded(**formats(TABLE, "csv", "md", "tex", "html", "comparisons.csv", "costs.csv")),
    log:
        "logs/tables/{table}.log",
    benchmark:
        "logs/tables/{table}.tsv"
    params:
        **job("table", reporting.table_settings),


use rule metrics as statistics_table with:
    input:
        statistics=reporting.every_dataset,
    output:
        **recorded(**formats(f"{TABLES}/statistics", "csv", "md", "tex")),
    log:
        "logs/tables/statistics.log",
    benchmark:
        "logs/tables/statistics.tsv"
    localrule: True
    params:
        **job("statistics_table"),


use rule statistics_table as references_table with:
    input:
        tables=reporting.every_table,
    output:
        **recorded(**formats(f"{TABLES}/references", "md")),
    log:
        "logs/tables/references.log",
    benchmark:
        "logs/tables/references.tsv"
    localrule: True
    params:
        **job("references"),


use rule metrics as audit_published with:
    input:
        tables=PAPERS,
    output:
        **recorded(**formats("results/audit/published", "md", "csv")),
    log:
        "logs/audit/published.log",
    benchmark:
        "logs/audit/published.tsv"
    localrule: True
    params:
        **job("audit_published"),


use rule metrics as report with:
    input:
        unpack(reporting.report_inputs),
    output:
        **recorded(index="results/report/index.html"),
    log:
        "logs/report.log",
    benchmark:
        "logs/report.tsv"
    localrule: True
    params:
        **job("report", reporting.report_settings, run=reporting.command),


use rule metrics as crate with:
    input:
        unpack(reporting.report_inputs),
    output:
        **recorded(metadata="results/crate/ro-crate-metadata.json"),
    log:
        "logs/crate.log",
    benchmark:
        "logs/crate.tsv"
    params:
        **job("crate", reporting.crate_settings, run=reporting.command),


rule resources:
    log:
        "logs/resources.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    shell:
        "set -o pipefail; python -m ptebench.resources results 2>&1 | tee {log:q}"
