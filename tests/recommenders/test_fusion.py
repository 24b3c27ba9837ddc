"""Profiles of users beside histories: they tell what no history does, and nothing where they are another's."""

from dataclasses import replace

import pytest
import torch

from ptebench.config.read import resolve
from ptebench.recommenders.controls import control_texts
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.fusion import Fusion
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.training import make_optimizer, train

GROUPS, FILLERS, ITEMS, TRAINED, USERS = 4, 20, 60, 300, 500
SMALL = {
    "dimension": 16, "max_length": 4, "epochs": 12, "batch_size": 32, "learning_rate": 0.01, "dropout": 0.1,
    "device": "cpu",
}  # fmt: skip
MODES = ["output", "prefix"]


def ragged(rows):
    return Ragged(rows.flatten(), torch.arange(len(rows) + 1) * rows.shape[1])


def world():
    """Return training data, events of users who never trained, and a catalogue.

    A user takes an item that says nothing, then one of the group that only the user's text tells of.
    """
    drawn = torch.Generator().manual_seed(0)
    group = torch.cat([torch.zeros(1, dtype=torch.long), torch.randint(GROUPS, (USERS,), generator=drawn)])
    fact = torch.randn(GROUPS, 8, generator=drawn)
    users = torch.cat([fact[group], torch.randn(USERS + 1, 8, generator=drawn)], 1)
    items = torch.randn(ITEMS + 1, 16, generator=drawn)
    users[0] = items[0] = 0
    first = torch.randint(1, FILLERS + 1, (USERS + 1,), generator=drawn)
    second = FILLERS + 1 + group * 10 + torch.randint(10, (USERS + 1,), generator=drawn)
    known, new = torch.arange(1, TRAINED + 1), torch.arange(TRAINED + 1, USERS + 1)
    training = Train(known, ragged(torch.stack([first, second], 1)[known]))
    events = Events("full", new, new, ragged(first[new, None]), ragged(second[new, None]), None)
    owners, values = training.pairs
    counts = torch.bincount(values, minlength=ITEMS + 1), torch.bincount(owners, minlength=USERS + 1)
    return training, events, Catalogue(USERS, ITEMS, 16, *counts, {"item": items, "user": users})


def spec(backbone="sasrec", **keys):
    raw = {
        "encoders": {"minilm": {}}, "backbones": {backbone: SMALL | keys},
        "representations": {"pte": {"text": "template", "components": 16}},
    }  # fmt: skip
    config = resolve(raw, "test")
    cell = {"backbone": config["backbones"][backbone], "representation": config["representations"]["pte"]}
    return {**cell, "seed": 0, "remove_seen": True}


def value(cell, training, events, catalogue):
    state, *_ = train(cell, training, events, catalogue, True)
    ranks, _ = rank(*restore(cell, catalogue, training, state)[:2], events, True)
    return validation_value(ranks, events.targets, "Recall@10")


@pytest.mark.parametrize("backbone, profile", [("sasrec", "output"), ("sasrec", "prefix"), ("dreamrec", "output")])
def test_a_fact_that_the_history_lacks_is_read_of_the_profile_and_not_of_that_of_another(backbone, profile):
    training, events, catalogue = world()
    cell = spec(backbone, profile=profile, **({"samples": 0} if backbone == "dreamrec" else {}))
    without = replace(catalogue, text={"item": catalogue.text["item"]})
    shuffled = replace(catalogue, text=control_texts(catalogue.text, {"user": "shuffled"}))
    told, untold, misled = (value(cell, training, events, each) for each in (catalogue, without, shuffled))
    assert told > 0.8 and untold < 0.4 and misled < 0.4, "10 of 40 by chance"


@pytest.mark.parametrize("profile", MODES)
def test_states_are_causal_and_of_the_profile_alone_beside_the_history(profile):
    training, _, catalogue = world()
    catalogue.text["user"][3] = 0
    backbone, representation = build(spec(profile=profile), catalogue)
    for model in (backbone, representation):
        model.eval()
    torch.nn.init.normal_(backbone.positions.weight)
    vectors, history = representation.item_vectors(), torch.tensor([[4, 9, 5, 0]])

    def states(history, user):
        return backbone.states(history, vectors, representation, torch.tensor([user]))[0]

    other, one = states(torch.tensor([[4, 9, 7, 0]]), 1), states(history, 1)
    assert torch.allclose(one[:2], other[:2], atol=1e-6) and not torch.allclose(one[2], other[2])
    assert not torch.allclose(states(history, 2), one)
    if profile == "output":
        padded = backbone.read(history, backbone.place(history, vectors[history]))
        assert torch.allclose(states(history, 3), padded[0], atol=1e-6), "without a profile, the history alone"


def test_a_profile_is_left_out_in_training_alone_and_as_often_as_asked():
    _, _, catalogue = world()
    fusion, users = Fusion(spec(absent=0.25)["backbone"], catalogue), torch.arange(1, USERS + 1)
    torch.manual_seed(0)
    share = float((fusion.train()(users) == 0).all(2).float().mean())
    assert 0.17 < share < 0.33 and (fusion.eval()(users) != 0).any(2).all()


def test_what_reads_profiles_learns_at_the_rate_of_the_text():
    _, _, catalogue = world()
    cell = spec()
    cell["representation"] = {**cell["representation"], "rate": 0.3}
    models = torch.nn.ModuleDict(dict(zip(("backbone", "representation"), build(cell, catalogue), strict=True)))
    rates = {id(p): group["lr"] for group in make_optimizer(models, cell).param_groups for p in group["params"]}
    for name, parameter in models.named_parameters():
        slow = name.startswith(("representation.", "backbone.profile.tower."))
        assert rates[id(parameter)] == pytest.approx(0.003 if slow else 0.01), name


@pytest.mark.parametrize("representation", ["id", "pte"])
def test_a_backbone_without_profiles_is_what_it_was(representation):
    _, _, catalogue = world()
    cell = spec()
    cell["representation"] = {**cell["representation"], "kind": representation}
    backbone, _ = build(cell, replace(catalogue, text={"item": catalogue.text["item"]}))
    assert backbone.profile is None and not any("profile" in name for name in backbone.state_dict())
