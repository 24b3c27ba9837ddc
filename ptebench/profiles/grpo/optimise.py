"""GRPO: the adapter learns to write profiles that rank, describe and tell apart; watched, and resumed after a kill."""

import importlib.util
import time
from pathlib import Path

import numpy as np
import polars as pl
import torch
from datasets import Dataset
from transformers import set_seed
from trl import GRPOConfig, GRPOTrainer

from ptebench.files import InputError
from ptebench.hardware import device, gemm_precision
from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.evidence.prompts import messages
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.grpo.watch import Watch
from ptebench.profiles.models import variables
from ptebench.profiles.models.checkpoints import Checkpoints
from ptebench.profiles.models.product import one_product
from ptebench.profiles.models.tokens import fitted

PART = 1024  # tokens that are read at once where the policy learns
LOGGED = {
    "reward": "reward", "reward_std": "reward_std", "likeness": "likeness", "effective_rank": "effective_rank",
    "kl": "kl", "loss": "loss", "tokens": "completions/mean_length", "clipped": "completions/clipped_ratio",
    "entropy": "entropy", "gradient": "grad_norm", "learning_rate": "learning_rate", "valid": "valid",
    "equal_groups": "frac_reward_zero_std",
}  # fmt: skip


def columns(judge: Judge) -> dict:
    """Return the contract of rewards.csv: what was logged, and mean and deviation of every component computed."""
    names = [f"{c}{end}" for c in judge.weights for end in ("", "_std")]
    return {"step": pl.Int32} | dict.fromkeys([*LOGGED, *names], pl.Float64)


def steps(log: list[dict], judge: Judge) -> pl.DataFrame:
    """Return the trainer's log as one row a step; what no text of a step was measured by is not a number."""
    keys = LOGGED | {f"{c}{e}": f"rewards/{c}/{w}" for c in judge.weights for e, w in (("", "mean"), ("_std", "std"))}
    log = [entry for entry in log if "reward" in entry]
    rows = [{"step": n} | {name: entry.get(key) for name, key in keys.items()} for n, entry in enumerate(log, 1)]
    frame = pl.DataFrame(rows, schema=columns(judge))
    return frame.with_columns(pl.col(pl.Float64).fill_null(float("nan")))


def refuse_unfit(settings: dict, count: int) -> None:
    """Raise InputError where batches cannot be formed of so many prompts, or vLLM is asked for and missing."""
    size, groups = settings["batch_size"], settings["generations"]
    if size % groups:
        raise InputError(f"language_models: grpo: batch_size ({size}) must be a multiple of generations ({groups})")
    if settings["vllm"] and importlib.util.find_spec("vllm") is None:
        raise InputError("language_models: grpo: vllm is not installed; install it or leave 'vllm' out")
    if count < size // groups:
        raise InputError(
            f"language_models: grpo: {count} prompts do not fill one batch of {size // groups} groups; "
            "raise 'prompts' or lower 'batch_size'"
        )


class Rewards:
    """The judge as functions that TRL calls: `schema` comes first and judges all at once, each component tells its."""

    def __init__(self, judge: Judge):
        self.judge, self.seconds, self.components = judge, 0.0, dict[str, np.ndarray]()

    def functions(self) -> list:
        """Return the function of the schema and that of each component, by name."""
        return [self.schema, *map(self.component, self.judge.components)]

    def schema(self, completions, completion_ids, task, trainer_state, log_metric, **_):
        """Judge the answers of a step, and log what they have in common."""
        clock = time.perf_counter()
        usual = (entry["likeness"] for entry in trainer_state.log_history if entry.get("likeness") is not None)
        texts = [c[0]["content"] for c in completions]
        values, together = self.judge(texts, task, [len(ids) for ids in completion_ids], next(usual, None))
        self.components.update(values)
        valid = float((values["schema"] == 0).mean())
        if not valid:
            print(f"step {trainer_state.global_step + 1}: no text is a profile, so that nothing is learned")
        for name, value in {**together, "valid": valid}.items():
            log_metric(name, value)
        self.seconds += time.perf_counter() - clock
        return values["schema"].tolist()

    def component(self, name: str):
        """Return the function that tells a component of the answers judged last."""

        def reward(**_):
            return self.components[name].tolist()

        reward.__name__ = name
        return reward


