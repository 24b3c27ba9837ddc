"""The chain from a split to written profiles."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import torch

from ptebench.files import PROFILES, InputError, read_json, read_jsonl, read_table, write_json
from tests.profiles.chain import EMBEDDED, ENCODER, PLACE, TUNING, WRITING, Chain, half, job


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A chain whose rounds 0 and 1 are done."""
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("chain"))
    chain.build()
    chain.instruct()
    for number in (0, 1):
        chain.notes = {side: chain.tune(number, side) for side in ("user", "item")}
        chain.last = chain.probe(number)
    root = chain.root
    names = {"user_adapter": "user/adapter", "item_adapter": "item/adapter"}
    rounds = {
        f"{s}_{n}": [half(root, r, s)[n] for r in (0, 1)]
        for s in ("user", "item")
        for n in ("adapter", "adapter_config")
    }
    rounds |= {"readers": [half(root, r, "user")["profiles"] for r in (0, 1)]}
    rounds |= {"audiences": [half(root, r, "item")["profiles"] for r in (0, 1)]}
    outputs = {
        name: root / "best" / place.replace("adapter", "adapter_model.safetensors") for name, place in names.items()
    }
    outputs |= {f"{s}_adapter_config": root / f"best/{s}/adapter_config.json" for s in ("user", "item")}
    outputs |= {n: root / f"best/{n}.parquet" for n in ("readers", "audiences")} | {
        "convergence": root / "convergence.json",
        "rounds": root / "rounds.svg",
    }
    rounds["probes"] = [root / f"rounds/{r}/probe.json" for r in (0, 1)]
    job("choose_round", WRITING | PLACE, rounds, outputs)
    return chain


def test_base_is_a_model_that_the_hub_layout_loads(chain):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = chain.base["base"].parent
    assert {p.name for p in folder.iterdir()} >= {"config.json", "tokenizer.json", "chat_template.jinja"}
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert (
        tokenizer.decode(tokenizer("Roles: camping fan; a\nInterests: b")["input_ids"])
        == "Roles: camping fan; a\nInterests: b"
    )


def test_base_is_the_same_bytes_again(chain, tmp_path):
    job("language_model", WRITING | {"embedded": EMBEDDED}, chain.texts, {"model": tmp_path / "model.safetensors"})
    for name in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / name).read_bytes() == (chain.base["base"].parent / name).read_bytes()


def test_instructions_with_sentences_are_said_by_the_base_model_and_differ_in_nothing_else(chain, tmp_path):
    from ptebench.profiles.schema.fields import SENTENCE, strict

    outputs = {name: tmp_path / path.name for name, path in chain.lessons.items()}
    inputs = chain.known | {f"template_{s}": p for s, p in chain.template.items()} | chain.base
    settings = {"examples": 8, "collaborative": 0.0, "schema": "sentence", "encoder": ENCODER}
    record = job("instructions", WRITING | settings, inputs, outputs)
    for side in ("user", "item"):
        plain, rows = read_jsonl(chain.instructions[side]), read_jsonl(outputs[side])
        fields = [strict(row["completion"][0]["content"], side) for row in rows]
        assert record[f"{side}_sentences"] == sum(SENTENCE in f for f in fields)
        bare = [{key: value for key, value in f.items() if key != SENTENCE} for f in fields]
        assert bare == [strict(row["completion"][0]["content"], side) for row in plain]
        assert all("Sentence: ..." in row["prompt"][0]["content"] for row in rows)


def test_instructions_teach_in_the_schema_and_leave_probes_out(chain):
    from ptebench.profiles.evidence.owners import draw
    from ptebench.profiles.evidence.split import read_split
    from ptebench.profiles.schema.fields import strict

    drawn = draw(read_split(*chain.texts.values()), 0, WRITING["probes"])
    for side, path in chain.instructions.items():
        rows = read_jsonl(path)
        assert len(rows) == 8 and not {r["id"] for r in rows} & set(drawn.probes[side])
        assert all(strict(r["completion"][0]["content"], side) for r in rows)


