# What vectors of items tell of each other, and are worth.


rule measure_information:
    input:
        unpack(information.inputs),
    output:
        **recorded(**formats(INFORMATION, "csv", "md", "svg", "png")),
    log:
        f"logs/{INFORMATION}.log",
    benchmark:
        f"logs/{INFORMATION}.tsv"
    conda:
        "../envs/information.yaml"
    params:
        **job("information", information.settings, modules=information.modules),
    shell:
        RUN
