"""The jobs from a split to written profiles, with a language model of a few thousand weights."""

import importlib
from pathlib import Path

from ptebench.files import PROFILES, read_json, read_table
from ptebench.job import Job
from tests.profiles.synthetic import write_split

LORA = {"rank": 4, "alpha": 8, "dropout": 0.05}
WRITING = {
    "seed": 0, "probes": 6, "history": 4, "neighbours": 2, "context": 320, "new_tokens": {"user": 24, "item": 40},
    "write_batch": 16, "revision": None, "lora": LORA, "model": "embedded", "loop": "closed",
    "quantization": None, "processes": 1, "collaborative": 0.0, "schema": "phrases",
}  # fmt: skip
PLACE = {"dataset": "small", "protocol": "split", "language_model": "embedded"}
TUNING = {"epochs": 1, "batch_size": 4, "learning_rate": 0.01, "learning_rate_of_rounds": 0.006, "refresh": 4}
GRPO = {
    "steps": 2, "prompts": 4, "generations": 2, "batch_size": 4, "learning_rate": 0.01, "beta": 0.02,
    "temperature": 1.0,
    "candidates": 9, "watch": 1, "vllm": False,
    "weights": {
        "rank": 1.0, "auc": 1.0, "faithfulness": 0.3, "identification": 0.5, "length": 0.1, "preference": 0.0, "nearer": 0.0,
        "title": 0.0,
    },
}  # fmt: skip
EMBEDDED = {
    "hidden": 32, "layers": 1, "heads": 2, "vocabulary": 600, "steps": 60, "batch_size": 8, "learning_rate": 0.01,
}  # fmt: skip
ENCODER = {"kind": "minilm", "precision": "auto", "max_tokens": 64}


def job(script, spec, inputs, outputs):
    """Run a script's main in this process."""
    inputs = {name: paths if isinstance(paths, list) else [paths] for name, paths in inputs.items()}
    return importlib.import_module(f"workflow_scripts.{script}").main(Job(spec, inputs, outputs, "", 1)) or {}


def half(root, number, side):
    folder = root / "rounds" / str(number) / side
    return {
        "adapter": folder / "adapter_model.safetensors",
        "adapter_config": folder / "adapter_config.json",
        "profiles": folder / "profiles.parquet",
    }


class Chain:
    """Paths of one run, and its jobs."""

    def __init__(self, root: Path, files: dict | None = None):
        self.root, self.files = root, files or write_split(root)
        self.texts = {n: self.files[n] for n in ("train", "vocabulary", "items")}
        self.known = self.texts | {"cards": self.files["cards"]}
        self.template = {s: root / f"template/{s}.parquet" for s in ("user", "item")}
        self.instructions = {s: root / f"instructions/{s}.jsonl" for s in ("user", "item")}
        self.lessons = self.instructions | {"texts": root / "instructions/texts.parquet"}
        self.base = {"base": root / "base/model.safetensors"}

    def build(self, **changes):
        job("template_profiles", {}, self.texts | {"histories": self.files["histories"]}, self.template)
        job("language_model", WRITING | {"embedded": EMBEDDED | changes}, self.texts, {"model": self.base["base"]})

    def instruct(self, outputs=None, collaborative=0.0, **extra):
        inputs = self.known | {f"template_{s}": p for s, p in self.template.items()} | extra
        return job(
            "instructions",
            WRITING | {"examples": 8, "collaborative": collaborative, "encoder": ENCODER},
            inputs,
            outputs or self.lessons,
        )

    def tune(self, number, side, outputs=None, **changes):
        inputs = self.known | {f"{s}_instructions": p for s, p in self.instructions.items()}
        if changes.get("model", "embedded") == "embedded":
            inputs |= self.base
        before = half(self.root, number, "user") if side == "item" else number and half(self.root, number - 1, "item")
        if before:
            inputs |= {"adapter": before["adapter"], "evidence": before["profiles"]}
        if number:
            inputs |= {f"earlier_{n}": p for n, p in half(self.root, number - 1, side).items()}
            inputs |= {"probe": self.root / f"rounds/{number - 1}/probe.json", "texts": self.lessons["texts"]}
        if number > 1:
            inputs |= {f"retreat_{n}": p for n, p in half(self.root, number - 2, "item").items()}
        spec = WRITING | {"tuning": TUNING, "side": side, "round": number, "encoder": ENCODER} | changes
        return job("tune_round", spec, inputs, outputs or half(self.root, number, side))

    def probe(self, number, **limits):
        inputs = self.known | {"texts": self.lessons["texts"]}
        inputs |= {f"{s}_profiles": half(self.root, number, s)["profiles"] for s in ("user", "item")}
        if number:
            earlier = {s: half(self.root, number - 1, s)["profiles"] for s in ("user", "item")}
            inputs |= {f"earlier_{s}_profiles": p for s, p in earlier.items()}
            inputs["earlier_probe"] = self.root / f"rounds/{number - 1}/probe.json"
        if number > 1:
            retreat = {s: half(self.root, number - 2, s)["profiles"] for s in ("user", "item")}
            inputs |= {f"retreat_{s}_profiles": p for s, p in retreat.items()}
        spec = WRITING | {"round": number, "encoder": ENCODER, "embedding_drift": 0.0, "field_drift": 0.0} | limits
        path = self.root / f"rounds/{number}/probe.json"
        job("probe_round", spec, inputs, {"probe": path})
        return read_json(path)

    def policy(self, folder, side):
        best = self.root / "best"
        inputs = self.known | self.base | {
            "adapter": best / side / "adapter_model.safetensors",
            "evidence": best / {"user": "audiences.parquet", "item": "readers.parquet"}[side],
            "template": self.template[side],
            "texts": self.lessons["texts"],
        }  # fmt: skip
        names = {
            "adapter": "adapter_model.safetensors",
            "adapter_config": "adapter_config.json",
            "rewards": "rewards.csv",
        }
        outputs = {n: self.root / folder / side / f for n, f in names.items()}
        job("grpo", WRITING | {"grpo": GRPO, "encoder": ENCODER, "side": side}, inputs, outputs)
        return outputs

    def write(self, side, adapter, path):
        inputs = self.known | self.base | {"histories": self.files["histories"], "adapter": adapter}
        if side == "item":
            inputs["evidence"] = self.root / "written/user.parquet"
        notes = job("write_profiles", WRITING | {"side": side, "writer": "grpo"}, inputs, {"profiles": path})
        return read_table(path, PROFILES), notes
