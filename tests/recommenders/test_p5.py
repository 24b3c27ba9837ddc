"""P5: indices come from training histories alone; likelihoods are exact and spread over items that training knows."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from ptebench.config.read import resolve
from ptebench.files import InputError, write_tensors
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.item_index import cluster, cooccurrence, item_index, levels_for, spectral_clusters
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.training import train

CODES, WAYS, USERS, ITEMS, COLD = 7, 3, 64, 40, [39, 40]  # of 40 items two have no training event
INDICES = ["sequential", "collaborative", "random"]


def ragged(rows):
    offsets = np.cumsum([0] + [len(r) for r in rows])
    return Ragged(torch.tensor([i for r in rows for i in r], dtype=torch.long), torch.tensor(offsets))


def rows_of(lists):
    return [r.tolist() for r in lists.values.split(lists.lengths.tolist())]


def catalogue_of(train_set, items=ITEMS):
    owners, values = train_set.pairs
    counts = torch.bincount(values, minlength=items + 1), torch.bincount(owners, minlength=USERS + 1)
    return Catalogue(USERS, items, 16, *counts)


@pytest.fixture
def data():
    """Users who walk along a ring of 38 items: the next item is known from the last one."""
    start = np.random.default_rng(0).integers(0, 38, USERS)
    rows = [[int((s + k) % 38) + 1 for k in range(6 + u % 5)] for u, s in enumerate(start)]
    users = torch.arange(1, USERS + 1)
    train_set = Train(users, ragged([r[:-1] for r in rows]))
    events = Events("full", users - 1, users, ragged([r[:-1] for r in rows]), ragged([r[-1:] for r in rows]), None)
    return train_set, events, catalogue_of(train_set)


def spec(seed=0, **keys):
    keys = {
        "dimension": 16, "heads": 2, "blocks": 1, "codes": CODES, "clusters": WAYS, "max_length": 8, "dropout": 0.1,
        "batch_size": 16, "learning_rate": 0.01, "epochs": 4, "device": "cpu", **keys,
    }  # fmt: skip
    config = resolve({"backbones": {"p5": keys}, "representations": {"id": {}}}, "test")
    return {"backbone": config["backbones"]["p5"], "representation": config["representations"]["id"], "seed": seed}


def ready(train_set, catalogue=None, seed=0, **keys):
    model, representation = build(spec(seed, **keys), catalogue or catalogue_of(train_set))
    model.observe(train_set)
    model.prepare(representation)
    return model.eval(), representation.eval()


@pytest.mark.parametrize("index", INDICES)
def test_every_item_has_an_index_of_its_own(data, index):
    model, _ = ready(data[0], index=index)
    assert (model.codes[0] == -1).all()
    assert len(model.codes[1:].unique(dim=0)) == ITEMS and model.codes[1:].min() == 0 and model.codes.max() < CODES


def test_an_index_has_as_many_codes_as_it_needs():
    for codes, ways in ((10, 10), (7, 3), (256, 20)):
        for items in (1, codes, codes + 1, codes * ways, codes * ways + 1, codes * ways**2):
            levels = levels_for(items, codes, ways)
            assert codes * ways ** (levels - 1) >= items
            assert levels == 1 or codes * ways ** (levels - 2) < items


def test_sequential_numbers_items_as_they_appear():
    found = item_index(ragged([[5, 3], [], [3, 9, 5]]), 9, "sequential", 4, 4, 0)
    order = [5, 3, 9, 1, 2, 4, 6, 7, 8]
    assert (4 * found[order, 0] + found[order, 1]).tolist() == list(range(9))


@pytest.mark.parametrize("index", INDICES)
def test_an_index_comes_from_training_histories_alone(data, index):
    train_set, events, catalogue = data
    model, _ = ready(train_set, index=index)
    known = catalogue.train_items
    two = [item_index(train_set.histories, items, index, CODES, WAYS, 0)[known] for items in (ITEMS, ITEMS + 5)]
    assert torch.equal(*two), "items that only test knows move no other"
    other = Events("full", events.event, events.users, events.histories, ragged([[1]] * USERS), None)
    (one, *_), (two, *_) = (train(spec(epochs=1, index=index), train_set, e, catalogue, False) for e in (events, other))
    assert torch.equal(one["backbone.codes"], two["backbone.codes"])
    assert torch.equal(one["backbone.codes"], model.codes)
    rows = rows_of(train_set.histories)
    changed = Train(train_set.users, ragged([r[::-1] for r in rows[::-1]]))
    assert not torch.equal(ready(changed, index=index)[0].codes, model.codes), "training histories do count"


@pytest.mark.parametrize("index", INDICES)
def test_how_items_are_numbered_in_the_files_says_nothing(data, index):
    train_set, _, catalogue = data
    known = catalogue.train_items
    renamed = torch.arange(ITEMS + 1)
    renamed[known] = known[torch.randperm(len(known), generator=torch.Generator().manual_seed(3))]
    histories = Ragged(renamed[train_set.histories.values], train_set.histories.offsets)
    before, _ = ready(train_set, index=index)
    after, _ = ready(Train(train_set.users, histories), index=index)
    assert torch.equal(after.codes[renamed], before.codes)
    assert not torch.equal(after.codes, before.codes)


def test_collaborative_indices_find_planted_groups():
    """Users of five groups; each shops in its own sixteen items and now and then elsewhere."""
    draw = np.random.default_rng(0)
    rows = [draw.choice(np.arange(16) + 16 * (u % 5) + 1, 8, replace=False).tolist() for u in range(300)]
    rows = [r + [int(draw.integers(1, 81))] if draw.random() < 0.2 else r for r in rows]
    found = item_index(ragged(rows), 82, "collaborative", 20, 5, 0)
    groups = found[1:81, 0].view(5, 16)
    assert (groups == groups[:, :1]).all() and len(groups[:, 0].unique()) == 5
    assert (found[81:, 0] != found[1:81, :1]).all(), "items that training does not know stand apart"


def test_cooccurrence_counts_users():
    users, rows = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 1, 2])
    assert cooccurrence(users, rows, 4).toarray()[:3, :3].tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("name", ["empty", "complete", "star", "one_pair", "random", "many_parts"])
def test_clusters_of_any_graph_give_indices_that_fit(name):
    n, codes, ways = 150, 9, 4
    dense = np.zeros((n, n))
    if name == "complete":
        dense[:] = 1
    elif name == "star":
        dense[0] = 1
    elif name == "one_pair":
        dense[3, 7] = 1
    elif name == "random":
        dense = (np.random.default_rng(0).random((n, n)) < 0.02).astype(float)
    elif name == "many_parts":
        dense = np.kron(np.eye(n // 3), np.ones((3, 3)))
    graph = sp.csr_array(np.triu(dense, 1) + np.triu(dense, 1).T)
    levels = levels_for(n, codes, ways)
    found = cluster(graph, codes, ways, levels)
    assert found.shape == (n, levels) and len(found.unique(dim=0)) == n
    assert found.min() >= 0 and found.max() < codes
    assert torch.equal(found, cluster(graph, codes, ways, levels))


def test_rows_without_edges_are_a_cluster_of_their_own():
    graph = sp.csr_array(sp.block_diag([np.ones((6, 6)) - np.eye(6), np.ones((5, 5)) - np.eye(5), np.zeros((3, 3))]))
    labels = spectral_clusters(graph, 2)
    assert len(set(labels[:6])) == 1 and len(set(labels[6:11])) == 1 and labels[0] != labels[6]
    assert (labels[11:] == 2).all()


def along(model, states, item, known):
    """Return the log-likelihood of an item by states (levels, d): every code among those that known items go on with."""
    code, ids, total = model.codes[item].tolist(), model.codes[known].tolist(), 0.0
    for level, state in enumerate(states):
        offered = sorted({other[level] for other in ids if other[:level] == code[:level]})
        weight = model.tokens.weight[1 + level * CODES : 1 + (level + 1) * CODES][offered]
        total += (weight @ state).log_softmax(0)[offered.index(code[level])].item()
    return total


def brute_force(model, history, item, known):
    """Return an item's log-likelihood after a history, decoded for it alone."""
    codes = model.codes[item].expand(1, len(history), -1)
    return along(model, model.decode(codes, torch.tensor([history]), torch.tensor([len(history)]))[0, -1], item, known)


