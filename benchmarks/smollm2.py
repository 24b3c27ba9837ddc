"""SmolLM2-135M side by side: writing against `generate` and ctranslate2, fine-tuning and GRPO against TRL.

    PYTHONPATH=. .venv/bin/python benchmarks/smollm2.py [--peers SITE_PACKAGES]

Prompts of about 300 tokens, of random words of the vocabulary, 48 new tokens each. Every contestant is a process of its
own, for its peak memory; each in turn, on one thread. Fine-tuning has the same rows in the same batches of 8, from the
same new adapter; GRPO the same prompts, groups and rewards, where TRL has its own defaults in float32. `--peers` is a
folder with ctranslate2 (envs/ctranslate2.txt); without it that row is left out. CPU seconds are the fair measure on a
machine that does other work.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from measure import machine, save
from transformers import AutoModelForCausalLM, AutoTokenizer

from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.evidence.prompts import USER_TASK, assemble, messages
from ptebench.profiles.grpo.optimise import optimise
from ptebench.profiles.models.adapters import with_adapter
from ptebench.profiles.models.finetune import finetune, order_of
from ptebench.profiles.models.loading import load, load_base, load_tokenizer
from ptebench.profiles.models.packed import unpack
from ptebench.profiles.models.tokens import conversation_tokens, prompt_tokens
from ptebench.randomness import generator

TOKENS, NEW, CONTEXT, SIZE = 300, 48, 512, 8
LORA = {"rank": 16, "alpha": 32, "dropout": 0.05}
WRITERS = {"generate, float32": 32, "generate, bfloat16": 32, "ctranslate2, int8": 32, "ours": 64}  # batches
TRAINERS = ("TRL", "ours")
STEPS, GROUPS, GROUP = 2, 4, 4  # of GRPO: steps, prompts of a step, answers to each


def prompts(tokenizer, count: int) -> list[str]:
    """Return prompts of about TOKENS tokens."""
    random = generator(0, "prompts")
    words = [w for w in map(tokenizer.decode, range(2000, 20_000)) if w.startswith(" ") and w.strip().isalpha()]
    found = []
    for _ in range(count):
        lines: list[str] = []
        while len(prompt_tokens(text := assemble(USER_TASK, lines, "user"), tokenizer)) < TOKENS - 12:
            lines.append("".join(random.choice(words, 12)).strip())
        found.append(text)
    return found


def instructions(tokenizer, count: int) -> list[dict]:
    """Return instructions, ordered as both trainers take them."""
    random, texts = generator(0, "answers"), prompts(tokenizer, count)
    words = sorted({w for text in texts for w in text.split() if w.islower() and w.isalpha()})
    rows = []
    for text in texts:
        named = ["; ".join(" ".join(random.choice(words, 2)) for _ in range(3)) for _ in range(2)]
        answer = {"role": "assistant", "content": "Roles: {}\nInterests: {}".format(*named)}
        rows.append({"prompt": messages(text), "completion": [answer]})
    return rows


def writer(name: str, base: str, count: int):
    """Return a function that answers the prompts with so many new tokens each."""
    batch, tokenizer = WRITERS[name], load_tokenizer(base)
    texts = prompts(tokenizer, count)
    never = len(tokenizer) - 1  # an end that does not come, so that all write alike
    if name == "ours":
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(never)
        model = load_base(base, None, CONTEXT)
        model.generation_config.eos_token_id = never
        return lambda new: generate(model, tokenizer, texts, new, batch, say=lambda *_: None)
    rows = [prompt_tokens(text, tokenizer) for text in texts]
    if name.startswith("ctranslate2"):
        import ctranslate2

        engine = ctranslate2.Generator(f"{base}/ctranslate2", intra_threads=torch.get_num_threads())
        words = [tokenizer.convert_ids_to_tokens(row) for row in rows]
        return lambda new: engine.generate_batch(
            words, max_length=new, min_length=new, beam_size=1, include_prompt_in_result=False, max_batch_size=batch,
        )  # fmt: skip
    kind = torch.float32 if name.endswith("float32") else torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained(base, dtype=kind).eval()

    def answer(new: int) -> None:
        for start in range(0, len(rows), batch):
            inputs = tokenizer.pad({"input_ids": rows[start : start + batch]}, return_tensors="pt")
            with torch.inference_mode():
                model.generate(**inputs, max_new_tokens=new, min_new_tokens=new, do_sample=False)

    return answer


def write(name: str, base: str, count: int) -> dict:
    """Return tokens per CPU second of reading and writing."""
    run = writer(name, base, count)
    run(2)
    seconds, walls = [], []
    for new in (1, 1 + NEW):
        cpu, wall = time.process_time(), time.perf_counter()
        run(new)
        seconds.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - wall)
    return {
        "batch": WRITERS[name], "read_tokens_per_cpu_second": round(count * TOKENS / seconds[0]),
        "written_tokens_per_cpu_second": round(count * NEW / (seconds[1] - seconds[0])),
        "cpu_seconds_per_1000_profiles": round(1000 * seconds[1] / count),
        "seconds_per_1000_profiles": round(1000 * walls[1] / count),
    }  # fmt: skip


def tune(name: str, base: str, count: int) -> dict:
    """Return CPU seconds of a step, and the losses."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(base)
    rows = instructions(tokenizer, count)
    lengths = torch.tensor(
        [len(conversation_tokens(r["prompt"] + r["completion"], tokenizer)[0]) for r in rows]
    ).numpy()
    rate, tokens = 2e-4, int(lengths.sum())
    with tempfile.TemporaryDirectory() as scratch:
        if name == "ours":
            model, _ = load(base, None, CONTEXT, None, LORA, True)
            settings = {"batch_size": SIZE, "epochs": 1, "learning_rate": rate}
            clock = time.process_time()
            losses = finetune(model, tokenizer, rows, settings, CONTEXT, 0, Path(scratch))
        else:
            from datasets import Dataset
            from trl import SFTConfig, SFTTrainer

            model = with_adapter(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), None, LORA, True)
            arguments = SFTConfig(
                output_dir=scratch, per_device_train_batch_size=SIZE, learning_rate=rate, num_train_epochs=1,
                lr_scheduler_type="cosine", train_sampling_strategy="sequential", use_cpu=True, bf16=False,
                gradient_checkpointing=False, report_to="none", disable_tqdm=True, logging_steps=1,
                save_strategy="no",
            )  # fmt: skip
            data = Dataset.from_list([rows[k] for k in order_of(lengths, SIZE, 1, 0)])
            trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
            clock = time.process_time()
            trainer.train()
            losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    used = time.process_time() - clock
    return {
        "tokens_per_cpu_second": round(tokens / used), "cpu_seconds_per_step": round(used / len(losses), 1),
        "losses": [round(loss, 3) for loss in losses],
    }  # fmt: skip


