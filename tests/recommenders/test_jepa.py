"""The latent objective: what is hidden is not seen, the slow encoder learns nothing by gradient, nothing collapses."""

import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.model import build
from ptebench.recommenders.representations.jepa import COLLAPSED, collapse, target_blocks
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared

data, settings, SEQUENTIAL = shared.data, shared.settings, shared.SEQUENTIAL


def spec(backbone="sasrec", representation_settings=None, **keys):
    cell = shared.spec(backbone, **{**SEQUENTIAL, **keys})
    return {**cell, "representation": settings("representations", "jepa", **(representation_settings or {}))}


def made(data, **keys):
    train_set, _, catalogue = data
    backbone, representation = build(spec(**keys), catalogue)
    representation.observe(train_set)
    return backbone, representation, next(iter(backbone.batches(train_set, torch.Generator().manual_seed(0))))


def test_blocks_hide_the_last_item_and_leave_the_first():
    torch.manual_seed(0)
    lengths = torch.randint(2, 51, (4000,))
    hidden = target_blocks(lengths, 50, 4)
    rows = torch.arange(len(lengths))
    assert hidden[rows, lengths - 1].all() and not hidden[:, 0].any()
    assert not (hidden & (torch.arange(50) >= lengths[:, None])).any()
    assert target_blocks(lengths, 50, 1).sum(1).eq(1).all(), "one block: the next item alone"
    long = lengths >= 20
    share = hidden[long].sum(1) / lengths[long]
    assert share.max() <= 0.6 + 1 / 20 and 0.15 < share.mean() < 0.35
    # every position but the first is hidden for some
    assert target_blocks(torch.full((4000,), 12), 12, 4).any(0).tolist() == [False] + [True] * 11


def test_a_prediction_knows_nothing_of_what_it_predicts_nor_of_padding(data):
    _, representation, _ = made(data)
    hidden = torch.tensor([[False, False, True, True, False, True]])
    seen = ~hidden
    x = torch.randn(1, 6, 16)
    other = torch.where(hidden[..., None], torch.randn(1, 6, 16), x)
    told, again = (representation.predictor(representation.context(v, seen), seen, hidden)[hidden] for v in (x, other))
    assert torch.allclose(told, again, atol=1e-6)
    other = torch.where(torch.tensor([1, 0, 0, 0, 0, 0], dtype=torch.bool)[:, None], torch.randn(1, 6, 16), x)
    changed = representation.predictor(representation.context(other, seen), seen, hidden)[hidden]
    assert not torch.allclose(told, changed, atol=1e-3), "what is not hidden matters"
    padded, more, less = (
        torch.nn.functional.pad(t, (0, 0, 0, 2) if t.dim() == 3 else (0, 2)) for t in (x, hidden, seen)
    )
    longer = representation.predictor(representation.context(padded, less), less, more)[more]
    assert torch.allclose(told, longer, atol=1e-5)


def test_gradient_reaches_all_but_the_target_encoder(data):
    backbone, representation, batch = made(data)
    loss = representation.history_loss(batch[0], None)
    loss.backward()
    for name, parameter in representation.named_parameters():
        if name.startswith("target."):
            assert not parameter.requires_grad and parameter.grad is None
        elif not name.endswith("positions"):
            assert parameter.grad.abs().sum() > 0, name
    assert representation.context.positions.grad.any() and representation.predictor.encoder.positions.grad.any()
    assert representation.items.weight.grad.any() and not representation.items.weight.grad[0].any()


def test_the_target_encoder_follows_the_context_encoder(data):
    _, representation, batch = made(data, representation_settings={"momentum": 0.9})
    before = [p.clone() for p in representation.target.parameters()]
    with torch.no_grad():
        for p in representation.context.parameters():
            p.add_(1.0)
    representation.history_loss(batch[0], None)
    for slow, was in zip(representation.target.parameters(), before, strict=True):
        assert torch.allclose(slow, was + 0.1, atol=1e-6)


def test_only_the_training_histories_of_the_users_asked_for_matter(data):
    _, representation, batch = made(data)
    representation.history_loss(batch[0][:1], None).backward()
    row = int(batch[0][0]) - 1
    history = data[0].histories.padded(torch.tensor([row]), 50)[0]
    touched = representation.items.weight.grad.abs().sum(1).nonzero()[:, 0]
    assert set(touched.tolist()) <= set(history.tolist())


