"""Each backbone and representation is what its paper says: properties, not shapes alone."""

import importlib
import re
import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from ptebench.config import counters, representations
from ptebench.config import histories as sequence_backbones
from ptebench.config import pairs as pair_backbones
from ptebench.config.cells import BACKBONES
from ptebench.config.pairs import Pairs
from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.adapter import Adapter
from ptebench.recommenders.backbones.dreamrec import earlier, gauss
from ptebench.recommenders.course import Course
from ptebench.recommenders.evaluation import rank, validation_value
from ptebench.recommenders.graph import PART, normalise_graph, product
from ptebench.recommenders.losses import gbce
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.representations.llmesr import similar_users
from ptebench.recommenders.sampling import Negatives, Ragged, length_batches
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.split import catalogue as read_catalogue
from ptebench.recommenders.training import quicken, train
from ptebench.recommenders.whitening import Whitened, fit
from tests.conftest import REPOSITORY

USERS, ITEMS = 64, 40


def ragged(rows):
    offsets = np.cumsum([0] + [len(r) for r in rows])
    return Ragged(torch.tensor([i for r in rows for i in r]), torch.tensor(offsets))


def settings(section, name, **keys):
    return resolve({section: {name: keys}}, "test")[section][name]


@pytest.fixture
def data():
    """Users who walk along the ring of items: the next item is known from the last one."""
    start = np.random.default_rng(0).integers(0, ITEMS, USERS)
    rows = [[int((s + k) % ITEMS) + 1 for k in range(6 + u % 5)] for u, s in enumerate(start)]
    users = torch.arange(1, USERS + 1)
    train_set = Train(users, ragged([r[:-1] for r in rows]))
    events = Events("full", users - 1, users, ragged([r[:-1] for r in rows]), ragged([r[-1:] for r in rows]), None)
    owners, values = train_set.pairs
    text = torch.randn(ITEMS + 1, 24, generator=torch.Generator().manual_seed(0))
    text[0] = 0
    catalogue = Catalogue(
        USERS, ITEMS, 16, torch.bincount(values, minlength=ITEMS + 1), torch.bincount(owners, minlength=USERS + 1),
        {"item": text},
    )  # fmt: skip
    return train_set, events, catalogue


def spec(backbone, representation="id", seed=0, representation_settings=None, **keys):
    keys = {"dimension": 16, "epochs": 30, "device": "cpu", **keys} if backbone not in COUNTERS else keys
    raw = {"encoders": {"minilm": {}}, "backbones": {backbone: keys}}
    return {
        "backbone": resolve(raw, "test")["backbones"][backbone],
        "representation": settings("representations", representation) if representation == "id"
        else {**settings_of_text(representation), **(representation_settings or {})},
        "seed": seed,
    }  # fmt: skip


def settings_of_text(representation):
    raw = {"encoders": {"minilm": {}}, "representations": {representation: {"text": "card"}}}
    return resolve(raw, "test")["representations"][representation]


# on pairs, but for those that have no vectors of users where a representation has none
PAIRWISE = sorted({n for n, s in BACKBONES.items() if issubclass(s, Pairs)} - {"biasmf_reclm", "lightgcn_infonce"})
COUNTERS = {name for name, settings in BACKBONES.items() if settings.counter} - {"external"}
TEXTUAL = ["whitenrec", "pte", "card", "morec", "unisrec", "llminit", "alphafuse", "rlmrec_con", "rlmrec_gen"]
SEQUENTIAL = {"max_length": 8, "dropout": 0.1, "batch_size": 16, "learning_rate": 0.01}


CAUSAL = [("sasrec", {"norm": norm}) for norm in ("original", "pre", "post")]
CAUSAL += [("gru4rec", {}), ("hstu", {}), ("dreamrec", {})]


@pytest.mark.parametrize("name, keys", CAUSAL)
def test_a_state_depends_on_no_later_item_and_on_no_padding(data, name, keys):
    _, _, catalogue = data
    backbone, representation = build(spec(name, **keys, **SEQUENTIAL), catalogue)
    backbone.eval()
    vectors = torch.randn(ITEMS + 1, 16)
    history = torch.randint(1, ITEMS + 1, (1, 7))
    hidden = backbone.encode(history, vectors[history])
    for t in range(7):
        other = history.clone()
        other[0, t] = history[0, t] % ITEMS + 1
        changed = backbone.encode(other, vectors[other])
        assert torch.equal(changed[0, :t], hidden[0, :t])
        assert not torch.allclose(changed[0, t:], hidden[0, t:])
    padded = torch.cat([history, torch.zeros(1, 5, dtype=torch.long)], 1)[:, :8]
    assert torch.allclose(backbone.encode(padded, vectors[padded])[:, :7], hidden, atol=1e-6)


@pytest.mark.parametrize("name", [*sorted(COUNTERS), "sasrec", "gru4rec", "hstu", "dreamrec", "bert4rec"])
def test_without_a_history_the_history_cannot_matter(data, name):
    """Events of which nothing is shown are ranked, alone in their batch and among others, and all alike."""
    train_set, _, catalogue = data
    backbone, representation = build(spec(name, **({} if name in COUNTERS else SEQUENTIAL)), catalogue)
    if name in COUNTERS:
        backbone.fit(train_set)
    users, target = torch.tensor([5, 5, 5]), ragged([[7]] * 3)
    for last in ([], [3, 9]):
        events = Events("cold_0", torch.arange(3), users, ragged([[], [], last]), target, None)
        ranks = rank(backbone, representation, events, remove_seen=False)[0].tolist()
        assert ranks[0] == ranks[1] and 1 <= ranks[0] <= ITEMS


@pytest.mark.parametrize("name", ["gru4rec", "hstu", "dreamrec", "bert4rec"])
def test_a_sequence_backbone_learns_64_users_by_heart(data, name):
    train_set, events, catalogue = data
    keys = {"epochs": 300, "mask": 0.5, "dropout": 0.0} if name == "bert4rec" else {"epochs": 80}
    cell = spec(name, patience=300, **{**SEQUENTIAL, **keys})
    _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    assert max(c["value"] for c in curve) > 0.95


