"""The closed loop and its controls, with a language model of a few thousand weights."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch
from safetensors.torch import load_file

from ptebench.files import PROFILES, InputError, read_json, read_table, write_json, write_table
from ptebench.profiles.models import finetune
from ptebench.profiles.models.finetune import order_of, parts
from ptebench.profiles.rounds.order import FIRST, inputs_of
from ptebench.profiles.schema.tables import shuffle
from tests.profiles.chain import LORA, PLACE, TUNING, WRITING, Chain, half, job


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A chain whose round 0 is done, and the user side of round 1."""
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("chain"))
    chain.build()
    chain.instruct()
    chain.notes = {(0, side): chain.tune(0, side) for side in ("user", "item")}
    write_json({"round": 0, "next": "continue", "retried": False}, chain.root / "rounds/0/probe.json")
    # a model this small fails to write: its items get profiles, each its own
    items = half(chain.root, 0, "item")["profiles"]
    frame = read_table(items, PROFILES)
    fields = [
        json.dumps({"Audience roles": [f"{i}{c}" for c in "abcde"], "Audience interests": ["x"]}) for i in frame["id"]
    ]
    write_table(frame.with_columns(fields=pl.Series(fields)), items, PROFILES)
    chain.notes[1, "user"] = chain.tune(1, "user")
    return chain


def elsewhere(chain, tmp_path, number, side):
    return {n: tmp_path / p.name for n, p in half(chain.root, number, side).items()}


def weights(path):
    return torch.cat([w.flatten() for w in load_file(path).values()])


def test_a_static_loop_repeats_the_prompts_of_distillation(chain, tmp_path):
    notes = chain.tune(1, "user", elsewhere(chain, tmp_path, 1, "user"), loop="static")
    assert notes["prompts_sha256"] == chain.notes[0, "user"]["prompts_sha256"]
    assert chain.notes[1, "user"]["prompts_sha256"] != notes["prompts_sha256"]


def test_one_side_alone_learns_and_the_other_still_writes(chain, tmp_path):
    outputs = elsewhere(chain, tmp_path, 1, "item")
    notes = chain.tune(1, "item", outputs, loop="user")
    assert notes["losses"] == [] and notes["written"]["profiles"] > 0
    assert torch.equal(weights(outputs["adapter"]), weights(half(chain.root, 1, "user")["adapter"]))
    assert chain.tune(1, "item", outputs, loop="item")["losses"]
    assert not torch.equal(weights(outputs["adapter"]), weights(half(chain.root, 1, "user")["adapter"]))


def test_shuffled_profiles_are_other_items_profiles_in_every_prompt(chain, tmp_path):
    notes = chain.tune(1, "user", elsewhere(chain, tmp_path, 1, "user"), loop="shuffled")
    assert notes["prompts_sha256"] != chain.notes[1, "user"]["prompts_sha256"]
    root = chain.root
    files = {f"{s}_{n}": [half(root, 0, s)[n]] * 2 for s in ("user", "item") for n in ("adapter", "adapter_config")}
    files |= {"readers": [half(root, 0, "user")["profiles"]] * 2, "audiences": [half(root, 0, "item")["profiles"]] * 2}
    files["probes"] = [tmp_path / "0.json", tmp_path / "1.json"]
    for number, (path, continues) in enumerate(zip(files["probes"], (None, 0))):
        record = {
            "continues": continues,
            "utility": 0.5 + number,
            "refused": None,
            "converged": False,
            "next": "continue",
        }
        write_json({"round": number, **record}, path)
    outputs = {n: tmp_path / n for n in files if n not in ("probes", "audiences")}
    outputs |= {"audiences": tmp_path / "audiences.parquet", "convergence": tmp_path / "convergence.json"}
    outputs["rounds"] = tmp_path / "rounds.svg"
    job("choose_round", WRITING | {"loop": "shuffled"} | PLACE, files, outputs)
    audiences = read_table(half(root, 0, "item")["profiles"], PROFILES)
    assert read_table(outputs["audiences"], PROFILES).equals(shuffle(audiences, WRITING["seed"]))
    assert read_json(outputs["convergence"])["best"] == 1