def test_collapsed_coordinates_are_pushed_apart_and_others_left_alone():
    states = torch.randn(50, 6)
    assert collapse(states) == 0
    states[:, 2] = 0.01 * states[:, 2]
    states.requires_grad_()
    value = collapse(states)
    assert 0.9 / 6 < value.item() < 1 / 6
    value.backward()
    assert states.grad[:, 2].all() and not states.grad[:, [0, 1, 3, 4, 5]].any()
    assert torch.isfinite(collapse(torch.zeros(1, 6, requires_grad=True))), "one state alone"


def effective_rank(x):
    """Return the exponential of the entropy of the shares of variance along the principal axes of x (n, d)."""
    share = torch.linalg.svdvals(x - x.mean(0)).square()
    share = share / share.sum()
    return torch.exp(torch.special.entr(share).sum()).item()


@pytest.mark.parametrize("backbone", ["sasrec", "gru4rec", "hstu", "dreamrec"])
def test_it_learns_and_does_not_collapse(data, backbone):
    train_set, events, catalogue = data
    # judged at the end alone: what collapses does so late, and the first perfect epoch would be kept
    cell = spec(backbone, epochs=60, validate_every=60)
    state, curve, _ = train(cell, train_set, events, catalogue, remove_seen=False)
    assert curve[-1]["value"] > 0.9
    _, representation = build(cell, catalogue)
    representation.load_state_dict({k[15:]: v for k, v in state.items() if k.startswith("representation.")})
    histories = train_set.histories.padded(torch.arange(64), 50)
    states = representation.context(representation.item_vectors()[histories] * 4, histories > 0)[histories > 0]
    assert (states.std(0) > COLLAPSED).all()
    assert effective_rank(states) > 2, "a ring lies in a plane, and on no line"
    assert effective_rank(representation.item_vectors()[1:]) > 5, "of 16 dimensions"


def test_the_latent_objective_falls_by_itself(data):
    """Without the recommender: what is hidden on the ring can be told from its neighbours."""
    _, representation, _ = made(data)
    users = torch.arange(1, 65)
    optimizer = torch.optim.Adam([p for p in representation.parameters() if p.requires_grad], lr=0.003)
    torch.manual_seed(0)
    losses = []
    for _ in range(150):
        loss = representation.history_loss(users, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


def test_a_stopped_run_resumes_to_the_same_bytes(data, tmp_path, monkeypatch):
    train_set, events, catalogue = data
    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    whole, curve, _ = train(spec(epochs=4), train_set, events, catalogue, False)
    checkpoint = tmp_path / "checkpoint.safetensors"
    train(spec(epochs=2), train_set, events, catalogue, False, checkpoint, "same")
    resumed, again, _ = train(spec(epochs=4), train_set, events, catalogue, False, checkpoint, "same")
    assert [c["value"] for c in curve] == [c["value"] for c in again]
    assert whole.keys() == resumed.keys() and all(torch.equal(whole[k], resumed[k]) for k in whole)
    assert any(k.startswith("representation.target.") for k in whole)


def test_a_width_that_heads_do_not_divide_is_refused(data):
    with pytest.raises(InputError, match="dimension: 18 is no multiple of 4"):
        build(spec(), data[2].__class__(64, 40, 18, data[2].item_counts, data[2].user_counts))


@pytest.mark.parametrize(
    "backbone, fits",
    [
        ("sasrec", True),
        ("hstu", True),
        ("popularity", True),
        ("bert4rec", False),
        ("dreamrec", True),
        ("biasmf", False),
    ],
)
def test_it_needs_a_backbone_that_reads_histories_in_order(backbone, fits):
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}},
        "protocols": {"leave_one_out": {}}, "backbones": {backbone: {}}, "representations": {"jepa": {}},
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": ["leave_one_out"],
            "rows": [{"backbones": [backbone], "representations": ["jepa"]}],
        }},
    }  # fmt: skip
    if fits:
        resolve(grid, "config.yaml")
    else:
        with pytest.raises(InputError, match=f"jepa learns beside .* which {backbone} does not have; use a backbone"):
            resolve(grid, "config.yaml")