@pytest.mark.parametrize("index", INDICES)
def test_likelihoods_are_exact_and_spread_over_items_that_training_knows(data, index):
    model, representation = ready(data[0], index=index)
    known = data[2].train_items
    torch.nn.init.normal_(model.tokens.weight[1:])
    histories = [[3, 9, 12], [7], [1, COLD[0], 2, 3, 4, 5]]
    with torch.no_grad():
        queries = model.queries(ragged(histories), torch.tensor([1, 2, 3]), representation)
        for row, history in zip(model.scores(queries, representation), histories):
            expected = [brute_force(model, history, i, known) for i in known.tolist()]
            assert np.allclose(row[known], expected, atol=1e-4)
            assert row[known].exp().sum().item() == pytest.approx(1, abs=1e-4)
            assert (row[[0, *COLD]] < min(expected)).all() and len(row[[0, *COLD]].unique()) == 1


def test_the_loss_is_the_likelihood_that_ranking_uses(data):
    model, representation = ready(data[0], index="collaborative")
    known = data[2].train_items
    rows = [[3, 9, 12, 4], [7, 8, 20, 21, 22]]
    batch = torch.tensor([1, 2]), ragged(rows).padded(torch.arange(2), 9)
    expected = []
    for row in rows:
        codes, lengths = model.codes[torch.tensor([row[1:]])], torch.tensor([len(row) - 1])
        states = model.decode(codes, torch.tensor([row[:-1]]), lengths)[0]
        expected += [along(model, state, item, known) for state, item in zip(states, row[1:])]
    assert model.loss(batch, representation, None).item() == pytest.approx(-np.mean(expected), abs=1e-4)


