"""GRPO: the adapter learns to write profiles that rank what was held out."""

import tempfile
from dataclasses import dataclass

import numpy as np
import polars as pl
from datasets import Dataset
from ptebench.files import InputError
from ptebench.profiles.finetune import trainer_settings
from ptebench.profiles.instructions import Split, generator, item_prompts, user_prompts
from ptebench.profiles.language_model import fitted
from ptebench.profiles.prompts import messages
from ptebench.profiles.rewards import gate, ranking
from ptebench.profiles.rounds import negatives, ranks
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer

LOGGED = {
    "reward": "reward", "reward_std": "reward_std", "schema": "rewards/schema/mean", "rank": "rewards/rank/mean",
    "rank_std": "rewards/rank/std", "kl": "kl", "loss": "loss", "length": "completions/mean_length",
    "clipped": "completions/clipped_ratio", "entropy": "entropy",
}  # fmt: skip
REWARDS = {"step": pl.Int32} | dict.fromkeys(LOGGED, pl.Float64)


@dataclass(frozen=True)
class Tasks:
    """Prompts, and for each what is ranked: candidates (B, C), the held-out one first, and its rank without profile."""

    prompts: list[str]
    candidates: np.ndarray
    baseline: np.ndarray
    vectors: np.ndarray  # (n + 1, d) of what is ranked


def user_tasks(users: list[int], split: Split, audiences: dict, cards: np.ndarray, spec: dict) -> Tasks:
    """Hold out an item of each user's last three; rank it among items the user never chose; beat the history's mean."""
    random = generator(spec["seed"], "policy user")
    held = {u: split.train[u][-1 - int(k)] for u, k in zip(users, random.integers(3, size=len(users)))}
    rest = split.without(set(held.items()))
    counts = np.bincount(rest.ragged()[0], minlength=split.items + 1)
    drawn = negatives(random, counts, [set(split.train[u]) for u in users], spec["grpo"]["candidates"])
    candidates = np.concatenate([np.array([held[u] for u in users])[:, None], drawn], 1)
    means = np.stack([cards[rest.train[u]].mean(0) if rest.train[u] else cards[0] for u in users])
    prompts = user_prompts(users, rest.train, split.cards, audiences, spec)
    return Tasks(prompts, candidates, ranks(means, cards, candidates), cards)


def item_tasks(items: list[int], split: Split, profiles: dict, cards: np.ndarray, spec: dict) -> Tasks:
    """Hold out one reader of each item; rank that user among users who never chose it; beat the item's own card.

    A user stands for the mean of the cards of the history; the held-out user's history is without the item.
    """
    random = generator(spec["seed"], "policy item")
    values, offsets = split.ragged()
    owner = np.repeat(np.fromiter(split.train, dtype=np.int64), np.diff(offsets))
    people = {i: np.unique(owner[values == i]) for i in items}
    items = [i for i in items if len(people[i]) >= 2]
    if not items:
        raise InputError("train.parquet: no item has two users; GRPO on items needs one to hold out")
    held = {i: int(random.choice(people[i])) for i in items}
    rest = split.without({(u, i) for i, u in held.items()})
    means = np.zeros((max(split.train) + 1, cards.shape[1]), dtype=np.float32)
    for user, history in split.train.items():
        means[user] = cards[history].mean(0)
    # users who are not in training have no vector and are never drawn
    absent = set(range(1, len(means))) - set(split.train)
    drawn = negatives(
        random, np.ones(len(means)), [set(people[i].tolist()) | absent for i in items], spec["grpo"]["candidates"]
    )
    # the held-out user's vector depends on the item: one more row for each task
    targets = []
    for item in items:
        others = [j for j in split.train[held[item]] if j != item]
        targets.append(cards[others].mean(0) if others else cards[0])
    vectors = np.concatenate([means, np.stack(targets)])
    candidates = np.concatenate([len(means) + np.arange(len(items))[:, None], drawn], 1)
    prompts = item_prompts(items, rest, profiles, {}, set(), cards, spec)
    return Tasks(prompts, candidates, ranks(cards[items], vectors, candidates), vectors)


def optimise(model, tokenizer, tasks: Tasks, encode, side: str, spec: dict) -> pl.DataFrame:
    """Train the adapter in place; return every component of the reward by step."""
    settings, limit, seed = spec["grpo"], spec["new_tokens"][side], spec["seed"]
    size, groups = settings["batch_size"], settings["generations"]
    if size % groups:
        raise InputError(f"language_models: grpo: batch_size ({size}) must be a multiple of generations ({groups})")
    prompts = fitted(tasks.prompts, tokenizer, spec["context"] - limit)
    data = Dataset.from_list([{"prompt": messages(p), "task": t} for t, p in enumerate(prompts)])

    def texts(completions):
        return [c[0]["content"] for c in completions]

    def schema(completions, **_):
        return gate(texts(completions), side)

    def rank(completions, task, **_):
        return ranking(texts(completions), side, encode, tasks.vectors, tasks.candidates[task], tasks.baseline[task])

    set_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            per_device_train_batch_size=size, num_generations=groups, max_completion_length=limit,
            learning_rate=settings["learning_rate"], beta=settings["beta"], temperature=settings["temperature"],
            num_train_epochs=1, lr_scheduler_type="constant", epsilon_high=0.28, **trainer_settings(seed, folder),
        )  # fmt: skip
        trainer = GRPOTrainer(
            model=model, reward_funcs=[schema, rank], args=arguments, train_dataset=data, processing_class=tokenizer
        )
        trainer.train()
    log = [entry for entry in trainer.state.log_history if "reward" in entry]
    if not log:
        raise InputError(
            f"language_models: grpo: {len(prompts)} prompts do not fill one batch of {size // groups} groups; "
            "raise 'prompts' or lower 'batch_size'"
        )
    rows = [{"step": n} | {name: entry.get(key) for name, key in LOGGED.items()} for n, entry in enumerate(log, 1)]
    # a step whose texts were all refused has no ranking to report: not a number
    return pl.DataFrame(rows, schema=REWARDS).with_columns(pl.col(pl.Float64).fill_null(float("nan")))
