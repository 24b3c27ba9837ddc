"""The embedded language model: a small decoder and its tokenizer, made from the split's training data alone.

It learns to name what the evidence names, in the schema; it knows nothing else of the world.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from transformers import set_seed

from ptebench.hardware import gemm_precision
from ptebench.profiles.embedded.lessons import frame_words, lessons
from ptebench.profiles.embedded.model import new_model, tokenizer_of
from ptebench.profiles.embedded.muon import Muon
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.models.loading import save
from ptebench.profiles.models.tokens import Row, rows_of
from ptebench.profiles.teachers.template import Template
from ptebench.progress import Progress
from ptebench.randomness import generator

PROMPT_SHARE = 0.1  # of the prompt's tokens, that count in the loss beside the answer's


def batches(rows, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Return batches of row numbers, alike in length within a batch, in random order."""
    lengths = np.array([len(row.ids) for row in rows])
    order = np.lexsort((random.random(len(rows)), lengths // 16))
    batches_of_epoch = [order[i : i + size] for i in range(0, len(order) - size + 1, size)] or [order]
    return [batches_of_epoch[k] for k in random.permutation(len(batches_of_epoch))]


def loss_of(model, rows: list[Row], pad: int, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss that is trained on and the mean loss of the answers' tokens.

    The head is applied only where the loss counts: with a small model it is most of the work.
    """
    width = max(len(row.ids) for row in rows)
    inputs = np.full((len(rows), width), pad, dtype=np.int64)
    answer = np.zeros((len(rows), width), dtype=bool)
    for place, row in enumerate(rows):
        inputs[place, : len(row.ids)] = row.ids
        answer[place, row.start : len(row.ids)] = True
    in_loss = answer | ((inputs != pad) & (random.random(inputs.shape) < PROMPT_SHARE))
    losing, answering = (torch.from_numpy(m[:, 1:]) for m in (in_loss, answer))
    ids = torch.from_numpy(inputs)
    # right padding and a causal mask: nothing that counts sees padding
    hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    logits = F.linear(hidden[losing], model.lm_head.weight).float()
    losses = F.cross_entropy(logits, ids[:, 1:][losing], reduction="none")
    return losses.mean(), losses[answering[losing]].mean()


def optimizers_of(model, rate: float) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers and AdamW for the rest.

    With AdamW alone a model of this size begins to read its evidence much later.
    """
    inner = {p for p in model.model.layers.parameters() if p.dim() > 1}
    outer = [p for p in model.parameters() if p not in inner]
    optimizers = [
        Muon([p for p in model.parameters() if p in inner], lr=rate),
        torch.optim.AdamW(outer, lr=rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = rate
    return optimizers


def pretrain(model, rows, settings: dict, pad: int, seed: int, say=print) -> list[float]:
    """Train a model on token rows for settings['steps'] steps; return the answers' loss at every step."""
    steps, random = settings["steps"], generator(seed, "pretraining")
    optimizers = optimizers_of(model, settings["learning_rate"])
    curve: list[float] = []
    queue: list[np.ndarray] = []
    progress = Progress("pretraining", "steps", steps, say)
    kind = gemm_precision("cpu")
    lower = torch.autocast("cpu", kind, enabled=kind != torch.float32)
    model.train()
    for step in range(steps):
        queue = queue or batches(rows, settings["batch_size"], random)
        warm = min(1.0, (step + 1) / max(1, steps // 20))
        rate = warm * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate
        with lower:
            loss, answers = loss_of(model, [rows[i] for i in queue.pop()], pad, random)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        curve.append(answers.item())
        progress(step + 1, f", loss of an answer's token {np.mean(curve[-20:]):.3f}")
    return curve


def build(split: Split, spec: dict, leave_out: set, folder: Path, say=print) -> dict:
    """Make tokenizer and model, train them, save them as a hub model in `folder`; return the record."""
    settings, context, seed = spec["embedded"], spec["context"], spec["seed"]
    template = Template(split.cards, *split.ragged())
    pairs = lessons(split, template, settings["steps"] * settings["batch_size"], spec, leave_out)
    cards = [split.cards.line(i) for i in split.warm()]
    tokenizer = tokenizer_of(cards + [text for pair in pairs[:4000] for text in pair], settings["vocabulary"], context)
    rows = rows_of(pairs, tokenizer, context)
    set_seed(seed)
    model = new_model(tokenizer, settings, context)
    validation, training = rows[: len(rows) // 50], rows[len(rows) // 50 :]
    curve = pretrain(model, training, settings, tokenizer.pad_token_id, seed, say)
    model.eval()
    with torch.inference_mode():
        losses = [
            loss_of(model, validation[i : i + 32], tokenizer.pad_token_id, generator(seed, "held"))[1].item()
            for i in range(0, len(validation), 32)
        ]
    model.config.frame_words = frame_words(pairs)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    save(model, tokenizer, folder)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "tokens": sum(len(row.ids) for row in rows),
        "answer_loss": curve[-1] if curve else None,
        "held_answer_loss": float(np.mean(losses)) if losses else None,
    }
