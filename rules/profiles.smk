# Teaching a language model to write profiles, and writing them. Test files are no input of any rule here.


rule template_profiles:
    input:
        **SPLIT_TEXTS,
        histories=f"{SPLIT}/histories.parquet",
    output:
        user="results/profiles/{dataset}/{protocol}/template/user.parquet",
        item="results/profiles/{dataset}/{protocol}/template/item.parquet",
        provenance="results/profiles/{dataset}/{protocol}/template/provenance.json",
    log:
        "logs/profiles/{dataset}/{protocol}/template.log",
    conda:
        "../envs/profiles.yaml"
    resources:
        mem_mb=more_memory,
        runtime=60,
    params:
        code=code_digest("workflow_scripts.template_profiles"),
    shell:
        "python -m workflow_scripts.template_profiles --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input histories {input.histories:q} --output user {output.user:q} --output item {output.item:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule language_model:
    input:
        **SPLIT_TEXTS,
    output:
        model=f"{WRITING}/base/model.safetensors",
        config=f"{WRITING}/base/config.json",
        generation=f"{WRITING}/base/generation_config.json",
        tokenizer=f"{WRITING}/base/tokenizer.json",
        tokenizer_config=f"{WRITING}/base/tokenizer_config.json",
        template=f"{WRITING}/base/chat_template.jinja",
        provenance=f"{WRITING}/base/provenance.json",
    log:
        f"logs/{WRITING}/language_model.log",
    benchmark:
        f"logs/{WRITING}/language_model.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        mem_mb=more_memory,
        runtime=120,
    params:
        spec=writing_spec("seed", "probes", "context", "history", "neighbours", "embedded"),
        code=code_digest("workflow_scripts.language_model"),
    shell:
        "python -m workflow_scripts.language_model --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --output model {output.model:q} --output config {output.config:q} --output generation {output.generation:q}"
        " --output tokenizer {output.tokenizer:q} --output tokenizer_config {output.tokenizer_config:q}"
        " --output template {output.template:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule teach:
    input:
        **SPLIT_TEXTS,
        cards=card_vectors,
        template_user="results/profiles/{dataset}/{protocol}/template/user.parquet",
        template_item="results/profiles/{dataset}/{protocol}/template/item.parquet",
    output:
        user=f"{WRITING}/teacher/user.jsonl",
        item=f"{WRITING}/teacher/item.jsonl",
        provenance=f"{WRITING}/teacher/provenance.json",
    log:
        f"logs/{WRITING}/teach.log",
    wildcard_constraints:
        language_model=one_of(TAUGHT),
    conda:
        "../envs/profiles.yaml"
    resources:
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=writing_spec("seed", "probes", "history", "neighbours", "examples", "endpoint"),
        code=code_digest("workflow_scripts.teach"),
    shell:
        "python -m workflow_scripts.teach --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input template_user {input.template_user:q}"
        " --input template_item {input.template_item:q}"
        " --output user {output.user:q} --output item {output.item:q} --provenance {output.provenance:q}"
        " > {log:q} 2>&1"


rule endpoint_profiles:
    input:
        unpack(of_endpoint),
        **SPLIT_TEXTS,
        cards=card_vectors,
        histories=f"{SPLIT}/histories.parquet",
    output:
        profiles=f"{WRITING}/{{side}}.parquet",
        provenance=f"{WRITING}/{{side}}.provenance.json",
    log:
        f"logs/{WRITING}/{{side}}.log",
    wildcard_constraints:
        language_model=one_of(ENDPOINTS),
    conda:
        "../envs/profiles.yaml"
    resources:
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=writing_spec("seed", "history", "neighbours", "endpoint"),
        code=code_digest("workflow_scripts.endpoint_profiles"),
        evidence=of_endpoint_arguments,
    shell:
        "python -m workflow_scripts.endpoint_profiles --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input histories {input.histories:q} {params.evidence}"
        " --output profiles {output.profiles:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule instructions:
    input:
        unpack(teacher_files),
        **SPLIT_TEXTS,
        cards=card_vectors,
        template_user="results/profiles/{dataset}/{protocol}/template/user.parquet",
        template_item="results/profiles/{dataset}/{protocol}/template/item.parquet",
    output:
        user=f"{WRITING}/instructions/user.jsonl",
        item=f"{WRITING}/instructions/item.jsonl",
        provenance=f"{WRITING}/instructions/provenance.json",
    log:
        f"logs/{WRITING}/instructions.log",
    conda:
        "../envs/profiles.yaml"
    resources:
        mem_mb=more_memory,
        runtime=60,
    params:
        spec=writing_spec("seed", "probes", "history", "neighbours", "examples", "collaborative"),
        code=code_digest("workflow_scripts.instructions"),
        teacher=teacher_arguments,
    shell:
        "python -m workflow_scripts.instructions --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input template_user {input.template_user:q}"
        " --input template_item {input.template_item:q} {params.teacher}"
        " --output user {output.user:q} --output item {output.item:q} --provenance {output.provenance:q}"
        " > {log:q} 2>&1"


