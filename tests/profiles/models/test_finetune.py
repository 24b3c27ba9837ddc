"""The training of an adapter, step by step."""

from types import SimpleNamespace

import torch

from ptebench.profiles.models import finetune


class Model(torch.nn.Linear):
    device = torch.device("cpu")


def test_a_process_without_a_row_of_the_last_batch_joins_in_with_zeros(monkeypatch):
    sums = []
    processes = SimpleNamespace(
        is_initialized=lambda: True, get_rank=lambda: 1, get_world_size=lambda: 2, all_reduce=sums.append
    )
    monkeypatch.setattr(finetune, "dist", processes)
    monkeypatch.setattr(finetune, "answer_loss", lambda model, rows: model(torch.ones(1, 3)).sum())
    training = finetune.Training(Model(3, 2), 0.1, 2, 0)
    training.step([([1, 2], [-100, 2]), ([1, 2], [-100, 2])])
    assert len(sums) == 3 and all(gradient.abs().sum() > 0 for gradient in sums), "loss, weights, bias"
    sums.clear()
    training.step([([1, 2], [-100, 2])])
    assert [float(gradient.abs().sum()) for gradient in sums] == [0.0, 0.0, 0.0]
