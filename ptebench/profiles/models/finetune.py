"""Supervised fine-tuning of an adapter, with the loss on the answers alone."""

import inspect
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F
from accelerate import PartialState

from ptebench.checkpoints import Clock, optimizer_tensors, read_checkpoint, restore_optimizer, write_checkpoint
from ptebench.files import InputError, read_json, write_json
from ptebench.hardware import gemm_precision
from ptebench.leases import die_with_parent
from ptebench.profiles.models import variables
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.loading import load
from ptebench.profiles.models.product import one_product
from ptebench.profiles.models.tokens import conversation_tokens
from ptebench.progress import Progress
from ptebench.randomness import generator

LATER = 4.0  # weight of the tokens of an answer after the first: one word beside a whole profile
WARM = 0.03  # of the steps, in which the rate rises
PART = {"cpu": 512, "cuda": 16384}  # tokens that are read at once: of a batch, what memory has room for
Row = tuple[list[int], list[int]]  # token ids of a conversation, and its labels


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


def answer_loss(model, rows: list[Row]) -> torch.Tensor:
    """Return the sum of the losses of the answers' tokens, those of an answer after the first with weight LATER.

    Behind the right end of a row is padding, which nothing that counts sees. Logits are made for columns with an answer
    alone: of a whole prompt they take more memory than all else.
    """
    width = max(len(ids) for ids, _ in rows)
    inputs, labels = torch.zeros((len(rows), width), dtype=torch.long), torch.full((len(rows), width), -100)
    for place, (ids, learnt) in enumerate(rows):
        inputs[place, : len(ids)], labels[place, : len(ids)] = torch.tensor(ids), torch.tensor(learnt)
    inputs, labels, answer = (t.to(model.device) for t in (inputs[:, :-1], labels[:, 1:], segments(labels)[:, 1:]))
    columns = answer.any(0).nonzero().flatten()
    labels, answer = labels[:, columns], answer[:, columns]
    if "logits_to_keep" in inspect.signature(model.get_base_model().forward).parameters:
        logits = model(input_ids=inputs, use_cache=False, logits_to_keep=columns).logits
    else:
        logits = model(input_ids=inputs, use_cache=False).logits[:, columns]
    losses = F.cross_entropy(logits[answer > 0].float(), labels[answer > 0], reduction="none")
    return (losses * torch.where(answer[answer > 0] > 1, LATER, 1.0)).sum()


