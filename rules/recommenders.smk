rule trial:
    input:
        unpack(text_files),
        train="results/splits/{dataset}/{protocol}/train.parquet",
        valid="results/splits/{dataset}/{protocol}/valid.parquet",
        candidates="results/splits/{dataset}/{protocol}/valid_candidates.parquet",
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
    output:
        trial=f"{STUDY}/trial={{trial}}/trial.json",
        provenance=f"{STUDY}/trial={{trial}}/provenance.json",
    log:
        f"logs/{STUDY}/trial={{trial}}.log",
    conda:
        "../envs/recommenders.yaml"
    threads: 1
    resources:
        gpu=cell_gpu,
        mem_mb=more_memory,
        runtime=240,
    params:
        spec=trial_spec,
        code=trial_code,
        text=text_arguments,
    shell:
        "python -m workflow_scripts.trial --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input valid {input.valid:q} --input candidates {input.candidates:q}"
        " --input vocabulary {input.vocabulary:q} {params.text}"
        " --output trial {output.trial:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule rung:
    input:
        unpack(text_files),
        before=before_rung,
        train="results/splits/{dataset}/{protocol}/train.parquet",
        valid="results/splits/{dataset}/{protocol}/valid.parquet",
        candidates="results/splits/{dataset}/{protocol}/valid_candidates.parquet",
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
    output:
        trial=f"{RUNG}/trial.json",
        provenance=f"{RUNG}/provenance.json",
    log:
        f"logs/{RUNG}.log",
    conda:
        "../envs/recommenders.yaml"
    threads: 1
    resources:
        gpu=cell_gpu,
        mem_mb=more_memory,
        runtime=240,
    params:
        spec=rung_spec,
        code=rung_code,
        text=text_arguments,
    shell:
        "python -m workflow_scripts.rung --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input valid {input.valid:q} --input candidates {input.candidates:q}"
        " --input vocabulary {input.vocabulary:q} --input before {input.before:q} {params.text}"
        " --output trial {output.trial:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule choose_trial:
    input:
        trials=trials,
    output:
        best=f"{STUDY}/best.json",
        study=f"{STUDY}/study.csv",
        provenance=f"{STUDY}/provenance.json",
    log:
        f"logs/{STUDY}/choose_trial.log",
    conda:
        "../envs/recommenders.yaml"
    params:
        code=code_digest("workflow_scripts.choose_trial"),
    shell:
        "python -m workflow_scripts.choose_trial --code {params.code} --threads {threads}"
        " --input trials {input.trials:q} --output best {output.best:q} --output study {output.study:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule train:
    input:
        unpack(cell_files),
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
        more=cell_arguments,
    shell:
        "python -m workflow_scripts.train --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input valid {input.valid:q} --input candidates {input.candidates:q}"
        " --input vocabulary {input.vocabulary:q} {params.more}"
        " --output model {output.model:q} --output curve {output.curve:q} --provenance {output.provenance:q}"
        " > {log:q} 2>&1"


rule rank:
    input:
        unpack(cell_files),
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
        more=cell_arguments,
    shell:
        "python -m workflow_scripts.rank --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input model {input.model:q} --input train {input.train:q} --input test {input.test:q}"
        " --input candidates {input.candidates:q} --input vocabulary {input.vocabulary:q} {params.more}"
        " --output ranks {output.ranks:q} > {log:q} 2>&1"
