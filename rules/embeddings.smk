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
