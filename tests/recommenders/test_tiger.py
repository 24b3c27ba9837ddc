"""TIGER: ids are unique and fitted on training items; likelihoods are exact and spread over items alone."""

import numpy as np
import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import InputError, write_tensors
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.semantic_ids import (
    fit_codes,
    kmeans,
    quantise,
    residual_kmeans,
    rqvae,
    separate,
    tree,
)
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.training import train

CODES, USERS, ITEMS, COLD, SILENT = 10, 64, 40, 39, 40  # of 40 items one has no training event and one no text


def ragged(rows):
    offsets = np.cumsum([0] + [len(r) for r in rows])
    return Ragged(torch.tensor([i for r in rows for i in r]), torch.tensor(offsets))


def catalogue_of(train_set, text):
    owners, values = train_set.pairs
    counts = torch.bincount(values, minlength=ITEMS + 1), torch.bincount(owners, minlength=USERS + 1)
    return Catalogue(USERS, ITEMS, 16, *counts, {"item": text})


@pytest.fixture
def data():
    """Users who walk along a ring of 38 items: the next item is known from the last one."""
    start = np.random.default_rng(0).integers(0, 38, USERS)
    rows = [[int((s + k) % 38) + 1 for k in range(6 + u % 5)] for u, s in enumerate(start)]
    users = torch.arange(1, USERS + 1)
    train_set = Train(users, ragged([r[:-1] for r in rows]))
    events = Events("full", users - 1, users, ragged([r[:-1] for r in rows]), ragged([r[-1:] for r in rows]), None)
    text = torch.randn(ITEMS + 1, 24, generator=torch.Generator().manual_seed(0))
    text[0] = text[SILENT] = 0
    text[5], text[6] = text[4], text[4]  # three items of one text
    return train_set, events, catalogue_of(train_set, text)


def spec(seed=0, **keys):
    keys = {
        "dimension": 16, "heads": 2, "blocks": 1, "levels": 2, "codes": CODES, "max_length": 8, "dropout": 0.1,
        "batch_size": 16, "learning_rate": 0.01, "epochs": 4, "device": "cpu", "quantizer_steps": 200, **keys,
    }  # fmt: skip
    raw = {"encoders": {"minilm": {}}, "backbones": {"tiger": keys}, "representations": {"frozen": {}}}
    config = resolve(raw, "test")
    return {
        "backbone": config["backbones"]["tiger"],
        "representation": config["representations"]["frozen"],
        "seed": seed,
    }


def ready(catalogue, **keys):
    model, representation = build(spec(**keys), catalogue)
    model.prepare(representation)
    return model.eval(), representation.eval()


@pytest.mark.parametrize("quantizer", ["kmeans", "rqvae"])
def test_every_item_with_text_has_an_id_of_its_own(data, quantizer):
    model, representation = ready(data[2], quantizer=quantizer)
    ids = model.codes[representation.rankable]
    assert len(ids) == ITEMS - 1 and len(ids.unique(dim=0)) == len(ids)
    assert ids.min() == 0 and ids.max() < CODES
    assert (model.codes[[0, SILENT]] == -1).all(), "padding and an item without text have none"
    assert torch.equal(ids[3:6, :2], ids[3, :2].expand(3, 2)) and ids[3:6, 2].diff().tolist() == [1, 1]


@pytest.mark.parametrize("quantizer", ["kmeans", "rqvae"])
def test_ids_of_training_items_depend_on_no_other_item(data, quantizer):
    train_set, _, catalogue = data
    text = catalogue.text["item"].clone()
    text[COLD] = text[1]  # it takes the codes of an item that training knows
    (one, _), (two, _) = (ready(c, quantizer=quantizer) for c in (catalogue, catalogue_of(train_set, text)))
    known = catalogue.train_items
    assert COLD not in known and torch.equal(one.codes[known], two.codes[known])
    assert torch.equal(two.codes[COLD, :2], two.codes[1, :2]) and two.codes[COLD, 2] > two.codes[1, 2]
    text[2] = -text[2]
    moved, _ = ready(catalogue_of(train_set, text), quantizer=quantizer)
    assert not torch.equal(moved.codes[known], one.codes[known]), "a training item's text counts"


def test_ids_are_a_matter_of_the_seed_and_leave_the_generator_alone(data):
    torch.manual_seed(5)
    expected = torch.rand(3)
    model, representation = build(spec(), data[2])
    torch.manual_seed(5)
    model.prepare(representation)
    assert torch.equal(torch.rand(3), expected)
    again, other = (ready(data[2], seed=seed)[0] for seed in (0, 1))
    assert torch.equal(model.codes, again.codes) and not torch.equal(model.codes, other.codes)


