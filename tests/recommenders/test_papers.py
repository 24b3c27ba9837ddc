"""What the papers say where an earlier version said otherwise, by known answers (docs/methods/deviations.md)."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cosine_similarity

from ptebench.config.base import kinds
from ptebench.config.benchmark import Backbone, Representation
from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.graph import product
from ptebench.recommenders.model import build
from tests.recommenders import test_backbones as shared

data, spec = shared.data, shared.spec
USERS, ITEMS = shared.USERS, shared.ITEMS


def generator():
    return torch.Generator().manual_seed(0)


def observed(data, name, kind="id", catalogue=None, **keys):
    """Return a cell's models that have seen the training data, and a batch of 6 pairs."""
    train_set = data[0]
    models = build(spec(name, kind, **keys), catalogue or data[2])
    for part in models:
        if hasattr(part, "observe"):
            part.observe(train_set)
    users, items = next(iter(models[0].batches(train_set, generator())))
    return *models, (users[:6], items[:6])


def with_users(catalogue):
    users = torch.randn(USERS + 1, 24, generator=generator()) * (torch.arange(USERS + 1) > 0)[:, None]
    return replace(catalogue, text={**catalogue.text, "user": users})


@pytest.mark.parametrize("name, whole", [("sgl", True), ("simgcl", False)])
def test_a_node_is_told_from_all_of_the_graph_by_sgl_and_from_the_batch_by_simgcl(data, name, whole):
    model, representation, batch = observed(data, name, weight=0.5, temperature=0.2)
    layer = torch.randn(USERS + ITEMS + 2, 16)
    one, other = ((torch.randn(USERS + 1, 16), torch.randn(ITEMS + 1, 16)) for _ in range(2))
    views = iter([one, other])
    model.view = lambda *_: next(views)
    expected = 0.0
    for side, (ids, every) in enumerate(zip(batch, (range(1, USERS + 1), data[2].train_items.tolist()), strict=True)):
        mine, losses = sorted(set(ids.tolist())), []
        for node in mine:
            alike = {n: (cosine_similarity(one[side][node], other[side][n], dim=0) / 0.2).exp()
                     for n in (every if whole else mine)}  # fmt: skip
            losses.append(-(alike[node] / sum(alike.values())).log())
        expected += torch.stack(losses).mean()
    # logits in bfloat16, where the machine multiplies in it
    assert model.views_loss(layer, batch, generator()).item() == pytest.approx(0.5 * expected.item(), rel=5e-3)


def test_simgcl_leaves_layer_0_out_of_what_ranks_and_of_its_views(data):
    counts = data[2].item_counts * (torch.arange(ITEMS + 1) != 7)
    model, representation, _ = observed(data, "simgcl", layers=2, noise=0.0)
    layer = model.first_layer(representation)
    once = product(model.graph, layer)
    users, items = ((once + product(model.graph, once)) / 2).split([USERS + 1, ITEMS + 1])
    for found in (model.propagate(layer), model.view(layer, generator())):
        torch.testing.assert_close(found[0][1:], users[1:])
        torch.testing.assert_close(found[1][1:], items[1:])
    cold, vectors = build(spec("simgcl"), replace(data[2], item_counts=counts))
    cold.graph = model.graph
    assert torch.equal(cold.alone.nonzero()[:, 0], torch.tensor([0, USERS + 1, USERS + 8])), "7 keeps its first layer"


@pytest.mark.parametrize("backbone", ["lightgcn", "lightgcn_infonce"])
def test_rlmrec_con_ties_texts_to_what_the_graph_makes_of_vectors(data, backbone):
    model, representation, batch = observed(data, backbone, "rlmrec_con", with_users(data[2]))
    seen = []
    representation.auxiliary_loss = lambda *pairs: seen.append(pairs) or 0.0
    model.loss(batch, representation, generator())
    ((hidden, targets, users, vectors),) = seen
    of_users, of_items = model.propagate(model.first_layer(representation))
    assert torch.equal(users, batch[0]) and torch.equal(targets, batch[1])
    torch.testing.assert_close(hidden, of_users[users])
    torch.testing.assert_close(vectors, of_items[targets])
    items = targets.unique()
    torch.testing.assert_close(representation.vectors_of_items(items, targets, vectors), of_items[items])
    assert torch.equal(representation.vectors_of_items(items, targets, None), representation.items(items))


