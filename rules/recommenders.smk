# Tuning, training and ranking of cells. Test files are inputs of `rank` and `recommend` alone.


rule trial:
    input:
        unpack(cells.trial_inputs),
    output:
        **recorded(f"{TRIAL}/provenance.json", trial=f"{TRIAL}/trial.json"),
    log:
        f"logs/{TRIAL}.log",
    benchmark:
        f"logs/{TRIAL}.tsv"
    conda:
        "../envs/recommenders.yaml"
    params:
        **job("trial", cells.trial_settings, modules=cells.modules),
    shell:
        RUN


use rule trial as rung with:
    input:
        unpack(cells.rung_inputs),
    output:
        **recorded(f"{RUNG}/provenance.json", trial=f"{RUNG}/trial.json"),
    log:
        f"logs/{RUNG}.log",
    benchmark:
        f"logs/{RUNG}.tsv"
    params:
        **job("rung", cells.rung_settings, modules=cells.modules),


use rule trial as choose_trial with:
    input:
        trials=cells.trials,
    output:
        **recorded(f"{STUDY}/provenance.json", best=f"{STUDY}/best.json", study=f"{STUDY}/study.csv"),
    log:
        f"logs/{STUDY}/choose_trial.log",
    benchmark:
        f"logs/{STUDY}/choose_trial.tsv"
    params:
        **job("choose_trial"),


use rule trial as train with:
    input:
        unpack(cells.train_inputs),
    output:
        **recorded(f"{CELL}/provenance.json", model=f"{CELL}/model.safetensors", curve=f"{CELL}/training.csv"),
    log:
        f"logs/{CELL}/train.log",
    benchmark:
        f"logs/{CELL}/train.tsv"
    params:
        **job("train", cells.settings, modules=cells.modules),


use rule trial as rank with:
    input:
        unpack(cells.rank_inputs),
    output:
        **recorded(ranks=f"{CELL}/ranks.parquet"),
    log:
        f"logs/{CELL}/rank.log",
    benchmark:
        f"logs/{CELL}/rank.tsv"
    params:
        **job("rank", cells.settings, modules=cells.modules),


use rule rank as recommend with:
    output:
        **recorded(lists=f"{CELL}/lists.parquet"),
    log:
        f"logs/{CELL}/recommend.log",
    benchmark:
        f"logs/{CELL}/recommend.tsv"
    params:
        **job("recommend", cells.list_settings, modules=cells.modules),
