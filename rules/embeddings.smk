# Vectors of texts.


rule embed:
    input:
        unpack(texts.inputs),
    output:
        **recorded(vectors=f"{VECTORS}.safetensors"),
    log:
        "logs/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.log",
    benchmark:
        "logs/embeddings/{dataset}/{protocol}/{text}/{encoder}/{side}.tsv"
    conda:
        "../envs/embeddings.yaml"
    params:
        **job("embed", texts.settings),
    shell:
        RUN


for aligned, names in texts.aligned.items():

    rule:
        name:
            f"align_{aligned}"
        input:
            unpack(texts.align_inputs),
        output:
            **recorded(**{side: f"{ALIGNED}/{side}.safetensors" for side in aligned.split("_")}),
        log:
            f"logs/embeddings/{{dataset}}/{{protocol}}/{{embedding}}/align_{aligned}.log",
        benchmark:
            f"logs/embeddings/{{dataset}}/{{protocol}}/{{embedding}}/align_{aligned}.tsv"
        wildcard_constraints:
            embedding=one_of(names),
        conda:
            "../envs/recommenders.yaml"
        params:
            **job("align", texts.align_settings, modules=texts.align_modules),
        shell:
            RUN
