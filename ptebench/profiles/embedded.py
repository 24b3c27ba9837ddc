"""The embedded language model: a small decoder and its tokenizer, made from the split's training data alone.

It learns to name what the evidence names, in the schema; it knows nothing else of the world.
"""

import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from ptebench.hardware import gemm_precision
from ptebench.profiles.grammar import names
from ptebench.profiles.instructions import COLD, Split, generator
from ptebench.profiles.muon import Muon
from ptebench.profiles.parse import layout
from ptebench.profiles.prompts import cold_item_prompt, evidence_text, fit, item_prompt, messages, user_prompt
from ptebench.profiles.teachers import Template

TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SPECIAL = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
FRAME = 0.01  # of the lessons add a frame word to what their evidence says, and fewer begin a phrase with it
PROMPT_SHARE = 0.1  # of the prompt's tokens, that count in the loss beside the answer's


def tokenizer_of(texts: list[str], size: int, context: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE tokenizer with a chat template, trained on `texts`."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|end|>", model_max_length=context,
        padding_side="left", chat_template=TEMPLATE, clean_up_tokenization_spaces=False,
    )  # fmt: skip


def lessons(split: Split, template: Template, count: int, spec: dict, leave_out: set) -> list[tuple[str, str]]:
    """Return `count` pairs of prompt and the template teacher's answer, in every form that later prompts take.

    The evidence of a user is a random stretch of a training history (never of the users to leave out)
    and the answer is the template's for that very stretch, so that what is taught is to read evidence.
    """
    random, cards = generator(spec["seed"], "lessons"), split.cards
    shown, near = spec["history"], spec["neighbours"]
    users = [u for u in split.train if u not in leave_out]
    warm = split.warm()
    audiences = dict(zip(warm.tolist(), template.items(warm)))
    drawn = [split.train[users[k]] for k in random.integers(len(users), size=count)]
    lengths = np.array([len(h) for h in drawn])
    takes = np.minimum(1 + random.integers(shown, size=count), lengths)
    starts = (random.random(count) * (lengths - takes + 1)).astype(int)
    stretches = [h[s : s + t] for h, s, t in zip(drawn, starts, takes)]
    offsets = np.concatenate([[0], np.cumsum(takes)])
    profiles = template.users(np.concatenate([np.asarray(s) for s in stretches]), offsets)
    readers = {}
    for place, stretch in enumerate(stretches):
        readers.setdefault(stretch[-1], []).append(profiles[place])
    kinds = random.random(count)
    picks = random.integers(len(warm), size=(count, near + 1))
    pairs = []
    for place, kind in enumerate(kinds):
        if kind < 0.6:
            given = audiences if kind < 0.3 else {}
            prompt = user_prompt(stretches[place], cards, given, shown, near)
            pairs.append((prompt, layout(profiles[place], "user")))
            continue
        item, *others = warm[picks[place]].tolist()
        if random.random() < COLD:
            prompt = cold_item_prompt(item, cards, [(i, audiences[i]) for i in others if i != item])
        else:
            choice = readers.get(item, [])
            first = int(random.integers(max(1, len(choice) - near + 1)))
            prompt = item_prompt(item, cards, choice[first : first + near])
        pairs.append((prompt, layout(audiences[item], "item")))
    return pairs


def frame_words(pairs: list[tuple[str, str]]) -> list[str]:
    """Return the words that answers put behind those of their evidence, such as `fan`: few phrases begin with them."""
    first, behind = Counter(), Counter()
    for prompt, answer in pairs:
        phrases = [p.split(maxsplit=1) for line in answer.split("\n") for p in line.split(":", 1)[1].split(";")]
        first.update({words[0] for words in phrases})
        behind.update({w for _, *rest in phrases for w in names(" ".join(rest))} - set(names(evidence_text(prompt))))
    return sorted(w for w, count in behind.items() if count >= FRAME * len(pairs) > first[w])


