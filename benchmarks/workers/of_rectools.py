"""Worker of RecTools' SASRecModel with its own data preparation and Lightning trainer."""

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from turns import Turns

turns = Turns()
s = turns.settings


class Paced(Callback):
    """A turn is `batches` batches, in whole epochs one after the other, or, where that is 0, an epoch."""

    taken, trained = 0, 0

    def on_train_epoch_start(self, trainer, module):
        if self.trained == 0:
            turns.wait()

    def on_train_batch_end(self, trainer, module, outputs, batch, number):
        self.trained += 1
        if self.trained < (s["batches"] or trainer.num_training_batches):
            return
        turns.done(self.trained / trainer.num_training_batches, float(outputs["loss"]))
        self.taken, self.trained = self.taken + 1, 0
        trainer.should_stop = self.taken == s["turns"]
        if s["batches"] and not trainer.should_stop and number + 1 < trainer.num_training_batches:
            turns.wait()


def trainer():
    """Return RecTools' default trainer, with the turns."""
    return Trainer(
        max_epochs=s["turns"], enable_progress_bar=False, enable_model_summary=False,
        logger=False, enable_checkpointing=False, devices=1, callbacks=[Paced()],
        accelerator={"cpu": "cpu", "cuda": "gpu"}[s["device"]],
    )  # fmt: skip


seed_everything(s["seed"])
frame = pd.read_csv(s["interactions"], sep="\t", names=[Columns.User, Columns.Item, "order", "part"], skiprows=1)
frame = frame[frame["part"] == "train"]
frame = pd.DataFrame({
    Columns.User: frame[Columns.User], Columns.Item: frame[Columns.Item], Columns.Weight: 1.0,
    Columns.Datetime: pd.to_datetime(frame["order"], unit="s"),
})  # fmt: skip
model = SASRecModel(
    n_blocks=s["blocks"], n_heads=s["heads"], n_factors=s["width"], dropout_rate=s["dropout"],
    session_max_len=s["length"], loss={"softmax": "softmax", "bce": "BCE"}[s["loss"]], n_negatives=1,
    batch_size=s["batch"], get_trainer_func=trainer,
)  # fmt: skip
turns.ready(int((frame[Columns.User].value_counts() > 1).sum()))
model.fit(Dataset.construct(frame))

histories = np.load(s["histories"])  # (E, length), oldest first, zeros on the right
ids, extra = model.data_preparator.item_id_map.external_ids, model.data_preparator.n_item_extra_tokens
place = np.zeros(s["items"] + 1, dtype=np.int64)
place[ids[extra:].astype(int)] = np.arange(extra, len(ids))
network = model.torch_model.eval().cpu()
queries = []
with torch.inference_mode():
    vectors = network.item_model.get_all_embeddings()
    for part in np.array_split(histories, 64):
        rows = np.zeros((len(part), s["length"]), dtype=np.int64)
        for row, history in zip(rows, part):
            known = place[history[history > 0]]
            known = known[known > 0]  # items without a training event have no place
            row[len(row) - len(known) :] = known
        queries.append(network.encode_sessions({"x": torch.from_numpy(rows)}, vectors)[:, -1])
    items = torch.zeros(s["items"] + 1, s["width"])
    items[ids[extra:].astype(int)] = vectors[extra:]
turns.finish(torch.cat(queries), items)
