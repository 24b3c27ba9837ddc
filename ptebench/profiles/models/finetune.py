"""Supervised fine-tuning of an adapter, with the loss on the answers alone."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate import PartialState
from datasets import Dataset
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from ptebench.files import InputError, read_json, write_json
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.checkpoints import Checkpoints
from ptebench.profiles.models.loading import load
from ptebench.profiles.models.tokens import conversation_tokens
from ptebench.randomness import generator

LATER = 4.0  # weight of the tokens of an answer after the first: one word beside a whole profile


def trainer_settings(seed: int, folder: str) -> dict:
    """Return what both trainers share: seeds, device, silence."""
    gpu = torch.cuda.is_available()
    return {
        "output_dir": folder, "seed": seed, "data_seed": seed, "use_cpu": not gpu, "bf16": gpu,
        "gradient_checkpointing": gpu, "report_to": "none", "disable_tqdm": True, "save_strategy": "no",
        "router_aux_loss_coef": 0.0,  # of a mixture of experts the routers stay as they are
        "logging_steps": 1, "dataloader_pin_memory": gpu, "max_grad_norm": 1.0,
    }  # fmt: skip


def order_of(lengths: np.ndarray, size: int, epochs: int, seed: int) -> list[int]:
    """Return the rows of all epochs in the order of training: batches of like length, in random order.

    The order is a function of its arguments alone, so that a training that is resumed goes on with the same batches.
    """
    random = generator(seed, "order")
    stream = np.concatenate([random.permutation(len(lengths)) for _ in range(epochs)])
    window, order = max(size, len(lengths) // size * size), []
    for start in range(0, len(stream), window):
        part = stream[start : start + window]
        part = part[np.argsort(lengths[part] // 16, kind="stable")]
        blocks = [part[i : i + size] for i in range(0, len(part), size)]
        short = [blocks.pop()] if len(blocks[-1]) < size else []
        order += [blocks[k] for k in random.permutation(len(blocks))] + short
    return np.concatenate(order).tolist()


def segments(labels: torch.Tensor) -> torch.Tensor:
    """Return which answer of its row, from 1, a label belongs to; 0 for what is no answer. labels: (B, L)."""
    counted = labels != -100
    starts = counted.clone()
    starts[:, 1:] &= ~counted[:, :-1]
    return starts.cumsum(1) * counted


def weighted_loss(outputs, labels, num_items_in_batch=None) -> torch.Tensor:
    """Return the loss by token of answers, those after the first with weight LATER."""
    labels, answer = labels[:, 1:], segments(labels)[:, 1:]
    counted = answer > 0
    losses = F.cross_entropy(outputs.logits[:, :-1][counted].float(), labels[counted], reduction="none")
    weights = torch.where(answer[counted] > 1, LATER, 1.0)
    return (losses * weights).sum() / (counted.sum() if num_items_in_batch is None else num_items_in_batch)


def check_labels(trainer, tokenizer, answers: set[str]) -> None:
    """Raise InputError where the loss of the first batch reads anything but whole answers."""
    labels = next(iter(trainer.get_train_dataloader()))["labels"]
    for row, answer in zip(labels, segments(labels)):
        for number in range(1, int(answer.max()) + 1):
            text = tokenizer.decode(row[answer == number], skip_special_tokens=True).strip()
            if text not in answers:
                raise InputError(
                    f"language model: its chat template does not keep prompt and answer apart (the loss would read "
                    f"{text[:80]!r}); choose a model whose template renders a conversation turn by turn"
                )


def finetune(
    model, tokenizer, rows: list[dict], settings: dict, context: int, seed: int, scratch: Path, fingerprint: str = ""
) -> list[float]:
    """Train the model's adapter on instruction rows (prompt and completion messages); return the losses by step.

    Checkpoints are in `scratch`; where one of the same `fingerprint` is there, training goes on from it, to the same
    weights. Raises InputError
    where a row has more than `context` tokens: its answer would lose its end.
    """
    set_seed(seed)
    processes = int(os.environ.get("WORLD_SIZE", 1))  # of which this is one: they share every batch
    encoded = [conversation_tokens(row["prompt"] + row["completion"], tokenizer) for row in rows]
    lengths = np.array([len(ids) for ids, _ in encoded])
    if lengths.max() > context:
        answer = rows[lengths.argmax()]["completion"][-1]["content"]
        raise InputError(
            f"language model: prompt and answer have {lengths.max()} tokens, 'context' is {context} (the answer: "
            f"{answer[:80]!r}); raise 'new_tokens' to what the longest answers of the teacher need, or 'context'"
        )
    order = order_of(lengths, settings["batch_size"], settings["epochs"], seed)
    data = Dataset.from_list([{"input_ids": encoded[k][0], "labels": encoded[k][1]} for k in order])
    arguments = SFTConfig(
        per_device_train_batch_size=settings["batch_size"] // processes, num_train_epochs=1, max_length=context,
        learning_rate=settings["learning_rate"], lr_scheduler_type="cosine", warmup_steps=0.03,
        train_sampling_strategy="sequential", save_total_limit=2, **trainer_settings(seed, str(scratch)),
    )  # fmt: skip
    checkpoints = Checkpoints(scratch, fingerprint, at_end=True)
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=data, processing_class=tokenizer, callbacks=[checkpoints],
        # one forward more for each step, so only where an answer weighs more than another
        compute_loss_func=weighted_loss if any(len(row["completion"]) > 1 for row in rows) else None,
    )  # fmt: skip
    answers = {turn["content"].strip() for row in rows for turn in row["completion"] if turn["role"] == "assistant"}
    check_labels(trainer, tokenizer, answers)
    if checkpoint := checkpoints.latest():
        print(f"going on from {checkpoint.name}")
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def finetune_by(
    processes: int, source: dict, rows: list[dict], arguments: dict, scratch: Path
) -> tuple[Path, list[float]]:
    """Run `finetune` in several processes of this machine that share every batch; return (adapter's file, losses).

    source: arguments of `load`, rows and arguments: of `finetune`. Gradients are averaged over all tokens of a batch
    (DistributedDataParallel by way of accelerate), so that a step is that of one process but for dropout. Raises
    InputError where the batch cannot be shared or a process fails.
    """
    if arguments["settings"]["batch_size"] % processes:
        raise InputError(
            f"language_models: tuning: batch_size ({arguments['settings']['batch_size']}) must be a multiple of "
            f"processes ({processes})"
        )
    Checkpoints(
        scratch, arguments["fingerprint"]
    ).latest()  # removes what a kill left half-written, before several look at it
    write_json({"source": source, "rows": rows, "arguments": arguments}, scratch / "task.json")
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "ptebench.profiles.models.finetune", str(scratch)]
    threads = max(1, torch.get_num_threads() // processes)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": str(threads)
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *command], env=environment)
    if done.returncode:
        raise InputError(f"language_models: processes: one of {processes} failed (above); try with processes: 1")
    return scratch / "adapter" / "adapter_model.safetensors", read_json(scratch / "losses.json")


def main(scratch: Path) -> None:
    """Be one of several processes."""
    PartialState(cpu=not torch.cuda.is_available())  # joins the others and takes its own GPU
    task = read_json(scratch / "task.json")
    source, settings = task["source"], task["arguments"]
    torch.manual_seed(settings["seed"])  # a new adapter is drawn at random, the same by all
    adapter = source.pop("adapter")
    model, tokenizer = load(adapter=adapter and Path(adapter), trainable=True, **source)
    losses = finetune(model, tokenizer, task["rows"], scratch=scratch, **settings)
    if PartialState().is_main_process:
        folder = scratch / "adapter"
        save_adapter(model, folder / "adapter_model.safetensors", folder / "adapter_config.json")
        write_json(losses, scratch / "losses.json")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
