"""Analyses of information: what each may name."""

import numpy as np
import pytest
import torch

from ptebench.config.information import NULLS
from ptebench.config.read import resolve
from ptebench.errors import InputError
from ptebench.information.suite import nulls


def analysis(**vectors):
    return {
        "datasets": {"toys": {"source": "sequences", "sequences": "x"}},
        "protocols": {"leave_one_out": {}},
        "encoders": {"minilm": {}},
        "backbones": {"sasrec": {}, "markov": {}},
        "representations": {"id": {}},
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
    raw["information"]["mine"]["datasets"] = ["toy"]
    with pytest.raises(InputError, match=r"information\.mine\.datasets: 'toy' is not defined"):
        resolve(raw, "c")


def test_names_that_a_suite_gives_to_noise_are_those_that_are_refused():
    assert tuple(nulls({"cards": torch.eye(4)}, np.arange(4), seed=0)) == NULLS
