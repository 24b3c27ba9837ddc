# From raw files to interactions, items, splits and statistics.


for layout in SIMULATED:

    rule:
        name:
            f"simulate_{layout}"
        output:
            **recorded(f"{DATA}/raw/{layout}.provenance.json", **raw.simulation(layout)),
        log:
            f"logs/data/{{dataset}}/simulate_{layout}.log",
        benchmark:
            f"logs/data/{{dataset}}/simulate_{layout}.tsv"
        conda:
            "../envs/data.yaml"
        params:
            **job("simulate", raw.simulation_settings),
        shell:
            RUN


rule download:
    log:
        "logs/data/download.log",
    localrule: True  # a target alone: no file of another rule is made here, so nothing is fetched unless it is named
    conda:
        "../envs/data.yaml"
    params:
        spec=job("download", raw.download_settings)["spec"],
    shell:
        "set -o pipefail; python -m workflow_scripts.download --files {params.spec:q} 2>&1 | tee {log:q}"


rule interactions:
    input:
        unpack(raw.raw_inputs),
    output:
        **recorded(f"{DATA}/provenance.json", **DATASET),
    log:
        "logs/data/{dataset}/interactions.log",
    benchmark:
        "logs/data/{dataset}/interactions.tsv"
    conda:
        "../envs/data.yaml"
    params:
        **job("interactions", raw.reading_settings, modules=raw.reading_modules),
    shell:
        RUN


use rule interactions as impressions with:
    input:
        unpack(raw.raw_inputs),
        interactions=f"{DATA}/interactions.parquet",
    output:
        **recorded(impressions=only(f"{DATA}/impressions.parquet", dataset=raw.with_impressions)),
    log:
        "logs/data/{dataset}/impressions.log",
    benchmark:
        "logs/data/{dataset}/impressions.tsv"
    params:
        **job("impressions", raw.reading_settings, modules=raw.reading_modules),


use rule interactions as split with:
    input:
        unpack(raw.split_inputs),
    output:
        **recorded(f"{SPLIT}/provenance.json", **SPLIT_FILES),
    log:
        "logs/splits/{dataset}/{protocol}/split.log",
    benchmark:
        "logs/splits/{dataset}/{protocol}/split.tsv"
    params:
        **job("split", raw.split_settings, modules=raw.split_modules),


use rule interactions as export with:
    input:
        **SPLIT_ROWS,
    output:
        **recorded(**EXPORTS),
    log:
        "logs/exports/{dataset}/{protocol}.log",
    benchmark:
        "logs/exports/{dataset}/{protocol}.tsv"
    params:
        **job("export"),


use rule interactions as describe with:
    input:
        **DESCRIBED,
        published=PUBLISHED_STATISTICS,
    output:
        **recorded(f"{DATA}/statistics.provenance.json", **DESCRIPTION),
    log:
        "logs/data/{dataset}/describe.log",
    benchmark:
        "logs/data/{dataset}/describe.tsv"
    params:
        **job("describe", raw.statistics_settings),
