# Teaching a language model to write profiles, and writing them. Test files are no input of any rule here.


rule template_profiles:
    input:
        **TEMPLATE_TEXTS,
    output:
        **recorded(f"{TEMPLATE}/provenance.json", **sides(TEMPLATE, "parquet")),
    log:
        "logs/profiles/{dataset}/{protocol}/template.log",
    benchmark:
        "logs/profiles/{dataset}/{protocol}/template.tsv"
    priority: 1  # the longest chain of a run begins first
    conda:
        "../envs/profiles.yaml"
    params:
        **job("template_profiles"),
    shell:
        RUN


use rule template_profiles as language_model with:
    input:
        unpack(writing.base_inputs),
    output:
        **recorded(f"{WRITING}/base/provenance.json", **BASE),
    log:
        f"logs/{WRITING}/language_model.log",
    benchmark:
        f"logs/{WRITING}/language_model.tsv"
    params:
        **job("language_model", writing.base_settings),


use rule template_profiles as teach with:
    input:
        unpack(writing.teacher_inputs),
    output:
        **recorded(f"{WRITING}/teacher/provenance.json", **writing.teacher_files()),
    log:
        f"logs/{WRITING}/teach.log",
    benchmark:
        f"logs/{WRITING}/teach.tsv"
    params:
        **job("teach", writing.settings("teach")),


use rule template_profiles as endpoint_profiles with:
    input:
        unpack(writing.endpoint_inputs),
    output:
        **recorded(profiles=only(f"{WRITING}/{{side}}.parquet", language_model=writing.endpoints)),
    log:
        f"logs/{WRITING}/{{side}}.log",
    benchmark:
        f"logs/{WRITING}/{{side}}.tsv"
    params:
        **job("endpoint_profiles", writing.settings("endpoint_profiles")),


use rule template_profiles as instructions with:
    input:
        unpack(writing.instruction_inputs),
    output:
        **recorded(f"{WRITING}/instructions/provenance.json", **LESSONS),
    log:
        f"logs/{WRITING}/instructions.log",
    benchmark:
        f"logs/{WRITING}/instructions.tsv"
    params:
        **job("instructions", writing.instruction_settings),


use rule template_profiles as tune_round with:
    input:
        unpack(writing.half_round_inputs),
    output:
        **recorded(f"{HALF_ROUND}/provenance.json", **adapter(HALF_ROUND), profiles=f"{HALF_ROUND}/profiles.parquet"),
    log:
        f"logs/{HALF_ROUND}.log",
    benchmark:
        f"logs/{HALF_ROUND}.tsv"
    threads: writing.threads
    params:
        **job("tune_round", writing.settings("tune_round")),


use rule template_profiles as probe_round with:
    input:
        unpack(writing.probe_inputs),
    output:
        **recorded(probe=f"{ROUND}/probe.json"),
    log:
        f"logs/{ROUND}/probe.log",
    benchmark:
        f"logs/{ROUND}/probe.tsv"
    threads: writing.threads
    params:
        **job("probe_round", writing.settings("probe_round")),


use rule template_profiles as choose_round with:
    input:
        unpack(writing.choice_inputs),
    output:
        **recorded(**CHOICE),
    log:
        f"logs/{WRITING}/choose_round.log",
    benchmark:
        f"logs/{WRITING}/choose_round.tsv"
    localrule: True
    params:
        **job("choose_round", writing.choice_settings),


use rule template_profiles as grpo with:
    input:
        unpack(writing.grpo_inputs),
    output:
        **recorded(f"{GRPO}/provenance.json", **adapter(GRPO), rewards=f"{GRPO}/rewards.csv"),
    log:
        f"logs/{GRPO}/grpo.log",
    benchmark:
        f"logs/{GRPO}/grpo.tsv"
    threads: writing.threads
    params:
        **job("grpo", writing.settings("grpo")),


use rule grpo as audit_grpo with:
    input:
        unpack(writing.audit_inputs),
    output:
        **recorded(**formats(f"{GRPO}/audit", "csv", "md")),
    log:
        f"logs/{GRPO}/audit.log",
    benchmark:
        f"logs/{GRPO}/audit.tsv"
    params:
        **job("audit_grpo", writing.settings("audit_grpo")),


use rule template_profiles as write_profiles with:
    input:
        unpack(writing.profile_inputs),
    output:
        **recorded(profiles=f"{WRITING}/{{writer}}/{{side}}.parquet"),
    log:
        f"logs/{WRITING}/{{writer}}/{{side}}.log",
    benchmark:
        f"logs/{WRITING}/{{writer}}/{{side}}.tsv"
    threads: writing.threads
    params:
        **job("write_profiles", writing.settings("write_profiles")),


use rule write_profiles as write_shard with:
    input:
        unpack(writing.shard_inputs),
    output:
        **recorded(answers=f"{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.jsonl"),
    log:
        f"logs/{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.log",
    benchmark:
        f"logs/{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.tsv"
    params:
        **job("write_shard", writing.shard_settings),


use rule template_profiles as quality with:
    input:
        unpack(writing.quality_inputs),
    output:
        **recorded(**QUALITY),
    log:
        f"logs/{WRITING}/quality.log",
    benchmark:
        f"logs/{WRITING}/quality.tsv"
    threads: writing.threads
    params:
        **job("quality", writing.quality_settings),