@pytest.mark.parametrize("loss", ["cross_entropy", "bce", "gbce", "sampled_softmax"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_sasrec_learns_64_users_by_heart(data, loss, similarity):
    train_set, events, catalogue = data
    keys = {"negatives": 8, "epochs": 200, "patience": 200} if loss == "gbce" else {"epochs": 60, "patience": 60}
    cell = spec("sasrec", loss=loss, similarity=similarity, **{**SEQUENTIAL, **keys})
    state, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    assert max(c["value"] for c in curve) > 0.95


@pytest.mark.parametrize("representation", TEXTUAL)
@pytest.mark.parametrize("backbone", ["sasrec", "dreamrec", "biasmf", "lightgcn"])
def test_text_representations_learn_and_leave_the_text_alone(data, backbone, representation):
    train_set, events, catalogue = data
    histories = backbone in ("sasrec", "dreamrec")
    keys = SEQUENTIAL if histories else {"batch_size": 64, "learning_rate": 0.01}
    cell = spec(backbone, representation, **keys)
    state, curve, _ = train(cell, train_set, events, catalogue, remove_seen=not histories)
    assert curve[-1]["loss"] < curve[0]["loss"]
    _, fresh = build(cell, catalogue)
    for name, buffer in fresh.named_buffers():
        if f"representation.{name}" in state:
            assert torch.equal(state[f"representation.{name}"], buffer), "a fitted statistic changed in training"


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec", "hstu", "bert4rec", "dreamrec", *PAIRWISE])
def test_gradient_reaches_targets_and_every_parameter(data, backbone):
    train_set, _, catalogue = data
    pairwise = backbone in PAIRWISE
    model, representation = build(spec(backbone, **({} if pairwise else SEQUENTIAL)), catalogue)
    if hasattr(model, "observe"):
        model.observe(train_set)
    batch = next(iter(model.batches(train_set, torch.Generator().manual_seed(0))))
    model.loss(batch, representation, torch.Generator().manual_seed(0)).backward()
    item = int(batch[1][0]) if pairwise else int(batch[1].max())
    assert representation.items.weight.grad[item].abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_beta2_changes_what_adam_does_after_its_first_step(data):
    train_set, events, catalogue = data
    curves = [
        train(spec("biasmf", beta2=beta2, epochs=3), train_set, events, catalogue, False)[1] for beta2 in (0.5, 0.999)
    ]
    assert curves[0][0]["loss"] == curves[1][0]["loss"] and curves[0][2]["loss"] != curves[1][2]["loss"]


def test_a_linear_schedule_falls_over_all_epochs_wherever_training_stops(data):
    train_set, events, catalogue = data

    def losses(schedule, epochs, until=None):
        settings = spec("biasmf", schedule=schedule, epochs=epochs)
        return [c["loss"] for c in train(settings, train_set, events, catalogue, False, until=until)[1]]

    whole = losses("linear", 4)
    assert losses("linear", 4, until=3) == whole[:3]
    constant = losses("constant", 4)
    assert whole[0] == constant[0] and whole[2:] != constant[2:]
    assert whole[2] != losses("linear", 3)[2]


def _goes_stale(course, epoch):
    """Have an epoch be the best one."""
    course.stale = max(0, course.epoch - epoch)
    return course.epoch in (1, epoch)


def test_a_training_that_ends_near_its_best_epoch_is_said_to_rise_still(data, monkeypatch):
    """Not where the rate falls to 0, which ends so by itself."""
    train_set, events, catalogue = data

    def notes(**keys):
        return train(spec("sasrec", learning_rate=0.003, **keys), train_set, events, catalogue, False)[2]

    assert notes(epochs=1)["still_rising"] is True
    assert notes(epochs=400, patience=2)["still_rising"] is False
    monkeypatch.setattr(Course, "is_best", lambda self, value: _goes_stale(self, 19))
    assert notes(epochs=20)["still_rising"] is True
    monkeypatch.setattr(Course, "is_best", lambda self, value: _goes_stale(self, 18))
    assert notes(epochs=20)["still_rising"] is False
    monkeypatch.undo()
    assert "still_rising" not in notes(epochs=1, schedule="linear")


def test_free_vectors_start_as_large_as_the_backbone_says(data):
    train_set, _, known = data
    for settings in ({}, {"init_std": 1e-4}):
        backbone = spec("lightgcn", **settings)
        catalogue = read_catalogue(train_set, (known.users, known.items), backbone["backbone"], {})
        model, representation = build(backbone, catalogue)
        for table in (model.users.weight, representation.items.weight[1:]):
            assert table.detach().std() == pytest.approx(settings.get("init_std", 0.02), rel=0.1)


def test_pairs_are_drawn_once_each_or_for_all_users_alike(data):
    _, _, catalogue = data
    histories = ragged([[1], [2, 3, 4, 5, 6, 7, 8, 9], []] + [[10]] * 2)
    train_set = Train(torch.tensor([4, 2, 3, 1, 5]), histories)
    drawn = {}
    for draw in ("pairs", "users"):
        model, _ = build(spec("biasmf", draw=draw, batch_size=3), catalogue)
        generator, several = torch.Generator().manual_seed(0), []
        for _ in range(400):
            several += model.batches(train_set, generator)
        users, items = (torch.cat(part) for part in zip(*several, strict=True))
        drawn[draw] = torch.stack([users, items])
        assert all(len(batch[0]) <= 3 for batch in several) and len(users) == 400 * 11
    pairs = torch.stack(train_set.pairs)
    kinds, counts = drawn["pairs"].unique(dim=1, return_counts=True)
    assert torch.equal(kinds, pairs.unique(dim=1)) and (counts == 400).all()
    kinds, counts = drawn["users"].unique(dim=1, return_counts=True)
    assert torch.equal(kinds, pairs.unique(dim=1)), "nothing but pairs, and all of them"
    of_user = counts.new_zeros(6).index_add(0, kinds[0], counts)[[1, 2, 4, 5]] / counts.sum()
    assert ((of_user - 1 / 4).abs() < 0.03).all(), "a user of one item as often as a user of eight"
    assert ((counts[kinds[0] == 2] / counts.sum() - 1 / 32).abs() < 0.015).all(), "and the items of a user alike"


def test_item_vectors_are_made_in_lower_precision_in_training_alone(data, monkeypatch):
    monkeypatch.setattr("ptebench.recommenders.training.gemm_precision", lambda *_: torch.bfloat16)
    _, exact = build(spec("sasrec", "whitenrec"), data[2])
    _, quick = build(spec("sasrec", "whitenrec"), data[2])
    quicken(quick, torch.device("cpu"), 64)
    for representation in (exact, quick):
        representation.items.head[2].p = 0.0  # nothing random
    lower, vectors = quick.train().item_vectors(), exact.item_vectors()
    assert lower.dtype == torch.float32 and 0 < (lower - vectors).norm() < 1e-2 * vectors.norm()
    assert torch.equal(quick.eval().item_vectors(), vectors)


def plain_softmax(hidden, vectors, targets, negatives):
    return cross_entropy(hidden @ vectors.T, targets)


def plain_sampled_softmax(hidden, vectors, targets, negatives):
    logits = (hidden @ vectors[negatives].T).masked_fill(targets[:, None] == negatives, float("-inf"))
    positive = (hidden * vectors[targets]).sum(1, keepdim=True)
    return cross_entropy(torch.cat([positive, logits], 1), torch.zeros_like(targets))


@pytest.mark.parametrize("precision, error", [(torch.bfloat16, 2e-2), (torch.float32, 1e-5)])
@pytest.mark.parametrize("name, plain", [("cross_entropy", plain_softmax), ("sampled_softmax", plain_sampled_softmax)])
def test_a_fused_softmax_equals_the_plain_one(monkeypatch, precision, error, name, plain):
    """Whatever the hardware is fast at."""
    module = importlib.import_module(f"ptebench.recommenders.losses.{name}")
    monkeypatch.setattr(module, "gemm_precision", lambda *_: precision)
    torch.manual_seed(0)
    leaves = torch.randn(1100, 16), torch.randn(50, 16)
    targets = torch.randint(50, (1100,))
    ours, reference = [[t.clone().requires_grad_() for t in leaves] for _ in range(2)]
    negatives = module.draw(targets, 50, torch.Generator().manual_seed(0), {"negatives": 20})
    a = module.loss(*ours, targets, negatives, 50, {})
    b = plain(*reference, targets, negatives)
    a.backward()
    b.backward()
    assert a.item() == pytest.approx(b.item(), rel=error)
    for mine, theirs in zip(ours, reference, strict=True):
        assert (mine.grad - theirs.grad).norm() < error * theirs.grad.norm()
    alone = leaves[0].clone().requires_grad_()
    module.loss(alone, leaves[1], targets, negatives, 50, {}).backward()
    assert torch.equal(alone.grad, ours[0].grad), "vectors that learn nothing change nothing for the states"


@pytest.mark.parametrize("part", [2**31, 2])
def test_lightgcn_equals_a_dense_reference(data, monkeypatch, part):
    monkeypatch.setitem(PART, "cpu", part)
    train_set, _, catalogue = data
    users, items = train_set.pairs
    dense = torch.zeros(USERS + 1, ITEMS + 1)
    dense[users, items] = 1
    both = torch.zeros(USERS + ITEMS + 2, USERS + ITEMS + 2)
    both[: USERS + 1, USERS + 1 :], both[USERS + 1 :, : USERS + 1] = dense, dense.T
    scale = both.sum(1).clamp_min(1).rsqrt()
    reference = scale[:, None] * both * scale
    graph = normalise_graph(users, items, USERS, ITEMS)
    assert torch.allclose(product(graph, torch.eye(len(reference))), reference, atol=1e-6)
    model, representation = build(spec("lightgcn", layers=2), catalogue)
    model.observe(train_set)
    layer = torch.cat([model.users.weight * model.weight, representation.item_vectors()])
    mean = (layer + reference @ layer + reference @ reference @ layer) / 3
    of_users, of_items = model.propagate(model.first_layer(representation))
    assert torch.allclose(of_users[1:], mean[1 : USERS + 1], atol=1e-6)
    warm = catalogue.train_items
    assert torch.allclose(of_items[warm], mean[USERS + 1 + warm], atol=1e-6)


def test_whitening_gives_identity_covariance():
    x = torch.randn(500, 12) @ torch.randn(12, 12) + 3
    for zca in (False, True):
        mean, transform = fit(x, 0.0, zca)
        white = (x - mean) @ transform
        covariance = white.T @ white / len(x)
        assert torch.allclose(covariance, torch.eye(12), atol=1e-3)
    flat = torch.cat([x, torch.zeros(500, 3)], 1)  # directions without variance stay finite
    assert torch.isfinite(fit(flat, 1e-3, True)[1]).all()


def test_whitening_is_fitted_on_training_items_that_have_text():
    x = torch.randn(30, 6, generator=torch.Generator().manual_seed(0)) + 2
    x[[0, 4, 9]] = 0
    known = torch.arange(1, 20)
    white = Whitened(x, known, 0.0, True)()
    present = [i for i in range(1, 20) if i not in (4, 9)]
    assert torch.allclose(white[present].T @ white[present] / len(present), torch.eye(6), atol=1e-3)
    assert torch.allclose(white[present].mean(0), torch.zeros(6), atol=1e-5)
    assert not white[[0, 4, 9]].any()
    with pytest.raises(InputError, match="nothing that training knows has text"):
        Whitened(x, torch.tensor([4, 9]), 0.0, True)


def test_groups_are_whitened_each_by_itself():
    x = torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    x = x @ torch.randn(10, 10, generator=torch.Generator().manual_seed(1)) + 3
    x[0] = 0
    known = torch.arange(1, 400)
    for zca in (False, True):
        white = Whitened(x, known, 0.0, zca, groups=3)()[known]
        covariance = white.T @ white / len(white)
        own = torch.block_diag(*(torch.ones(size, size) for size in (4, 3, 3))).bool()
        assert torch.allclose(covariance[own], torch.eye(10)[own], atol=1e-3)
        assert covariance[~own].abs().max() > 0.1, "what groups have in common stays"
    alone = Whitened(x, known, 0.0, True, groups=10)()[known]
    assert torch.allclose(alone, (x[known] - x[known].mean(0)) / x[known].std(0, correction=0), atol=1e-3)
    with pytest.raises(InputError, match="groups: 11 is more than the 10 coordinates of the text"):
        Whitened(x, known, 0.0, True, groups=11)


def test_whitenrec_plus_is_the_sum_over_two_whitenings_of_one_mlp(data):
    def vectors(head=None, **settings):
        model = build(spec("sasrec", "whitenrec", representation_settings=settings), data[2])[1].eval()
        if head is not None:
            model.items.head = head
        return model, model.item_vectors()

    model, both = vectors(groups=4, ensemble=True)
    whole, relaxed = (vectors(model.items.head, groups=groups)[1] for groups in (1, 4))
    assert torch.allclose(both, whole + relaxed, atol=1e-6) and not torch.allclose(whole, relaxed, atol=1e-3)


def test_negatives_are_never_training_pairs():
    users = torch.arange(1, 31).repeat_interleave(10)
    items = torch.randint(1, 41, (300,), generator=torch.Generator().manual_seed(1))
    negatives = Negatives(users, items, torch.arange(1, 41))
    drawn = negatives.draw(users, torch.Generator().manual_seed(0))
    pairs = set(zip(users.tolist(), items.tolist(), strict=True))
    assert not pairs & set(zip(users.tolist(), drawn.tolist(), strict=True))
    assert drawn.min() >= 1


def test_batches_hold_every_history_once_and_as_many_positions_as_one_another():
    lengths = torch.randint(0, 50, (5000,), generator=torch.Generator().manual_seed(0)) ** 2 // 50
    batches = length_batches(lengths, 64, torch.Generator().manual_seed(0))
    rows = torch.cat(batches)
    assert torch.equal(rows.sort().values, (lengths > 1).nonzero()[:, 0])
    positions = torch.tensor([float((lengths[b] - 1).sum()) for b in batches])
    expected = 64 * (lengths[lengths > 1] - 1).double().mean()
    assert (positions.sort().values[1:] - expected).abs().max() <= 50, "one batch takes what is left"
    assert max(int(lengths[b].max() - lengths[b].min()) for b in batches) <= 3, "little padding"


@pytest.mark.parametrize("name", sorted(COUNTERS))
def test_a_counter_scores_every_item_and_comes_back_from_its_tensors(data, name):
    train_set, events, catalogue = data
    counter, _ = build(spec(name), catalogue)
    counter.fit(train_set)
    scores = counter.scores(events.histories, events.users)
    assert scores.shape == (USERS, ITEMS + 1) and scores[:, 1:].isfinite().all()
    kept = {f"backbone.{key}": value for key, value in counter.state_dict().items()}
    restored, _, _ = restore(spec(name), catalogue, train_set, kept)
    assert torch.equal(restored.scores(events.histories, events.users), scores)
    some = torch.arange(5, 9)
    alone = counter.scores(events.histories.take(some), events.users[some])
    assert torch.allclose(alone.double(), scores[some].double()), "a score depends on nobody else of the batch"


def test_the_backbones_and_the_counter_of_the_guide_are_whole(data, monkeypatch):
    train_set, events, catalogue = data
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    codes = re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)
    average, its_settings, added, factors, factors_settings, recent, recents_settings, *_ = codes
    made = {}
    modules = {sequence_backbones: its_settings, pair_backbones: factors_settings, counters: recents_settings}
    for module, code in modules.items():
        exec(code, own := {**vars(module)})
        made |= {name: own[name] for name in ("Average", "Factors", "Recent") if name in own}
    assert not made["Average"].counter and not made["Factors"].counter and made["Recent"].counter
    exec(recent, own := {})
    counter = own["Counter"](made["Recent"](kind="recent", decay=0.5).model_dump(), catalogue)
    counter.fit(train_set)
    expected = np.zeros(ITEMS + 1)
    for history in train_set.histories.values.split(train_set.histories.lengths.tolist()):
        for age, item in enumerate(reversed(history.tolist())):
            expected[item] += 0.5**age
    scores = counter.scores(events.histories, events.users)
    assert scores.shape == (USERS, ITEMS + 1) and np.allclose(scores[3], expected)
    exec(average, own := {})
    settings = made["Average"](kind="average", decay=0.0, dimension=16).model_dump()
    backbone = own["Backbone"](settings, catalogue)
    places = torch.randn(2, 5, 16)
    assert torch.allclose(backbone.read(None, places), backbone.out(places)), "the last item alone"
    assert "average" in added
    module = ModuleType("ptebench.recommenders.backbones.factors")
    exec(factors, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    keys = {"dimension": 16, "batch_size": 64, "learning_rate": 0.01, "epochs": 30, "device": "cpu"}
    cell = {**spec("biasmf"), "backbone": made["Factors"](kind="factors", **keys).model_dump()}
    _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=True)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


def test_the_representation_of_the_guide_is_whole(data, monkeypatch):
    train_set, events, catalogue = data
    code, its_settings = re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / "CONTRIBUTING.md").read_text(), re.S | re.M
    )[-2:]
    module = ModuleType("ptebench.recommenders.representations.blend")
    exec(code, vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(its_settings, own := {**vars(representations)})
    assert not own["Blend"].cold_users
    counts = catalogue.item_counts.clone()
    counts[7] = 0
    for backbone in ("sasrec", "lightgcn"):
        keys = {**SEQUENTIAL, "epochs": 60} if backbone == "sasrec" else {"batch_size": 64, "learning_rate": 0.01}
        cell = {**spec(backbone, **keys), "representation": {**own["Blend"](kind="blend").model_dump(), "rate": 1.0}}
        made = build(cell, replace(catalogue, item_counts=counts))[1]
        vectors, text = made.item_vectors(), made.layer(made.text) / 4
        assert torch.equal(vectors[7], text[7]), "it never trained"
        assert torch.allclose(vectors[8], text[8] + counts[8] / (counts[8] + 5) * made.free.weight[8])
        assert not vectors[0].any() and torch.allclose(made.item_vectors(torch.tensor([3, 0])), vectors[[3, 0]])
        _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
        assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


@pytest.mark.parametrize("name, other", [("popularity", "Backbone"), ("gru4rec", "Counter")])
def test_a_class_that_is_not_what_its_settings_are_of_is_refused(data, monkeypatch, name, other):
    module = importlib.import_module(f"ptebench.recommenders.backbones.{name}")
    own = {"Backbone": "Counter", "Counter": "Backbone"}[other]
    monkeypatch.setattr(module, other, getattr(module, own), raising=False)
    monkeypatch.delattr(module, own)
    with pytest.raises(InputError, match=rf"{name}\.py: no class {own}; a class Backbone has settings"):
        build(spec(name), data[2])


@pytest.mark.parametrize("backbone", ["popularity", "markov", "itemknn"])
def test_counters_equal_a_plain_loop(data, backbone):
    train_set, events, catalogue = data
    counter, _ = build(spec(backbone), catalogue)
    counter.fit(train_set)
    sequences = [r.tolist() for r in train_set.histories.values.split(train_set.histories.lengths.tolist())]
    expected = np.zeros(ITEMS + 1)
    history = events.histories.values[: events.histories.lengths[0]].tolist()
    for item in range(1, ITEMS + 1):
        popular = sum(s.count(item) for s in sequences)
        if backbone == "popularity":
            expected[item] = popular
            continue
        expected[item] = 1e-6 * popular
        for age, seen in enumerate(reversed(history), 1):
            if backbone == "markov":
                vote = sum(s[k] == seen and s[k + 1] == item for s in sequences for k in range(len(s) - 1))
            else:
                both = sum(seen in s and item in s for s in sequences) * (seen != item)
                one, two = (sum(i in s for s in sequences) for i in (seen, item))
                vote = both / np.sqrt(max(one, 1) * max(two, 1))
            expected[item] += counter.settings["decay"] ** age * vote
    assert np.allclose(counter.scores(events.histories, events.users)[0], expected)


@pytest.mark.parametrize("damaged", [False, True])
def test_a_killed_run_resumes_to_the_same_bytes(data, killed, damaged, capsys):
    train_set, events, catalogue = data
    cell = spec("sasrec", epochs=6, schedule="linear", **SEQUENTIAL)
    whole, curve, _ = train(cell, train_set, events, catalogue, False)
    checkpoint = killed(cell, train_set, events, catalogue)
    if damaged:
        content = bytearray(checkpoint.read_bytes())
        content[-100] ^= 1
        checkpoint.write_bytes(content)
    resumed, curve_resumed, _ = train(cell, train_set, events, catalogue, False, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in curve_resumed]
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert ("damaged" in capsys.readouterr().out) == damaged


@pytest.mark.parametrize("item_bias", [True, False])
def test_an_item_bias_is_learned_or_is_none(data, item_bias):
    train_set, events, catalogue = data
    cell = spec("biasmf", item_bias=item_bias, epochs=3)
    before = build(cell, catalogue)[0].bias
    after = train(cell, train_set, events, catalogue, False)[0]["backbone.bias"]
    assert torch.equal(before, after) != item_bias and bool(after.any()) == item_bias


@pytest.mark.parametrize("name", ["biasmf", "lightgcn", "sgl", "simgcl"])
def test_l2_shrinks_the_vectors_of_a_batch_and_no_others(data, name):
    train_set, _, catalogue = data
    backbone, representation = build(spec(name, l2=0.5), catalogue)
    if hasattr(backbone, "observe"):
        backbone.observe(train_set)
    users, items = next(iter(backbone.batches(train_set, torch.Generator().manual_seed(0))))
    users, items = users[:8], items[:8]

    def loss(l2):
        backbone.settings["l2"] = l2
        return backbone.loss((users, items), representation, torch.Generator().manual_seed(0))

    negatives = backbone.negatives.draw(users, torch.Generator().manual_seed(0))
    rows = torch.cat([backbone.users.weight[users], representation.items.weight[torch.cat([items, negatives])]])
    difference = loss(0.5) - loss(0.0)
    torch.testing.assert_close(difference, 0.5 / 2 * rows.square().sum() / 8, rtol=1e-3, atol=1e-6)
    difference.backward()
    for table, ids in ((backbone.users, users), (representation.items, torch.cat([items, negatives]))):
        shrunk = table.weight.grad.norm(dim=1) > 1e-5  # what the two losses share cancels but for rounding
        assert torch.equal(shrunk.nonzero()[:, 0], ids.unique())


@pytest.mark.parametrize("name, keys", [("sasrec", {"dropout": 0.0}), ("lightgcn", {})])
def test_a_compiled_loss_trains_as_the_plain_one_does(data, monkeypatch, name, keys):
    train_set, events, catalogue = data
    compiled = []

    def traced(function, **options):  # all of torch.compile but the making of kernels, which takes a minute
        compiled.append(function)
        return torch._dynamo.optimize("aot_eager", **options)(function)

    monkeypatch.setattr(torch, "compile", traced)
    keys = {**(SEQUENTIAL if name == "sasrec" else {}), **keys, "epochs": 2}
    curves = [
        train(spec(name, compile=wanted, **keys), train_set, events, catalogue, False)[1] for wanted in (False, True)
    ]
    assert len(compiled) == 1
    assert [c["loss"] for c in curves[0]] == pytest.approx([c["loss"] for c in curves[1]], abs=1e-4)


def test_an_id_without_training_events_ranks_behind_all_others(data):
    _, _, catalogue = data
    counts = catalogue.item_counts.clone()
    counts[7] = 0
    without = Catalogue(USERS, ITEMS, 16, counts, catalogue.user_counts)
    model, representation = build(spec("sasrec", **SEQUENTIAL), without)
    asked = Events("full", torch.tensor([0]), torch.tensor([1]), ragged([[1, 2]]), ragged([[7]]), None)
    ranks, candidates = rank(model, representation, asked, False)
    assert ranks.tolist() == [ITEMS] and candidates.tolist() == [ITEMS]


def test_validation_value_with_several_targets():
    ranks, targets = torch.tensor([1.0, 3.0, 50.0, 2.0]), ragged([[1, 2, 3], [4]])
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert validation_value(ranks, targets, "Recall@10") == pytest.approx((2 / 3 + 1) / 2)
    assert validation_value(ranks, targets, "NDCG@10") == pytest.approx(((1 + 0.5) / ideal + 1 / np.log2(3)) / 2)
    assert validation_value(ranks, targets, "MRR@10") == pytest.approx((1 + 0.5) / 2)


def test_ease_equals_its_definition(data):
    """Column j solves ridge regression of item j on all the others."""
    train_set, events, catalogue = data
    counter, _ = build(spec("ease", l2=3.0), catalogue)
    counter.fit(train_set)
    users, items = train_set.pairs
    touched = np.zeros((USERS + 1, ITEMS + 1))
    touched[users, items] = 1
    for j in (1, 7, 40):
        others = np.delete(touched, j, axis=1)
        weights = np.linalg.solve(others.T @ others + 3.0 * np.eye(ITEMS), others.T @ touched[:, j])
        column = counter.matrix[:, j].numpy()
        assert column[j] == 0 and np.allclose(np.delete(column, j), weights, atol=1e-5)
    scores = counter.scores(events.histories, events.users)
    assert np.allclose(scores[0], touched[events.users[0]] @ counter.matrix.numpy(), atol=1e-5)


def vectors_after_training(data, representation, **keys):
    train_set, events, catalogue = data
    cell = spec("sasrec", representation, representation_settings=keys, **{**SEQUENTIAL, "epochs": 3})
    _, fresh = build(cell, catalogue)
    state, _, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    _, trained = build(cell, catalogue)
    trained.load_state_dict({k[15:]: v for k, v in state.items() if k.startswith("representation.")})
    return fresh.eval().item_vectors().detach(), trained.eval().item_vectors().detach()


@pytest.mark.parametrize("start", ["zeros", "normal"])
def test_alphafuse_learns_in_the_last_coordinates_only(data, start):
    fresh, trained = vectors_after_training(data, "alphafuse", free=0.5, start=start, shrinkage=0.001)
    assert torch.equal(fresh[:, :8], trained[:, :8]) and not torch.equal(fresh[:, 8:], trained[:, 8:])
    known = data[2].train_items
    white = fresh[known, :8] * 4
    assert torch.allclose(white.T @ white / len(known), torch.eye(8), atol=0.05)


def test_alphafuse_learns_its_ids_at_the_rate_of_ids(data):
    moved = []
    for representation in ("id", "alphafuse"):
        fresh, trained = vectors_after_training(data, representation)
        moved.append((trained - fresh)[:, 8:].abs().max().item())
    assert moved[1] == pytest.approx(moved[0], rel=0.5)


def test_idreamrec_generates_text_vectors_that_stay_as_they_are(data):
    train_set, events, catalogue = data
    cell = spec("dreamrec", "alphafuse", representation_settings={"free": 0.0}, **SEQUENTIAL)
    _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    assert curve[-1]["loss"] < 0.5 * curve[0]["loss"]
    fresh, trained = vectors_after_training(data, "alphafuse", free=0.0)
    assert torch.equal(fresh, trained)


@pytest.mark.parametrize("mode", ["pca_white", "pca", "random", "even", "variance"])
def test_llminit_starts_from_the_text_and_learns_every_vector(data, mode):
    _, _, catalogue = data
    fresh, trained = vectors_after_training(data, "llminit", mode=mode)
    known = catalogue.train_items
    text = catalogue.text["item"][known]
    found = torch.linalg.lstsq(torch.cat([text, torch.ones(len(known), 1)], 1), fresh[known]).solution
    assert torch.allclose(torch.cat([text, torch.ones(len(known), 1)], 1) @ found, fresh[known], atol=1e-4)
    assert not torch.isclose(fresh[known], trained[known]).all(1).any()


@pytest.mark.parametrize("kind", ["rlmrec_con", "rlmrec_gen"])
@pytest.mark.parametrize("pairs", [False, True])
def test_rlmrec_ties_vectors_to_their_texts(data, kind, pairs):
    """Its own loss falls to what noise of the text allows, by gradients of the batch's vectors alone."""
    _, _, catalogue = data
    torch.manual_seed(0)
    with_users = Catalogue(
        USERS, ITEMS, 16, catalogue.item_counts, catalogue.user_counts,
        {**catalogue.text, "user": torch.randn(USERS + 1, 24) * (torch.arange(USERS + 1) > 0)[:, None]},
    )  # fmt: skip
    options = {"others": 20, "weight": 1.0} | ({"mask": 0.0} if kind == "rlmrec_gen" else {})
    made = (
        spec("lightgcn", kind, representation_settings=options)
        if pairs
        else spec("sasrec", kind, representation_settings=options, **SEQUENTIAL)
    )
    _, representation = build(made, with_users)
    targets = torch.tensor([3, 8, 3, 21, 40, 12])
    users = torch.tensor([1, 2, 2, 9, 30, 64]) if pairs else None
    hidden = torch.nn.Parameter(torch.randn(USERS + 1, 16))
    of_target = torch.arange(6)
    optimizer = torch.optim.Adam([*representation.parameters(), hidden], lr=0.01)
    losses = []
    for _ in range(100):
        rows = hidden[users if pairs else of_target]
        loss = representation.auxiliary_loss(rows, targets, users)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    of_items, moved = representation.items.weight.grad, torch.tensor([3, 8, 12, 21, 40])
    if pairs or kind == "rlmrec_con":
        assert torch.equal(of_items.abs().sum(1).nonzero()[:, 0], moved)
    else:
        assert of_items is None, "on a history the state, not the item, tells the text"
    touched = hidden.grad is not None and hidden.grad.abs().sum() > 0
    assert touched == (pairs or kind == "rlmrec_gen")


@pytest.mark.parametrize("representation", [*TEXTUAL, "id", "llmesr", "alpharec", "reclm"])
def test_vectors_of_some_items_are_those_among_all(data, representation):
    _, _, catalogue = data
    made = build(spec("sasrec", representation), catalogue)[1].eval()
    some = torch.tensor([[3, 8], [0, 3]])
    vectors, (row,) = made.vectors_of(some)
    assert len(vectors) == 3 and not vectors[0].any()
    assert torch.allclose(vectors[row], made.item_vectors()[some], atol=1e-6)


WITH_VECTORS = [(b, r) for b in ("sasrec", "bert4rec", "gru4rec") for r in ("morec", "llmesr", "id")]
WITH_VECTORS.remove(("bert4rec", "llmesr"))  # the configuration refuses the pair


@pytest.mark.parametrize("loss", ["sampled_softmax", "bce", "gbce"])
@pytest.mark.parametrize("backbone, representation", WITH_VECTORS)
def test_a_step_on_the_vectors_it_needs_is_the_step_on_all(data, monkeypatch, backbone, loss, representation):
    train_set, _, catalogue = data
    keys = {**SEQUENTIAL, "dropout": 0.0, "similarity": "cosine", "loss": loss, "negatives": 5}
    both, made = [], []
    for whole in (False, True):
        model, vectors = build(spec(backbone, representation, **keys), catalogue)
        exact = vectors.item_vectors
        monkeypatch.setattr(vectors, "item_vectors", lambda items=None, e=exact: made.append(items) or e(items))
        if hasattr(vectors, "observe"):
            vectors.observe(train_set)
        if whole:
            monkeypatch.setattr(vectors, "vectors_of", lambda *ids, v=vectors: (v.item_vectors(), list(ids)))
        batch = train_set.users[:3], train_set.histories.padded(torch.arange(3), 9)
        value = model.loss(batch, vectors, torch.Generator().manual_seed(0))
        value.backward()
        both.append([value, *(p.grad for part in (model, vectors) for p in part.parameters() if p.grad is not None)])
    assert len(made[0]) < ITEMS and made[1] is None
    for one, other in zip(*both, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_unisrec_gates_are_noisy_in_training_only(data):
    _, _, catalogue = data
    _, representation = build(spec("sasrec", "unisrec", **SEQUENTIAL), catalogue)
    assert not torch.equal(representation.item_vectors(), representation.item_vectors())
    representation.eval()
    assert torch.equal(representation.item_vectors(), representation.item_vectors())


def test_unisrec_is_the_sum_of_its_experts_weighted_by_the_gates(data):
    _, _, catalogue = data
    model = build(spec("sasrec", "unisrec", **SEQUENTIAL), catalogue)[1].eval()
    tower = model.items
    for parameter in (tower.gate, tower.shift):
        torch.nn.init.normal_(parameter)
    x, gates = tower.text, (tower.text @ tower.gate).softmax(1)
    experts = zip(gates.T, tower.shift, tower.expert, strict=True)
    expected = sum(gate[:, None] * ((x - shift) @ expert) for gate, shift, expert in experts) / 16**0.5
    assert torch.allclose(model.item_vectors(), expected * model.rankable[:, None], atol=1e-5)


def test_dreamrec_without_guidance_is_the_conditional_branch(data):
    _, _, catalogue = data
    plain, _ = build(spec("dreamrec", guidance=0.0, **SEQUENTIAL), catalogue)
    guided, _ = build(spec("dreamrec", guidance=2.0, **SEQUENTIAL), catalogue)
    noisy, condition, step = torch.randn(5, 16), torch.randn(5, 16), torch.randint(10, (5,))
    one, null = plain.denoise(noisy, condition, step), plain.denoise(noisy, plain.null.expand(5, 16), step)
    assert torch.equal(plain.guided(noisy, condition, step), one)
    assert torch.allclose(guided.guided(noisy, condition, step), 3 * one - 2 * null, atol=1e-5)


def test_dreamrec_tells_items_from_noise_by_the_rule_of_bayes(data):
    model, _ = build(spec("dreamrec", **SEQUENTIAL), data[2])
    noisy, condition, items = torch.randn(5, 16), torch.randn(5, 16), torch.randn(9, 16)
    for step in range(10):
        steps, signal = torch.full((5,), step), model.signal[step]
        logits = model.denoise(noisy, condition, steps) @ model.choices(items).T
        if not model.blind[step]:
            density = torch.distributions.Normal(signal.sqrt() * items, (1 - signal).sqrt()).log_prob(noisy[:, None])
            logits = logits - density.sum(2)
        prior = model.denoise(noisy, condition, steps)[:, :16] @ items.T
        if not model.blind[step]:
            prior = prior - signal.sqrt() / (1 - signal) * noisy @ items.T
        assert torch.allclose(logits.log_softmax(1), prior.log_softmax(1), atol=1e-4)
    assert model.signal[9] * 16 < 1 - model.signal[9] and model.signal[0] * 16 > 3 and (model.signal.diff() < 0).all()


def test_noise_is_standard_normal_and_told_by_its_key_alone():
    keys = torch.arange(20000)
    noise = gauss(keys, 8)
    assert torch.equal(gauss(keys[7:9], 8), noise[7:9])
    assert torch.allclose(torch.cov(noise.T), torch.eye(8), atol=0.03) and noise.mean().abs() < 0.01
    assert torch.cov(torch.cat([noise[:-1], noise[1:]], 1).T)[:8, 8:].abs().max() < 0.04, "neighbours share nothing"
    assert (noise.abs() < 1).double().mean().item() == pytest.approx(0.6827, abs=0.01)


@pytest.mark.parametrize("key", [-2, -1])
def test_noise_is_finite_at_both_ends(monkeypatch, key):
    monkeypatch.setattr("ptebench.recommenders.backbones.dreamrec.scramble", lambda keys: keys)
    assert 7 < gauss(torch.tensor([key]), 1).abs().item() < 9


@pytest.mark.parametrize("sampling", [{}, {"eta": 0.0, "samples": 1}, {"steps": 4, "samples": 3}, {"samples": 0}])
def test_dreamrec_samples_an_event_alike_in_any_batch(data, sampling):
    _, events, catalogue = data
    model, representation = build(spec("dreamrec", **sampling, **SEQUENTIAL), catalogue)
    model.eval()
    together = model.queries(events.histories, events.users, representation)
    assert torch.allclose(together.sum(1), torch.ones(USERS), atol=1e-5) and not together[:, 0].any()
    first = Ragged(events.histories.values[: events.histories.offsets[1]], events.histories.offsets[:2])
    assert torch.allclose(model.queries(first, events.users[:1], representation), together[:1], atol=1e-5)


def test_events_users_samples_and_seeds_have_noise_of_their_own(data, monkeypatch):
    """That of one user on two days differs, that of users who are neighbours, and that of every step."""
    seen = []
    module = importlib.import_module("ptebench.recommenders.backbones.dreamrec")
    monkeypatch.setattr(module, "gauss", lambda keys, width: seen.append(gauss(keys, width)) or seen[-1])
    for seed in (0, 1):
        model, representation = build(spec("dreamrec", seed=seed, steps=3, samples=2, **SEQUENTIAL), data[2])
        model.eval().queries(ragged([[1], [1, 2], [1], [1]]), torch.tensor([5, 5, 6, 7]), representation)
    assert len(seen) == 2 * 2 * 3 and len(torch.cat(seen).unique(dim=0)) == 2 * 2 * 3 * 4


def test_dreamrec_samples_by_ddim_or_ddpm(data):
    """The mean and the variance of the posterior, as equations 6 and 7 of DDPM (Ho et al., NeurIPS 2020) have them."""
    model, _ = build(spec("dreamrec", **SEQUENTIAL), data[2])
    noisy, clean, fresh = torch.randn(3, 200, 16).double()
    signal = model.signal.double()
    for t in (1, 5, 9):
        now, then = signal[t], signal[t - 1]
        beta = 1 - now / then
        mean = (then.sqrt() * beta * clean + (1 - beta).sqrt() * (1 - then) * noisy) / (1 - now)
        deviation = ((1 - then) / (1 - now) * beta).sqrt()
        assert torch.allclose(earlier(noisy, clean, now, then, 1.0, fresh), mean + deviation * fresh)
        noise = (noisy - now.sqrt() * clean) / (1 - now).sqrt()
        assert torch.allclose(
            earlier(noisy, clean, now, then, 0.0, fresh), then.sqrt() * clean + (1 - then).sqrt() * noise
        )


def test_dreamrec_samples_with_fresh_noise_where_eta_says_so(data):
    _, events, catalogue = data
    queries = []
    for eta in (0.0, 0.5, 1.0):
        model, representation = build(spec("dreamrec", eta=eta, **SEQUENTIAL), catalogue)
        queries.append(model.eval().queries(events.histories, events.users, representation))
    assert all((a - b).abs().max() > 1e-4 for a, b in zip(queries, queries[1:], strict=False))


def test_dreamrec_trains_items_by_the_steps_that_do_not_show_the_target(data, monkeypatch):
    _, _, catalogue = data
    model, representation = build(spec("dreamrec", **SEQUENTIAL), catalogue)
    batch = torch.tensor([1]), torch.tensor([[1, 2, 3]])
    module = importlib.import_module("ptebench.recommenders.backbones.dreamrec")
    of_target, softmax = [], module.cross_entropy
    for learns in (True, False):
        monkeypatch.setattr(
            module,
            "cross_entropy",
            lambda query, choices, row, learns=learns: softmax(query, choices, row) * (choices.requires_grad == learns),
        )
        representation.zero_grad()
        model.loss(batch, representation, torch.Generator().manual_seed(0)).backward()
        of_target.append(representation.items.weight.grad[3].abs().sum().item())
    assert of_target[0] > 0 == of_target[1]


def test_positions_of_a_training_row_do_not_depend_on_its_batch_mates(data):
    _, _, catalogue = data
    model, representation = build(
        spec("dreamrec", dropout=0.0, **{k: v for k, v in SEQUENTIAL.items() if k != "dropout"}), catalogue
    )
    seen, encoded = [], model.states
    model.states = lambda *arguments: seen.append(encoded(*arguments)) or seen[-1]
    for histories in ([[1, 2, 3]], [[1, 2, 3, 0, 0], [4, 5, 6, 7, 8]]):
        batch = torch.arange(1, len(histories) + 1), torch.tensor(histories)
        model.loss(batch, representation, torch.Generator().manual_seed(0))
    assert torch.allclose(seen[0][0, :2], seen[1][0, :2], atol=1e-6)


def both_modes_on_top(model, representation):
    """Return the share of the items on the ring whose two successors have the two best ranks."""
    history = ragged([[i] for i in range(1, 17)])
    targets = ragged([[(i + 3) % 16 + 1, (i - 5) % 16 + 1] for i in range(1, 17)])
    events = Events("full", torch.arange(16), torch.arange(1, 17), history, targets, None)
    return float((rank(model, representation, events, remove_seen=False)[0] <= 2).double().mean())


def test_samples_reach_both_of_two_opposite_next_items_and_one_pass_does_not():
    """Items are fixed on a circle, a quarter ahead and a quarter behind come next: no one query prefers both."""
    torch.manual_seed(0)
    catalogue = Catalogue(16, 16, 16, torch.ones(17, dtype=torch.long) * (torch.arange(17) > 0), torch.ones(17), {})
    cell = spec("dreamrec", dropout=0.0, max_length=1, blocks=1, samples=32, first_signal=20.0)
    model, representation = build(cell, catalogue)
    angle = torch.arange(17) * (torch.pi / 8)
    plane = torch.linalg.qr(torch.randn(16, 2)).Q.T
    with torch.no_grad():
        representation.items.weight.copy_(torch.stack([angle.cos(), angle.sin()], 1) @ plane)
        representation.items.weight[0] = 0
    representation.items.weight.requires_grad_(False)
    items = torch.arange(1, 17).repeat(8)
    turn = torch.where(torch.arange(128) < 64, 4, -4)
    batch = items, torch.stack([items, (items - 1 + turn) % 16 + 1], 1)
    optimizer, generator = torch.optim.Adam(model.parameters(), 0.01), torch.Generator().manual_seed(0)
    for _ in range(300):
        optimizer.zero_grad()
        model.loss(batch, representation, generator).backward()
        optimizer.step()
    sampled = both_modes_on_top(model, representation)
    model.samples = 0
    alone = both_modes_on_top(model, representation)
    assert sampled > 0.6 and alone < 0.3


def test_the_record_says_how_far_samples_agree_with_one_pass_from_zeros(data):
    train_set, events, catalogue = data
    cell = spec("dreamrec", **{**SEQUENTIAL, "epochs": 3})
    state, _, notes = train(cell, train_set, events, catalogue, remove_seen=False)
    model, representation = build(cell, catalogue)
    torch.nn.ModuleDict({"backbone": model, "representation": representation}).load_state_dict(state)
    correlations, both = [], []
    for model.samples in (8, 0):
        ranks, _ = rank(model, representation, events, remove_seen=False)
        both.append(model.queries(events.histories, events.users, representation)[:, 1:].detach())
    for one, other in zip(*both, strict=True):
        places = [np.argsort(np.argsort(scores.numpy())) for scores in (one, other)]
        correlations.append(np.corrcoef(places)[0, 1])
    assert notes["one_pass"]["spearman"] == pytest.approx(np.mean(correlations), abs=1e-3)
    assert notes["one_pass"]["NDCG@10"] == pytest.approx(validation_value(ranks, events.targets, "NDCG@10"))
    head = spec("dreamrec", samples=0, reconstruction=0.0, **{**SEQUENTIAL, "epochs": 1})
    assert "one_pass" not in train(head, train_set, events, catalogue, remove_seen=False)[2]


@pytest.mark.parametrize("kind", ["morec", "unisrec"])
def test_text_is_seen_at_the_scale_that_a_layer_is_initialised_for_however_long_its_vectors_are(data, kind):
    _, _, known = data
    text = known.text["item"]
    unit = text / text.norm(dim=1, keepdim=True).clamp_min(1e-8)
    vectors = []
    for rows in (unit, 40 * unit):
        model = build(spec("sasrec", kind, **SEQUENTIAL), replace(known, text={"item": rows}))[1].eval()
        vectors.append(model.item_vectors())
        assert model.items.text[known.train_items].square().mean().item() == pytest.approx(1, rel=1e-4)
    assert torch.allclose(*vectors, atol=1e-6)


def test_vectors_of_pte_start_at_unit_length_and_a_step_changes_no_gain_by_more_than_its_rate():
    torch.manual_seed(0)
    adapter, text = Adapter(24, 64, 0.0), torch.randn(200, 24)
    vectors = adapter(text)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(200), rtol=1e-3, atol=0)
    before = adapter.norm.weight.detach().clone()
    optimizer = torch.optim.AdamW(adapter.parameters(), lr=0.01, weight_decay=0.0)
    (vectors * torch.randn(200, 64)).sum().backward()
    optimizer.step()
    change = (adapter.norm.weight / before - 1).abs()
    assert 0.005 < change.max() < 0.011  # .08 where the gains carry the scale


def test_dreamrec_denoises_each_view_by_itself_at_a_scale_of_its_own(data):
    _, events, catalogue = data
    model, representation = build(spec("dreamrec", "llmesr", guidance=2.0, **SEQUENTIAL), catalogue)
    model.eval()
    noisy, condition, step = torch.randn(5, 32), torch.randn(5, 32), torch.randint(10, (5,))
    both = model.guided(noisy, condition, step)
    exchanged = [torch.cat(x.chunk(2, 1)[::-1], 1) for x in (noisy, condition)]
    assert torch.allclose(
        model.guided(*exchanged, step), torch.cat([both[:, 16:32], both[:, :16], both[:, 32:]], 1), atol=1e-6
    )
    for part in model.rescale(representation.item_vectors())[catalogue.train_items].chunk(2, 1):
        assert torch.allclose(part.mean(0), torch.zeros(16), atol=1e-5)
        assert part.square().mean().item() == pytest.approx(1, rel=1e-5)
    vectors = representation.item_vectors()
    assert torch.allclose(model.rescale(3 * vectors + 1), model.rescale(vectors), atol=1e-4)
    assert model.queries(events.histories, events.users, representation).shape == (USERS, ITEMS + 1)


def own_losses(data, kind, weight):
    """Return what the representation's own loss, at weight 1, says of dreamrec after training at `weight`."""
    train_set, events, catalogue = data
    options = {"weight": weight} | ({"others": 20} if kind != "llmesr" else {})
    cell = spec("dreamrec", kind, representation_settings=options, **{**SEQUENTIAL, "epochs": 20})
    state, *_ = train(cell, train_set, events, catalogue, remove_seen=False)
    model, representation = build({**cell, "representation": {**cell["representation"], "weight": 1.0}}, catalogue)
    torch.nn.ModuleDict({"backbone": model, "representation": representation}).load_state_dict(state)
    if kind == "llmesr":
        representation.observe(train_set)
    model.eval()
    representation.eval()
    torch.manual_seed(0)
    batch = next(iter(model.batches(train_set, torch.Generator().manual_seed(0))))
    with torch.no_grad():
        whole = model.loss(batch, representation, torch.Generator().manual_seed(0))
        representation.auxiliary_loss = representation.history_loss = lambda *_: 0.0
        return float(whole - model.loss(batch, representation, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("kind", ["rlmrec_con", "rlmrec_gen", "llmesr"])
def test_on_dreamrec_too_the_loss_that_defines_a_representation_acts(data, kind):
    """The published rows of these two were made without it, and are those of plain ids."""
    without, with_it = (own_losses(data, kind, weight) for weight in (0.0, 1.0))
    assert with_it < 0.7 * without


@pytest.mark.parametrize("name, neutral", [("sgl", {"keep": 1.0}), ("simgcl", {"noise": 0.0})])
def test_an_unperturbed_view_is_the_graph_itself_and_the_contrast_weighs_nothing_at_zero(data, name, neutral):
    train_set, _, catalogue = data
    model, representation = build(spec(name, weight=0.0, **neutral), catalogue)
    plain, same = build(spec("lightgcn"), catalogue)
    plain.share, plain.averages_first = model.share, model.averages_first
    for backbone in (model, plain):
        backbone.observe(train_set)
    batches = [next(iter(b.batches(train_set, torch.Generator().manual_seed(0)))) for b in (model, plain)]
    view = model.view(model.first_layer(representation), torch.Generator().manual_seed(0))
    for perturbed, whole in zip(view, plain.propagate(plain.first_layer(same)), strict=True):
        assert torch.allclose(perturbed, whole, atol=1e-6)
    losses = [
        b.loss(batches[1], r, torch.Generator().manual_seed(0)).item()
        for b, r in ((model, representation), (plain, same))
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_sgl_drops_an_edge_in_both_directions(data):
    train_set, _, catalogue = data
    model, _ = build(spec("sgl", keep=0.5), catalogue)
    model.observe(train_set)
    next(iter(model.batches(train_set, torch.Generator().manual_seed(0))))
    one, two = (product(view, torch.eye(USERS + ITEMS + 2)) for view in model.views)
    assert torch.equal(one, one.T) and not torch.equal(one, two)
    edges = len(torch.stack(train_set.pairs).unique(dim=1)[0])
    assert 0.35 < (one > 0).sum() / 2 / edges < 0.65


@pytest.mark.parametrize("name", PAIRWISE)
def test_a_pair_backbone_learns(data, name):
    train_set, events, catalogue = data
    cell = spec(name, batch_size=64, learning_rate=0.01)
    _, curve, _ = train(cell, train_set, events, catalogue, remove_seen=True)
    assert curve[-1]["loss"] < 0.7 * curve[0]["loss"]


def test_ncf_scores_in_chunks_what_its_loss_scores(data, monkeypatch):
    train_set, _, catalogue = data
    model, representation = build(spec("ncf"), catalogue)
    users = torch.tensor([3, 5])
    query, vectors = model.queries(None, users, representation), representation.item_vectors()
    whole = model.scores(query, representation)
    monkeypatch.setattr("ptebench.recommenders.backbones.ncf.CHUNK", 7 * query.numel())
    assert torch.allclose(model.scores(query, representation), whole, atol=1e-6)
    for row, u in enumerate(query):
        for item in (1, 40):
            v = vectors[item]
            deep = model.tower(model.of_user(u[8:]) + model.of_item(v[8:]))
            expected = (u[:8] * v[:8] * model.product).sum().item() + deep.item()
            assert whole[row, item].item() == pytest.approx(expected, abs=1e-6)


def test_gbce_between_bce_and_calibrated_scores():
    """Items all alike: beta positives to k negatives have their optimum at sigma(score) = beta / (beta + k)."""
    n, k = 41, 10
    hidden, targets = torch.ones(40000, 1), torch.arange(40000) % n
    for calibration, expected in ((0.0, 1 / (1 + k)), (1.0, 1 / n)):
        score = torch.tensor(0.0, requires_grad=True)
        optimizer = torch.optim.Adam([score], lr=0.3)
        for _ in range(80):
            settings = {"negatives": k, "calibration": calibration}
            negatives = gbce.draw(targets, n, torch.Generator().manual_seed(0), settings)
            loss = gbce.loss(hidden, score.expand(n, 1), targets, negatives, n, settings)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert torch.sigmoid(score.detach()).item() == pytest.approx(expected, rel=0.05), calibration


def test_bert4rec_sees_neither_a_masked_item_nor_padding(data):
    _, _, catalogue = data
    model, _ = build(spec("bert4rec", **SEQUENTIAL), catalogue)
    model.eval()
    vectors = torch.randn(ITEMS + 1, 16)
    history = torch.randint(1, ITEMS + 1, (1, 7))
    masked = torch.zeros(1, 7, dtype=torch.bool)
    masked[0, [2, 6]] = True
    hidden = model.fill(history, vectors[history], masked)
    other = history.clone()
    other[0, [2, 6]] = history[0, [2, 6]] % ITEMS + 1
    assert torch.equal(model.fill(other, vectors[other], masked), hidden)
    other[0, 4] = history[0, 4] % ITEMS + 1
    assert not torch.allclose(model.fill(other, vectors[other], masked)[0, 2], hidden[0, 2]), "a later item is read"
    padded, more = (torch.nn.functional.pad(x, (0, 2)) for x in (history, masked))
    assert torch.allclose(model.fill(padded, vectors[padded], more)[:, :7], hidden, atol=1e-6)


def test_bert4rec_masks_at_least_one_item_of_every_history(data, monkeypatch):
    train_set, _, catalogue = data
    model, representation = build(spec("bert4rec", mask=0.0, **SEQUENTIAL), catalogue)
    seen = []
    monkeypatch.setattr(model, "objective", lambda h, v, targets, *rest: seen.append(targets) or h.sum())
    batch = train_set.histories.padded(torch.arange(8), 9)
    model.loss((torch.arange(8), batch), representation, torch.Generator().manual_seed(0))
    last = batch.gather(1, (batch > 0).sum(1, keepdim=True) - 1)[:, 0]
    assert torch.equal(model.train_items[seen[0]], last)


def test_textknn_equals_a_plain_loop_and_ranks_items_nobody_touched(data):
    train_set, events, catalogue = data
    text = catalogue.text["item"].clone()
    text[9] = 0
    without = Catalogue(USERS, ITEMS, 0, catalogue.item_counts * (torch.arange(ITEMS + 1) != 5), None, {"item": text})
    counter, _ = build(spec("textknn", decay=0.5), without)
    centred = text - text[[i for i in range(1, ITEMS + 1) if i not in (5, 9)]].mean(0)
    history = events.histories.values[: events.histories.offsets[1]].tolist()
    expected = torch.zeros(ITEMS + 1)
    for item in range(1, ITEMS + 1):
        for age, seen in enumerate(reversed(history), 1):
            if 9 not in (item, seen):
                cosine = torch.nn.functional.cosine_similarity(centred[seen], centred[item], dim=0)
                expected[item] += 0.5**age * cosine
    assert torch.allclose(counter.scores(events.histories, events.users)[0], expected, atol=1e-5)


def test_whitened_textknn_hears_a_direction_however_loud(data):
    _, _, catalogue = data
    text = catalogue.text["item"].clone()
    loud = text * torch.linspace(1, 50, text.shape[1])
    settings = {"decay": 0.5, "components": text.shape[1], "shrinkage": 0}
    scores = [
        build(spec("textknn", **settings), replace(catalogue, text={"item": t}))[0].scores(ragged([[1, 2, 3]]), None)
        for t in (text, loud)
    ]
    torch.testing.assert_close(*scores, atol=1e-3, rtol=1e-3)


def test_a_free_vector_behind_a_gate_weighs_as_its_item_was_met(data):
    _, _, catalogue = data
    known = replace(catalogue, item_counts=torch.arange(ITEMS + 1))
    model = build(spec("sasrec", "alphafuse", representation_settings={"gate": 5}, **SEQUENTIAL), known)[1]
    before = model.item_vectors()
    with torch.no_grad():
        model.items.free.weight[1:] = 1.0
    added = (model.item_vectors() - before)[:, -1]
    expected = torch.arange(ITEMS + 1) / (torch.arange(ITEMS + 1) + 5)
    torch.testing.assert_close(added, expected)


@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_a_representation_learns_at_its_own_rate(data, schedule):
    train_set, events, catalogue = data
    moved = []
    for rate in (1.0, 0.1):
        made = spec(
            "sasrec", "morec", representation_settings={"rate": rate}, **SEQUENTIAL, epochs=1, schedule=schedule
        )
        start = {name: value.clone() for name, value in build(made, catalogue)[1].named_parameters()}
        state = train(made, train_set, events, catalogue, True)[0]
        moved.append(sum((state[f"representation.{n}"] - value).abs().mean() for n, value in start.items()))
    assert 5 < moved[0] / moved[1] < 20


def test_llmesr_is_causal_and_has_two_views(data):
    _, _, catalogue = data
    backbone, representation = build(spec("sasrec", "llmesr", **SEQUENTIAL), catalogue)
    backbone.eval()
    representation.eval()
    vectors = representation.item_vectors()
    assert vectors.shape == (ITEMS + 1, 32) and not vectors[0].any()
    history = torch.randint(1, ITEMS + 1, (1, 7))
    hidden = backbone.states(history, vectors, representation, None)
    assert hidden.shape == (1, 7, 32)
    for t in range(7):
        other = history.clone()
        other[0, t] = history[0, t] % ITEMS + 1
        changed = backbone.states(other, vectors, representation, None)
        assert torch.allclose(changed[0, :t], hidden[0, :t], atol=1e-6)
        assert not torch.allclose(changed[0, t], hidden[0, t])


def test_llmesr_asks_with_the_positions_and_the_dropout_of_the_backbone_once(data, monkeypatch):
    """Without positions a view of a history is a bag of items, before the backbone reads it."""
    backbone, representation = build(spec("sasrec", "llmesr", **SEQUENTIAL), data[2])
    torch.nn.init.normal_(backbone.positions.weight)
    vectors = representation.item_vectors()

    def asked(history):
        history = torch.tensor([history])
        placed = [backbone.place(history, view) for view in representation.views(history, vectors)]
        return torch.stack(representation.exchange(*placed))[:, 0, 2]

    backbone.eval()
    one, other, padded = asked([3, 9, 5]), asked([9, 3, 5]), asked([3, 9, 5, 0, 0])
    assert ((one - other).norm(dim=1) > 1e-3 * one.norm(dim=1)).all()
    assert torch.allclose(padded, one, atol=1e-6)
    history, placed = torch.tensor([[3, 9, 5]]), []
    ids, text = (backbone.place(history, view) for view in vectors[history].chunk(2, -1))
    read = [backbone.read(history, view) for view in representation.exchange(ids, text)]
    assert torch.equal(backbone.states(history, vectors, representation, None), torch.cat(read, -1))
    place = backbone.place
    monkeypatch.setattr(backbone, "place", lambda *a: placed.append(place(*a)) or placed[-1])
    backbone.train().states(history, vectors, representation, None)
    assert len(placed) == 2 and all((view == 0).any() for view in placed), "dropped out once, each view"


def test_llmesr_draws_users_to_their_like_and_not_the_like_to_them(data):
    train_set, _, catalogue = data
    text = catalogue.text["item"]
    similar = similar_users(text, train_set, USERS, 3)
    rows = train_set.histories.values.split(train_set.histories.lengths.tolist())
    mean = torch.stack([text[r].sum(0) for r in rows])
    cosine = torch.nn.functional.cosine_similarity(mean[:1], mean[1:])
    assert 1 not in similar[1] and len(similar[1].unique()) == 3
    assert torch.allclose(cosine[similar[1] - 2], cosine.topk(3).values, atol=1e-6)
    _, representation = build(spec("sasrec", "llmesr", **SEQUENTIAL), catalogue)
    representation.observe(train_set)
    states = torch.randn(2, 32, requires_grad=True)
    users = torch.tensor([1, 2])
    assert representation.history_loss(users, states) == 0, "nobody is known yet"
    assert torch.equal(representation.bank[users], states.detach())
    representation.bank[representation.similar[1]] = 1.0
    loss = representation.history_loss(users[:1], states[:1])
    assert loss.item() == pytest.approx(0.1 * (states[0] - 1).square().mean().item(), rel=1e-5)
    loss.backward()
    assert states.grad[0].any() and not states.grad[1].any()


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec", "hstu", "dreamrec"])
def test_llmesr_learns(data, backbone):
    train_set, events, catalogue = data
    cell = spec(backbone, "llmesr", epochs=40, patience=40, **SEQUENTIAL)
    state, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    assert max(c["value"] for c in curve) > 0.8
