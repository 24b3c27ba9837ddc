# PtE-Bench: from raw interaction files to a paper's tables. Targets only; the rules are in rules/.
from snakemake.utils import min_version

min_version("9.20")


report: "docs/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/profiles.smk"
include: "rules/embeddings.smk"
include: "rules/recommenders.smk"
include: "rules/information.smk"
include: "rules/report.smk"


groups.attach(workflow, groups.Groups(requests, cells, gpus.count))
orphans.attach(workflow)
signals.attach()


onstart:
    submissions.refuse(workflow)
    orphans.refuse(workflow)
    recall.set_aside(workflow)
    code.keep(workflow.dag.needrun_jobs())


onsuccess:
    terminal.end()


onerror:
    terminal.end(failures.make_tables(workflow, CONFIG, grid))


rule tables:
    default_target: True
    input:
        reporting.table_files(),
        reporting.statistics_files(),
    localrule: True


rule statistics:
    input:
        reporting.statistics_files(),
    localrule: True


rule references:
    input:
        f"{TABLES}/references.md",
    localrule: True


rule splits:
    input:
        [f"results/splits/{d}/{p}/leakage.json" for d, p in grid.pairs],
    localrule: True


rule exports:
    input:
        [f"results/exports/{d}/{p}/train.csv" for d, p in grid.pairs],
    localrule: True


rule profiles:
    input:
        writing.every_profile,
    localrule: True


rule audits:
    input:
        writing.every_audit,
    localrule: True


rule cells:
    input:
        reporting.cell_files(),
    localrule: True


rule information:
    input:
        information.pages,
    localrule: True


rule verify:
    log:
        "logs/verify.log",
    localrule: True
    conda:
        "envs/data.yaml"
    params:
        plan=reporting.command,
    shell:
        "set -o pipefail; python -m ptebench.verify results --plan {params.plan:q} 2>&1 | tee {log:q}"