@pytest.mark.parametrize("backbone", ["lightgcn", "lightgcn_infonce"])
def test_rlmrec_gen_tells_the_text_of_a_hidden_node_by_its_neighbours(data, backbone):
    known = with_users(data[2])
    model, representation, batch = observed(data, backbone, "rlmrec_gen", known, layers=1)
    representation.settings = {**representation.settings, "mask": 0.3, "others": 1000}
    layer = model.first_layer(representation)
    hidden = representation.mask(layer)
    gone = representation.gaps.nonzero()[:, 0]
    share = len(gone) / (USERS + ITEMS)
    assert (
        0.15 < share < 0.45
        and not hidden[gone].any()
        and torch.equal(hidden[~representation.gaps], layer[~representation.gaps])
    )
    nodes = model.propagate(hidden)
    (found,) = torch.autograd.grad(representation.graph_loss(nodes, *[None] * 4), representation.items.weight)
    hidden_items = gone[gone > USERS] - USERS - 1
    assert not found[hidden_items].any() and found.any(), "no vector tells its own text"
    model.loss(batch, representation, generator()).backward()
    assert all(p.grad.any() for p in representation.item_head.parameters())
    torch.manual_seed(0)
    assert torch.equal(representation.eval().item_vectors(), representation.items.weight), "ranking hides nothing"


def test_rlmrec_gen_hides_coordinates_where_items_are_not_propagated(data):
    model, representation, batch = observed(data, "lightgcn", "rlmrec_gen", propagate_items=False)
    layer = model.first_layer(representation)
    assert model.mask_layer(layer, representation) is layer
    model.loss(batch, representation, generator()).backward()
    assert all(p.grad.any() for p in representation.item_head.parameters())


def test_hstu_norms_what_it_returns(data):
    model, representation = build(spec("hstu", **shared.SEQUENTIAL), data[2])
    history = torch.tensor([[3, 9, 5]])
    states = model.eval().encode(history, 30 * representation.item_vectors()[history])
    torch.testing.assert_close(states.mean(-1), torch.zeros(1, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(states.var(-1, correction=0), torch.ones(1, 3), atol=1e-2, rtol=0)


def test_ncf_has_vectors_of_its_own_for_the_product_and_for_the_perceptron(data):
    model, representation, batch = observed(data, "ncf", layers=2)
    widths = [tuple(layer.weight.shape) for layer in model.tower if hasattr(layer, "weight")]
    assert widths == [(4, 8), (1, 4)] and model.of_user.weight.shape == (8, 8)

    def halves():
        for table in (model.users, representation.items):
            table.weight.grad = None
        model.loss(batch, representation, generator()).backward()
        return [half.any().item() for t in (model.users, representation.items) for half in t.weight.grad.chunk(2, 1)]

    assert halves() == [True] * 4
    with torch.no_grad():
        model.product.zero_()
    assert halves() == [False, True] * 2
    with torch.no_grad():
        model.product.fill_(1.0)
        model.tower[-1].weight.zero_()
    assert halves() == [True, False] * 2


def test_every_system_has_one_row_among_the_deviations():
    page = (Path(__file__).parents[2] / "docs/methods/deviations.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .+ \|$", page, re.MULTILINE)
    systems = {*kinds(Backbone), *kinds(Representation)}
    assert sorted(rows) == sorted(systems), f"docs/methods/deviations.md wants one row of {systems ^ {*rows}}"


def test_a_perceptron_that_cannot_be_halved_is_refused():
    with pytest.raises(InputError, match="dimension: 20 is no multiple of 2 \\^ layers, 8"):
        resolve({"backbones": {"ncf": {"dimension": 20}}}, "test")
