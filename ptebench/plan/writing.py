"""The jobs of language models: their fine-tuning, their profiles and the measures of quality."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ptebench.config.cells import aligned_sides, reader, text_sides
from ptebench.config.language_models import WRITERS
from ptebench.errors import InputError, absence
from ptebench.plan.grid import Grid
from ptebench.plan.paths import (
    DATA,
    GRPO,
    ROUND,
    SPLIT,
    TEMPLATE,
    VECTORS,
    WRITING,
    Wildcards,
    adapter,
    fill,
    formats,
    only,
    sides,
    whole,
)
from ptebench.weights import packed, weights

ADAPTERS = dict(zip(WRITERS, ("rounds/0", "best", "grpo"), strict=True))  # where each writer's is
SIDES = ("user", "item")
SPLIT_TEXTS = {
    "train": f"{SPLIT}/train.parquet",
    "vocabulary": f"{SPLIT}/vocabulary.parquet",
    "items_": f"{DATA}/items.parquet",
}
TEMPLATE_TEXTS = {**SPLIT_TEXTS, "histories": f"{SPLIT}/histories.parquet"}
TEMPLATES = {f"template_{side}": f"{TEMPLATE}/{side}.parquet" for side in SIDES}
BASE = {
    "model": f"{WRITING}/base/model.safetensors",
    "config": f"{WRITING}/base/config.json",
    "generation": f"{WRITING}/base/generation_config.json",
    "tokenizer": f"{WRITING}/base/tokenizer.json",
    "tokenizer_config": f"{WRITING}/base/tokenizer_config.json",
    "template": f"{WRITING}/base/chat_template.jinja",
}
LESSONS = {**sides(f"{WRITING}/instructions", "jsonl"), "texts": f"{WRITING}/instructions/texts.parquet"}
CHOICE = {
    "convergence": f"{WRITING}/convergence.json",
    "rounds": f"{WRITING}/rounds.svg",
    **adapter(f"{WRITING}/best/user", "user_adapter"),
    **adapter(f"{WRITING}/best/item", "item_adapter"),
    "readers": f"{WRITING}/best/readers.parquet",
    "audiences": f"{WRITING}/best/audiences.parquet",
}
QUALITY = {
    **formats(f"{WRITING}/quality", "csv", "md"),
    "samples": f"{WRITING}/samples.md",
}
EVIDENCE = ("seed", "probes", "history", "neighbours")  # what decides which owners and lines a prompt shows
MODEL = ("context", "model", "weights", "template_arguments", "schema")
# the settings of a language model that a script depends on; `weights`, `examples`, `endpoint`, encoders are resolved
SETTINGS = {
    "language_model": (*EVIDENCE, "context", "embedded"),
    "teach": (*EVIDENCE, "examples", "endpoint", "schema"),
    "endpoint_profiles": ("seed", "history", "neighbours", "endpoint", "schema"),
    "instructions": (*EVIDENCE, "examples", "collaborative", "schema", "encoder"),
    "sentences": (*EVIDENCE, "examples", "collaborative", *MODEL, "new_tokens", "write_batch", "encoder"),
    "tune_round": (
        *EVIDENCE, *MODEL, "new_tokens", "write_batch", "lora", "tuning", "loop", "quantization", "processes",
        "encoder",
    ),
    "probe_round": (*EVIDENCE, *MODEL, "collaborative", "embedding_drift", "field_drift", "encoder"),
    "choose_round": ("seed", "loop"),
    "grpo": (*EVIDENCE, *MODEL, "new_tokens", "lora", "encoder", "grpo"),
    "audit_grpo": (*EVIDENCE, *MODEL, "new_tokens", "write_batch", "encoders", "grpo"),
    "write_profiles": ("seed", "history", "neighbours", *MODEL, "new_tokens", "write_batch"),
    "quality": (*EVIDENCE, *MODEL, "encoder"),
}  # fmt: skip

Files = dict[str, Any]


class Writing:
    """Settings, inputs and targets of the jobs of a configuration's language models."""

    def __init__(self, config: dict[str, Any]):
        self.config, self.models, self.encoders = config, config["language_models"], config["encoders"]
        self.grid = Grid(config)
        self.weights_of: dict[tuple[str, str | None], str] = {}  # weights by model and revision, looked up once a plan
        self.endpoints = [name for name, settings in self.models.items() if "endpoint" in settings]
        self.local = [name for name in self.models if name not in self.endpoints]
        variables = {name: self.models[name]["key_variable"] for name in self.endpoints}
        self.keys = " ".join(f"{name}={variable}" for name, variable in variables.items() if variable)
        self.endpoint_pupils = [name for name in self.local if self.models[name]["teacher"] in self.endpoints]

    # ------------------------------------------------------------- settings

    def settings(self, script: str) -> Callable[[Wildcards], dict[str, Any]]:
        """Return a function from wildcards to the settings of a script's job, with its side, writer and round."""
        keys = SETTINGS[script]

        def of_job(wildcards: Wildcards) -> dict[str, Any]:
            settings = self.models[wildcards.language_model]
            result = {key: settings[key] for key in keys if key in settings}
            if "weights" in keys:
                result["weights"] = None if self._has_base(wildcards) else self._weights(wildcards)
            if "examples" in keys:
                result["examples"] = settings["tuning"]["examples"]
            if "encoder" in keys:
                result["encoder"] = self.encoders[settings["encoder"]]
            if "encoders" in keys:
                names = (settings["encoder"], self._second_encoder(wildcards))
                result["encoders"] = [(name, self.encoders[name]) for name in names]
            if "endpoint" in keys:
                remote = wildcards.language_model in self.endpoints
                result["endpoint"] = self._asking(wildcards.language_model if remote else settings["teacher"])
            place: dict[str, Any] = {key: wildcards[key] for key in ("side", "writer") if wildcards.get(key)}
            if wildcards.get("round"):
                place["round"] = int(wildcards["round"])
            return {**result, **place}

        return of_job

    def base_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the base model is built of, or unpacked from."""
        model = self.models[wildcards.language_model]["model"]
        if packed(model):
            return {"model": model, "weights": self._weights(wildcards)}
        return {"model": model, **self.settings("language_model")(wildcards)}

    def _weights(self, wildcards: Wildcards) -> str:
        """Return the digest or commit of a language model's weights; raise InputError where they are not at hand."""
        settings = self.models[wildcards.language_model]
        place = settings["model"], settings["revision"]
        if place not in self.weights_of:
            self.weights_of[place] = weights(*place)
        return self.weights_of[place]

    def asks_for_sentences(self, wildcards: Wildcards) -> bool:
        """Return whether the language model itself says the sentences of its instructions."""
        return bool(self.models[wildcards.language_model]["schema"] == "sentence")

    def instruction_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what instructions depend on; where the language model says their sentences, on it too."""
        return self.settings("sentences" if self.asks_for_sentences(wildcards) else "instructions")(wildcards)

    def shard_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what one shard of a writer's profiles depends on."""
        count = self.models[wildcards.language_model]["shards"]
        place = {"stage": wildcards.stage, "shard": int(wildcards.shard), "shards": count}
        return {**self.settings("write_profiles")(wildcards), **place}

    def choice_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the choice of a round depends on, and whose rounds are drawn."""
        return {**self.settings("choose_round")(wildcards), **dict(wildcards.items())}

    def quality_settings(self, wildcards: Wildcards) -> dict[str, Any]:
        """Return what the measures of a language model's profiles depend on."""
        writers, grpo = self._writers(wildcards), self.models[wildcards.language_model]["grpo"]
        # `optimised`: how many of a side a writer was trained on by GRPO
        more = {"writers": writers, "optimised": grpo["prompts"] if "grpo" in writers else 0}
        return {**self.settings("quality")(wildcards), **more, **dict(wildcards.items())}

    def _writers(self, wildcards: Wildcards) -> list[str]:
        """Return the writers of a language model that the requested cells read, in order; all where they read none."""
        folder = Path(fill(WRITING, wildcards))
        read = {Path(file).parent.name for file in self.profiles() if Path(file).parent.parent == folder}
        return [writer for writer in WRITERS if writer in read] or list(WRITERS)

    def _asking(self, name: str) -> dict[str, Any]:
        """Return the settings with which an endpoint is asked."""
        keys = ("endpoint", "model", "temperature", "seed", "request", "new_tokens", "concurrency")
        return {"name": name, **{key: self.models[name][key] for key in keys}}

    def _second_encoder(self, wildcards: Wildcards) -> str:
        """Return the first encoder of the configuration that has no part in the reward, for the audit."""
        own_encoder = self.models[wildcards.language_model]["encoder"]
        for name, settings in self.encoders.items():
            if settings != self.encoders[own_encoder]:
                return str(name)
        raise InputError(
            f"audits: 'encoders' defines {own_encoder!r} alone; an audit needs a second one, such as 'lsa:'"
        )

    # -------------------------------------------------------- cores and GPUs

    def threads(self, wildcards: Wildcards) -> int:
        """Return the cores of a job that reads the language model."""
        return int(self.models[wildcards.language_model]["threads"])

    def commit(self, wildcards: Wildcards) -> str | None:
        """Return the digest or commit of a language model's weights, None where a job makes them."""
        return None if self._has_base(wildcards) else self._weights(wildcards)

    def on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether a language model would use a GPU."""
        return bool(self.models[wildcards.language_model]["model"] != "embedded")

    def tuning_gpus(self, wildcards: Wildcards) -> int:
        """Return how many GPUs a half-round would use."""
        return self.on_gpu(wildcards) * int(self.models[wildcards.language_model]["processes"])

    def instructions_on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether instructions would use a GPU: only those whose sentences the language model says do."""
        return self.on_gpu(wildcards) and self.asks_for_sentences(wildcards)

    def probe_on_gpu(self, wildcards: Wildcards) -> bool:
        """Return whether a probe would use a GPU: only one that asks the language model does."""
        return self.on_gpu(wildcards) and self.models[wildcards.language_model]["collaborative"] > 0

    # ---------------------------------------------------------------- files

    def teacher_files(self) -> Files:
        """Return the answers of a teacher at an endpoint, as patterns."""
        return sides(only(f"{WRITING}/teacher", language_model=self.endpoint_pupils), "jsonl")

    def _cards(self, wildcards: Wildcards, encoder: str | None = None) -> str:
        """Return the vectors of the cards, by the language model's encoder."""
        encoder = encoder or self.models[wildcards.language_model]["encoder"]
        return fill(f"{VECTORS}.safetensors", wildcards, text="card", encoder=encoder, side="item")

    def _has_base(self, wildcards: Wildcards) -> bool:
        """Return whether a job makes the base model: one that is built, or unpacked from a .gguf file."""
        model = self.models[wildcards.language_model]["model"]
        return bool(model == "embedded" or packed(model))

    def _base(self, wildcards: Wildcards) -> Files:
        """Return the base model's file where a job makes it; else its weights are a setting, looked up here."""
        if self._has_base(wildcards):
            return {"base": fill(f"{WRITING}/base/model.safetensors", wildcards)}
        self._weights(wildcards)  # before any job runs
        return {}

    def base_inputs(self, wildcards: Wildcards) -> Files:
        """Return the training texts that the embedded model is built from; nothing of the split is in another."""
        if self.models[wildcards.language_model]["model"] == "embedded":
            return {k: fill(v, wildcards) for k, v in SPLIT_TEXTS.items()}
        self._weights(wildcards)  # before any job runs
        return {}

    def _evidence(self, wildcards: Wildcards) -> Files:
        """Return what prompts are made of: training data, texts of items, vectors of their cards."""
        return {**{k: fill(v, wildcards) for k, v in SPLIT_TEXTS.items()}, "cards": self._cards(wildcards)}

    def teacher_inputs(self, wildcards: Wildcards) -> Files:
        """Return the evidence and the template's profiles of both sides."""
        return {**self._evidence(wildcards), **{k: fill(v, wildcards) for k, v in TEMPLATES.items()}}

    def _teacher(self, wildcards: Wildcards) -> Files:
        """Return the teacher's profiles by side, supplied or from an endpoint."""
        teacher = self.models[wildcards.language_model]["teacher"]
        if teacher == "template":
            return {}
        if teacher in self.endpoints:
            return {f"teacher_{side}": fill(f"{WRITING}/teacher/{side}.jsonl", wildcards) for side in SIDES}
        files = {side: whole(str(Path(self.config["data_root"]) / path)) for side, path in teacher.items()}
        for side, path in files.items():
            if not Path(path).is_file():
                place = f"language_models.{wildcards.language_model}.teacher.{side}"
                raise InputError(f"{place}: {path}: {absence(path)}; check the path and data_root")
        return {f"teacher_{side}": path for side, path in files.items()}

    def instruction_inputs(self, wildcards: Wildcards) -> Files:
        """Return what instructions are made of: evidence, the template's profiles and the teacher's."""
        model = self._base(wildcards) if self.asks_for_sentences(wildcards) else {}
        return {**self.teacher_inputs(wildcards), **self._teacher(wildcards), **model}

    def half_round_inputs(self, wildcards: Wildcards) -> Files:
        """Return adapter and profiles of the half-round before, and of the same side one and two rounds ago.

        The half-round continues from one of these: from the earlier ones where the probe refused the round before.
        """
        rounds, number = fill(f"{WRITING}/rounds", wildcards), int(wildcards.round)
        item = wildcards.side == "item"
        files = {**self._evidence(wildcards), **self._base(wildcards)}
        files |= {f"{side}_instructions": fill(LESSONS[side], wildcards) for side in SIDES}
        if item or number:
            before = f"{rounds}/{number}/user" if item else f"{rounds}/{number - 1}/item"
            files |= {**adapter(before), "evidence": f"{before}/profiles.parquet"}
        if number:
            earlier = f"{rounds}/{number - 1}/{wildcards.side}"
            files |= adapter(earlier, "earlier_adapter")
            files["earlier_profiles"] = f"{earlier}/profiles.parquet"
            files["probe"] = f"{rounds}/{number - 1}/probe.json"
            files["texts"] = fill(LESSONS["texts"], wildcards)
        if number > 1:
            retreat = f"{rounds}/{number - 2}/item"
            files["retreat_profiles"] = f"{retreat}/profiles.parquet"
            files |= {} if item else adapter(retreat, "retreat_adapter")
        return files

    def probe_inputs(self, wildcards: Wildcards) -> Files:
        """Return the profiles of a round and of the two before it, and the probe of the round before."""
        rounds, number = fill(f"{WRITING}/rounds", wildcards), int(wildcards.round)
        files = {**self._evidence(wildcards), "texts": fill(LESSONS["texts"], wildcards)}
        if number:
            files["earlier_probe"] = f"{rounds}/{number - 1}/probe.json"
        for prefix, back in (("", number), ("earlier_", number - 1), ("retreat_", number - 2)):
            for side in SIDES if back >= 0 else ():
                files[f"{prefix}{side}_profiles"] = f"{rounds}/{back}/{side}/profiles.parquet"
        if self.models[wildcards.language_model]["collaborative"]:
            # whether the model knows what people would choose is asked of the model itself
            files |= {**adapter(f"{rounds}/{number}/user", "user_adapter"), **self._base(wildcards)}
        return files

    def choice_inputs(self, wildcards: Wildcards) -> Files:
        """Return the probes, adapters and profiles of every round, distillation first."""
        names = {"probes": "probe.json", "readers": "user/profiles.parquet", "audiences": "item/profiles.parquet"}
        for side in SIDES:
            names |= adapter(side, f"{side}_adapter")
        numbers = range(self.models[wildcards.language_model]["max_rounds"] + 1)
        return {name: [fill(f"{ROUND}/{file}", wildcards, round=k) for k in numbers] for name, file in names.items()}

    def _best_evidence(self, wildcards: Wildcards) -> str:
        """Return the other side's profiles of the best round, which the prompts of a side show."""
        other = {"user": "audiences", "item": "readers"}[wildcards.side]
        return fill(f"{WRITING}/best/{other}.parquet", wildcards)

    def grpo_inputs(self, wildcards: Wildcards) -> Files:
        """Return what GRPO optimises, and what its reward compares with."""
        return {
            **self._evidence(wildcards),
            **self._base(wildcards),
            **adapter(fill(f"{WRITING}/best/{{side}}", wildcards)),
            "evidence": self._best_evidence(wildcards),
            "template": fill(f"{TEMPLATE}/{{side}}.parquet", wildcards),
            "texts": fill(LESSONS["texts"], wildcards),
        }

    def audit_inputs(self, wildcards: Wildcards) -> Files:
        """Return the adapters before and after GRPO, their evidence, and the cards by a second encoder."""
        return {
            **self._evidence(wildcards),
            **self._base(wildcards),
            "second": self._cards(wildcards, self._second_encoder(wildcards)),
            **adapter(fill(f"{WRITING}/best/{{side}}", wildcards), "before"),
            **adapter(fill(GRPO, wildcards), "after"),
            "evidence": self._best_evidence(wildcards),
            "template": fill(f"{TEMPLATE}/{{side}}.parquet", wildcards),
        }

    def writer_inputs(self, wildcards: Wildcards) -> Files:
        """Return the adapter of a writer and the profiles that its prompts show."""
        files = {
            **self._evidence(wildcards),
            **self._base(wildcards),
            **adapter(fill(f"{WRITING}/{ADAPTERS[wildcards.writer]}/{{side}}", wildcards)),
            "histories": fill(f"{SPLIT}/histories.parquet", wildcards),
        }
        if wildcards.side == "item":  # the readers of every item, as the same writer describes them
            files["evidence"] = fill(f"{WRITING}/{{writer}}/user.parquet", wildcards)
        elif wildcards.writer != "kd":
            files["evidence"] = self._best_evidence(wildcards)
        return files

    def _shards(self, wildcards: Wildcards, stages: tuple[str, ...]) -> list[str]:
        """Return the files of the shards of a side; a side that is written by one job has none."""
        count = self.models[wildcards.language_model]["shards"]
        folder = fill(f"{WRITING}/{{writer}}/shards/{{side}}", wildcards)
        return [f"{folder}.{stage}.{k}.jsonl" for stage in stages for k in range(count) if count > 1]

    def shard_inputs(self, wildcards: Wildcards) -> Files:
        """Return what a shard reads; shards of cold items also read the shards of warm items."""
        stages = ("warm",) if wildcards.stage == "cold" else ()
        return {**self.writer_inputs(wildcards), "shards": self._shards(wildcards, stages)}

    def profile_inputs(self, wildcards: Wildcards) -> Files:
        """Return what the profiles of a side are written from: a writer's inputs and the shards, if any."""
        stages = ("warm", "cold") if wildcards.side == "item" else ("warm",)
        return {**self.writer_inputs(wildcards), "shards": self._shards(wildcards, stages)}

    def endpoint_inputs(self, wildcards: Wildcards) -> Files:
        """Return what an endpoint's prompts show; prompts of items also show the endpoint's profiles of users."""
        files = {**self._evidence(wildcards), "histories": fill(f"{SPLIT}/histories.parquet", wildcards)}
        if wildcards.side == "item":
            files["evidence"] = fill(f"{WRITING}/user.parquet", wildcards)
        return files

    def quality_inputs(self, wildcards: Wildcards) -> Files:
        """Return the inputs of the measures of quality: each writer's profiles, adapters and records."""
        files = {**self.teacher_inputs(wildcards), **self._base(wildcards), **self._teacher(wildcards)}
        files |= {"valid": fill(f"{SPLIT}/valid.parquet", wildcards), "texts": fill(LESSONS["texts"], wildcards)}
        for side in SIDES:
            files[f"{side}_instructions"] = fill(LESSONS[side], wildcards)
            for writer in self._writers(wildcards):
                folder = ADAPTERS[writer]
                profiles = fill(f"{WRITING}/{writer}/{side}", wildcards)
                weights = fill(f"{WRITING}/{folder}/{side}/adapter_model.safetensors", wildcards)
                files[f"{writer}_{side}"] = f"{profiles}.parquet"
                files[f"{writer}_{side}_record"] = f"{profiles}.provenance.json"
                files[f"{writer}_{side}_adapter"] = weights
        return files

    # -------------------------------------------------------------- targets

    def profiles(self) -> list[str]:
        """Return the profiles that the requested cells read."""
        files = set()
        for cell in self.grid.cells:
            parts = self.grid.parts(cell.backbone, cell.representation)
            settings, read = reader(*parts), text_sides(*parts, self.config)
            if settings and settings["text"] in self.config["embeddings"]:
                settings = self.config["embeddings"][settings["text"]]
                read = aligned_sides(settings, self.config)
            if settings and settings["text"] != "card" and settings["text"] not in self.config["texts"]:
                folder = f"results/profiles/{cell.dataset}/{cell.protocol}/{settings['text'].replace('.', '/')}"
                files |= {f"{folder}/{side}.parquet" for side in read if side != "card"}
        return sorted(files)

    def every_profile(self, wildcards: Wildcards) -> list[str]:
        """Return all requested profiles and their measures; raise InputError where no row reads any."""
        if not (files := self.profiles()):
            raise InputError(
                "no row of a table reads profiles; name a text that a language model writes, such as "
                "'pte: {text: embedded.kd}' under 'representations', in a row"
            )
        return files + self.measures()

    def every_audit(self, wildcards: Wildcards) -> list[str]:
        """Return all audits of GRPO; raise InputError where no row reads what it wrote."""
        if not (files := self.audits()):
            raise InputError(
                "no row of a table reads what GRPO made; name a text LANGUAGE_MODEL.grpo, such as "
                "'pte: {text: embedded.grpo}' under 'representations', in a row"
            )
        return files

    def measures(self) -> list[str]:
        """Return the measures of the profiles that the requested cells read, and the drawings of their rounds."""
        folders = {Path(file).parent for file in self.profiles()}
        pupils = {folder.parent for folder in folders if folder.name in WRITERS}
        files = {folder / name for folder in pupils for name in ("quality.csv", "quality.md", "samples.md")}
        files |= {folder.parent / "rounds.svg" for folder in folders if folder.name in ("sft", "grpo")}
        return sorted(map(str, files))

    def audits(self) -> list[str]:
        """Return the audits of GRPO for both sides of all requested profiles."""
        folders = sorted({Path(path).parent for path in self.profiles()})
        return [f"{folder}/{side}/audit.md" for folder in folders if folder.name == "grpo" for side in SIDES]
