"""Worker of benchmarks/sasrec.py: RecBole's SASRec with its own dataset, loader and trainer.

A turn is `batches` batches, in whole epochs one after the other, or, where that is 0, an epoch.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender.sasrec import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed
from turns import Turns

turns = Turns()
s = turns.settings
if s["loss"] != "softmax":
    raise SystemExit("RecBole's SASRec has softmax and BPR; only softmax is compared")
folder = Path(s["interactions"]).parent
config = Config(model="SASRec", dataset=folder.name, config_dict={
    "data_path": str(folder.parent), "checkpoint_dir": s["scratch"], "use_gpu": False, "show_progress": False,
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "MAX_ITEM_LIST_LENGTH": s["length"],
    "n_layers": s["blocks"], "n_heads": s["heads"], "hidden_size": s["width"], "inner_size": s["width"],
    "hidden_dropout_prob": s["dropout"], "attn_dropout_prob": s["dropout"], "loss_type": "CE",
    "train_neg_sample_args": None, "seed": s["seed"], "train_batch_size": s["batch"], "state": "WARNING",
})  # fmt: skip
init_seed(config["seed"], config["reproducibility"])
dataset = create_dataset(config)
loader = data_preparation(config, dataset)[0]
model = SASRec(config, loader.dataset).to(config["device"])
torch.set_num_threads(s["threads"])
trainer = Trainer(config, model)
turns.ready()
batches, epoch, trained = iter(loader), 0, 0
for _ in range(s["turns"]):
    turns.wait()
    count = min(s["batches"] or len(loader), len(loader) - trained)
    loss = trainer._train_epoch(islice(batches, count), epoch)
    turns.done(count / len(loader), loss / count)
    trained += count
    if trained == len(loader):
        batches, epoch, trained = iter(loader), epoch + 1, 0

histories = np.load(s["histories"])  # (E, length), oldest first, zeros on the right
tokens = np.arange(1, s["items"] + 1)
place = np.zeros(s["items"] + 1, dtype=np.int64)
place[1:] = dataset.token2id("item_id", tokens.astype(str))
rows = torch.from_numpy(place[histories] * (histories > 0))
model.eval()
with torch.inference_mode():
    queries = torch.cat([model(part, (part > 0).sum(1)) for part in rows.split(512)])
    items = torch.zeros(s["items"] + 1, s["width"])
    items[1:] = model.item_embedding.weight[place[1:]]
turns.finish(queries, items)
