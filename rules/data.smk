# From raw files to interactions, items, splits and statistics.
import os
import shlex

# the settings of a source that name its files
RAW_FILES = {
    "amazon": ("reviews", "metadata"),
    "netflix": ("ratings", "titles"),
    "mind": ("behaviors", "news"),
    "reclm": ("train", "test", "items"),
    "sequences": ("sequences", "train", "valid", "test", "items"),
    "table": ("interactions", "items"),
}
# what a simulated dataset writes, named as its publisher names it
SIMULATED = {
    "amazon": {"reviews": "Simulated_5.json.gz", "metadata": "meta_Simulated.json.gz"},
    "netflix": {"ratings": "combined_data_1.txt", "titles": "movie_titles.csv"},
    "mind": {"behaviors": "behaviors.tsv", "news": "news.tsv"},
}
GENERATOR = (
    "seed",
    "users",
    "items",
    "mean_length",
    "behaviour_only",
    "text_only",
    "sequential",
    "new_items",
)
PUBLISHED_STATISTICS = os.path.relpath(REPOSITORY / "workflow_scripts/ptebench/report/published_statistics.csv")


def simulate_spec(wildcards):
    settings = DATASETS[wildcards.dataset]
    return canonical({key: settings[key] for key in ("layout", *GENERATOR)})


def simulate_outputs(wildcards, output):
    """Return the command line's part that names what a simulation writes."""
    files = {name: path for name, path in output.items() if name != "provenance"}
    return " ".join(f"--output {name} {shlex.quote(path)}" for name, path in files.items())


def raw_files(wildcards):
    """Return the raw files of a dataset, by the name that its reader knows them by."""
    settings = DATASETS[wildcards.dataset]
    if settings["source"] == "simulated":
        files = SIMULATED[settings["layout"]]
        return {name: f"results/data/{wildcards.dataset}/raw/{file}" for name, file in files.items()}
    root = Path(CONFIG["data_root"])
    files = {}
    for name in RAW_FILES[settings["source"]]:
        if settings[name] is not None:
            value = settings[name]
            files[name] = [str(root / f) for f in value] if isinstance(value, list) else str(root / value)
    return files


def raw_inputs(wildcards):
    # Snakemake keeps the name `items` to itself
    return {f"raw_{name}": files for name, files in raw_files(wildcards).items()}


def raw_arguments(wildcards):
    """Return the command line's part that names the raw files."""
    words = []
    for name, files in raw_files(wildcards).items():
        words += ["--input", name, *([files] if isinstance(files, str) else files)]
    return shlex.join(words)


def interactions_spec(wildcards):
    """Return what reading and filtering depend on: not the paths, whose content counts, and not the generator."""
    settings = DATASETS[wildcards.dataset]
    simulated = settings["source"] == "simulated"
    aside = {"published", *(GENERATOR if simulated else RAW_FILES[settings["source"]])}
    return canonical({key: value for key, value in settings.items() if key not in aside})


def interactions_code(wildcards):
    settings = DATASETS[wildcards.dataset]
    source = settings.get("layout", settings["source"])
    return code_digest("workflow_scripts.interactions", f"ptebench.data.sources.{source}")


def split_spec(wildcards):
    """Return the protocol without what ranking alone depends on."""
    settings = PROTOCOLS[wildcards.protocol]
    return canonical({key: value for key, value in settings.items() if key != "remove_seen"})


def split_code(wildcards):
    return code_digest(
        "workflow_scripts.split",
        f"ptebench.data.protocols.{PROTOCOLS[wildcards.protocol]['kind']}",
    )


def describe_spec(wildcards):
    return canonical(
        {
            "dataset": wildcards.dataset,
            "published": DATASETS[wildcards.dataset]["published"],
        }
    )


for layout, files in SIMULATED.items():

    rule:
        name:
            f"simulate_{layout}"
        output:
            **{name: f"results/data/{{dataset}}/raw/{file}" for name, file in files.items()},
            truth=f"results/data/{{dataset}}/raw/{layout}.truth.npz",
            provenance=f"results/data/{{dataset}}/raw/{layout}.provenance.json",
        log:
            f"logs/data/{{dataset}}/simulate_{layout}.log",
        benchmark:
            f"logs/data/{{dataset}}/simulate_{layout}.tsv"
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
        code=interactions_code,
        raw=raw_arguments,
    shell:
        "python -m workflow_scripts.interactions --spec {params.spec:q} --code {params.code} --threads {threads}"
        " {params.raw}"
        " --output interactions {output.interactions:q} --output items {output.item_texts:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule split:
    input:
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
    shell:
        "python -m workflow_scripts.split --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input interactions {input.interactions:q}"
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
