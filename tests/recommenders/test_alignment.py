"""Alignment: its contrast by definition, what it must find in simulated texts and must not in shuffled ones."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from ptebench.config.embeddings import Align
from ptebench.files import InputError
from ptebench.recommenders.alignment import cell_of, final_vectors, keeps_start
from ptebench.recommenders.backbones.alignment import Backbone, neighbours
from ptebench.recommenders.course import Course
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.mutual import contrast
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Events, Train
from ptebench.recommenders.training import train
from ptebench.recommenders.whitening import Whitened

GROUPS, ITEMS, USERS, LENGTH, COLD = 8, 160, 300, 8, 40
SMALL = {"dimension": 16, "components": 32, "batch_size": 256, "others": 64, "epochs": 6, "learning_rate": 0.01}


def ragged(lists):
    lengths = torch.tensor([len(row) for row in lists])
    values = torch.tensor([item for row in lists for item in row], dtype=torch.long)
    return Ragged(values, torch.cat([lengths.new_zeros(1), lengths.cumsum(0)]))


def world(shuffled=False, profiles=False, users=USERS, noise=4.0, at_random=False):
    """Return training data, validation events, a catalogue, and the group of each item, which its text whispers.

    A history keeps to one group, which three directions of the text tell of among loud ones that tell nothing. The last
    COLD items are in no history. With `at_random` histories keep to no group.
    """
    drawn = torch.Generator().manual_seed(0)
    group = torch.cat([torch.tensor([-1]), torch.randint(GROUPS, (ITEMS,), generator=drawn)])
    whisper, noise = torch.randn(GROUPS, 3, generator=drawn), noise * torch.randn(ITEMS + 1, 29, generator=drawn)
    text = torch.cat([whisper[group], noise], 1)
    if shuffled:
        text[1:] = text[1:][torch.randperm(ITEMS, generator=drawn)]
    text[0] = 0
    warm = torch.arange(1, ITEMS - COLD + 1)
    liked = torch.randint(GROUPS, (users,), generator=drawn)
    rows = []
    for likes in liked:
        pool = warm if at_random else warm[group[warm] == likes]
        rows.append(pool[torch.randperm(len(pool), generator=drawn)[: LENGTH + 1]].tolist())
    owners = torch.arange(1, users + 1)
    training = Train(owners, ragged([row[:-1] for row in rows]))
    valid = Events("full", owners, owners, training.histories, ragged([row[-1:] for row in rows]), None)
    texts = {"item": text}
    if profiles:
        said = torch.cat([whisper[liked], 4 * torch.randn(users, 29, generator=drawn)], 1)
        texts["user"] = torch.cat([torch.zeros(1, 32), said])
    owners, values = training.pairs
    counts = torch.bincount(values, minlength=ITEMS + 1), torch.bincount(owners, minlength=users + 1)
    return training, valid, Catalogue(users, ITEMS, SMALL["dimension"], *counts, texts), group, liked


def settings(**changes):
    align = Align(**{**SMALL, **changes}).model_dump()
    control = {"item": None, "user": None}
    return cell_of({"seed": 0, "control": control, "align": align, "remove_seen": True})


def aligned(training, valid, catalogue, **changes):
    """Return the vectors of items and of users that are learned."""
    spec = settings(**changes)
    state, *_ = train(spec, training, valid, catalogue, True)
    model = restore(spec, catalogue, training, state)[1].eval()
    with torch.no_grad():
        return model.item_vectors(), model.user_vectors()


def purity(vectors, group, asked, known):
    """Return the share of the 5 nearest of `known` to each of `asked` that are of its group."""
    unit = F.normalize(vectors, dim=1)
    cosines = unit[asked] @ unit[known].T
    cosines[asked[:, None] == known] = -2
    near = known[cosines.topk(5).indices]
    return float((group[near] == group[asked][:, None]).float().mean())


def plain(before, after, at, positive, offset, temperature):
    scores, row = before @ after.T / temperature, torch.arange(len(before))
    others = positive.clone()
    others[row, at] = False
    forward = F.cross_entropy((scores - offset).masked_fill(others, -torch.inf), at)
    who = positive[:, at].T.clone()
    who[row, row] = False
    return (forward + F.cross_entropy(scores[:, at].T.masked_fill(who, -torch.inf), row)) / 2


def test_mutual_contrast_and_its_gradients_are_those_of_the_definition(monkeypatch):
    monkeypatch.setattr("ptebench.recommenders.mutual.gemm_precision", lambda *_: torch.float32)
    monkeypatch.setattr("ptebench.recommenders.mutual.CHUNK", 5)
    drawn = torch.Generator().manual_seed(0)
    before, after = (F.normalize(torch.randn(n, 6, generator=drawn), dim=1).requires_grad_() for n in (12, 9))
    at, offset = torch.randint(9, (12,), generator=drawn), torch.randn(9, generator=drawn)
    positive = torch.rand(12, 9, generator=drawn) < 0.2
    positive[torch.arange(12), at] = True
    results = []
    for function in (contrast, plain):
        loss = function(before, after, at, positive, offset, 0.2)
        results.append((loss.detach(), *torch.autograd.grad(loss, (before, after))))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_neighbours_are_of_one_history_and_at_most_the_window_apart():
    pairs = neighbours(ragged([[1, 2, 3], [2], [4, 4, 5]]), 2).T.tolist()
    assert sorted(pairs) == [[1, 2, 0], [1, 3, 0], [2, 3, 0], [4, 5, 2], [4, 5, 2]]


def test_what_behaviour_says_is_found_in_texts_and_carries_over_to_items_that_nobody_has_met():
    training, valid, catalogue, group, _ = world()
    vectors, users = aligned(training, valid, catalogue)
    warm, cold = torch.arange(1, ITEMS - COLD + 1), torch.arange(ITEMS - COLD + 1, ITEMS + 1)
    text = catalogue.text["item"]
    assert users is None and vectors.shape == (ITEMS + 1, 32) and not vectors[0].any()
    torch.testing.assert_close(vectors[1:].norm(dim=1), torch.ones(ITEMS))
    assert purity(text, group, cold, warm) < 0.3
    assert purity(vectors, group, cold, warm) > 0.5


def test_texts_of_other_items_carry_nothing_over():
    training, valid, catalogue, group, _ = world(shuffled=True)
    warm, cold = torch.arange(1, ITEMS - COLD + 1), torch.arange(ITEMS - COLD + 1, ITEMS + 1)
    assert purity(aligned(training, valid, catalogue)[0], group, cold, warm) < 0.25  # 1 of 8 by chance


@pytest.mark.parametrize("users, at_random", [(40, False), (USERS, True)])
def test_items_that_nobody_has_met_are_no_worse_off_than_by_their_text(users, at_random):
    """However few the pairs are, or however little they say."""
    training, valid, catalogue, group, _ = world(users=users, noise=0.5, at_random=at_random)
    warm, cold = torch.arange(1, ITEMS - COLD + 1), torch.arange(ITEMS - COLD + 1, ITEMS + 1)
    vectors, _ = aligned(training, valid, catalogue)
    text = Whitened(catalogue.text["item"], catalogue.train_items, None, False, 32)()
    assert (
        purity(text, group, cold, warm) > 0.3
        and purity(vectors, group, cold, warm) > purity(text, group, cold, warm) - 0.05
    )


def test_an_epoch_below_the_start_does_not_end_the_learning():
    course = Course()
    seen = [course.is_best(0.5)]
    for course.epoch, value in enumerate((0.2, 0.3, 0.4, 0.6, 0.55), 1):
        seen.append(course.is_best(value))
        assert course.stale == (value == 0.55)
    assert seen == [True, False, False, False, True, False] and course.best_value == 0.6


def test_vectors_start_from_the_whitened_text():
    training, _, catalogue, *_ = world()
    tower = build(settings(), catalogue)[1].items.eval()
    text, ids = tower.text(), torch.arange(1, ITEMS + 1)
    first = F.layer_norm(text[ids, :16], (16,))
    for role in ("before", "next"):
        torch.testing.assert_close(tower(role, ids), F.normalize(first, dim=1))


def test_users_with_profiles_ask_for_the_items_of_their_group():
    training, valid, catalogue, group, liked = world(profiles=True)
    items, users = aligned(training, valid, catalogue)
    assert users.shape == (USERS + 1, 32) and not users[0].any()
    nearest = (users[1:] @ items[1:].T).topk(5).indices + 1
    assert float((group[nearest] == liked[:, None]).float().mean()) > 0.5


def test_an_item_without_text_has_no_vector_and_leaves_the_others_alone():
    training, valid, catalogue, *_ = world()
    text = catalogue.text["item"].clone()
    text[ITEMS] = 0
    vectors = [
        aligned(training, valid, replace(catalogue, text={"item": t}), epochs=1)[0]
        for t in (text, catalogue.text["item"])
    ]
    assert not vectors[0][ITEMS].any()
    torch.testing.assert_close(vectors[0][1:ITEMS], vectors[1][1:ITEMS])


def test_the_same_seed_gives_the_same_vectors():
    training, valid, catalogue, *_ = world()
    first, second = (aligned(training, valid, catalogue, epochs=2)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_histories_without_two_items_with_text_are_one_clear_message():
    training, valid, catalogue, *_ = world()
    alone = Train(training.users, ragged([[1]] * USERS))
    with pytest.raises(InputError, match="no two items with text in one history"):
        train(settings(), alone, valid, catalogue, True)


@pytest.mark.parametrize("weights", [{"relation": 1.0}, {"uniformity": 1.0}])
def test_the_terms_of_shape_have_gradients_of_their_own(weights):
    training, _, catalogue, *_ = world()
    backbone = Backbone(settings(**{"relation": 0, "uniformity": 0, **weights})["backbone"], catalogue)
    backbone.observe(training)
    vectors = F.normalize(torch.randn(20, 16, generator=torch.Generator().manual_seed(0)), dim=1).requires_grad_()
    items = torch.cat([torch.arange(1, 16), torch.arange(1, 6)])
    backbone.shape(vectors, items).backward()
    assert vectors.grad[:15].any(1).all() and not vectors.grad[15:].any()


def test_a_killed_alignment_goes_on_as_if_it_had_not_been(killed):
    training, valid, catalogue, *_ = world()
    cell = settings(epochs=5)
    whole = train(cell, training, valid, catalogue, False, None, "same")
    rest = train(cell, training, valid, catalogue, False, killed(cell, training, valid, catalogue), "same")
    assert [(e["epoch"], e["value"]) for e in whole[1]] == [(e["epoch"], e["value"]) for e in rest[1]]
    assert whole[1][0]["epoch"] == 0 and all(torch.equal(value, rest[0][name]) for name, value in whole[0].items())


def test_where_the_start_is_kept_readers_get_all_components_that_the_width_holds():
    """Not the first of them twice: whitened again, they are those of the text itself."""
    training, valid, catalogue, *_ = world()
    cell, catalogue = settings(dimension=8, learning_rate=1e-9, epochs=1), replace(catalogue, dimension=8)
    state, curve, _ = train(cell, training, valid, catalogue, True)
    curve[1]["value"] = curve[0]["value"]
    model = restore(cell, catalogue, training, state)[1]
    given, text = final_vectors(model, keeps_start(curve))["item"], catalogue.text["item"]
    assert given.shape == (ITEMS + 1, 16) and not given[0].any()
    first, again = (Whitened(x, catalogue.train_items, 0.0, False, 16)() for x in (text, given))
    torch.testing.assert_close((again @ again.T)[1:, 1:], (first @ first.T)[1:, 1:], atol=1e-3, rtol=1e-3)
    curve[1]["value"] += 0.001
    twice = final_vectors(model, keeps_start(curve))["item"]
    assert torch.linalg.matrix_rank(twice[1:]) <= 8 < torch.linalg.matrix_rank(given[1:])


def test_where_the_start_is_kept_users_have_the_components_of_their_profiles():
    training, valid, catalogue, *_ = world(profiles=True)
    users = final_vectors(build(settings(), catalogue)[1], True)["user"]
    assert users.shape == (USERS + 1, 32) and torch.linalg.matrix_rank(users[1:]) == 32


def test_texts_that_are_all_alike_are_refused():
    _, _, catalogue, _, _ = world(users=20)
    alike = torch.ones_like(catalogue.item_text)
    alike[0] = 0
    with pytest.raises(InputError, match="texts that training knows are all alike"):
        build(settings(), replace(catalogue, text={"item": alike}))