def test_supplied_teacher_takes_the_place_of_the_template(chain, tmp_path):
    answer = "User identity: A, B, C; User interests: D, E, F."
    lines = [json.dumps({"user_id": f"u{u:03d}", "output": answer}) for u in range(20)]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    outputs = {name: tmp_path / path.name for name, path in chain.lessons.items()}
    notes = chain.instruct(outputs, teacher_user=tmp_path / "t.jsonl")
    assert notes["supplied_user"]["used"] == 20
    assert {r["completion"][0]["content"] for r in read_jsonl(outputs["user"])} == {
        "Roles: a; b; c\nInterests: d; e; f"
    }
    assert outputs["item"].read_bytes() != chain.instructions["item"].read_bytes()  # the profiles of readers changed


def test_what_scorers_learn_from_is_encoded_once(chain, tmp_path, monkeypatch):
    """By a round with new answers, its probe and GRPO; a job whose scorer holds out more encodes what then differs."""
    from ptebench.minilm import MiniLM

    known = set(pl.read_parquet(chain.lessons["texts"])["text"])
    assert len(known) > 20
    asked, encode = [], MiniLM.encode
    monkeypatch.setattr(
        MiniLM, "encode", lambda self, texts, **more: asked.extend(texts) or encode(self, texts, **more)
    )
    refresh = {"tuning": TUNING | {"refresh": 4}}
    jobs = [
        lambda: chain.tune(
            1, "user", {n: tmp_path / p.name for n, p in half(chain.root, 1, "user").items()}, **refresh
        ),
        lambda: chain.probe(1),
        lambda: chain.policy(tmp_path / "grpo", "user"),
    ]
    for run in jobs:
        asked.clear()
        run()
        assert asked and not known & set(asked)


@pytest.mark.parametrize("number, side", [(0, "user"), (1, "item")])
def test_half_round_is_the_same_bytes_again(chain, tmp_path, number, side):
    """The first draws a new adapter, the others continue one."""
    outputs = {n: tmp_path / p.name for n, p in half(chain.root, number, side).items()}
    chain.tune(number, side, outputs)
    for name, path in half(chain.root, number, side).items():
        assert outputs[name].read_bytes() == path.read_bytes(), name


def test_one_adapter_is_continued(chain):
    from safetensors.torch import load_file

    chained = [half(chain.root, r, s)["adapter"] for r in (0, 1) for s in ("user", "item")]
    weights = [load_file(p) for p in chained]
    assert len({tuple(sorted(w)) for w in weights}) == 1
    # the A matrices start at random: an adapter begun anew would be far from the one it continues
    name = next(n for n in weights[0] if "lora_A" in n)
    for before, after in zip(weights, weights[1:]):
        distance = (after[name] - before[name]).norm() / before[name].norm()
        assert 0 < distance < 0.5


def test_rounds_rebuild_their_prompts_from_new_profiles(chain, tmp_path):
    """The data of a half-round depends on the profiles of the one before: no static table."""
    kept = half(chain.root, 0, "item")["profiles"].read_bytes()
    before = chain.notes["user"]["prompts_sha256"]
    frame = read_table(half(chain.root, 0, "item")["profiles"], PROFILES)
    fields = json.dumps({"Audience roles": list("vwxyz"), "Audience interests": list("abcde")})
    try:
        frame.with_columns(fields=pl.lit(fields)).write_parquet(half(chain.root, 0, "item")["profiles"])
        outputs = {n: tmp_path / p.name for n, p in half(chain.root, 1, "user").items()}
        assert chain.tune(1, "user", outputs)["prompts_sha256"] != before
    finally:
        half(chain.root, 0, "item")["profiles"].write_bytes(kept)


def test_probe_reports_what_it_measured(chain):
    probe = chain.last
    assert probe["round"] == 1 and not probe["passed"] and 0 <= probe["utility"] <= 1
    assert probe["utility"] - probe["utility_of_cards"] == pytest.approx(probe["gain"]["mean"])
    for of in (probe["gain"], probe["embedding_drift"], probe["field_drift"], *probe["pairwise_cosine"].values()):
        assert of["low"] - 1e-9 <= of["mean"] <= of["high"] + 1e-9
    assert probe["embedding_drift"]["low"] > -1e-6 and probe["field_drift"]["low"] >= 0
    assert set(probe["parse_rate"]) == set(probe["effective_rank"]) == {"user", "item"}
    record = read_json(chain.root / "convergence.json")
    assert record["converged"] is None and len(record["rounds"]) == 2
    assert record["best"] == (0 if probe["refused"] else 1) and record["shown"] == (None if probe["refused"] else 0)
    change = probe["utility_change"]
    assert change["low"] <= change["mean"] <= change["high"] and probe["continues"] == 0