rule tune_round:
    input:
        unpack(base_model),
        unpack(before_half_round),
        **SPLIT_TEXTS,
        cards=card_vectors,
        user_instructions=f"{WRITING}/instructions/user.jsonl",
        item_instructions=f"{WRITING}/instructions/item.jsonl",
    output:
        adapter=f"{WRITING}/rounds/{{round}}/{{side}}/adapter_model.safetensors",
        adapter_config=f"{WRITING}/rounds/{{round}}/{{side}}/adapter_config.json",
        profiles=f"{WRITING}/rounds/{{round}}/{{side}}/profiles.parquet",
        provenance=f"{WRITING}/rounds/{{round}}/{{side}}/provenance.json",
    log:
        f"logs/{WRITING}/rounds/{{round}}/{{side}}.log",
    benchmark:
        f"logs/{WRITING}/rounds/{{round}}/{{side}}.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=tuning_gpus,
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=writing_spec(
            "seed",
            "probes",
            "context",
            "history",
            "neighbours",
            "new_tokens",
            "write_batch",
            "model",
            "revision",
            "template_arguments",
            "lora",
            "tuning",
            "loop",
            "quantization",
            "processes",
        ),
        code=code_digest("workflow_scripts.tune_round"),
        before=before_half_round_arguments,
    shell:
        "python -m workflow_scripts.tune_round --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input user_instructions {input.user_instructions:q}"
        " --input item_instructions {input.item_instructions:q} {params.before}"
        " --output adapter {output.adapter:q} --output adapter_config {output.adapter_config:q}"
        " --output profiles {output.profiles:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule probe_round:
    input:
        unpack(before_probe),
        **SPLIT_TEXTS,
        cards=card_vectors,
        user_profiles=f"{WRITING}/rounds/{{round}}/user/profiles.parquet",
        item_profiles=f"{WRITING}/rounds/{{round}}/item/profiles.parquet",
    output:
        probe=f"{WRITING}/rounds/{{round}}/probe.json",
        provenance=f"{WRITING}/rounds/{{round}}/probe.provenance.json",
    log:
        f"logs/{WRITING}/rounds/{{round}}/probe.log",
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=probe_gpu,
        mem_mb=more_memory,
        runtime=60,
    params:
        spec=writing_spec(
            "seed",
            "probes",
            "context",
            "history",
            "neighbours",
            "model",
            "revision",
            "template_arguments",
            "collaborative",
            "embedding_drift",
            "field_drift",
            "encoder",
        ),
        code=code_digest("workflow_scripts.probe_round"),
        before=before_probe_arguments,
    shell:
        "python -m workflow_scripts.probe_round --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input user_profiles {input.user_profiles:q}"
        " --input item_profiles {input.item_profiles:q} {params.before}"
        " --output probe {output.probe:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule choose_round:
    input:
        probes=of_rounds("probe.json"),
        user_adapter=of_rounds("user/adapter_model.safetensors"),
        user_adapter_config=of_rounds("user/adapter_config.json"),
        item_adapter=of_rounds("item/adapter_model.safetensors"),
        item_adapter_config=of_rounds("item/adapter_config.json"),
        readers=of_rounds("user/profiles.parquet"),
        audiences=of_rounds("item/profiles.parquet"),
    output:
        convergence=f"{WRITING}/convergence.json",
        user_adapter=f"{WRITING}/best/user/adapter_model.safetensors",
        user_adapter_config=f"{WRITING}/best/user/adapter_config.json",
        item_adapter=f"{WRITING}/best/item/adapter_model.safetensors",
        item_adapter_config=f"{WRITING}/best/item/adapter_config.json",
        readers=f"{WRITING}/best/readers.parquet",
        audiences=f"{WRITING}/best/audiences.parquet",
        provenance=f"{WRITING}/convergence.provenance.json",
    log:
        f"logs/{WRITING}/choose_round.log",
    localrule: True
    conda:
        "../envs/profiles.yaml"
    params:
        spec=writing_spec("seed", "loop"),
        code=code_digest("workflow_scripts.choose_round"),
    shell:
        "python -m workflow_scripts.choose_round --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input probes {input.probes:q}"
        " --input user_adapter {input.user_adapter:q} --input user_adapter_config {input.user_adapter_config:q}"
        " --input item_adapter {input.item_adapter:q} --input item_adapter_config {input.item_adapter_config:q}"
        " --input readers {input.readers:q} --input audiences {input.audiences:q}"
        " --output convergence {output.convergence:q}"
        " --output user_adapter {output.user_adapter:q} --output user_adapter_config {output.user_adapter_config:q}"
        " --output item_adapter {output.item_adapter:q} --output item_adapter_config {output.item_adapter_config:q}"
        " --output readers {output.readers:q} --output audiences {output.audiences:q}"
        " --provenance {output.provenance:q} > {log:q} 2>&1"


