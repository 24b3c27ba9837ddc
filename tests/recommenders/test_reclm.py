"""RecLM's BiasMF is what its code computes, its oddities included."""

import pytest
import torch
from torch.nn.functional import normalize

from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared

data = shared.data
USERS, ITEMS = shared.USERS, shared.ITEMS


def spec(**keys):
    return shared.spec("biasmf_reclm", "reclm", **{"batch_size": 64, "learning_rate": 0.01, **keys})


def profiles(catalogue, users_trained=True):
    """Return the catalogue with the vectors of profiles as well."""
    drawn = torch.Generator().manual_seed(1)
    users = torch.randn(USERS + 1, 24, generator=drawn) * (torch.arange(USERS + 1) > 0)[:, None]
    counts = catalogue.user_counts if users_trained else catalogue.user_counts * (torch.arange(USERS + 1) != 9)
    item = catalogue.text["item"]
    card = torch.cat([item[:1], item[1:].flip(1)])
    return Catalogue(USERS, ITEMS, 16, catalogue.item_counts, counts, {"item": item, "card": card, "user": users})


def cards(catalogue):
    return catalogue


BOTH = pytest.mark.parametrize("known", [cards, profiles])


def published(backbone, representation, known, users):
    """Return the scores (B, n_items + 1), in the words of the published code."""
    r = representation
    item_feats, u_embeds = r.of_card(r.card), r.users
    if "user" in known.text:
        item_feats = r.mix(torch.cat([item_feats, r.of_profile(r.item_profile)], dim=1))
        u_embeds = r.mix(torch.cat([u_embeds, normalize(r.of_profile(r.user_profile))], dim=1))
    return u_embeds[users] @ normalize(item_feats).T + backbone.bias[users].view([-1, 1])


@BOTH
def test_scores_are_the_published_ones(data, known):
    catalogue = known(data[2])
    backbone, representation = build(spec(), catalogue)
    users = torch.arange(1, USERS + 1)
    scores = backbone.scores(backbone.queries(None, users, representation), representation)
    expected = published(backbone, representation, catalogue, users)
    assert torch.allclose(scores[:, 1:], expected[:, 1:], atol=1e-5)
    assert representation.users.min() >= 0 and representation.users.max() < 1
    assert not representation.item_vectors()[0].any() and not representation.user_vectors()[0].any()


@BOTH
def test_the_loss_is_the_published_one(data, known):
    train_set, _, _ = data
    catalogue = known(data[2])
    backbone, representation = build(spec(penalty=1e-3), catalogue)
    users, items = next(iter(backbone.batches(train_set, torch.Generator().manual_seed(0))))
    users, items = users[:40], items[:40]
    negatives = backbone.negatives.draw(users, torch.Generator().manual_seed(5))
    scores, row = published(backbone, representation, catalogue, users), torch.arange(40)
    expected = -(scores[row, items] - scores[row, negatives]).sigmoid().log().sum() / 64
    parameters = [*backbone.parameters(), *representation.parameters()]
    expected = expected + 1e-3 * sum(p.norm(2).square() for p in parameters)
    loss = backbone.loss((users, items), representation, torch.Generator().manual_seed(5))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@BOTH
def test_gradient_reaches_every_parameter_and_no_text_and_the_bias_by_the_penalty_alone(data, known):
    train_set, _, _ = data
    catalogue = known(data[2])
    for penalty in (0.0, 1e-7):
        backbone, representation = build(spec(penalty=penalty), catalogue)
        batch = next(iter(backbone.batches(train_set, torch.Generator().manual_seed(0))))
        backbone.loss(batch, representation, torch.Generator().manual_seed(0)).backward()
        assert all(p.grad.abs().sum() > 0 for p in representation.parameters())
        assert (backbone.bias.grad.abs() > 1e-9).any() == (penalty > 0), "it cancels in a pair's difference"
        assert all(b.grad is None for b in representation.buffers())


def test_with_profiles_no_coordinate_is_negative_and_items_and_users_share_the_layer(data):
    backbone, representation = build(spec(), profiles(data[2]))
    assert representation.item_vectors().min() >= 0 and representation.user_vectors().min() >= 0
    names = {name.split(".")[0] for name, _ in representation.named_parameters()}
    assert names == {"users", "of_card", "of_profile", "mix"}


def test_a_user_without_training_events_has_the_profile_alone(data):
    known = profiles(data[2], users_trained=False)
    _, representation = build(spec(), known)
    of_user = representation.user_vectors(torch.tensor([9]))
    with torch.no_grad():
        representation.users[9] += 1
    assert torch.equal(representation.user_vectors(torch.tensor([9])), of_user) and of_user.any()


@BOTH
def test_it_learns_and_a_restored_model_ranks_as_the_trained_one(data, known):
    train_set, events, _ = data
    catalogue, cell = known(data[2]), spec(epochs=30)
    state, curve, _ = train(cell, train_set, events, catalogue, True)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    backbone, representation, device = restore(cell, catalogue, train_set, state)
    ranks, _ = rank(backbone, representation, events, True, device)
    assert validation_value(ranks, events.targets, "Recall@20") == max(c["value"] for c in curve)


def test_a_stopped_run_resumes_to_the_same_bytes(data, tmp_path, monkeypatch):
    train_set, events, _ = data
    catalogue = profiles(data[2])
    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    whole, curve, _ = train(spec(epochs=4), train_set, events, catalogue, True)
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(spec(epochs=2), train_set, events, catalogue, True, checkpoint, "same")
    resumed, again, _ = train(spec(epochs=4), train_set, events, catalogue, True, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in again]
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[k], resumed[k]) for k in whole)


def test_the_published_settings_are_the_defaults():
    found = shared.settings("backbones", "biasmf_reclm")
    expected = {"dimension": 32, "batch_size": 4096, "learning_rate": 1e-3, "epochs": 50, "penalty": 1e-7}
    assert expected.items() <= found.items() and found["weight_decay"] == 0


@pytest.mark.parametrize("representation, protocol, said", [
    ({"reclm": {}}, "leave_one_out", None),
    ({"reclm": {"text": "template"}}, "cold_start_user", None),
    ({"id": {}}, "leave_one_out", "biasmf_reclm has no vectors of users .* id is of the kind 'id'; use a"),
    ({"pte": {"text": "card"}}, "leave_one_out", "pte is of the kind 'pte'"),
    ({"reclm": {}}, "cold_start_user", "biasmf_reclm with reclm cannot rank for users unseen in training"),
    ({"reclm": {"card": False}}, "leave_one_out", "representations.reclm.card: expected True"),
    ({"reclm": {"users": False}}, "leave_one_out", "representations.reclm.users: expected True"),
])  # fmt: skip
def test_it_is_refused_where_it_makes_no_sense(representation, protocol, said):
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}},
        "protocols": {protocol: {}}, "encoders": {"minilm": {}},
        "backbones": {"biasmf_reclm": {}}, "representations": representation,
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": [protocol],
            "rows": [{"backbones": ["biasmf_reclm"], "representations": list(representation)}],
        }},
    }  # fmt: skip
    if said is None:
        resolve(grid, "config.yaml")
    else:
        with pytest.raises(InputError, match=said):
            resolve(grid, "config.yaml")
