"""AlphaRec is what its paper says: text alone, of users the mean of their items', and InfoNCE of cosines."""

import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.backbones.lightgcn_infonce import infonce
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.representations.alpharec import mean_text
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared

data, spec = shared.data, shared.spec
USERS, ITEMS = shared.USERS, shared.ITEMS
PAIRS = {"batch_size": 64, "learning_rate": 0.01}


def alpharec(**keys):
    return spec("lightgcn_infonce", "alpharec", **{**PAIRS, **keys})


def generator():
    return torch.Generator().manual_seed(0)


def made(data, cell):
    """Return a cell's models that have seen the training data, and its first batch."""
    train_set, _, catalogue = data
    backbone, representation = build(cell, catalogue)
    for part in (backbone, representation):
        if hasattr(part, "observe"):
            part.observe(train_set)
    return backbone, representation, next(iter(backbone.batches(train_set, generator())))


def test_a_user_is_the_mean_text_of_the_distinct_items_that_have_any():
    text = torch.randn(6, 3)
    text[[0, 4]] = 0
    users, items = torch.tensor([3, 1, 3, 3, 1, 2]), torch.tensor([5, 1, 2, 5, 4, 4])
    found = mean_text(users, items, text, 5)
    assert torch.allclose(found[1], text[1]) and torch.allclose(found[3], (text[5] + text[2]) / 2)
    assert not found[[0, 2, 4]].any()


def test_vectors_of_users_come_from_training_items_alone(data):
    train_set, _, catalogue = data
    _, representation, _ = made(data, alpharec())
    history = train_set.histories.padded(torch.tensor([4]), 50)[0]
    expected = representation.mlp(representation.text[history].mean(0))
    assert torch.allclose(representation.user_vectors()[5], expected, atol=1e-6)
    assert torch.allclose(representation.user_vectors(torch.tensor([5]))[0], expected, atol=1e-6)
    assert not representation.user_vectors()[0].any() and not representation.item_vectors()[0].any()


def test_gradient_reaches_the_mlp_and_never_the_text(data):
    backbone, representation, batch = made(data, alpharec())
    backbone.loss(batch, representation, generator()).backward()
    assert all(p.grad.abs().sum() > 0 for p in representation.parameters())
    assert not representation.text.requires_grad and representation.text.grad is None
    assert backbone.users is None, "AlphaRec has no vector per user id"
    backbone, representation, batch = made(data, spec("lightgcn_infonce", **PAIRS))
    backbone.loss(batch, representation, generator()).backward()
    assert backbone.users.weight.grad[1:].any(1).all() and representation.items.weight.grad[1:].any(1).all()


def test_infonce_equals_a_plain_loop():
    users, positives, negatives = torch.randn(4, 8), torch.randn(4, 8), torch.randn(6, 8)
    excluded = torch.rand(4, 6) < 0.4
    cosine = torch.nn.functional.cosine_similarity
    expected = []
    for u, p, out in zip(users, positives, excluded, strict=True):
        own = (cosine(u, p, dim=0) / 0.15).exp()
        others = sum((cosine(u, n, dim=0) / 0.15).exp() for n, o in zip(negatives, out, strict=True) if not o)
        expected.append(-(own / (own + others)).log())
    assert infonce(users, positives, negatives, excluded, 0.15).item() == pytest.approx(
        torch.stack(expected).mean().item(), rel=1e-5
    )


def test_no_item_that_a_user_trained_on_is_that_users_negative(data):
    train_set, _, _ = data
    backbone, _, (users, _) = made(data, alpharec())
    items = torch.arange(1, ITEMS + 1)
    pairs = set(zip(*(t.tolist() for t in train_set.pairs), strict=True))
    found = backbone.has_trained_on(users, items)
    assert found.tolist() == [[(u, i) in pairs for i in items.tolist()] for u in users.tolist()]


@pytest.mark.parametrize("representation", ["id", "alpharec"])
def test_it_learns(data, representation):
    train_set, events, catalogue = data
    cell = spec("lightgcn_infonce", representation, **PAIRS, patience=30)
    _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=True)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]
    assert max(c["value"] for c in curve) > 0.5


def test_an_item_that_nobody_trained_on_is_liked_by_those_who_like_its_text(data):
    """Two cold items, one with the text of item 7, one with a text like nobody's."""
    train_set, events, catalogue = data
    text = torch.cat([catalogue.text["item"], catalogue.text["item"][7:8], torch.randn(1, 24, generator=generator())])
    counts = torch.cat([catalogue.item_counts, torch.zeros(2, dtype=torch.long)])
    known = Catalogue(USERS, ITEMS + 2, 16, counts, catalogue.user_counts, {"item": text})
    cell = alpharec(epochs=20)
    state, _, _ = train(cell, train_set, events, known, True)
    backbone, representation, _ = restore(cell, known, train_set, state)
    assert representation.rankable[1:].all()
    backbone.prepare(representation)
    users = torch.arange(1, USERS + 1)
    scores = backbone.scores(backbone.queries(None, users, representation), representation)
    warm, same, other = scores[:, [7, ITEMS + 1, ITEMS + 2]].T
    alike, unlike = (torch.corrcoef(torch.stack([warm, cold]))[0, 1] for cold in (same, other))
    assert alike > 0.6 and alike > unlike + 0.3, (alike, unlike)


def test_a_restored_model_ranks_as_the_trained_one(data):
    train_set, events, catalogue = data
    cell = alpharec(epochs=4)
    state, curve, _ = train(cell, train_set, events, catalogue, True)
    assert not any(value.shape == catalogue.text["item"].shape for value in state.values()), (
        "text is no part of a model"
    )
    backbone, representation, device = restore(cell, catalogue, train_set, state)
    ranks, _ = rank(backbone, representation, events, True, device)
    assert validation_value(ranks, events.targets, "NDCG@10") == max(c["value"] for c in curve)


def test_a_killed_run_resumes_to_the_same_bytes(data, tmp_path, monkeypatch):
    train_set, events, catalogue = data
    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    whole, curve, _ = train(alpharec(epochs=4), train_set, events, catalogue, True)
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(alpharec(epochs=2), train_set, events, catalogue, True, checkpoint, "same")
    resumed, again, _ = train(alpharec(epochs=4), train_set, events, catalogue, True, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in again]
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[k], resumed[k]) for k in whole)


@pytest.mark.parametrize("representation, fits", [("pte", True), ("whitenrec", True), ("rlmrec_con", False)])
def test_users_unseen_in_training_need_a_representation_that_reads_their_profiles(representation, fits):
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}},
        "protocols": {"cold_start_user": {}}, "encoders": {"minilm": {}},
        "backbones": {"lightgcn_infonce": {}}, "representations": {representation: {"text": "template"}},
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": ["cold_start_user"],
            "rows": [{"backbones": ["lightgcn_infonce"], "representations": [representation]}],
        }},
    }  # fmt: skip
    if fits:
        resolve(grid, "config.yaml")
    else:
        with pytest.raises(InputError, match=f"lightgcn_infonce with {representation} cannot rank for users unseen"):
            resolve(grid, "config.yaml")
