"""How a language model's jobs follow one another: half-rounds, probes, shards, teachers."""

from pathlib import Path

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.errors import InputError
from ptebench.plan.writing import Writing
from tests.worlds import configuration

PLACE = {"dataset": "shop", "protocol": "cold_start_user", "language_model": "embedded"}
BASE = "results/profiles/shop/cold_start_user/embedded"


def writing(**changes):
    return Writing(configuration(language_models=changes))


def at(**more):
    return Wildcards(fromdict=PLACE | more)


def test_the_first_half_round_continues_nothing():
    files = writing().half_round_inputs(at(round="0", side="user"))
    assert not {"adapter", "evidence", "probe", "earlier_adapter", "retreat_adapter"} & set(files)
    assert files["base"] == f"{BASE}/base/model.safetensors"


@pytest.mark.parametrize(
    "number, side, before, earlier, retreat",
    [
        ("0", "item", "0/user", None, None),
        ("1", "user", "0/item", "0/user", None),
        ("1", "item", "1/user", "0/item", None),
        ("2", "user", "1/item", "1/user", "0/item"),
        ("2", "item", "2/user", "1/item", None),
    ],
)
def test_a_half_round_continues_the_one_before_and_after_a_refusal_what_that_one_had_continued(
    number, side, before, earlier, retreat
):
    files = writing().half_round_inputs(at(round=number, side=side))
    assert files["adapter"] == f"{BASE}/rounds/{before}/adapter_model.safetensors"
    assert files["evidence"] == f"{BASE}/rounds/{before}/profiles.parquet"
    assert files.get("earlier_profiles") == (earlier and f"{BASE}/rounds/{earlier}/profiles.parquet")
    assert files.get("probe") == (earlier and f"{BASE}/rounds/{int(number) - 1}/probe.json")
    assert files.get("retreat_adapter") == (retreat and f"{BASE}/rounds/{retreat}/adapter_model.safetensors")
    # a refused item half-round goes back to the item profiles of two rounds ago, though not to their adapter
    assert ("retreat_profiles" in files) == (int(number) > 1)


def test_a_probe_compares_with_the_two_rounds_that_its_round_may_have_continued():
    assert "earlier_probe" not in writing().probe_inputs(at(round="0"))
    files = writing().probe_inputs(at(round="2"))
    assert files["user_profiles"] == f"{BASE}/rounds/2/user/profiles.parquet"
    assert files["earlier_item_profiles"] == f"{BASE}/rounds/1/item/profiles.parquet"
    assert files["retreat_user_profiles"] == f"{BASE}/rounds/0/user/profiles.parquet"
    assert "user_adapter" not in files


def test_a_probe_of_collaborative_instructions_asks_the_model():
    files = writing(collaborative=0.5).probe_inputs(at(round="1"))
    assert files["user_adapter"] == f"{BASE}/rounds/1/user/adapter_model.safetensors"


def test_the_best_round_is_chosen_among_all_distillation_first():
    files = writing(max_rounds=3).choice_inputs(at())
    assert files["probes"] == [f"{BASE}/rounds/{k}/probe.json" for k in range(4)]
    assert len(files["item_adapter_config"]) == 4


def test_a_side_written_by_one_job_has_no_shards_and_cold_items_wait_for_warm_ones():
    place = {"writer": "grpo", "side": "item"}
    assert writing().profile_inputs(at(**place))["shards"] == []
    shards = writing(shards=2)
    folder = f"{BASE}/grpo/shards"
    assert shards.shard_inputs(at(**place, stage="warm", shard="1"))["shards"] == []
    warm = [f"{folder}/item.warm.{k}.jsonl" for k in range(2)]
    assert shards.shard_inputs(at(**place, stage="cold", shard="1"))["shards"] == warm
    assert shards.profile_inputs(at(**place))["shards"] == warm + [f"{folder}/item.cold.{k}.jsonl" for k in range(2)]
    assert len(shards.profile_inputs(at(writer="grpo", side="user"))["shards"]) == 2
    spec = shards.shard_settings(at(**place, stage="cold", shard="1"))
    assert (spec["stage"], spec["shard"], spec["shards"]) == ("cold", 1, 2)


