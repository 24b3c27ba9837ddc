"""One half-round of supervised fine-tuning of the adapter, with the loss on the answers alone."""

import tempfile

import torch
from datasets import Dataset
from ptebench.files import InputError
from transformers import set_seed
from trl import SFTConfig, SFTTrainer


def trainer_settings(seed: int, folder: str) -> dict:
    """Return what both trainers share: seeds, device, silence."""
    gpu = torch.cuda.is_available()
    return {
        "output_dir": folder, "seed": seed, "data_seed": seed, "use_cpu": not gpu, "bf16": gpu,
        "gradient_checkpointing": gpu, "report_to": "none", "disable_tqdm": True, "save_strategy": "no",
        "logging_steps": 1, "dataloader_pin_memory": gpu, "max_grad_norm": 1.0,
    }  # fmt: skip


def check_labels(trainer, tokenizer, answers: set[str]) -> None:
    """Raise InputError where the loss of the first batch reads anything but whole answers."""
    labels = next(iter(trainer.get_train_dataloader()))["labels"]
    for row in labels:
        text = tokenizer.decode(row[row != -100], skip_special_tokens=True).strip()
        if text not in answers:
            raise InputError(
                f"language model: its chat template does not keep prompt and answer apart (the loss would read "
                f"{text[:80]!r}); choose a model whose template renders a conversation turn by turn"
            )


def finetune(model, tokenizer, rows: list[dict], settings: dict, context: int, seed: int) -> list[float]:
    """Train the model's adapter on instruction rows (prompt and completion messages); return the losses by step."""
    set_seed(seed)
    data = Dataset.from_list([{"prompt": r["prompt"], "completion": r["completion"]} for r in rows])
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            per_device_train_batch_size=settings["batch_size"], num_train_epochs=settings["epochs"],
            learning_rate=settings["learning_rate"], lr_scheduler_type="cosine", warmup_steps=0.03,
            max_length=context, train_sampling_strategy="group_by_length", **trainer_settings(seed, folder),
        )  # fmt: skip
        trainer = SFTTrainer(model=model, args=arguments, train_dataset=data, processing_class=tokenizer)
        check_labels(trainer, tokenizer, {r["completion"][0]["content"].strip() for r in rows})
        trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