rule grpo:
    input:
        unpack(base_model),
        **SPLIT_TEXTS,
        cards=card_vectors,
        adapter=f"{WRITING}/best/{{side}}/adapter_model.safetensors",
        adapter_config=f"{WRITING}/best/{{side}}/adapter_config.json",
        evidence=best_evidence,
        template="results/profiles/{dataset}/{protocol}/template/{side}.parquet",
    output:
        adapter=f"{WRITING}/grpo/{{side}}/adapter_model.safetensors",
        adapter_config=f"{WRITING}/grpo/{{side}}/adapter_config.json",
        rewards=f"{WRITING}/grpo/{{side}}/rewards.csv",
        provenance=f"{WRITING}/grpo/{{side}}/provenance.json",
    log:
        f"logs/{WRITING}/grpo/{{side}}.log",
    benchmark:
        f"logs/{WRITING}/grpo/{{side}}.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=writing_gpu,
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=writing_spec(
            "seed",
            "probes",
            "context",
            "history",
            "neighbours",
            "new_tokens",
            "model",
            "revision",
            "template_arguments",
            "lora",
            "encoder",
            "grpo",
        ),
        code=code_digest("workflow_scripts.grpo"),
        base=base_model_argument,
    shell:
        "python -m workflow_scripts.grpo --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input adapter {input.adapter:q} --input evidence {input.evidence:q}"
        " --input template {input.template:q} {params.base}"
        " --output adapter {output.adapter:q} --output adapter_config {output.adapter_config:q}"
        " --output rewards {output.rewards:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule audit_grpo:
    input:
        unpack(base_model),
        **SPLIT_TEXTS,
        cards=card_vectors,
        second=second_card_vectors,
        before=f"{WRITING}/best/{{side}}/adapter_model.safetensors",
        before_config=f"{WRITING}/best/{{side}}/adapter_config.json",
        after=f"{WRITING}/grpo/{{side}}/adapter_model.safetensors",
        after_config=f"{WRITING}/grpo/{{side}}/adapter_config.json",
        evidence=best_evidence,
        template="results/profiles/{dataset}/{protocol}/template/{side}.parquet",
    output:
        csv=f"{WRITING}/grpo/{{side}}/audit.csv",
        markdown=f"{WRITING}/grpo/{{side}}/audit.md",
        provenance=f"{WRITING}/grpo/{{side}}/audit.provenance.json",
    log:
        f"logs/{WRITING}/grpo/{{side}}/audit.log",
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=writing_gpu,
        mem_mb=more_memory,
        runtime=120,
    params:
        spec=writing_spec(
            "seed",
            "probes",
            "context",
            "history",
            "neighbours",
            "new_tokens",
            "write_batch",
            "model",
            "revision",
            "template_arguments",
            "encoders",
            "grpo",
        ),
        code=code_digest("workflow_scripts.audit_grpo"),
        base=base_model_argument,
    shell:
        "python -m workflow_scripts.audit_grpo --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input second {input.second:q} --input before {input.before:q}"
        " --input after {input.after:q} --input evidence {input.evidence:q} --input template {input.template:q}"
        " {params.base}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --provenance {output.provenance:q}"
        " > {log:q} 2>&1"


