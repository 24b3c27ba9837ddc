"""Writing profiles against `generate` in a loop, and fine-tuning with and without batches alike in length.

    PYTHONPATH=. .venv/bin/python benchmarks/writing.py FOLDER

FOLDER is that of a language model in the results (base/, instructions/, best/). All contestants answer the same
prompts greedily with the same adapter, in turns, and answers are compared token by token; the loop has the adapter
beside the weights, as peft loads it, and a second time added to them, as profiles are written. Fine-tuning starts from
the same adapter on the same rows, one epoch each. CPU seconds are the fair measure on a machine that does other work.
"""

import argparse
import tempfile
import time
from pathlib import Path

import torch
from datasets import Dataset
from measure import machine, save, spread
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from ptebench.files import read_jsonl
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.models.adapters import with_adapter
from ptebench.profiles.models.finetune import trainer_settings
from ptebench.profiles.models.loading import load, load_base
from ptebench.profiles.models.tokens import prompt_tokens

CONTEXT = 512
BATCHES = (8, 32, 64, 128)
SIDE, LIMIT = "user", 48


def clocked(function) -> tuple[float, float, object]:
    """Return a function's wall seconds, CPU seconds and result."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def one_by_one(model, tokenizer, prompts: list[str]) -> list[list[int]]:
    """Answer each prompt by its own call of `generate`."""
    answers, end = [], tokenizer.eos_token_id
    for prompt in prompts:
        ids = torch.tensor([prompt_tokens(prompt, tokenizer)])
        with torch.inference_mode():
            found = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=LIMIT, do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
            )[0, ids.shape[1] :].tolist()  # fmt: skip
        answers.append(found[: found.index(end)] if end in found else found)
    return answers


def writing(folder: Path, count: int, runs: int) -> dict:
    """Return tokens per second of each contestant."""
    base, adapter = str(folder / "base"), folder / f"best/{SIDE}/adapter_model.safetensors"
    model, tokenizer = load(base, None, CONTEXT, adapter, {}, False)
    plain = with_adapter(load_base(base, None, CONTEXT), adapter.parent, {}, False).eval()
    prompts = [row["prompt"][0]["content"] for row in read_jsonl(folder / f"instructions/{SIDE}.jsonl")][:count]
    contestants = {
        "one by one": lambda: one_by_one(plain, tokenizer, prompts),
        "one by one, adapter merged": lambda: one_by_one(model, tokenizer, prompts),
    }
    contestants |= {f"batches of {b}": lambda b=b: generate(model, tokenizer, prompts, LIMIT, b) for b in BATCHES}
    contestants["batches of 64, within the grammar"] = lambda: generate(model, tokenizer, prompts, LIMIT, 64, SIDE)
    times, answers = {}, {}
    for _ in range(runs):
        for name, function in contestants.items():
            wall, cpu, answers[name] = clocked(function)
            tokens = sum(map(len, answers[name]))
            times.setdefault(name, []).append((tokens / wall, tokens / cpu))
    truth, rows = answers["one by one"], {}
    for name, found in times.items():
        per_second, per_cpu_second = zip(*found)
        rows[name] = {
            "tokens_per_second": spread(per_second), "tokens_per_cpu_second": spread(per_cpu_second),
            "same_answers": sum(a == b for a, b in zip(answers[name], truth)),
        }  # fmt: skip
    slow = rows["one by one"]
    for row in rows.values():
        row["times_faster"] = {
            unit: round(row[unit]["median"] / slow[unit]["median"], 2)
            for unit in ("tokens_per_second", "tokens_per_cpu_second")
        }
    lengths = [len(prompt_tokens(p, tokenizer)) for p in prompts]
    return {"prompts": len(prompts), "mean_prompt_tokens": round(sum(lengths) / len(lengths), 1), "contestants": rows}


def fine_tuning(folder: Path, count: int, runs: int) -> dict:
    """Return trained tokens per second of TRL with random batches, with batches alike in length, and with packing."""
    rows = read_jsonl(folder / f"instructions/{SIDE}.jsonl")[:count]
    data = Dataset.from_list([{"prompt": r["prompt"], "completion": r["completion"]} for r in rows])
    contestants = {
        "random batches": {}, "batches alike in length": {"train_sampling_strategy": "group_by_length"},
        "packed": {"packing": True, "per_device_train_batch_size": 4},
    }  # fmt: skip
    times = {}
    for _ in range(runs):
        for name, own in contestants.items():
            model, tokenizer = load(
                str(folder / "base"), None, CONTEXT, folder / f"best/{SIDE}/adapter_model.safetensors", {}, True
            )
            tokens = sum(
                len(prompt_tokens(r["prompt"][0]["content"], tokenizer))
                + len(tokenizer(r["completion"][0]["content"])["input_ids"]) + 1 for r in rows
            )  # fmt: skip
            set_seed(0)
            with tempfile.TemporaryDirectory() as place:
                settings = {"per_device_train_batch_size": 8, "max_length": CONTEXT, **own}
                arguments = SFTConfig(num_train_epochs=1, learning_rate=2e-4, **settings, **trainer_settings(0, place))
                trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
                wall, cpu, _ = clocked(trainer.train)
            times.setdefault(name, []).append((tokens / wall, tokens / cpu))
    found = {}
    for name, values in times.items():
        per_second, per_cpu_second = zip(*values)
        found[name] = {"tokens_per_second": spread(per_second), "tokens_per_cpu_second": spread(per_cpu_second)}
    return {"rows": len(rows), "contestants": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200, help="prompts that are answered, rows that are trained on")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    load_before = machine(options.threads)
    result = {"benchmark": "writing profiles, and fine-tuning for it", "machine": load_before}
    result["writing"] = writing(options.folder, options.count, options.runs)
    result["fine_tuning"] = fine_tuning(options.folder, options.count, options.runs)
    save("writing", result)


if __name__ == "__main__":
    main()