def trainer_arguments(spec: dict, judge: Judge, folder: str) -> GRPOConfig:
    """Return what is said to TRL."""
    settings, gpu = spec["grpo"], torch.cuda.is_available()
    size = settings["batch_size"]
    part = max(n for n in range(1, size + 1) if size % n == 0 and (n == 1 or n * spec["context"] <= PART))
    return GRPOConfig(
        output_dir=folder, per_device_train_batch_size=part, gradient_accumulation_steps=size // part,
        num_generations=settings["generations"], max_completion_length=spec["new_tokens"][judge.side],
        learning_rate=settings["learning_rate"], beta=settings["beta"], temperature=settings["temperature"],
        max_steps=settings["steps"], lr_scheduler_type="constant", epsilon_high=0.28, use_vllm=settings["vllm"],
        mask_truncated_completions=True, disable_dropout=True,  # samples, policy and reference are one model
        reward_weights=list(judge.weights.values()), save_total_limit=2, max_grad_norm=1.0,
        seed=spec["seed"], data_seed=spec["seed"], use_cpu=not gpu, gradient_checkpointing=gpu,
        bf16=gemm_precision(device()) == torch.bfloat16, dataloader_pin_memory=gpu,
        router_aux_loss_coef=0.0,  # of a mixture of experts the routers stay as they are
        report_to="none", disable_tqdm=True, save_strategy="no", logging_steps=1,
    )  # fmt: skip


def optimise(
    model, tokenizer, judge: Judge, watched: np.ndarray, spec: dict, scratch: Path, fingerprint: str
) -> tuple[pl.DataFrame, dict]:
    """Train the adapter in place; return the components of the reward by step, and notes for the provenance record.

    watched: tasks of the judge that are not trained on; they say when to stop. scratch: the folder of checkpoints; a
    job with the same fingerprint resumes there and ends in the same bytes. It is the caller's to remove when all is
    written.
    """
    variables.keep()
    settings, limit = spec["grpo"], spec["new_tokens"][judge.side]
    prompts = fitted(judge.tasks.prompts, tokenizer, spec["context"] - limit)
    trained = np.setdiff1d(np.arange(len(prompts)), watched).tolist()
    refuse_unfit(settings, len(trained))
    data = Dataset.from_list([{"prompt": messages(prompts[t]), "task": t} for t in trained])

    def answer(rows):
        texts = [prompts[row] for row in rows]
        ids = generate(model, tokenizer, texts, limit, settings["batch_size"], say=lambda *_: None)
        return [text_of(tokens, tokenizer) for tokens in ids], [len(tokens) for tokens in ids]

    set_seed(spec["seed"])
    watch, checkpoints = Watch(judge, watched, model, settings["watch"], answer), Checkpoints(scratch, fingerprint)
    resumed, rewards = checkpoints.latest(), Rewards(judge)
    trainer = GRPOTrainer(
        model=model, reward_funcs=rewards.functions(), args=trainer_arguments(spec, judge, str(scratch)),
        train_dataset=data, processing_class=tokenizer, callbacks=[watch, checkpoints],
    )  # fmt: skip
    clock = time.perf_counter()
    with one_product(model):
        trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    seconds = {"rewards": rewards.seconds, "training": time.perf_counter() - clock}
    frame = steps(trainer.state.log_history, judge)
    return frame, {
        "prompts": len(trained),
        "steps": frame.height,
        "stopped": watch.reason,
        "watched": watch.looks,
        "steps_without_a_profile": int((frame["valid"] == 0).sum()),
        "resumed_from_step": int(resumed.name.rpartition("-")[2]) if resumed else None,
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }
