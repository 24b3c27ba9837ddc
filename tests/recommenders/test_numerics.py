"""What a step computes does not depend on batch-mates, on the length of text vectors or on how sure a model is."""

import importlib
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import normalize

from ptebench.files import InputError
from ptebench.recommenders.model import build
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared

data, spec, SEQUENTIAL = shared.data, shared.spec, shared.SEQUENTIAL
USERS, ITEMS = shared.USERS, shared.ITEMS
CPU = {**SEQUENTIAL, "dropout": 0.0}


def generator():
    return torch.Generator().manual_seed(0)


def parts(model, representation):
    return [p for part in (model, representation) for p in part.parameters() if p.requires_grad]


def gradients(model, representation, histories):
    """Return the sum over the positions of the loss of users 1, 2, ... with `histories`, and its gradients."""
    rows = [torch.tensor(row) for row in histories]
    batch = torch.arange(1, len(rows) + 1), torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    loss = model.loss(batch, representation, generator()) * sum(len(row) - 1 for row in rows)
    found = torch.autograd.grad(loss, parts(model, representation), allow_unused=True)
    return [loss.detach(), *(g for g in found if g is not None)]


SHORT, LONG = [3, 9, 5], [7, 1, 8, 2, 6, 4, 11, 12, 13]
ALONE = [("sasrec", "id", {}), ("sasrec", "llmesr", {}), ("sasrec", "id", {"loss": "bce"}), ("gru4rec", "id", {})]
ALONE += [("sasrec", "id", {"norm": norm}) for norm in ("original", "pre")] + [("hstu", "id", {}), ("p5", "id", {})]


@pytest.mark.parametrize("name, kind, keys", ALONE)
def test_a_row_trains_alike_alone_and_among_longer_ones(data, monkeypatch, name, kind, keys):
    for softmax in ("cross_entropy", "sampled_softmax"):  # in bfloat16 the order of a sum shows
        module = importlib.import_module(f"ptebench.recommenders.losses.{softmax}")
        monkeypatch.setattr(module, "gemm_precision", lambda *_: torch.float32)
    train_set, _, catalogue = data
    options = CPU if name != "p5" else {"max_length": 8, "dropout": 0.0, "heads": 2, "dimension": 16}
    cell = spec(name, kind, representation_settings={"weight": 0.0} if kind == "llmesr" else {}, **options, **keys)
    model, representation = build(cell, catalogue)
    if keys.get("loss"):  # the same negative whoever is in the batch
        model.draw = lambda targets, n, *_: (targets + 7) % n
    for part in (model, representation):
        if hasattr(part, "observe"):
            part.observe(train_set)
    model.eval()  # nothing random
    representation.eval()
    together, *alone = (gradients(model, representation, rows) for rows in ([SHORT, LONG], [SHORT], [LONG]))
    for whole, one, other in zip(together, *alone, strict=True):
        torch.testing.assert_close(whole, one + other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["sasrec", "gru4rec", "hstu"])
@pytest.mark.parametrize("kind", ["id", "llmesr"])
def test_a_history_is_seen_in_training_as_in_ranking(data, monkeypatch, name, kind):
    """The state that learns the last item of a short row is the query of the items before it."""
    train_set, _, catalogue = data
    model, representation = build(spec(name, kind, **CPU), catalogue)
    if kind == "llmesr":
        representation.observe(train_set)
    model.eval(), representation.eval()
    seen = []
    monkeypatch.setattr(representation, "auxiliary_loss", lambda hidden, *_: seen.append(hidden) or 0.0)
    batch = torch.nn.utils.rnn.pad_sequence([torch.tensor(SHORT), torch.tensor(LONG)], batch_first=True)
    model.loss((torch.tensor([1, 2]), batch), representation, generator())
    query = model.queries(shared.ragged([SHORT[:-1]]), torch.tensor([1]), representation)
    torch.testing.assert_close(seen[0][1:2], query, rtol=1e-5, atol=1e-6)


def test_a_masked_item_is_told_alike_alone_and_among_longer_rows(data):
    _, _, catalogue = data
    model, representation = build(spec("bert4rec", **CPU), catalogue)
    model.eval()
    both = torch.nn.utils.rnn.pad_sequence([torch.tensor(SHORT), torch.tensor(LONG)], batch_first=True)
    masked = torch.zeros_like(both, dtype=torch.bool)
    masked[:, 2] = True
    states = model.fill(both, representation.item_vectors()[both], masked)
    alone = model.fill(both[:1, :3], representation.item_vectors()[both[:1, :3]], masked[:1, :3])
    torch.testing.assert_close(states[:1, :3], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision, error", [(torch.bfloat16, 0.02), (torch.float32, 1e-4)])
@pytest.mark.parametrize("name", ["cross_entropy", "sampled_softmax"])
@pytest.mark.parametrize("margin", [4.0, 8.0, 14.0])
def test_a_fused_softmax_keeps_its_gradient_however_sure_it_is(monkeypatch, precision, error, name, margin):
    """Against float64, at probabilities of the target up to 1 - 1e-5; its vectors are powers of two, exact in both."""
    module = importlib.import_module(f"ptebench.recommenders.losses.{name}")
    monkeypatch.setattr(module, "gemm_precision", lambda *_: precision)
    vectors, hidden = torch.eye(16), torch.zeros(12, 16)
    targets = torch.arange(12)
    hidden[targets, targets] = margin
    hidden[targets, targets + 1] = 1.0
    negatives = torch.arange(16)
    ours, exact = [
        [t.clone().to(kind).requires_grad_() for t in (hidden, vectors)] for kind in (torch.float32, torch.float64)
    ]
    loss = module.loss(*ours, targets, negatives, 16, {})
    reference = torch.nn.functional.cross_entropy(exact[0] @ exact[1].T, targets)
    assert loss.item() == pytest.approx(reference.item(), rel=error)
    loss.backward()
    reference.backward()
    for mine, theirs in zip(ours, exact, strict=True):
        assert (mine.grad - theirs.grad).norm() < error * theirs.grad.norm()


def textless(catalogue, *items):
    text = catalogue.text["item"].clone()
    text[list(items)] = 0
    return replace(catalogue, text={**catalogue.text, "item": text})


@pytest.mark.parametrize("kind", ["rlmrec_con", "rlmrec_gen"])
@pytest.mark.parametrize("pairs", [False, True])
def test_a_batch_without_text_has_no_term_of_rlmrec(data, kind, pairs):
    known = textless(data[2], 3, 8)
    users = torch.randn(USERS + 1, 24, generator=generator())
    users[[0, 1, 2]] = 0
    known = replace(known, text={**known.text, "user": users})
    _, representation = build(spec("sasrec", kind, **SEQUENTIAL), known)
    hidden = torch.randn(2, 16, requires_grad=True)
    loss = representation.auxiliary_loss(hidden, torch.tensor([3, 8]), torch.tensor([1, 2]) if pairs else None)
    assert loss.item() == 0
    (loss + 0 * hidden.sum()).backward()
    assert not hidden.grad.any() and all(p.grad is None or not p.grad.any() for p in representation.parameters())


@pytest.mark.parametrize("kind", ["rlmrec_con", "rlmrec_gen", "llminit", "llmesr", "alpharec", "reclm", "morec"])
def test_texts_none_of_which_training_knows_are_refused(data, kind):
    known = textless(data[2], *range(ITEMS + 1))
    with pytest.raises(InputError, match="nothing that training knows has text"):
        build(spec("sasrec", kind, **SEQUENTIAL), known)


@pytest.mark.parametrize("kind", ["rlmrec_con", "rlmrec_gen", "llmesr", "alpharec", "reclm", "morec", "unisrec"])
def test_text_has_one_scale_for_all_that_learn_layers_over_it(data, kind):
    """However long an encoder makes its vectors, of items, cards and users alike."""
    known = data[2]
    users = torch.randn(USERS + 1, 24, generator=generator()) * (torch.arange(USERS + 1) > 0)[:, None]
    texts = {**known.text, "user": users}
    made = []
    for length in (1.0, 40.0):
        text = {name: length * normalize(vectors, dim=1) for name, vectors in texts.items()}
        made.append(build(spec("sasrec", kind, **SEQUENTIAL), replace(known, text=text))[1].eval())
    buffers = [dict(m.named_buffers()) for m in made]
    seen = [
        name
        for name in ("text", "items.text", "users.text", "card", "item_profile", "user_profile", "user_text")
        if buffers[0].get(name) is not None
    ]
    assert seen
    for name in seen:
        one, other = (b[name] for b in buffers)
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
        assert one[known.train_items if len(one) == ITEMS + 1 else slice(1, None)].square().mean() == pytest.approx(
            1, rel=1e-3
        )


@pytest.mark.parametrize("mode", ["pca_white", "pca", "random", "even", "variance"])
@pytest.mark.parametrize("std", [1e-4, 0.02, 0.5])
def test_vectors_of_llminit_start_as_far_spread_as_ids_do(data, mode, std):
    _, _, catalogue = data
    known = replace(textless(catalogue, 4), init_std=std)
    made = {}
    for kind, keys in (("id", {}), ("llminit", {"mode": mode})):
        vectors = build(spec("sasrec", kind, representation_settings=keys, **SEQUENTIAL), known)[1].item_vectors()
        assert not vectors[0].any()
        made[kind] = vectors[known.train_items].std().item()
    assert made["llminit"] == pytest.approx(std, rel=0.05) and made["id"] == pytest.approx(std, rel=0.1)


@pytest.mark.parametrize("epochs, every, judged", [(5, 2, [2, 4, 5]), (4, 2, [2, 4]), (2, 3, [2])])
def test_the_last_epoch_is_always_judged(data, epochs, every, judged):
    train_set, events, catalogue = data
    cell = spec("biasmf", epochs=epochs, validate_every=every, batch_size=64)
    _, curve, _ = train(cell, train_set, events, catalogue, False)
    assert [c["epoch"] for c in curve if c["value"] is not None] == judged


def test_training_without_an_event_to_judge_by_says_so(data):
    train_set, events, catalogue = data
    none = replace(events, event=events.event[:0], users=events.users[:0], histories=shared.ragged([]),
                   targets=shared.ragged([]))  # fmt: skip
    with pytest.raises(InputError, match="validation has no NDCG@10"):
        train(spec("biasmf", epochs=1), train_set, none, catalogue, False)
