"""What a cell reads decides something, what it learns is used, and controls are what they say."""

from dataclasses import replace

import pytest
import torch

from ptebench.config.base import kinds
from ptebench.config.benchmark import Representation
from ptebench.config.cells import BACKBONES, text_label, text_sides
from ptebench.config.read import resolve
from ptebench.files import InputError
from ptebench.recommenders.controls import control_texts
from ptebench.recommenders.model import build
from ptebench.recommenders.training import train
from tests.recommenders import test_backbones as shared

data = shared.data
USERS, ITEMS = shared.USERS, shared.ITEMS
SMALL = {
    "dimension": 16, "batch_size": 32, "epochs": 1, "device": "cpu", "max_length": 8, "heads": 2, "learning_rate": 0.01,
    "negatives": 8, "codes": 16, "levels": 2, "others": 8, "components": 16, "quantizer_steps": 20, "samples": 1,
}  # fmt: skip


def cell(backbone, representation, text="template", protocol="leave_one_out", control=None):
    """Return the settings of a cell that reads profiles; raises InputError where the configuration refuses the pair."""
    models = BACKBONES[backbone], kinds(Representation)[representation]
    keys = [{k: v for k, v in SMALL.items() if k in model.model_fields} for model in models]
    for model, part in zip(models, keys, strict=True):
        if "text" in model.model_fields:
            part |= {"text": "card" if model is kinds(Representation)["card"] else text}
            part |= {"control": control} if control else {}
    grid = {
        "datasets": {"d": {"source": "sequences", "sequences": "s.txt"}}, "protocols": {protocol: {}},
        "encoders": {"minilm": {}}, "backbones": {backbone: keys[0]}, "representations": {representation: keys[1]},
        "tables": {"t": {
            "title": "T", "datasets": ["d"], "protocols": [protocol],
            "rows": [{"backbones": [backbone], "representations": [representation]}],
        }},
    }  # fmt: skip
    config = resolve(grid, "config.yaml")
    return {
        "backbone": config["backbones"][backbone], "representation": config["representations"][representation],
        "seed": 0,
    }  # fmt: skip


def pairs():
    for backbone, model in BACKBONES.items():
        for representation in ["id"] if model.counter else kinds(Representation):
            try:
                yield backbone, representation, cell(backbone, representation)
            except InputError:
                pass


PAIRS = list(pairs())
READERS = [
    (backbone, representation, side)
    for backbone, representation, made in PAIRS
    for side in text_sides(made["backbone"], made["representation"], {})
]


def texts(sides):
    """Return vectors of profiles, cards and users, 24 wide, of those that `sides` names."""
    drawn = torch.Generator().manual_seed(1)
    whole = {
        n: torch.randn((USERS if n == "user" else ITEMS) + 1, 24, generator=drawn) for n in ("item", "card", "user")
    }
    return {name: whole[name].index_fill(0, torch.tensor([0]), 0.0) for name in sides}


def learned(made, world, text):
    """Return what a cell learns from `text` in an epoch, name -> tensor; of a counter, what it keeps."""
    train_set, events, catalogue = world
    catalogue = replace(catalogue, text=text)
    few = replace(
        events, event=events.event[:2], users=events.users[:2], histories=shared.ragged([[3], [5]]),
        targets=shared.ragged([[4], [6]]),
    )  # fmt: skip
    state, _, _ = train(made, train_set, few, catalogue, True)
    models = dict(zip(("backbone", "representation"), build(made, catalogue), strict=True))
    if models["representation"] is None:
        return state
    names = {f"{part}.{name}" for part, model in models.items() for name, _ in model.named_parameters()}
    return {name: value for name, value in state.items() if name in names}


def test_every_pair_of_a_backbone_and_a_representation_is_here_that_the_configuration_allows():
    assert len(PAIRS) > 80 and {b for b, *_ in PAIRS} == set(BACKBONES) - {"external"}, "which needs a file"
    assert {r for _, r, _ in PAIRS} == set(kinds(Representation))


