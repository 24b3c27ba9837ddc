# From raw files to interactions, items, splits and statistics.


for layout, files in SIMULATED.items():

    rule:
        name:
            f"simulate_{layout}"
        output:
            # Snakemake keeps the name `items` to itself
            **{f"raw_{name}": f"results/data/{{dataset}}/raw/{file}" for name, file in files.items()},
            truth=f"results/data/{{dataset}}/raw/{layout}.truth.npz",
            provenance=f"results/data/{{dataset}}/raw/{layout}.provenance.json",
        log:
            f"logs/data/{{dataset}}/simulate_{layout}.log",
        benchmark:
            f"logs/data/{{dataset}}/simulate_{layout}.tsv"
        wildcard_constraints:
            dataset=one_of([name for name, settings in DATASETS.items() if settings.get("layout") == layout]),
        conda:
            "../envs/data.yaml"
        resources:
            mem_mb=more_memory,
            runtime=30,
        params:
            spec=simulate_spec,
            code=code_digest("workflow_scripts.simulate"),
            outputs=simulate_outputs,
        shell:
            "python -m workflow_scripts.simulate --spec {params.spec:q} --code {params.code} --threads {threads}"
            " {params.outputs} --provenance {output.provenance:q} > {log:q} 2>&1"


# a target alone: no file of another rule is made here, so that nothing is fetched unless this rule is named
rule download:
    log:
        "logs/data/download.log",
    localrule: True
    conda:
        "../envs/data.yaml"
    params:
        files=files_to_download,
    shell:
        "set -o pipefail; python -m workflow_scripts.download --files {params.files:q} 2>&1 | tee {log:q}"


rule interactions:
    input:
        unpack(raw_inputs),
    output:
        interactions="results/data/{dataset}/interactions.parquet",
        item_texts="results/data/{dataset}/items.parquet",
        provenance="results/data/{dataset}/provenance.json",
    log:
        "logs/data/{dataset}/interactions.log",
    benchmark:
        "logs/data/{dataset}/interactions.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory,
        runtime=120,
    params:
        spec=interactions_spec,
        code=reading_code("workflow_scripts.interactions"),
        raw=raw_arguments,
    shell:
        "python -m workflow_scripts.interactions --spec {params.spec:q} --code {params.code} --threads {threads}"
        " {params.raw}"
        " --output interactions {output.interactions:q} --output items {output.item_texts:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule impressions:
    input:
        unpack(raw_inputs),
        interactions="results/data/{dataset}/interactions.parquet",
    output:
        impressions="results/data/{dataset}/impressions.parquet",
        provenance="results/data/{dataset}/impressions.provenance.json",
    log:
        "logs/data/{dataset}/impressions.log",
    benchmark:
        "logs/data/{dataset}/impressions.tsv"
    wildcard_constraints:
        dataset=one_of([name for name, settings in DATASETS.items() if settings.get("impressions")]),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory,
        runtime=60,
    params:
        spec=interactions_spec,
        code=reading_code("workflow_scripts.impressions"),
        raw=raw_arguments,
    shell:
        "python -m workflow_scripts.impressions --spec {params.spec:q} --code {params.code} --threads {threads}"
        " {params.raw} --input interactions {input.interactions:q}"
        " --output impressions {output.impressions:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule split:
    input:
        unpack(impressions_file),
        interactions="results/data/{dataset}/interactions.parquet",
    output:
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
        train="results/splits/{dataset}/{protocol}/train.parquet",
        valid="results/splits/{dataset}/{protocol}/valid.parquet",
        test="results/splits/{dataset}/{protocol}/test.parquet",
        valid_candidates="results/splits/{dataset}/{protocol}/valid_candidates.parquet",
        test_candidates="results/splits/{dataset}/{protocol}/test_candidates.parquet",
        histories="results/splits/{dataset}/{protocol}/histories.parquet",
        groups="results/splits/{dataset}/{protocol}/groups.parquet",
        leakage="results/splits/{dataset}/{protocol}/leakage.json",
        provenance="results/splits/{dataset}/{protocol}/provenance.json",
    log:
        "logs/splits/{dataset}/{protocol}/split.log",
    benchmark:
        "logs/splits/{dataset}/{protocol}/split.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory,
        runtime=60,
    params:
        spec=split_spec,
        code=split_code,
        impressions=impressions_argument,
    shell:
        "python -m workflow_scripts.split --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input interactions {input.interactions:q} {params.impressions}"
        " --output vocabulary {output.vocabulary:q} --output train {output.train:q} --output valid {output.valid:q}"
        " --output histories {output.histories:q} --output valid_candidates {output.valid_candidates:q}"
        " --output test {output.test:q} --output test_candidates {output.test_candidates:q}"
        " --output groups {output.groups:q}"
        " --output leakage {output.leakage:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule describe:
    input:
        interactions="results/data/{dataset}/interactions.parquet",
        item_texts="results/data/{dataset}/items.parquet",
        published=PUBLISHED_STATISTICS,
    output:
        statistics="results/data/{dataset}/statistics.csv",
        provenance="results/data/{dataset}/statistics.provenance.json",
    log:
        "logs/data/{dataset}/describe.log",
    benchmark:
        "logs/data/{dataset}/describe.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory,
        runtime=30,
    params:
        spec=describe_spec,
        code=code_digest("workflow_scripts.describe"),
    shell:
        "python -m workflow_scripts.describe --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input interactions {input.interactions:q} --input items {input.item_texts:q}"
        " --input published {input.published:q}"
        " --output statistics {output.statistics:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule distributions:
    input:
        interactions="results/data/{dataset}/interactions.parquet",
    output:
        drawing="results/tables/distributions/{dataset}.svg",
        provenance="results/tables/distributions/{dataset}.provenance.json",
    log:
        "logs/data/{dataset}/distributions.log",
    benchmark:
        "logs/data/{dataset}/distributions.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=more_memory,
        runtime=30,
    params:
        spec=lambda wildcards: canonical({"dataset": wildcards.dataset}),
        code=code_digest("workflow_scripts.distributions"),
    shell:
        "python -m workflow_scripts.distributions --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input interactions {input.interactions:q}"
        " --output drawing {output.drawing:q} --provenance {output.provenance:q} > {log:q} 2>&1"
