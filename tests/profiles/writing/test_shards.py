"""Writing a side by one job or by several: the same bytes; and a new user or item costs one prompt."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from ptebench.files import InputError, read_jsonl
from ptebench.profiles.embedded.model import new_model
from ptebench.profiles.models.adapters import save_adapter, with_adapter
from ptebench.profiles.models.loading import load, load_base, load_tokenizer
from tests.profiles.chain import WRITING, Chain, job


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("shards"))
    chain.build(steps=20)
    model, _ = load(str(chain.base["base"].parent), None, 320, None, WRITING["lora"], True)
    chain.adapter = chain.root / "adapter/adapter_model.safetensors"
    save_adapter(model, chain.adapter, chain.adapter.with_name("adapter_config.json"))
    chain.inputs = chain.known | chain.base | {"histories": chain.files["histories"], "adapter": chain.adapter}
    for side in ("user", "item"):
        chain.notes = written(chain, side, chain.root / f"written/{side}.parquet")
        chain.inputs |= {"evidence": chain.root / "written/user.parquet"}
    return chain


def written(chain, side, path, script="write_profiles", output="profiles", answers=(), **place):
    inputs = {k: v for k, v in chain.inputs.items() if side == "item" or k != "evidence"} | {"shards": list(answers)}
    return job(script, WRITING | {"side": side, "writer": "kd"} | place, inputs, {output: path})["written"]


@pytest.mark.parametrize("side, count", [("user", 3), ("item", 2)])
def test_shards_give_the_same_bytes(chain, tmp_path, side, count):
    shards = {"warm": [], "cold": []}
    for stage, before in (("warm", "none"), ("cold", "warm"))[: 1 + (side == "item")]:
        for k in range(count):
            path = tmp_path / f"shards/{side}.{stage}.{k}.jsonl"
            place = {"stage": stage, "shard": k, "shards": count}
            record = written(chain, side, path, "write_shard", "answers", shards.get(before, ()), **place)
            assert record["written"] == len(read_jsonl(path)) > 0
            shards[stage].append(path)
    record = written(chain, side, tmp_path / f"{side}.parquet", answers=shards["warm"] + shards["cold"])
    # the one prompt that all users without a history share is left to the job that gathers
    parts = [record["met"]] if side == "user" else [record["warm"], record["cold"]]
    assert not any(part["written"] for part in parts)
    assert (tmp_path / f"{side}.parquet").read_bytes() == (chain.root / f"written/{side}.parquet").read_bytes()


def test_a_second_run_writes_nothing_and_another_adapter_everything(chain):
    path = chain.root / "written/user.parquet"
    before = path.read_bytes()
    again = written(chain, "user", path)
    assert not any(part["written"] for part in again.values()) and path.read_bytes() == before
    (kept,) = path.parent.glob("user.*.answers.jsonl")
    lines = kept.read_text().splitlines(True)
    kept.write_text("".join(lines[1:]) + lines[0][:30])  # the kill came in the middle of a line
    again = written(chain, "user", path)
    assert sum(part["written"] for part in again.values()) == 1 and path.read_bytes() == before
    model, _ = load(str(chain.base["base"].parent), None, 320, None, WRITING["lora"] | {"rank": 2}, True)
    other = chain.root / "other/adapter_model.safetensors"
    save_adapter(model, other, other.with_name("adapter_config.json"))
    copy = chain.root / "copy/user.parquet"
    shutil.copytree(path.parent, copy.parent)
    chain.inputs["adapter"], adapter = other, chain.inputs["adapter"]
    try:
        record = written(chain, "user", copy)
    finally:
        chain.inputs["adapter"] = adapter
    assert record["met"]["kept"] == 0 and record["met"]["written"] > 0


def test_answers_of_other_weights_at_the_same_path_are_written_anew(chain, tmp_path):
    path, weights = tmp_path / "user.parquet", {"weights": "a" * 64}
    assert written(chain, "user", path, **weights)["met"]["written"] > 0
    assert written(chain, "user", path, **weights)["met"]["written"] == 0
    assert written(chain, "user", path, weights="b" * 64)["met"]["kept"] == 0


@pytest.mark.parametrize("change", [{"hidden": 64}, {"layers": 3}, {}], ids=["wider", "deeper", "other weights"])
def test_an_adapter_of_another_base_model_is_refused(chain, change):
    tokenizer = load_tokenizer(str(chain.base["base"].parent))
    other = new_model(tokenizer, {"hidden": 32, "layers": 1, "heads": 2} | change, 320)
    with pytest.raises(InputError, match="adapter_model.safetensors: an adapter of another base model than"):
        with_adapter(other, chain.adapter.parent, {}, False)


def test_an_adapter_from_elsewhere_is_taken_where_it_fits(chain, tmp_path):
    """Without a word of its base model the shapes decide."""
    shutil.copytree(chain.adapter.parent, tmp_path / "adapter")
    save_file(load_file(chain.adapter), tmp_path / "adapter" / chain.adapter.name)
    base = load_base(str(chain.base["base"].parent), None, 320)
    assert with_adapter(base, tmp_path / "adapter", {}, False)
    tokenizer = load_tokenizer(str(chain.base["base"].parent))
    with pytest.raises(InputError, match="an adapter of another base model than"):
        with_adapter(
            new_model(tokenizer, {"hidden": 64, "layers": 1, "heads": 2}, 320), tmp_path / "adapter", {}, False
        )