def test_after_a_refusal_the_next_round_goes_on_from_what_the_refused_one_continued(chain, tmp_path):
    """With half the learning rate, from the adapter and the item profiles of two rounds ago."""
    root = tmp_path / "chain"
    shutil.copytree(chain.root, root)
    other = Chain(root, {n: root / p.name for n, p in chain.files.items()})
    other.tune(1, "item")
    write_json({"round": 1, "next": "retry", "retried": True}, root / "rounds/1/probe.json")
    for path in half(root, 1, "item").values():
        path.write_bytes(b"refused")  # neither the adapter nor its profiles are read
    again = other.tune(2, "user")
    assert again["learning_rate"] == 0.003
    assert again["prompts_sha256"] == chain.notes[1, "user"]["prompts_sha256"]
    assert again["losses"][0] == pytest.approx(chain.notes[1, "user"]["losses"][0])


def test_shuffling_moves_every_profile():
    fields = ["a", None, "b", "c", "d"]
    columns = {"id": [1, 2, 3, 4, 5], "text": ["1", "2", "3", "4", "5"], "fields": fields}
    frame = pl.DataFrame(columns, schema_overrides={"id": pl.Int32})
    frame = frame.with_columns(prompt_sha256=pl.lit("x"), generation=pl.lit("{}"))
    moved = shuffle(frame, 0)
    assert moved.equals(shuffle(frame, 0)) and not moved.equals(shuffle(frame, 1))
    assert moved["id"].to_list() == [1, 2, 3, 4, 5] and moved["text"][1] == "2"
    parsed = moved.drop_nulls("fields")
    assert all(str(i) != t for i, t in zip(parsed["id"], parsed["text"]))
    assert sorted(parsed["fields"]) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("moment", ["training", "writing", "damage"])
def test_a_killed_half_round_goes_on_from_its_checkpoint_to_the_same_bytes(chain, tmp_path, monkeypatch, moment):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    changes = {"tuning": TUNING | {"epochs": 3}}
    outputs = {n: whole / p.name for n, p in half(chain.root, 1, "user").items()}
    losses = chain.tune(1, "user", outputs, **changes)["losses"]
    assert len(losses) == 6 and {p.name for p in whole.iterdir()} == {p.name for p in outputs.values()}

    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        write = safetensors.torch.save_file

        def killed(tensors, file, metadata):
            write(tensors, file, metadata)
            if len(json.loads(metadata["state"])["state"]) == 4:
                raise KeyboardInterrupt  # the fourth checkpoint is not whole: the third counts

        def also_killed(*_):
            raise KeyboardInterrupt

        if moment != "writing":
            patch.setattr(safetensors.torch, "save_file", killed)
        else:
            patch.setattr("ptebench.profiles.rounds.half_round.write", also_killed)
        outputs = {n: broken / p.name for n, p in outputs.items()}
        with pytest.raises(KeyboardInterrupt):
            chain.tune(1, "user", outputs, **changes)
    if moment == "damage":
        (checkpoint,) = broken.rglob("checkpoint.*")
        content = bytearray(checkpoint.read_bytes())
        content[-100] ^= 1
        checkpoint.write_bytes(content)
    taken = []
    step = finetune.Training.step
    monkeypatch.setattr(finetune.Training, "step", lambda *a: taken.append(1) or step(*a))
    assert chain.tune(1, "user", outputs, **changes)["losses"] == losses
    assert len(taken) == {"training": 3, "writing": 0, "damage": 6}[moment]
    for name, path in outputs.items():
        assert path.read_bytes() == (whole / path.name).read_bytes(), name
    assert {p.name for p in broken.iterdir()} == {p.name for p in outputs.values()}


def test_a_half_round_goes_on_from_what_was_not_refused():
    refused, fine = {"next": "retry"}, {"next": "continue"}
    assert inputs_of("user", fine) == inputs_of("user", FIRST) == ["adapter", "evidence"]
    assert inputs_of("user", refused) == ["retreat_adapter", "retreat_profiles"]
    assert inputs_of("item", fine) == ["adapter", "evidence", "earlier_profiles"]
    assert inputs_of("item", refused) == ["adapter", "evidence", "retreat_profiles"]


