"""On a GPU: the same bytes twice and after a kill, and what a processor makes of the same state."""

import pytest
import torch

from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared
from tests.recommenders import test_jepa as jepa
from tests.recommenders import test_p5 as p5
from tests.recommenders import test_reclm as reclm
from tests.recommenders import test_tiger as tiger

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="needs a GPU that torch sees; run it where one is"
)
data, of_tiger, of_p5 = shared.data, tiger.data, p5.data
RUN = {"epochs": 5, "device": "cuda"}
PAIRS = {"batch_size": 64, "learning_rate": 0.01}
ON_PAIRS = ("biasmf", "ncf", "lightgcn", "sgl", "simgcl", "lightgcn_infonce", "biasmf_reclm")


def cell(backbone, representation="id", **keys):
    return shared.spec(
        backbone, representation, **(PAIRS if backbone in ON_PAIRS else shared.SEQUENTIAL), **RUN, **keys
    )


CELLS = [("data", cell("sasrec", loss=loss)) for loss in ("cross_entropy", "bce", "gbce", "sampled_softmax")]
CELLS += [("data", cell(name)) for name in ("gru4rec", "hstu", "bert4rec", "dreamrec")]
CELLS += [("data", cell(name)) for name in ("biasmf", "ncf", "lightgcn", "sgl", "simgcl")]
CELLS += [("data", cell("biasmf", draw="users"))]
CELLS += [("data", cell(b, r)) for b in ("sasrec", "lightgcn") for r in shared.TEXTUAL]
CELLS += [("data", cell(b, r)) for b in ("dreamrec", "biasmf") for r in ("pte", "rlmrec_gen")]
CELLS += [("data", cell(b, "llmesr")) for b in ("sasrec", "dreamrec")]
CELLS += [("data", cell("lightgcn_infonce", "alpharec")), ("data", cell("biasmf_reclm", "reclm"))]
CELLS += [("data", jepa.spec(b, **RUN)) for b in ("sasrec", "dreamrec")]
CELLS += [("of_tiger", tiger.spec(**RUN)), ("of_p5", p5.spec(**RUN))]


def name(cell):
    return "-".join([cell["backbone"]["kind"], cell["representation"]["kind"], cell["backbone"].get("loss", "")])


@pytest.fixture
def made(request):
    """Return training data, events and catalogue of a test file, with vectors of profiles where it has texts of cards."""

    def made(fixture):
        train_set, events, catalogue = request.getfixturevalue(fixture)
        return train_set, events, reclm.profiles(catalogue) if fixture == "data" else catalogue

    return made


@pytest.mark.parametrize("fixture, cell", CELLS, ids=[name(c) for _, c in CELLS])
def test_a_run_ends_with_the_same_bytes_and_ranks_as_on_a_processor(made, killed, fixture, cell):
    train_set, events, catalogue = made(fixture)
    whole, curve, notes = train(cell, train_set, events, catalogue, False)
    assert notes["device"].startswith("cuda") and curve[-1]["loss"] < curve[0]["loss"]
    again = train(cell, train_set, events, catalogue, False)[0]
    assert {k for k in whole if not torch.equal(whole[k], again[k])} == set()
    checkpoint = killed(cell, train_set, events, catalogue)
    resumed, curve_resumed, _ = train(cell, train_set, events, catalogue, False, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in curve_resumed]
    assert {k for k in whole if not torch.equal(whole[k], resumed[k])} == set()
    ranks = []
    for device in ("cuda", "cpu"):
        there = {**cell, "backbone": {**cell["backbone"], "device": device}}
        backbone, representation, device = restore(there, catalogue, train_set, whole)
        ranks.append(rank(backbone, representation, events, False, device)[0])
    # two items of almost the same score may change places
    assert (ranks[0] - ranks[1]).abs().max() <= 1 and ranks[0].eq(ranks[1]).double().mean() > 0.9


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec", "hstu", "lightgcn"])
def test_a_loss_and_its_gradients_are_those_of_a_processor(data, backbone):
    train_set, _, catalogue = data
    keys = {"dropout": 0.0} if backbone != "lightgcn" else {}
    spec = cell(backbone)
    spec["backbone"] |= keys
    model, representation = build(spec, catalogue)
    both = torch.nn.ModuleList([model, representation])
    found, users = [], torch.arange(1, 33)
    for device in ("cpu", "cuda"):
        both.to(device)
        there = train_set.to(device)
        if backbone == "lightgcn":  # negatives are drawn differently: what they are drawn for is compared
            model.observe(there)
            vectors = torch.cat(model.propagate(model.first_layer(representation)))
            loss = vectors.square().mean() + vectors[:-1].mul(vectors[1:]).mean()
        else:
            batch = users.to(device), there.histories.padded(users.to(device) - 1, 9)
            loss = model.loss(batch, representation, None)
        both.zero_grad()
        loss.backward()
        grads = [p.grad.to("cpu", copy=True) for p in both.parameters() if p.grad is not None]
        found.append([loss.detach().cpu(), *grads])
    assert len(found[0]) == len(found[1]) > 1
    for ours, theirs in zip(*found):
        error = (ours - theirs).norm() / theirs.norm().clamp_min(1e-6)
        assert error < 0.02, error  # products in bfloat16