def test_a_converged_round_is_passed_on_without_loading_a_model(chain, tmp_path):
    probe = tmp_path / "probe.json"
    write_json({"next": "end", "round": 0}, probe)
    earlier = {f"earlier_{n}": p for n, p in half(chain.root, 0, "user").items()}
    outputs = {n: tmp_path / "out" / p.name for n, p in half(chain.root, 0, "user").items()}
    code = (
        "import json, sys; from workflow_scripts.tune_round import main; from ptebench.job import Job; from pathlib import Path;"
        "i, o = map(json.loads, sys.argv[1:]); main(Job({'side': 'user', 'round': 1}, {k: [Path(v)] for k, v in i.items()},"
        " {k: Path(v) for k, v in o.items()}, '', 1)); assert not {'torch', 'transformers', 'trl'} & set(sys.modules)"
    )
    arguments = [json.dumps({k: str(v) for k, v in d.items()}) for d in (earlier | {"probe": probe}, outputs)]
    root = Path(__file__).resolve().parents[2]
    environment = {"PYTHONPATH": str(root), "PATH": ""}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment)
    for name, path in half(chain.root, 0, "user").items():
        assert outputs[name].read_bytes() == path.read_bytes()


def test_policy_is_the_same_bytes_again_and_every_reward_is_logged(chain):
    first, second = chain.policy("grpo", "user"), chain.policy("again", "user")
    for name in first:
        assert first[name].read_bytes() == second[name].read_bytes(), name
    rewards = pl.read_csv(first["rewards"])
    logged = {"schema", "rank", "faithfulness_std", "identification", "length", "likeness", "effective_rank", "kl"}
    assert rewards.height == 2 and logged <= set(rewards.columns) and "auc" not in rewards.columns
    assert first["adapter"].read_bytes() != (chain.root / "best/user/adapter_model.safetensors").read_bytes()
    outputs = chain.policy("grpo", "item")
    assert pl.read_csv(outputs["rewards"])["schema"].is_between(-1, 0).all()
    assert not (chain.root / "grpo/user/checkpoints").exists()


def test_everybody_gets_a_profile_and_failures_are_counted(chain):
    users, notes = chain.write("user", half(chain.root, 1, "user")["adapter"], chain.root / "written/user.parquet")
    assert users["id"].to_list() == list(range(1, 49))
    parsed = sum(part["parsed"] + part.get("within the grammar", 0) for part in notes["written"].values())
    assert parsed == 48 - users["fields"].null_count() and notes["written"]["strangers"]["profiles"] == 1
    items, notes = chain.write("item", half(chain.root, 1, "item")["adapter"], chain.root / "written/item.parquet")
    assert items["id"].to_list() == list(range(1, 25)) and notes["written"]["cold"]["profiles"] == 3


def test_a_local_model_is_one_line(chain, tmp_path):
    """Any causal language model with a chat template serves, by its path."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([r["prompt"][0]["content"] for r in read_jsonl(chain.instructions["user"])], trainer)
    chat = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    # no pad token, as many have none
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|im_end|>", chat_template=chat)
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=512, tie_word_embeddings=True,
    )  # fmt: skip
    torch.manual_seed(0)
    Qwen3ForCausalLM(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    outputs = {n: tmp_path / p.name for n, p in half(chain.root, 0, "user").items()}
    notes = chain.tune(0, "user", outputs, model=str(tmp_path / "model"))
    assert len(notes["losses"]) == 2 and notes["written"]["profiles"] > 0
    settings = json.loads(outputs["adapter_config"].read_text())
    assert settings["target_modules"] == sorted(settings["target_modules"])
    with pytest.raises(InputError, match="its context is 512 tokens"):
        chain.tune(0, "user", outputs, model=str(tmp_path / "model"), context=600)
    (tmp_path / "model/chat_template.jinja").unlink()
    with pytest.raises(InputError, match="no chat template"):
        chain.tune(0, "user", outputs, model=str(tmp_path / "model"))
    with pytest.raises(InputError, match="no tokenizer there"):
        chain.tune(0, "user", outputs, model=str(tmp_path / "absent"))


def test_an_encoder_without_single_texts_is_refused():
    from ptebench.encoders import Encoder

    with pytest.raises(InputError, match="encoder of kind 'lsa' cannot judge profiles"):
        Encoder({"kind": "lsa", "dimension": 8})