@pytest.mark.parametrize("backbone, representation, side", READERS)
def test_what_a_cell_reads_changes_what_it_learns(data, backbone, representation, side):
    made = cell(backbone, representation)
    text = texts(text_sides(made["backbone"], made["representation"], {}))
    other = text | {side: control_texts(text, {"user" if side == "user" else "item": "shuffled"})[side]}
    state, changed = (learned(made, data, each) for each in (text, other))
    assert state.keys() == changed.keys() and any(not torch.equal(state[k], changed[k]) for k in state)


@pytest.mark.parametrize("backbone, representation", [(b, r) for b, r, _ in PAIRS if not BACKBONES[b].counter])
def test_no_parameter_is_dead(data, backbone, representation):
    train_set, _, catalogue = data
    made = cell(backbone, representation)
    catalogue = replace(catalogue, text=texts(text_sides(made["backbone"], made["representation"], {})))
    models = dict(zip(("backbone", "representation"), build(made, catalogue), strict=True))
    for part in models.values():
        if hasattr(part, "observe"):
            part.observe(train_set)
    alive, order = set(), torch.Generator().manual_seed(0)
    for _ in range(2):  # LLM-ESR teaches users by what it has seen of others
        for batch in models["backbone"].batches(train_set, order):
            models["backbone"].loss(batch, models["representation"], torch.Generator().manual_seed(0)).backward()
            named = {f"{part}.{name}": p for part, model in models.items() for name, p in model.named_parameters()}
            alive |= {name for name, p in named.items() if p.grad is not None and p.grad.any()}
    assert {name for name, p in named.items() if p.requires_grad} - alive == set()


@pytest.mark.parametrize("backbone", ["sasrec", "dreamrec", "lightgcn", "gru4rec", "hstu", "bert4rec"])
def test_a_cell_reads_profiles_of_users_where_its_backbone_does_and_the_representation_is_told_to(backbone):
    made = cell(backbone, "pte")
    users = ("user",) * (backbone in ("sasrec", "dreamrec", "lightgcn"))
    assert text_sides(made["backbone"], made["representation"], {}) == ("item", "card", *users)
    assert text_sides(made["backbone"], {**made["representation"], "users": False}, {}) == ("item", "card")


@pytest.mark.parametrize("representation", ["pte", "whitenrec", "morec", "unisrec", "alphafuse"])
def test_on_pairs_every_text_has_the_same_user_side(data, representation):
    """Free vectors by the backbone's gate beside those of profiles, or free where profiles say little."""
    train_set, _, catalogue = data
    made = cell("biasmf", representation)
    made["backbone"]["user_gate"] = 5.0
    counts = catalogue.user_counts.clone()
    counts[7] = 0
    backbone, vectors = build(made, replace(catalogue, user_counts=counts, text=texts(["item", "card", "user"])))
    for model in (backbone, vectors):
        model.eval()
    profile, users = vectors.user_vectors(), backbone.user_vectors(None, vectors)
    assert profile[1:].any(1).all() and torch.equal(users[7], profile[7]), "of no training event: the profile alone"
    if representation == "alphafuse":
        assert backbone.users is None and torch.equal(users, profile)
    else:
        n = counts[:, None]
        assert torch.allclose(users - profile, backbone.users.weight * n / (n + 5), atol=1e-6)


def test_a_gate_weighs_the_free_vectors_of_ids_as_well(data):
    made, n = cell("biasmf", "id"), data[2].user_counts[:, None]
    for gate, weight in ((0.0, (n > 0).float()), (5.0, n / (n + 5))):
        backbone, vectors = build({**made, "backbone": {**made["backbone"], "user_gate": gate}}, data[2])
        assert torch.allclose(backbone.user_vectors(None, vectors), backbone.users.weight * weight)


