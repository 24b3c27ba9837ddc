rule train:
    input:
        unpack(text_files),
        train="results/splits/{dataset}/{protocol}/train.parquet",
        valid="results/splits/{dataset}/{protocol}/valid.parquet",
        candidates="results/splits/{dataset}/{protocol}/valid_candidates.parquet",
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
    output:
        model=f"{CELL}/model.safetensors",
        curve=f"{CELL}/training.csv",
        provenance=f"{CELL}/provenance.json",
    log:
        f"logs/{CELL}/train.log",
    benchmark:
        f"logs/{CELL}/train.tsv"
    conda:
        "../envs/recommenders.yaml"
    threads: 1
    resources:
        gpu=cell_gpu,
        mem_mb=more_memory,
        runtime=240,
    params:
        spec=cell_spec,
        code=train_code,
        text=text_arguments,
    shell:
        "python -m workflow_scripts.train --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input valid {input.valid:q} --input candidates {input.candidates:q}"
        " --input vocabulary {input.vocabulary:q} {params.text}"
        " --output model {output.model:q} --output curve {output.curve:q} --provenance {output.provenance:q}"
        " > {log:q} 2>&1"


rule rank:
    input:
        unpack(text_files),
        model=f"{CELL}/model.safetensors",
        train="results/splits/{dataset}/{protocol}/train.parquet",
        test="results/splits/{dataset}/{protocol}/test.parquet",
        candidates="results/splits/{dataset}/{protocol}/test_candidates.parquet",
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
    output:
        ranks=f"{CELL}/ranks.parquet",
    log:
        f"logs/{CELL}/rank.log",
    conda:
        "../envs/recommenders.yaml"
    threads: 1
    resources:
        gpu=cell_gpu,
        mem_mb=more_memory,
        runtime=60,
    params:
        spec=cell_spec,
        code=rank_code,
        text=text_arguments,
    shell:
        "python -m workflow_scripts.rank --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input model {input.model:q} --input train {input.train:q} --input test {input.test:q}"
        " --input candidates {input.candidates:q} --input vocabulary {input.vocabulary:q} {params.text}"
        " --output ranks {output.ranks:q} > {log:q} 2>&1"