def parts(rows: list[Row], limit: int) -> list[list[Row]]:
    """Return rows in parts of at most `limit` tokens with padding, the longest rows first; a row stays whole."""
    rows, found = sorted(rows, key=lambda row: -len(row[0])), []
    while rows:
        count = max(1, limit // len(rows[0][0]))
        found.append(rows[:count])
        rows = rows[count:]
    return found


def check_labels(rows: list[Row], tokenizer, answers: set[str]) -> None:
    """Raise InputError where the loss reads anything but whole answers."""
    for _, labels in rows:
        row = torch.tensor(labels)
        numbers = segments(row[None])[0]
        for number in range(1, int(numbers.max()) + 1):
            text = tokenizer.decode(row[numbers == number], skip_special_tokens=True).strip()
            if text not in answers:
                raise InputError(
                    f"language model: its chat template does not keep prompt and answer apart (the loss would read "
                    f"{text[:80]!r}); choose a model whose template renders a conversation turn by turn"
                )


def encoded(rows: list[dict], tokenizer, context: int) -> list[Row]:
    """Return the tokens of instructions; raise InputError where one has more than `context`: it would lose its end."""
    found = [conversation_tokens(row["prompt"] + row["completion"], tokenizer) for row in rows]
    lengths = [len(ids) for ids, _ in found]
    if max(lengths) > context:
        answer = rows[int(np.argmax(lengths))]["completion"][-1]["content"]
        raise InputError(
            f"language model: prompt and answer have {max(lengths)} tokens, 'context' is {context} (the answer: "
            f"{answer[:80]!r}); raise 'new_tokens' to what the longest answers of the teacher need, or 'context'"
        )
    return found


def share_of_rate(number: int, steps: int) -> float:
    """Return the share of the highest rate that step `number` (from 0) of `steps` takes: warmed up, then a cosine."""
    warm = max(1, round(WARM * steps))
    if number < warm:
        return (number + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (number - warm) / (steps - warm))


class Training:
    """An adapter in training: its weights, their optimizer, the losses of the steps so far; what a checkpoint holds.

    Of several processes each has a part of every batch, and the first one writes.
    """

    def __init__(self, model, rate: float, steps: int, seed: int):
        self.model, self.rate, self.steps, self.seed = model, rate, steps, seed
        self.losses: list[float] = []
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=rate, weight_decay=0.0)
        self.rank, self.processes = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        kind = gemm_precision(model.device.type)
        self.lower = torch.autocast(model.device.type, kind, enabled=kind != torch.float32)

    def step(self, batch: list[Row]) -> None:
        """Take a step: gradients of the mean loss by token, summed over parts and processes."""
        number, model = len(self.losses), self.model
        # dropout depends on the step alone, so that a training that is resumed drops the same
        torch.manual_seed(int(generator(self.seed, f"dropout {number} {self.rank}").integers(2**63)))
        tokens = sum(label != -100 for _, labels in batch for label in labels[1:])
        total = torch.zeros((), device=model.device)
        for part in parts(batch[self.rank :: self.processes], PART[model.device.type]):
            with self.lower:
                loss = answer_loss(model, part) / tokens
            loss.backward()
            total += loss.detach()
        if self.processes > 1:
            dist.all_reduce(total)
            for weights in self.weights:
                if weights.grad is None:  # the last batch may have too few rows for all
                    weights.grad = torch.zeros_like(weights)
                dist.all_reduce(weights.grad)
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.param_groups[0]["lr"] = self.rate * share_of_rate(number, self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(float(total))

    def save(self, file: Path, fingerprint: str) -> None:
        """Write a checkpoint of the job with this fingerprint."""
        tensors = {f"weights.{n}": w.detach() for n, w in enumerate(self.weights)}
        write_checkpoint(tensors | optimizer_tensors(self.optimizer), file, fingerprint, self.losses)

    def resume(self, file: Path, fingerprint: str) -> None:
        """Go on from a checkpoint of the job with this fingerprint, where there is one."""
        if (content := read_checkpoint(file, fingerprint)) is None:
            return
        tensors, self.losses = content
        with torch.no_grad():
            for n, weights in enumerate(self.weights):
                weights.copy_(tensors[f"weights.{n}"])
        restore_optimizer(self.optimizer, tensors)
        print(f"going on from step {len(self.losses)}")


def finetune(
    model, tokenizer, rows: list[dict], settings: dict, context: int, seed: int, scratch: Path, fingerprint: str = ""
) -> list[float]:
    """Train the model's adapter on instruction rows (prompt and completion messages); return the losses by step.

    A checkpoint is in `scratch`; where one of the same `fingerprint` is there, training goes on from it, to the same
    weights. Raises InputError where a row has more than `context` tokens.
    """
    lessons, size, file = encoded(rows, tokenizer, context), settings["batch_size"], scratch / "checkpoint.safetensors"
    order = order_of(np.array([len(ids) for ids, _ in lessons]), size, settings["epochs"], seed)
    batches = [[lessons[k] for k in order[start : start + size]] for start in range(0, len(order), size)]
    answers = {turn["content"].strip() for row in rows for turn in row["completion"] if turn["role"] == "assistant"}
    check_labels(batches[0], tokenizer, answers)
    model.train()
    if model.device.type == "cuda":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    training, clock = Training(model, settings["learning_rate"], len(batches), seed), Clock()
    training.resume(file, fingerprint)
    progress, tokens = Progress("fine-tuning", "steps", len(batches)), 0
    with one_product(model):
        while len(training.losses) < len(batches):
            tokens += sum(len(ids) for ids, _ in batches[len(training.losses)])
            training.step(batches[len(training.losses)])
            done = len(training.losses) == len(batches)
            if training.rank == 0 and (clock.is_due() or (done and clock.is_long())):
                training.save(file, fingerprint)
                clock.restart()
            pace = tokens / (time.monotonic() - progress.start_time)
            progress(len(training.losses), f", loss {training.losses[-1]:.3f}, {pace:,.0f} tokens per second")
    return training.losses


def finetune_by(
    processes: int, source: dict, rows: list[dict], arguments: dict, scratch: Path
) -> tuple[Path, list[float]]:
    """Run `finetune` in several processes of this machine that share every batch; return (adapter's file, losses).

    source: arguments of `load`, rows and arguments: of `finetune`. A step is that of one process but for dropout.
    Raises InputError where the batch cannot be shared or a process fails.
    """
    if arguments["settings"]["batch_size"] % processes:
        raise InputError(
            f"language_models: tuning: batch_size ({arguments['settings']['batch_size']}) must be a multiple of "
            f"processes ({processes})"
        )
    write_json({"source": source, "rows": rows, "arguments": arguments}, scratch / "task.json")
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command += ["-m", "ptebench.profiles.models.finetune", str(scratch)]
    threads = max(1, torch.get_num_threads() // processes)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": str(threads)
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-m", *command], env=environment, preexec_fn=die_with_parent())
    if done.returncode:
        raise InputError(f"language_models: processes: one of {processes} failed (above); try with processes: 1")
    return scratch / "adapter" / "adapter_model.safetensors", read_json(scratch / "losses.json")


def main(scratch: Path) -> None:
    """Be one of several processes."""
    variables.keep()
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