def new_model(tokenizer, settings: dict, context: int) -> LlamaForCausalLM:
    """Return an untrained decoder."""
    hidden, heads = settings["hidden"], settings["heads"]
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=hidden, intermediate_size=2 * hidden,
            num_hidden_layers=settings["layers"], num_attention_heads=heads, num_key_value_heads=heads,
            max_position_embeddings=context, tie_word_embeddings=True, attention_dropout=0.0,
            bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A lesson in tokens."""

    ids: list[int]
    start: int  # where the answer begins


def encode(pairs, tokenizer, context: int) -> list[Row]:
    """Return the rows of pairs of prompt and answer; prompts lose evidence until the pair fits."""

    def tokens(prompt):
        text = tokenizer.apply_chat_template(messages(prompt), tokenize=False, add_generation_prompt=True)
        return tokenizer(text, add_special_tokens=False)["input_ids"]

    rows = []
    for prompt, answer in pairs:
        ids = tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        room = context - len(ids)
        start = tokens(fit(prompt, lambda p, room=room: len(tokens(p)) - room))
        rows.append(Row(start + ids, len(start)))
    return rows


def batches(rows, size: int, random: np.random.Generator) -> list[np.ndarray]:
    """Return batches of row numbers, alike in length within a batch, in random order."""
    lengths = np.array([len(row.ids) for row in rows])
    order = np.lexsort((random.random(len(rows)), lengths // 16))
    found = [order[i : i + size] for i in range(0, len(order) - size + 1, size)] or [order]
    return [found[k] for k in random.permutation(len(found))]


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
    counted = answer | ((inputs != pad) & (random.random(inputs.shape) < PROMPT_SHARE))
    counted, answer = (torch.from_numpy(m[:, 1:]) for m in (counted, answer))
    inputs = torch.from_numpy(inputs)
    # right padding and a causal mask: nothing that counts sees padding
    hidden = model.model(input_ids=inputs[:, :-1], use_cache=False).last_hidden_state
    logits = F.linear(hidden[counted], model.lm_head.weight).float()
    losses = F.cross_entropy(logits, inputs[:, 1:][counted], reduction="none")
    return losses.mean(), losses[answer[counted]].mean()


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
    curve, queue, started = [], [], time.monotonic()
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
        if (step + 1) % max(1, steps // 10) == 0:
            left = (time.monotonic() - started) / (step + 1) * (steps - step - 1)
            say(f"step {step + 1}/{steps}: loss of an answer's token {np.mean(curve[-20:]):.3f}, {left:.0f} s left")
    return curve


def build(split: Split, spec: dict, leave_out: set, folder: Path, say=print) -> dict:
    """Make tokenizer and model, train them, save them as a hub model in `folder`; return the record."""
    settings, context, seed = spec["embedded"], spec["context"], spec["seed"]
    template = Template(split.cards, *split.ragged())
    pairs = lessons(split, template, settings["steps"] * settings["batch_size"], spec, leave_out)
    cards = [split.cards.line(i) for i in split.warm()]
    tokenizer = tokenizer_of(cards + [text for pair in pairs[:4000] for text in pair], settings["vocabulary"], context)
    rows = encode(pairs, tokenizer, context)
    set_seed(seed)
    model = new_model(tokenizer, settings, context)
    held, taught = rows[: len(rows) // 50], rows[len(rows) // 50 :]
    curve = pretrain(model, taught, settings, tokenizer.pad_token_id, seed, say)
    model.eval()
    with torch.inference_mode():
        losses = [
            loss_of(model, held[i : i + 32], tokenizer.pad_token_id, generator(seed, "held"))[1].item()
            for i in range(0, len(held), 32)
        ]
    model.config.frame_words = frame_words(pairs)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "tokens": sum(len(row.ids) for row in rows),
        "answer_loss": curve[-1] if curve else None,
        "held_answer_loss": float(np.mean(losses)) if losses else None,
    }
