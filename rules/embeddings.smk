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


rule align_item:
    input:
        unpack(texts.align_inputs),
    output:
        **recorded(**texts.aligned_files("item")),
    log:
        "logs/embeddings/{dataset}/{protocol}/{embedding}/align_item.log",
    benchmark:
        "logs/embeddings/{dataset}/{protocol}/{embedding}/align_item.tsv"
    conda:
        "../envs/embeddings.yaml"
    params:
        **job("align", texts.align_settings, modules=texts.align_modules),
    shell:
        RUN


use rule align_item as align_item_user with:
    output:
        **recorded(**texts.aligned_files("item", "user")),
    log:
        "logs/embeddings/{dataset}/{protocol}/{embedding}/align_item_user.log",
    benchmark:
        "logs/embeddings/{dataset}/{protocol}/{embedding}/align_item_user.tsv"
