"""Laws across sections."""

import pytest

from ptebench.config.read import resolve
from ptebench.files import InputError

TOYS = {"source": "sequences", "sequences": "x"}
HEADS = {"user": 9, "item": 4}


@pytest.mark.parametrize("lacking", ["first", "second"])
def test_every_dataset_of_a_table_has_the_thresholds_of_its_groups(lacking):
    datasets = {name: TOYS if name == lacking else TOYS | {"heads_compat": HEADS} for name in ("first", "second")}
    table = {
        "title": "T", "datasets": list(datasets), "protocols": ["long_tail"], "rows": [{"backbones": ["markov"]}],
        "groups": ["item_tail_compat"],
    }  # fmt: skip
    sections = {"protocols": {"long_tail": {}}, "backbones": {"markov": {}}, "representations": {"id": {}}}
    with pytest.raises(InputError, match=rf"item_tail_compat needs .* and {lacking} has none"):
        resolve({"datasets": datasets, **sections, "tables": {"t": table}}, "c")


def test_an_unknown_key_of_an_optional_mapping_is_answered_by_the_nearest():
    with pytest.raises(InputError, match=r"heads_compat\.usr: unknown key; did you mean 'user'\?"):
        resolve({"datasets": {"toys": TOYS | {"heads_compat": {"usr": 9, "item": 4}}}}, "c")
    with pytest.raises(InputError, match=r"tuning\.halving\.facto: unknown key; did you mean 'factor'\?"):
        resolve({"tuning": {"halving": {"facto": 3}}}, "c")