def test_kmeans_finds_planted_clusters_and_every_level_explains_more():
    torch.manual_seed(0)
    centres = torch.randn(8, 6) * 10
    x = (centres[:, None] + torch.randn(8, 50, 6)).flatten(0, 1)
    found = kmeans(x, 8)
    mean = x.view(8, 50, 6).mean(1)
    assert torch.cdist(mean, found).min(1).values.max() < 1e-4
    books = residual_kmeans(x, 3, 8)
    codes, left = quantise(x, books), x
    errors = []
    for level, book in enumerate(books):
        assert torch.equal(codes[:, level], torch.cdist(left, book).argmin(1))
        left = left - book[codes[:, level]]
        errors.append(left.square().sum().item())
    assert errors[0] > errors[1] > errors[2]


def test_rqvae_uses_its_codes_and_keeps_what_tells_rows_apart():
    torch.manual_seed(0)
    x = (torch.randn(32, 1, 20) + 0.1 * torch.randn(32, 20, 20)).flatten(0, 1)
    encoder, books = rqvae(x, 2, 8, 1500)  # after 400 some clusters still fall apart
    codes = quantise(encoder(x).detach(), books)
    assert min(len(level.unique()) for level in codes.T) >= 7
    planted = torch.arange(32).repeat_interleave(20)
    ids = codes[:, 0] * 8 + codes[:, 1]
    agreed = sum(ids[planted == c].mode().values.eq(ids[planted == c]).sum() for c in range(32))
    assert agreed / len(x) > 0.95, "rows of one cluster have one id"
    assert len({int(ids[planted == c].mode().values) for c in range(32)}) > 28, "clusters have ids that differ"


def test_more_items_than_codes_can_tell_apart_are_refused():
    with pytest.raises(InputError, match="codes: 5 items have one semantic id and the last code tells 4 apart"):
        separate(torch.zeros(5, 2, dtype=torch.long), torch.ones(5, dtype=torch.bool), 4)
    with pytest.raises(InputError, match="nothing that training knows has text"):
        fit_codes(torch.randn(5, 2), torch.zeros(5, dtype=torch.bool), "kmeans", 2, 4, 1)


def test_the_tree_leads_to_every_item_and_to_nothing_else(data):
    model, representation = ready(data[2])
    known = torch.zeros(ITEMS + 1, dtype=torch.bool)
    known[data[2].train_items] = True
    found = tree(model.codes, known, CODES)
    met = []
    for level in range(3):
        item = found.item[level]
        assert not item[-1].any() and (found.child[level][-1] == -1).all()
        assert not ((item > 0) & (found.child[level] >= 0)).any()
        assert sorted(c for c in found.child[level].flatten().tolist() if c >= 0) == (
            list(range(len(found.child[level + 1]) - 1)) if level < 2 else []
        )
        met += item[item > 0].tolist()
        for node, code in item.nonzero().tolist():
            i = int(item[node, code])
            assert found.row[i, level] == node and model.codes[i, level] == code
            assert (found.row[i, level + 1 :] == -1).all() and found.in_training[level][node, code] == known[i]
    assert sorted(met) == representation.rankable.nonzero()[:, 0].tolist()


def along(model, states, item):
    """Return the sum of log-probabilities of an item's codes by states (levels, d), each among all that ids go on with."""
    ids = {tuple(row) for row in model.codes[(model.codes[:, 0] >= 0)].tolist()}
    code, total = model.codes[item].tolist(), 0.0
    for level in range(3):
        offered = sorted({other[level] for other in ids if other[:level] == tuple(code[:level])})
        weight = model.tokens.weight[1 + level * CODES : 1 + (level + 1) * CODES][offered]
        total += (weight @ states[level]).log_softmax(0)[offered.index(code[level])].item()
    return total


def brute_force(model, history, item):
    """Return an item's log-likelihood after a history, decoded for it alone."""
    codes = model.codes[item].expand(1, len(history), -1)
    return along(model, model.decode(codes, torch.tensor([history]), torch.tensor([len(history)]))[0, -1], item)