def test_every_epoch_has_every_row_in_batches_alike():
    lengths = np.random.default_rng(0).integers(20, 400, size=50)
    order = order_of(lengths, 8, 3, 0)
    assert np.bincount(order).tolist() == [3] * 50 and order == order_of(lengths, 8, 3, 0)
    spread = [np.ptp(lengths[order[i : i + 8]]) for i in range(0, 48, 8)]
    assert np.mean(spread) < 0.3 * np.ptp(lengths)


def test_parts_of_a_batch_have_their_tokens_and_every_row_once():
    rows = [([0] * n, []) for n in (5, 40, 9, 40, 12, 100)]
    found = parts(rows, 80)
    assert [[len(ids) for ids, _ in part] for part in found] == [[100], [40, 40], [12, 9, 5]]


def test_a_step_does_not_depend_on_the_parts_of_its_batch(chain, tmp_path, monkeypatch):
    changes, found = {"lora": LORA | {"dropout": 0.0}}, []
    for tokens in (100_000, 1):
        monkeypatch.setitem(finetune.PART, "cpu", tokens)
        outputs = {n: tmp_path / str(tokens) / p.name for n, p in half(chain.root, 0, "user").items()}
        found.append((chain.tune(0, "user", outputs, **changes)["losses"], weights(outputs["adapter"])))
    (whole, moved), (parted, also) = found
    assert whole == pytest.approx(parted, rel=5e-3) and torch.cosine_similarity(moved, also, dim=0) > 0.99


def test_two_processes_take_the_steps_of_one(chain, tmp_path):
    """Where nothing is dropped at random: the same losses, and weights that moved the same way."""
    lora, before = LORA | {"dropout": 0.0}, weights(half(chain.root, 0, "item")["adapter"])
    found = {}
    for count in (1, 2):
        outputs = {n: tmp_path / str(count) / p.name for n, p in half(chain.root, 1, "user").items()}
        # a continued adapter has its own settings: dropout is set where it is read
        config = half(chain.root, 0, "item")["adapter_config"]
        kept = config.read_text()
        try:
            config.write_text(json.dumps(json.loads(kept) | {"lora_dropout": 0.0}))
            notes = chain.tune(1, "user", outputs, processes=count, lora=lora)
        finally:
            config.write_text(kept)
        found[count] = notes["losses"], weights(outputs["adapter"]) - before
    assert found[1][0] == pytest.approx(found[2][0], rel=1e-3)
    assert torch.cosine_similarity(found[1][1], found[2][1], dim=0) > 0.99
    with pytest.raises(InputError, match="must be a multiple of processes"):
        chain.tune(1, "user", outputs, processes=3)


def test_a_probe_compares_a_retried_round_with_what_it_continued(chain, tmp_path):
    root = tmp_path / "chain"
    shutil.copytree(chain.root, root)
    other = Chain(root, {n: root / p.name for n, p in chain.files.items()})
    shutil.copytree(root / "rounds/0/item", root / "rounds/1/item")
    for side in ("user", "item"):
        shutil.copytree(root / "rounds/0" / side, root / "rounds/2" / side)  # round 2 wrote what round 0 did
    record = {"round": 1, "next": "retry", "retried": True, "steady": False}
    write_json(record, root / "rounds/1/probe.json")
    probe = other.probe(2, embedding_drift=0.02, field_drift=0.1)
    assert probe["continues"] == 0 and probe["field_drift"]["mean"] == 0 and probe["utility_change"]["mean"] == 0
    assert probe["embedding_drift"]["mean"] == pytest.approx(0, abs=1e-6) and probe["steady"] and not probe["converged"]
    assert probe["retried"] and probe["refused"] is None and probe["next"] == "continue"
    # the rounds end after a second refusal, and what follows is passed on
    write_json(probe | {"next": "end"}, root / "rounds/2/probe.json")
    shutil.copytree(root / "rounds/2", root / "rounds/3")
    passed = other.probe(3)
    assert passed == probe | {"next": "end", "round": 3, "passed": True}
