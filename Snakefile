# PtE-Bench: from raw interaction files to a paper's tables. Targets only; the rules are in rules/.
from snakemake.utils import min_version

min_version("9.20")


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/profiles.smk"
include: "rules/embeddings.smk"
include: "rules/recommenders.smk"
include: "rules/report.smk"


rule tables:
    default_target: True
    input:
        table_files(),
        statistics_files(),
    localrule: True


rule statistics:
    input:
        statistics_files(),
    localrule: True


rule references:
    input:
        "results/tables/references.md",
    localrule: True


rule splits:
    input:
        [f"results/splits/{d}/{p}/leakage.json" for d, p in PAIRS],
    localrule: True


rule profiles:
    input:
        profile_files(),
        quality_files(),
    localrule: True


rule audits:
    input:
        audit_files(),
    localrule: True


rule cells:
    input:
        [f"{cell_folder(c)}/metrics.csv" for c in CELLS],
    localrule: True
