"""Worker of RecBole: one of its models with its own dataset, loader and trainer.

A turn is `batches` batches, in whole epochs one after the other, or, where that is 0, an epoch.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed
from turns import Turns

turns = Turns()
s = turns.settings
if s["loss"] == "bce":
    raise SystemExit("RecBole's models on histories have softmax and BPR; only softmax is compared")
folder = Path(s["interactions"]).parent
name = s["recbole"]["model"]
own = {key: value for key, value in s["recbole"].items() if key != "model"}
if name != "LightGCN":  # on histories; softmax draws no negatives
    own |= {"MAX_ITEM_LIST_LENGTH": s["length"], "loss_type": "CE", "train_neg_sample_args": None}
config = Config(model=name, dataset=folder.name, config_dict={
    "data_path": str(folder.parent), "checkpoint_dir": s["scratch"], "show_progress": False,
    "use_gpu": s["device"] == "cuda",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]}, "seed": s["seed"], "train_batch_size": s["batch"],
    "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
    "state": "WARNING", **own,
})  # fmt: skip
init_seed(config["seed"], config["reproducibility"])
dataset = create_dataset(config)
loader = data_preparation(config, dataset)[0]
model = get_model(name)(config, loader.dataset).to(config["device"])
torch.set_num_threads(s["threads"])
trainer = get_trainer(config["MODEL_TYPE"], name)(config, model)
turns.ready(loader.sample_size)
batches, epoch, trained = iter(loader), 0, 0
for _ in range(s["turns"]):
    turns.wait()
    count = min(s["batches"] or len(loader), len(loader) - trained)
    loss = trainer._train_epoch(islice(batches, count), epoch)
    turns.done(count / len(loader), loss / count)
    trained += count
    if trained == len(loader):
        batches, epoch, trained = iter(loader), epoch + 1, 0


def places(field: str, count: int) -> np.ndarray:
    """Return RecBole's numbers of our ids 0 ... count, 0 being padding."""
    found = np.zeros(count + 1, dtype=np.int64)
    found[1:] = dataset.token2id(field, np.arange(1, count + 1).astype(str))
    return found


histories = np.load(s["histories"])  # (E, length), oldest first, zeros on the right
place = places("item_id", s["items"])
rows = torch.from_numpy(place[histories] * (histories > 0)).to(s["device"])
model.eval()


def queries_of(part):
    """Return the states (B, d) by which the model ranks after right-padded histories (B, length)."""
    lengths = (part > 0).sum(1)
    if name != "BERT4Rec":
        return model(part, lengths)
    states = model(model.reconstruct_test_data(part, lengths))
    return torch.nn.functional.pad(model.gather_indexes(states, lengths - 1), (0, 1), value=1.0)


with torch.inference_mode():
    if name == "LightGCN":
        of_users, of_items = model()
        users = np.load(s["users"])
        queries = of_users[places("user_id", int(users.max()))[users]]
    else:
        queries = torch.cat([queries_of(part) for part in rows.split(512)])
        of_items = model.item_embedding.weight
        if name == "BERT4Rec":  # a bias for each item
            of_items = torch.cat([of_items[: len(model.output_bias)], model.output_bias[:, None]], 1)
    items = of_items.new_zeros(s["items"] + 1, of_items.shape[1])
    items[1:] = of_items[place[1:]]
turns.finish(queries, items)
