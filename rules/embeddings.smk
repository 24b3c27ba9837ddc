def profile_file(wildcards, side):
    """Return the file of a side's texts: cards of items, or what `template` or LANGUAGE_MODEL.WRITER wrote."""
    if wildcards.text == "card":
        if side == "user":
            raise WorkflowError("text 'card': items have cards, users have none; name profiles instead")
        return f"results/data/{wildcards.dataset}/items.parquet"
    folder = f"results/profiles/{wildcards.dataset}/{wildcards.protocol}"
    return f"{folder}/{wildcards.text.replace('.', '/')}/{side}.parquet"


def embed_texts(wildcards):
    return profile_file(wildcards, wildcards.side)


def embed_fit(wildcards):
    """Return what an encoder that is fitted reads besides: training items and their texts."""
    if CONFIG["encoders"][wildcards.encoder]["kind"] != "lsa":
        return {}
    return {
        "train": f"results/splits/{wildcards.dataset}/{wildcards.protocol}/train.parquet",
        "fit": profile_file(wildcards, "item"),
    }


def embed_fit_arguments(wildcards):
    return " ".join(f"--input {name} {path}" for name, path in embed_fit(wildcards).items())


def embed_spec(wildcards):
    return canonical(
        {
            "text": wildcards.text,
            "side": wildcards.side,
            "encoder": CONFIG["encoders"][wildcards.encoder],
        }
    )


def embed_code(wildcards):
    return code_digest("workflow_scripts.embed")


def embed_gpu(wildcards):
    return int(CONFIG["encoders"][wildcards.encoder]["kind"] != "lsa")


rule embed:
    input:
        unpack(embed_fit),
        texts=embed_texts,
        vocabulary="results/splits/{dataset}/{protocol}/vocabulary.parquet",
    output:
        vectors="results/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.safetensors",
        provenance="results/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.provenance.json",
    log:
        "logs/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.log",
    benchmark:
        "logs/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.tsv"
    conda:
        "../envs/embeddings.yaml"
    threads: 1
    resources:
        gpu=embed_gpu,
        mem_mb=more_memory,
        runtime=120,
    params:
        spec=embed_spec,
        code=embed_code,
        fit=embed_fit_arguments,
    shell:
        "python -m workflow_scripts.embed --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input texts {input.texts:q} --input vocabulary {input.vocabulary:q} {params.fit}"
        " --output vectors {output.vectors:q} --provenance {output.provenance:q} > {log:q} 2>&1"
