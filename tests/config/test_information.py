"""Analyses of information: what each may name."""

import numpy as np
import pytest
import torch

from ptebench.config.information import NULLS
from ptebench.config.read import resolve, select
from ptebench.errors import InputError
from ptebench.information.suite import nulls


def analysis(**vectors):
    return {
        "datasets": {"toys": {"source": "sequences", "sequences": "x"}},
        "protocols": {"leave_one_out": {}},
        "encoders": {"minilm": {}},
        "texts": {"gpt": {"item": "i.jsonl", "saw": "all"}, "users": {"user": "u.jsonl", "saw": "nothing"}},
        "embeddings": {"aligned_gpt": {"text": "gpt"}},
        "backbones": {"sasrec": {}, "markov": {}, "lightgcn": {}, "tiger": {}, "p5": {}},
        "representations": {"id": {}, "llmesr": {}, "frozen": {}, "pte_gpt": {"kind": "pte", "text": "gpt"}},
        "information": {"mine": {"datasets": ["toys"], "protocols": ["leave_one_out"], "vectors": vectors}},
    }


GOOD = {"ids": {"backbone": "sasrec"}, "cards": {"text": "card"}}


def test_vectors_of_a_cell_and_of_a_text_get_their_defaults():
    vectors = resolve(analysis(**GOOD), "c")["information"]["mine"]["vectors"]
    assert vectors["ids"]["representation"] == "id" and vectors["cards"]["encoder"] == "minilm"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ids": {}}, "give one of the two"),
        ({"ids": {"backbone": "sasrec", "text": "card"}}, "give one of the two"),
        ({"ids": {"backbone": "sasrec", "encoder": "minilm"}}, "encoder: a cell has none"),
        ({"cards": {"text": "card", "representation": "id"}}, "representation: a text has none"),
        ({"ids": {"backbone": "sasre"}}, "information.mine.vectors.ids.backbone: 'sasre' is not defined under 'backbones'; did you mean 'sasrec'?"),
        ({"ids": {"backbone": "markov"}}, "information.mine.vectors.ids.backbone: 'markov' has no vectors of items"),
        ({"ids": {"backbone": "sasrec", "representation": "idd"}}, "'idd' is not defined under 'representations'"),
        ({"cards": {"text": "card", "encoder": "minlm"}}, "information.mine.vectors.cards.encoder: 'minlm' is not defined"),
        ({"cards": {"text": "cardd"}}, "information.mine.vectors.cards.text: 'cardd'"),
        ({"random": {"text": "card"}}, "'random' is the name of vectors that know no item"),
        ({"popularity": {"text": "card"}}, "'popularity' is the name of vectors that know no item"),
        ({"ids": {"backbone": "lightgcn", "representation": "llmesr"}}, "information.mine: llmesr"),
        ({"ids": {"backbone": "tiger", "representation": "frozen"}}, "information.mine.vectors.ids.backbone: 'tiger' has no vectors of items"),
        ({"ids": {"backbone": "p5"}}, "information.mine.vectors.ids.backbone: 'p5' has no vectors of items"),
        ({"cards": {"text": "gpt"}}, "information.mine: its vectors are of 'gpt', whose writer saw all interactions, which leave_one_out holds out; use another text"),
        ({"cards": {"text": "aligned_gpt"}}, "whose writer saw all interactions"),
        ({"ids": {"backbone": "sasrec", "representation": "pte_gpt"}}, "whose writer saw all interactions"),
        ({"cards": {"text": "users"}}, "information.mine.vectors.cards.text: 'users' has texts of users alone; name one of items"),
    ],
)  # fmt: skip
def test_vectors_that_nothing_makes_are_refused(changes, said):
    with pytest.raises(InputError) as error:
        resolve(analysis(**GOOD | changes), "c")
    assert said in str(error.value)


def test_one_set_of_vectors_or_an_unknown_split_is_refused():
    with pytest.raises(InputError, match=r"information\.mine\.vectors"):
        resolve(analysis(ids=GOOD["ids"]), "c")
    raw = analysis(**GOOD)
    raw["protocols"]["leave_one_out"] = {"kind": "cold_start_user", "given": True}
    with pytest.raises(InputError, match=r"information\.mine: leave_one_out takes the publisher's split of users"):
        resolve(raw, "c")
    raw = analysis(**GOOD)
    raw["information"]["mine"]["datasets"] = ["toy"]
    with pytest.raises(InputError, match=r"information\.mine\.datasets: 'toy' is not defined"):
        resolve(raw, "c")


def test_what_the_command_line_selects_is_analysed():
    raw = analysis(**GOOD)
    raw["datasets"]["books"] = raw["datasets"]["toys"]
    raw["information"]["mine"]["datasets"] = ["toys", "books"]
    assert select(resolve(raw, "c"), {"datasets": "books"})["information"]["mine"]["datasets"] == ["books"]


def test_names_that_a_suite_gives_to_noise_are_those_that_are_refused():
    assert tuple(nulls({"cards": torch.eye(4)}, np.arange(4), seed=0)) == NULLS