@pytest.mark.parametrize("index", INDICES)
def test_a_beam_agrees_with_the_exact_walk_in_the_top(data, index):
    train_set, events, catalogue = data
    cell = spec(epochs=20, learning_rate=0.02, index=index)
    state, _, _ = train(cell, train_set, events, catalogue, False)
    ranks, scores = {}, {}
    for beam in (0, 4, 1000):
        cell["backbone"]["beam"] = beam
        model, representation, _ = restore(cell, catalogue, train_set, state)
        ranks[beam] = rank(model, representation, events, False)[0]
        queries = model.queries(events.histories, events.users, representation)
        scores[beam] = model.scores(queries, representation).detach()
    assert torch.equal(ranks[1000], ranks[0]) and torch.allclose(scores[1000], scores[0], atol=1e-5)
    top = ranks[0] <= 5
    assert top.sum() > USERS / 4 and (ranks[4][top] == ranks[0][top]).double().mean() > 0.9
    reached = scores[4] > scores[4].min(1, keepdim=True).values
    assert torch.allclose(scores[4][reached], scores[0][reached], atol=1e-5)
    assert (~reached).sum(1).float().mean() > 5, "a beam of four does not reach all"


def test_a_state_depends_on_no_later_item_no_padding_and_no_code_to_come(data):
    model, _ = ready(data[0], blocks=2)
    history, targets, lengths = torch.randint(1, 39, (1, 7)), torch.randint(1, 39, (1, 7)), torch.tensor([7])
    states = model.decode(model.codes[targets], history, lengths)
    for t in range(7):
        other = history.clone()
        other[0, t] = history[0, t] % 38 + 1
        changed = model.decode(model.codes[targets], other, lengths)
        assert torch.allclose(changed[:, :t], states[:, :t], atol=1e-6)
        assert not torch.allclose(changed[:, t], states[:, t], atol=1e-4)
    for level in range(model.levels):
        codes = model.codes[targets]
        codes[..., level] = (codes[..., level] + 1) % CODES
        changed = model.decode(codes, history, lengths)
        assert torch.allclose(changed[..., : level + 1, :], states[..., : level + 1, :], atol=1e-6)
    padded, more = (torch.nn.functional.pad(x, (0, 1)) for x in (history, targets))
    assert torch.allclose(model.decode(model.codes[more], padded, lengths)[:, :7], states, atol=1e-6)