rule write_shard:
    input:
        unpack(base_model),
        unpack(of_writer),
        **SPLIT_TEXTS,
        cards=card_vectors,
        histories=f"{SPLIT}/histories.parquet",
        shards=shards_before,
    output:
        answers=f"{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.jsonl",
        provenance=f"{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.provenance.json",
    log:
        f"logs/{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.log",
    benchmark:
        f"logs/{WRITING}/{{writer}}/shards/{{side}}.{{stage}}.{{shard}}.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=writing_gpu,
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=shard_spec,
        code=code_digest("workflow_scripts.write_shard"),
        writer=of_writer_arguments,
    shell:
        "python -m workflow_scripts.write_shard --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input histories {input.histories:q} {params.writer}"
        " --input shards {input.shards:q}"
        " --output answers {output.answers:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule write_profiles:
    input:
        unpack(base_model),
        unpack(of_writer),
        **SPLIT_TEXTS,
        cards=card_vectors,
        histories=f"{SPLIT}/histories.parquet",
        shards=shards_of_side,
    output:
        profiles=f"{WRITING}/{{writer}}/{{side}}.parquet",
        provenance=f"{WRITING}/{{writer}}/{{side}}.provenance.json",
    log:
        f"logs/{WRITING}/{{writer}}/{{side}}.log",
    benchmark:
        f"logs/{WRITING}/{{writer}}/{{side}}.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=writing_gpu,
        mem_mb=more_memory,
        runtime=480,
    params:
        spec=written_spec,
        code=code_digest("workflow_scripts.write_profiles"),
        writer=of_writer_arguments,
    shell:
        "python -m workflow_scripts.write_profiles --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} --input histories {input.histories:q} {params.writer}"
        " --input shards {input.shards:q}"
        " --output profiles {output.profiles:q} --provenance {output.provenance:q} > {log:q} 2>&1"


rule quality:
    input:
        unpack(quality_inputs),
        **SPLIT_TEXTS,
        cards=card_vectors,
    output:
        csv=f"{WRITING}/quality.csv",
        markdown=f"{WRITING}/quality.md",
        samples=f"{WRITING}/samples.md",
        rounds=f"{WRITING}/rounds.svg",
        provenance=f"{WRITING}/quality.provenance.json",
    log:
        f"logs/{WRITING}/quality.log",
    benchmark:
        f"logs/{WRITING}/quality.tsv"
    conda:
        "../envs/profiles.yaml"
    resources:
        gpu=writing_gpu,
        mem_mb=more_memory,
        runtime=120,
    params:
        spec=quality_spec,
        code=code_digest("workflow_scripts.quality"),
        files=quality_arguments,
    shell:
        "python -m workflow_scripts.quality --spec {params.spec:q} --code {params.code} --threads {threads}"
        " --input train {input.train:q} --input vocabulary {input.vocabulary:q} --input items {input.item_texts:q}"
        " --input cards {input.cards:q} {params.files}"
        " --output csv {output.csv:q} --output markdown {output.markdown:q} --output samples {output.samples:q}"
        " --output rounds {output.rounds:q} --provenance {output.provenance:q} > {log:q} 2>&1"