@pytest.mark.parametrize("blocks", [1, 2])
def test_scores_are_the_sums_of_log_probabilities_of_all_codes(data, blocks):
    """Alone, among others, in chunks, and of a history with padding."""
    model, representation = ready(data[2], blocks=blocks)
    torch.nn.init.normal_(model.tokens.weight[1:])
    histories = [[3, 9, 12], [7], [1, SILENT, 2, 3, 4, 5]]
    users = torch.tensor([1, 2, 3])
    with torch.no_grad():
        scores = model.scores(model.queries(ragged(histories), users, representation), representation)
        for row, history in zip(scores, histories):
            expected = [brute_force(model, history, i) for i in range(1, SILENT)]
            assert np.allclose(row[1:SILENT], expected, atol=1e-4)
            assert row[1:SILENT].exp().sum().item() == pytest.approx(1, abs=1e-4)
            assert row[SILENT] < min(expected) and row[0] == row[SILENT]


def test_a_beam_finds_what_an_exact_walk_finds_and_ties_the_rest_behind(data):
    train_set, events, catalogue = data
    cell = spec(epochs=10)
    state, _, _ = train(cell, train_set, events, catalogue, False)
    scores = {}
    for beam in (0, 1, 1000):
        cell["backbone"]["beam"] = beam
        model, representation, _ = restore(cell, catalogue, train_set, state)
        model.eval()
        queries = model.queries(events.histories, events.users, representation)
        scores[beam] = model.scores(queries, representation).detach()
    assert torch.allclose(scores[1000], scores[0], atol=1e-5)
    behind = scores[1].min(1, keepdim=True).values
    reached = scores[1] > behind
    assert torch.allclose(scores[1][reached], scores[0][reached], atol=1e-5)
    assert (reached.sum(1) >= 1).all() and (~reached).sum(1).min() > ITEMS / 2, "one node a level leads to few items"


def test_ranking_in_chunks_changes_nothing(data, monkeypatch):
    _, events, catalogue = data
    model, representation = ready(catalogue)
    whole = model.scores(model.queries(events.histories, events.users, representation), representation)
    monkeypatch.setattr("ptebench.recommenders.generative.CHUNK", 1)
    parts = model.scores(model.queries(events.histories, events.users, representation), representation)
    assert torch.allclose(whole, parts, atol=1e-5)


def test_the_loss_is_the_likelihood_among_items_that_training_knows(data):
    train_set, _, catalogue = data
    text = catalogue.text["item"].clone()
    text[COLD] = text[4]  # of which it is a rival, once it is known
    model, representation = ready(catalogue_of(train_set, text))
    model.in_training[COLD] = True  # then all ids are known: what is trained is what is ranked
    model.tree = tree(model.codes, model.in_training, CODES)
    rows = [[3, 9, 12, 4], [7, 8, SILENT, 20, 21]]
    batch = torch.tensor([1, 2]), ragged(rows).padded(torch.arange(2), 9)
    expected = []
    for row in rows:
        lengths = torch.tensor([len(row) - 1])
        states = model.decode(model.codes[torch.tensor([row[1:]])], torch.tensor([row[:-1]]), lengths)[0]
        expected += [along(model, state, item) for state, item in zip(states, row[1:]) if item != SILENT]
    assert model.loss(batch, representation, None).item() == pytest.approx(-np.mean(expected), abs=1e-4)
    model.in_training[COLD] = False
    model.tree = tree(model.codes, model.in_training, CODES)
    assert model.loss(batch, representation, None).item() < -np.mean(expected), "an unknown item is no negative"


def test_a_state_depends_on_no_later_item_no_padding_and_no_code_to_come(data):
    model, _ = ready(data[2], blocks=2)
    history, targets = torch.randint(1, COLD, (1, 7)), torch.randint(1, COLD, (1, 7))
    lengths = torch.tensor([7])
    states = model.decode(model.codes[targets], history, lengths)
    for t in range(7):
        other = history.clone()
        other[0, t] = history[0, t] % 38 + 1
        changed = model.decode(model.codes[targets], other, lengths)
        assert torch.allclose(changed[:, :t], states[:, :t], atol=1e-6)
        assert not torch.allclose(changed[:, t], states[:, t], atol=1e-4)
    for level in range(3):
        codes = model.codes[targets]
        codes[..., level] = (codes[..., level] + 1) % CODES
        changed = model.decode(codes, history, lengths)
        assert torch.allclose(changed[..., : level + 1, :], states[..., : level + 1, :], atol=1e-6)
        assert level == 2 or not torch.allclose(changed[..., level + 1, :], states[..., level + 1, :], atol=1e-4)
    padded, more = (torch.nn.functional.pad(x, (0, 1)) for x in (history, targets))
    assert torch.allclose(model.decode(model.codes[more], padded, lengths)[:, :7], states, atol=1e-6)