def test_items_are_written_with_the_readers_that_the_same_writer_described():
    files = writing().writer_inputs(at(writer="sft", side="item"))
    assert files["evidence"] == f"{BASE}/sft/user.parquet"
    assert files["adapter"] == f"{BASE}/best/item/adapter_model.safetensors"
    assert "evidence" not in writing().writer_inputs(at(writer="kd", side="user"))


def test_supplied_profiles_lie_below_data_root(tmp_path):
    names = {"user": "my profiles/u.jsonl", "item": "i.jsonl"}
    plan = Writing(configuration(language_models={"teacher": names}, data_root=str(tmp_path)))
    with pytest.raises(InputError, match="language_models.embedded.teacher.user: .*no such file"):
        plan.instruction_inputs(at())
    for name in names.values():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = plan.instruction_inputs(at())
    assert files["teacher_user"] == str(tmp_path / names["user"])


def test_a_script_sees_the_settings_that_it_depends_on_and_its_place():
    spec = writing().settings("tune_round")(at(round="1", side="item"))
    assert spec["round"] == 1 and spec["side"] == "item"
    assert {"lora", "tuning", "loop"} <= set(spec) and not {"grpo", "max_rounds", "embedding_drift"} & set(spec)
    assert set(writing().settings("choose_round")(at())) == {"seed", "loop"}


def test_distilled_profiles_are_measured_without_rounds():
    plan = writing()
    plan.profiles = lambda: [f"{BASE}/kd/user.parquet"]
    assert {Path(file).name for file in plan.measures()} == {"quality.csv", "quality.md", "samples.md"}
    assert not {name for name in plan.quality_inputs(at()) if "convergence" in name or "sft" in name}
    plan.profiles = lambda: [f"{BASE}/sft/user.parquet"]
    assert f"{BASE}/rounds.svg" in plan.measures()


def test_an_audit_needs_a_second_encoder():
    place = at(side="user")
    assert writing().audit_inputs(place)["second"].endswith("/card/lsa/item.safetensors")
    alone = Writing(configuration(encoders={"minilm": None}))
    with pytest.raises(InputError, match="needs a second one"):
        alone.audit_inputs(place)


def test_sentences_are_said_by_the_model_itself_before_it_learns(tmp_path, monkeypatch):
    monkeypatch.setattr("ptebench.plan.writing.weights", lambda *_: "digest")
    plain, asking = (writing(model="org/model", schema=s) for s in ("phrases", "sentence"))
    assert "weights" not in plain.instruction_settings(at())
    spec = asking.instruction_settings(at())
    assert spec["weights"] == "digest" and {"new_tokens", "write_batch", "context"} <= set(spec)
    assert spec["schema"] == asking.settings("write_profiles")(at(side="user"))["schema"] == "sentence"
    assert "base" not in plain.instruction_inputs(at()) and "base" not in asking.instruction_inputs(at())


def test_quality_measures_the_writers_that_tables_read_and_all_where_none_is_read():
    plan, read = writing(), Wildcards(fromdict=PLACE | {"dataset": "news", "protocol": "snapshot"})
    assert "results/profiles/news/snapshot/embedded/grpo/user.parquet" in plan.profiles()
    for place, writers in ((read, ["grpo"]), (at(), ["kd", "sft", "grpo"])):
        settings = plan.quality_settings(place)
        assert settings["writers"] == writers and settings["optimised"] == plan.models["embedded"]["grpo"]["prompts"]
        assert {f"{w}_user" for w in writers} == set(plan.quality_inputs(place)) & {"kd_user", "sft_user", "grpo_user"}