def test_without_a_history_the_history_cannot_matter(data):
    model, representation = ready(data[0])
    users, target = torch.tensor([5, 5, 5]), ragged([[7]] * 3)
    for last in ([], [3, 9]):
        events = Events("cold_0", torch.arange(3), users, ragged([[], [], last]), target, None)
        ranks = rank(model, representation, events, remove_seen=False)[0].tolist()
        assert ranks[0] == ranks[1] and 1 <= ranks[0] <= ITEMS


def test_gradient_reaches_every_parameter_of_the_backbone(data):
    model, representation = ready(data[0])
    batch = next(iter(model.batches(data[0], torch.Generator().manual_seed(0))))
    model.loss(batch, representation, None).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("index", INDICES)
def test_p5_learns_64_users_by_heart(data, index):
    train_set, events, catalogue = data
    rows = rows_of(train_set.histories)
    histories, targets = ragged([r[:-1] for r in rows]), ragged([r[-1:] for r in rows])
    seen = Events("full", events.event, events.users, histories, targets, None)
    keys = {"epochs": 60, "patience": 60, "dropout": 0.0, "dimension": 32, "learning_rate": 0.005}
    cell = spec(index=index, selection="Recall@1", **keys)
    state, curve, _ = train(cell, train_set, seen, catalogue, remove_seen=False)
    model, representation, _ = restore(cell, catalogue, train_set, state)
    hits = (rank(model, representation, seen, remove_seen=False)[0] == 1).double().mean()
    assert hits > 0.95 and hits == max(c["value"] for c in curve)


@pytest.mark.parametrize("index", INDICES)
def test_same_seed_same_bytes_and_another_seed_shuffles_random_indices_alone(data, index, tmp_path):
    train_set, events, catalogue = data
    for name in ("one", "two"):
        write_tensors(train(spec(epochs=2, index=index), train_set, events, catalogue, False)[0], tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    one, other = (ready(train_set, seed=seed, index=index)[0].codes for seed in (0, 1))
    assert torch.equal(one, other) == (index != "random")


def test_a_killed_run_resumes_to_the_same_bytes(data, killed, tmp_path, monkeypatch):
    train_set, events, catalogue = data
    cell = spec(epochs=5, index="collaborative")
    whole, *_ = train(cell, train_set, events, catalogue, False)
    checkpoint = killed(cell, train_set, events, catalogue)

    def never(*given):
        raise AssertionError("indices come from the checkpoint")

    monkeypatch.setattr("ptebench.recommenders.backbones.p5.item_index", never)
    resumed, *_ = train(cell, train_set, events, catalogue, False, checkpoint, "same")
    for name, state in (("whole", whole), ("resumed", resumed)):
        write_tensors(state, tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()


def test_settings_and_pairs_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="a multiple of heads"):
        resolve({"backbones": {"p5": {"dimension": 30, "heads": 4}}}, "config.yaml")
    with pytest.raises(InputError, match="more than twice as many codes as clusters"):
        resolve({"backbones": {"p5": {"index": "collaborative", "codes": 40}}}, "config.yaml")
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}}, "protocols": {"leave_one_out": {}},
        "encoders": {"minilm": {}}, "backbones": {"p5": {}}, "representations": {"pte": {"text": "card"}, "id": {}},
    }  # fmt: skip
    for name in ("id", "pte"):
        rows = [{"backbones": ["p5"], "representations": [name]}]
        table = {"title": "T", "datasets": ["d"], "protocols": ["leave_one_out"], "rows": rows}
        if name == "id":
            resolve({**grid, "tables": {"t": table}}, "config.yaml")
            continue
        with pytest.raises(InputError, match="p5 spells items by indices of its own .* kind 'id'"):
            resolve({**grid, "tables": {"t": table}}, "config.yaml")