class Parity:
    """A reward that costs nothing: 0 for an answer of an even number of characters, -1 for another."""

    side, task, components, weights = "user", "schema", (), {"schema": 1.0}

    def __init__(self, texts: list[str]):
        self.tasks = SimpleNamespace(prompts=texts)

    def __call__(self, texts, *_) -> tuple[dict, dict]:
        nothing = {"likeness": float("nan"), "effective_rank": float("nan")}
        return {"schema": np.array([-float(len(text) % 2) for text in texts])}, nothing


def reward(name: str, base: str, count: int) -> dict:
    """Return CPU seconds of a step of GRPO."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(base)
    texts, size = prompts(tokenizer, count), GROUPS * GROUP
    judge = Parity(texts)
    with tempfile.TemporaryDirectory() as scratch:
        if name == "ours":
            model, _ = load(base, None, CONTEXT, None, LORA, True)
            settings = {
                "batch_size": size, "generations": GROUP, "steps": STEPS, "learning_rate": 1e-5, "beta": 0.0,
                "temperature": 1.0, "watch": STEPS, "vllm": False,
            }  # fmt: skip
            spec = {"grpo": settings, "new_tokens": {"user": NEW}, "context": CONTEXT, "seed": 0}
            clock = time.process_time()
            optimise(model, tokenizer, judge, np.array([], int), spec, Path(scratch), "benchmark")
        else:
            from datasets import Dataset
            from trl import GRPOConfig, GRPOTrainer

            model = with_adapter(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), None, LORA, True)
            arguments = GRPOConfig(
                output_dir=scratch, per_device_train_batch_size=size, num_generations=GROUP, max_steps=STEPS,
                max_completion_length=NEW, learning_rate=1e-5, use_cpu=True, bf16=False, report_to="none",
                disable_tqdm=True, save_strategy="no",
            )  # fmt: skip

            def parity(completions, **_):
                return judge([answer[0]["content"] for answer in completions])[0]["schema"].tolist()

            data = Dataset.from_list([{"prompt": messages(text)} for text in texts])
            trainer = GRPOTrainer(
                model=model, reward_funcs=parity, args=arguments, train_dataset=data, processing_class=tokenizer
            )
            clock = time.process_time()
            trainer.train()
    used = time.process_time() - clock
    return {"cpu_seconds_per_step": round(used / STEPS, 1)}


def compared(folder: Path, options: argparse.Namespace) -> dict:
    """Run every contestant in a process of its own; return their figures."""
    base = folder / "base"
    unpack("smollm2", base)
    names = [("write", name) for name in WRITERS if options.peers or not name.startswith("ctranslate2")]
    if options.peers:
        sys.path.append(options.peers)
        from ctranslate2.converters import TransformersConverter

        AutoTokenizer.from_pretrained(base)
        TransformersConverter(str(base)).convert(str(base / "ctranslate2"), quantization="int8")
    names += [(kind, name) for kind in ("tune", "reward") for name in TRAINERS]
    names = [(kind, name) for kind, name in names if kind in options.kinds]
    found: dict = {kind: {} for kind in options.kinds}
    for kind, name in names:
        count = options.prompts if kind == "write" else options.rows
        command = [
            sys.executable,
            __file__,
            "--one",
            kind,
            name,
            str(base),
            str(count),
            "--threads",
            str(options.threads),
        ]
        command += ["--peers", options.peers] if options.peers else []
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        found[kind][name] = json.loads(done.stdout.splitlines()[-1])
        print(kind, name, found[kind][name], file=sys.stderr)
    return found


KINDS = {"write": write, "tune": tune, "reward": reward}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=64)
    parser.add_argument("--rows", type=int, default=24)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--peers", help="folder of site-packages with ctranslate2")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)  # contestant of a process: kind, name, base, count
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        sys.path += [options.peers] if options.peers else []
        kind, name, base, count = options.one
        row = KINDS[kind](name, base, int(count))
        print(json.dumps(row | {"peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)}))
        return
    result = {"benchmark": "SmolLM2-135M: writing, fine-tuning, GRPO", "machine": machine(options.threads)}
    with tempfile.TemporaryDirectory() as folder:
        found = compared(Path(folder), options)
    save("smollm2" if len(found) == len(KINDS) else f"smollm2_{'_'.join(found)}", result | found)


if __name__ == "__main__":
    main()
