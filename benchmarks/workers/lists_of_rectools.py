"""Train RecTools' SASRecModel on an export and write its lists: python lists_of_rectools.py SETTINGS.json

It reads the CSV of the export, stops by the loss of the validation events, and recommends with RecTools' own ranker.
"""

import json
import sys
import time
from pathlib import Path

import pandas as pd
import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

s = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
torch.set_num_threads(s["threads"])
export, text = Path(s["export"]), {"user_id": str, "item_id": str}
LATER = 10**6  # the time of validation events, behind all others


def trainer():
    """Return RecTools' default trainer, with the best epoch kept."""
    best = ModelCheckpoint(
        dirpath=s["scratch"], monitor="val_loss", filename="rectools-{epoch}", save_weights_only=True
    )
    return Trainer(
        max_epochs=s["epochs"], enable_progress_bar=False, enable_model_summary=False, logger=False,
        devices=1, accelerator="cpu", callbacks=[EarlyStopping("val_loss", patience=s["patience"]), best],
    )  # fmt: skip


def is_valid(interactions: pd.DataFrame):
    """Return which interactions validate."""
    return (interactions[Columns.Datetime] >= pd.Timestamp(LATER, unit="s")).to_numpy()


def dataset(rows: pd.DataFrame) -> Dataset:
    """Return a dataset of user_id, item_id and position."""
    time_of = pd.to_datetime(rows["position"], unit="s")
    return Dataset.construct(rows[["user_id", "item_id"]].assign(**{Columns.Weight: 1.0, Columns.Datetime: time_of}))


seed_everything(s["seed"])
train, valid = (pd.read_csv(export / f"{part}.csv", dtype=text) for part in ("train", "valid"))
valid = valid[valid["user_id"].isin(train["user_id"])].assign(position=LATER)
model = SASRecModel(
    n_blocks=s["blocks"], n_heads=s["heads"], n_factors=s["width"], dropout_rate=s["dropout"], session_max_len=50,
    loss="softmax", batch_size=128, lr=s["learning_rate"], get_trainer_func=trainer, get_val_mask_func=is_valid,
)  # fmt: skip
started = time.perf_counter()
model.fit(dataset(pd.concat([train, valid])))
seconds = time.perf_counter() - started
model.load_weights_from_checkpoint(model.fit_trainer.checkpoint_callback.best_model_path)
test = pd.read_csv(export / "test.csv", dtype=text)[["event", "user_id"]].drop_duplicates()
histories = pd.read_csv(export / "test_histories.csv", dtype=text).merge(test, on="event")
lists = model.recommend(
    users=histories["user_id"].unique(), dataset=dataset(histories), k=s["k"], filter_viewed=False,
    on_unsupported_targets="warn",
)  # fmt: skip
lists.to_csv(s["lists"], sep="\t", index=False)
parameters = sum(p.numel() for p in model.torch_model.parameters())
print(json.dumps({"seconds": round(seconds, 1), "own": {}, "parameters": parameters}))