@pytest.mark.parametrize("kind", ["shuffled", "one", "random"])
def test_a_control_keeps_who_has_text_and_nothing_that_it_says(kind):
    text = texts(["item", "card", "user"])
    text["item"][[4, 9]] = text["card"][[4, 9]] = 0
    made, again = (control_texts(text, {"item": kind, "user": None}) for _ in range(2))
    whole, other = (torch.cat([t["item"], t["card"]], 1) for t in (text, made))
    assert made["user"] is text["user"] and all(torch.equal(made[k], again[k]) for k in text)
    assert torch.equal(whole.any(1), other.any(1))
    rows = {tuple(row) for row in whole.tolist()}
    if kind == "shuffled":
        assert {tuple(row) for row in other.tolist()} == rows and not torch.equal(whole, other)
    elif kind == "one":
        assert len(other[other.any(1)].unique(dim=0)) == 1 and set(map(tuple, other.tolist())) <= rows
    else:
        assert torch.allclose(whole.norm(dim=1), other.norm(dim=1), atol=1e-4)
        assert (torch.cosine_similarity(whole, other, dim=1).abs() < 0.7).all()


@pytest.mark.parametrize("kind", ["shuffled", "one", "random"])
@pytest.mark.parametrize("backbone, representation", [
    (b, r) for b, r, made in PAIRS if b in ("textknn", "sasrec", "lightgcn") and text_sides(made["backbone"], made["representation"], {})
])  # fmt: skip
def test_every_reader_of_text_trains_on_controls(data, backbone, representation, kind):
    made = cell(backbone, representation)
    text = texts(text_sides(made["backbone"], made["representation"], {}))
    state = learned(made, data, control_texts(text, {"item": kind, "user": kind}))
    assert all(bool(value.isfinite().all()) for value in state.values())


@pytest.mark.parametrize("backbone, text, said", [
    ("gru4rec", "template", "pte controls the profiles of users, which gru4rec does not read"),
    ("lightgcn", "card", "no profiles of users are read"),
])  # fmt: skip
def test_a_control_of_what_nobody_reads_is_refused(backbone, text, said):
    with pytest.raises(InputError, match=said):
        cell(backbone, "pte", text, control={"user": "shuffled"})


@pytest.mark.parametrize("backbone, representation, keys, label", [
    ("lightgcn", "pte", {}, "template + card, users"),
    ("lightgcn", "pte", {"control": {"user": "one"}}, "template + card, users (one)"),
    ("sasrec", "morec", {"control": {"item": "random"}}, "template + card (random), users"),
    ("hstu", "morec", {}, "template + card"),
    ("lightgcn", "pte", {"text": "card"}, "card"),
    ("textknn", "id", {"text": "card"}, "card"),
    ("sasrec", "id", {}, None),
])  # fmt: skip
def test_a_label_says_what_a_row_reads(backbone, representation, keys, label):
    made = cell(backbone, representation, **keys)
    assert text_label(made["backbone"], made["representation"], {}, "p") == label


@pytest.mark.parametrize("backbone", ["sasrec", "lightgcn", "tiger", "textknn"])
def test_whatever_reads_text_reads_aligned_vectors_whose_users_fill_half_of_their_width(data, backbone):
    drawn = torch.Generator().manual_seed(2)
    asked = torch.randn(USERS + 1, 20, generator=drawn)
    text = {"item": torch.randn(ITEMS + 1, 40, generator=drawn), "user": torch.cat([torch.zeros_like(asked), asked], 1)}
    text = {side: vectors.index_fill(0, torch.tensor([0]), 0.0) for side, vectors in text.items()}
    readers = [r for b, r, made in PAIRS if b == backbone and text_sides(made["backbone"], made["representation"], {})]
    assert len(readers) >= (1 if backbone in ("tiger", "textknn") else 9)
    for representation in readers:
        made = cell(backbone, representation)
        read = {side: text[side] for side in text_sides(made["backbone"], made["representation"], {}) if side != "card"}
        assert learned(made, data, read), representation
