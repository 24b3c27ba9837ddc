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