def test_without_a_history_the_history_cannot_matter(data):
    model, representation = ready(data[2])
    users, target = torch.tensor([5, 5, 5]), ragged([[7]] * 3)
    for last in ([], [3, 9]):
        events = Events("cold_0", torch.arange(3), users, ragged([[], [], last]), target, None)
        ranks = rank(model, representation, events, remove_seen=False)[0].tolist()
        assert ranks[0] == ranks[1] and 1 <= ranks[0] <= ITEMS


def test_an_item_without_text_ranks_behind_all_others(data):
    model, representation = ready(data[2], beam=1)
    asked = Events("full", torch.tensor([0]), torch.tensor([1]), ragged([[1, 2]]), ragged([[SILENT]]), None)
    assert rank(model, representation, asked, False)[0].tolist() == [ITEMS]


def test_gradient_reaches_every_parameter(data):
    train_set, _, catalogue = data
    model, representation = ready(catalogue)
    batch = next(iter(model.batches(train_set, torch.Generator().manual_seed(0))))
    model.loss(batch, representation, None).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())
    assert not list(representation.parameters())


@pytest.mark.parametrize("quantizer", ["kmeans", "rqvae"])
def test_tiger_learns_64_users_by_heart(data, quantizer):
    train_set, events, catalogue = data
    rows = [r.tolist() for r in train_set.histories.values.split(train_set.histories.lengths.tolist())]
    seen = Events(
        "full", events.event, events.users, ragged([r[:-1] for r in rows]), ragged([r[-1:] for r in rows]), None
    )
    keys = {"epochs": 60, "patience": 60, "dropout": 0.0, "dimension": 32, "learning_rate": 0.005}
    cell = spec(quantizer=quantizer, selection="Recall@1", **keys)
    state, curve, _ = train(cell, train_set, seen, catalogue, remove_seen=False)
    model, representation, _ = restore(cell, catalogue, train_set, state)
    hits = (rank(model, representation, seen, remove_seen=False)[0] == 1).double().mean()
    assert hits > 0.95 and hits == max(c["value"] for c in curve)
    assert (rank(model, representation, events, remove_seen=False)[0] == 1).double().mean() > 0.6, "steps it never saw"


def test_a_killed_run_resumes_to_the_same_bytes(data, killed, tmp_path, monkeypatch):
    train_set, events, catalogue = data
    cell = spec(epochs=6)
    whole, curve, _ = train(cell, train_set, events, catalogue, False)
    checkpoint = killed(cell, train_set, events, catalogue)

    def never(*given):
        raise AssertionError("ids come from the checkpoint")

    monkeypatch.setattr("ptebench.recommenders.backbones.tiger.fit_codes", never)
    resumed, curve_resumed, _ = train(cell, train_set, events, catalogue, False, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in curve_resumed]
    for name, state in (("whole", whole), ("resumed", resumed)):
        write_tensors(state, tmp_path / name)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "resumed").read_bytes()
    assert "backbone.codes" in whole and restore(cell, catalogue, train_set, whole)[0].codes.max() >= 0


def grid(backbone, representation):
    return {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}},
        "protocols": {"leave_one_out": {}}, "encoders": {"minilm": {}},
        "backbones": {backbone: {}}, "representations": {representation: {} if representation == "id" else {"text": "card"}},
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": [backbone], "representations": [representation]}],
        }},
    }  # fmt: skip


@pytest.mark.parametrize(
    "backbone, representation, said",
    [
        ("tiger", "frozen", None),
        ("textknn", "frozen", None),
        ("tiger", "id", "tiger makes semantic ids of text vectors as they are, and id is of the kind 'id'; use a"),
        ("tiger", "pte", "pte is of the kind 'pte'; use a representation of the kind 'frozen'"),
        ("sasrec", "frozen", "frozen has the encoder's width and learns nothing, which sasrec cannot compare"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(backbone, representation, said):
    if said is None:
        resolve(grid(backbone, representation), "config.yaml")
        return
    with pytest.raises(InputError, match=said):
        resolve(grid(backbone, representation), "config.yaml")


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="a multiple of heads"):
        resolve({"backbones": {"tiger": {"dimension": 30, "heads": 4}}}, "config.yaml")
    with pytest.raises(InputError, match="tuning.backbones.tiger: .*a multiple of heads"):
        axes = {"backbones": {"tiger": {"heads": [2, 3]}}}
        resolve({"backbones": {"tiger": {}}, "tuning": axes}, "config.yaml")
