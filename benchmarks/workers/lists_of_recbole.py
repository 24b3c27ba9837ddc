"""Train a model of RecBole on an export and write its lists: python lists_of_recbole.py SETTINGS.json

It reads sequential/ of the export alone, stops by RecBole's own validation, and tests by RecBole's own evaluator.
"""

import copy
import json
import sys
import time

import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed

s = json.loads(open(sys.argv[1], encoding="utf-8").read())
torch.set_num_threads(s["threads"])
config = Config(model="SASRec", dataset="sequential", config_dict={
    "data_path": s["export"], "checkpoint_dir": s["scratch"], "show_progress": False, "use_gpu": False,
    "benchmark_filename": ["train", "valid", "test"], "alias_of_item_id": ["item_id_list"],
    "load_col": {"inter": ["user_id", "item_id_list", "item_id"]}, "seed": s["seed"], "state": "WARNING",
    "MAX_ITEM_LIST_LENGTH": 50, "hidden_size": s["width"], "inner_size": 4 * s["width"], "n_layers": s["blocks"],
    "n_heads": s["heads"], "hidden_dropout_prob": s["dropout"], "attn_dropout_prob": s["dropout"], "loss_type": "CE",
    "train_neg_sample_args": None, "train_batch_size": 1024, "learning_rate": s["learning_rate"], "epochs": s["epochs"],
    "stopping_step": s["patience"], "valid_metric": "NDCG@10", "topk": [10], "metrics": ["NDCG", "Hit"],
    "metric_decimal_place": 6, "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full"},
})  # fmt: skip
init_seed(config["seed"], config["reproducibility"])
dataset = create_dataset(config)
train, valid, test = data_preparation(config, dataset)
model = get_model("SASRec")(config, train.dataset).to(config["device"])
trainer = get_trainer(config["MODEL_TYPE"], "SASRec")(config, model)
# the best epoch's weights, kept where RecBole would write a pickle of them, its settings and its optimizer
best = {}
trainer._save_checkpoint = lambda *_, **__: best.update(copy.deepcopy(model.state_dict()))
started = time.perf_counter()
trainer.fit(train, valid, saved=True, show_progress=False, verbose=False)
seconds = time.perf_counter() - started
model.load_state_dict(best)
own = trainer.evaluate(test, load_best_model=False, show_progress=False)
with open(s["lists"], "w", encoding="utf-8") as stream, torch.inference_mode():
    stream.write("user_id\titem_id\tscore\n")
    for interaction, *_ in test:
        scores = model.full_sort_predict(interaction).view(-1, dataset.item_num)
        scores[:, 0] = -torch.inf  # padding
        best = scores.topk(s["k"])
        users = dataset.id2token("user_id", interaction["user_id"].numpy())
        for user, values, items in zip(users, best.values.tolist(), dataset.id2token("item_id", best.indices.numpy())):
            stream.writelines(f"{user}\t{item}\t{value!r}\n" for item, value in zip(items, values))
parameters = sum(p.numel() for p in model.parameters())
print(
    json.dumps({"seconds": round(seconds, 1), "own": {k: float(v) for k, v in own.items()}, "parameters": parameters})
)
