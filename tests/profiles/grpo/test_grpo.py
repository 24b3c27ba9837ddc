"""The reward as a whole on constructed cases, the watch, resuming, and the audit."""

import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
import safetensors.torch
import torch
from transformers import TrainerControl, TrainerState

from ptebench import resources
from ptebench.files import InputError, read_table
from ptebench.profiles.evidence.prompts import USER_TASK, assemble
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.grpo import optimise, watch
from ptebench.profiles.grpo.audit import AUDIT, compare, markdown, paired
from ptebench.profiles.grpo.judge import caps_of, parted, template_texts
from ptebench.profiles.grpo.rewards import Judge, nearer
from ptebench.profiles.grpo.watch import Watch, fault
from ptebench.profiles.measures.faithfulness import evidence_of, strangers
from ptebench.profiles.measures.floors import floors
from ptebench.profiles.measures.scorer import Block, Cards, Scorer
from ptebench.profiles.measures.tasks import (
    Tasks,
    item_tasks,
    last_items,
    match_activity,
    user_tasks,
)
from ptebench.profiles.models.checkpoints import Checkpoints
from ptebench.profiles.schema.fields import layout, strict
from ptebench.randomness import generator
from tests.profiles.chain import ENCODER, GRPO, LORA, WRITING, Chain, job
from tests.profiles.synthetic import write_split

WEIGHTS = GRPO["weights"]
SPEC = {"seed": 0, "history": 5, "neighbours": 2}


# ------------------------------------------------------------------ the judge


def profile(*phrases):
    return f"Roles: {'; '.join(phrases[:3])}\nInterests: {'; '.join(phrases[3:])}"


TITLES = "the long way home again", "how to bake bread slowly", "a short history of tea"
OWN = profile("tents", "trails", "stoves", "hiking", "camping", "lanterns")
NEIGHBOUR = profile("ovens", "dough", "flour", "whisks", "baking", "bread")
COPY = profile(*TITLES, *(f"{t} now" for t in TITLES))
VECTORS = {OWN: [1.0, 0, 0], NEIGHBOUR: [0, 1.0, 0], COPY: [0.9, 0.1, 0]}


def encode(texts):
    """Phrases of a profile lie where the profile lies."""
    encode.calls += 1
    return np.array([next(v for t, v in VECTORS.items() if text in t) for text in texts])


@pytest.fixture
def tasks():
    """Two owners: the first is a camper, the second a baker; ids 1 and 2 of what is ranked and known are theirs."""
    encode.calls = 0
    vectors = np.array([[0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0.6, 0.6, 0.5], [0, 0, 1.0]])
    prompt = assemble(USER_TASK, list(TITLES), "user")
    return Tasks(
        owners=np.array([1, 2]), prompts=[prompt, prompt], judged=vectors, targets=np.array([[1], [2]]),
        others=np.array([[2, 3, 4], [1, 3, 4]]), sources=vectors, evidence=np.array([[1, 0], [2, 3]]),
        signatures=vectors, crowd=np.array([[1, 2, 4], [2, 1, 4]]), rest=None, histories=[[3], [3]],
    )  # fmt: skip


def reads_texts_alone():
    """Return a scorer that has learned nothing: by cards all items are alike, and texts are read by their cosine."""
    scorer, draws = Scorer.__new__(Scorer), torch.Generator().manual_seed(0)
    vectors = torch.tensor([[0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0.6, 0.6, 0.5], [0, 0, 1.0]])
    scorer.cards, scorer.counts, scorer.usual = vectors, torch.zeros(5), {"user": torch.zeros(3)}
    scorer.by_cards, scorer.user_text = (
        Cards(3, draws).requires_grad_(False),
        Block(3, 1.0, draws).requires_grad_(False),
    )
    scorer.by_cards.mean.sharp.zero_()
    return scorer


def judge_of(tasks, weights=None, threshold=0.8):
    return Judge(tasks, encode, "user", WEIGHTS | (weights or {}), threshold, scorer=reads_texts_alone())


def test_a_perfect_profile_beats_a_neighbours_and_a_copied_one_and_an_empty_one_is_the_floor(tasks):
    judge = judge_of(tasks)
    texts = [OWN, NEIGHBOUR, COPY, "", "Roles: a"]
    found, together = judge(texts, [0] * 5, [40, 40, 40, 1, 128], usual=None)
    perfect, neighbour, copy, empty, broken = judge.total(found)
    assert perfect > copy > neighbour > empty == broken == pytest.approx(-2)
    assert found["faithfulness"][:3] == pytest.approx([1, -1, 1 / 11])
    assert found["identification"][:2] == pytest.approx([1, 1 / np.log2(3.5)])
    assert found["rank"][0] == pytest.approx(1 - 1 / np.log2(3.5)) and found["rank"][0] > 0 > found["rank"][1]
    assert all(np.isnan(found[c][3:]).all() for c in judge.components)
    assert encode.calls == 2 and np.isnan(together["likeness"])
    assert together["effective_rank"] == pytest.approx(1), "three texts on one line"


def test_texts_alike_for_everybody_lose_more_than_was_usual(tasks):
    judge = judge_of(tasks)
    same, together = judge([OWN, OWN], [0, 1], [40, 40], usual=0.2)
    assert together["likeness"] == pytest.approx(1)
    before, _ = judge([OWN, OWN], [0, 1], [40, 40], usual=None)
    assert before["identification"] - same["identification"] == pytest.approx([0.4, 0.4])


def test_a_guard_pays_up_to_its_cap_and_no_cap_is_no_bound(tasks):
    judge = judge_of(tasks)
    free, _ = judge([OWN, OWN], [0, 1], [40, 40], usual=1.0)
    judge.caps = {"faithfulness": np.array([0.25, np.nan])}
    bound, _ = judge([OWN, OWN], [0, 1], [40, 40], usual=1.0)
    assert free["faithfulness"][0] == 1 and bound["faithfulness"] == pytest.approx([0.25, free["faithfulness"][1]])
    assert bound["identification"] == pytest.approx(free["identification"])


def test_a_component_of_weight_zero_is_not_computed(tasks):
    judge = judge_of(tasks, {"faithfulness": 0.0, "rank": 0.0}, None)
    seen = []
    judge.encode = lambda texts: seen.extend(texts) or encode(texts)
    found, _ = judge([OWN, NEIGHBOUR], [0, 1], [40, 10])
    assert list(found) == ["schema", "identification", "length"] == list(judge.weights) and seen == [OWN, NEIGHBOUR]
    assert judge.total(found)[1] == pytest.approx(0.5 + 0.1 * (-2 / 3))


def test_no_valid_text_earns_less_than_one_outside_the_schema(tasks):
    judge = judge_of(tasks)
    worst = {c: np.array([-1.0]) for c in judge.components} | {"schema": np.array([0.0])}
    shut = {c: np.array([np.nan]) for c in judge.components} | {"schema": np.array([-1.0])}
    assert judge.total(shut) < judge.total(worst)


def test_the_rank_pays_for_words_that_point_at_the_item_whatever_was_learned_of_texts(tasks):
    judge = judge_of(tasks)
    judge.utility.scorer.user_text.sharp.zero_()  # nothing was learned
    found, _ = judge([OWN, NEIGHBOUR], [0, 0], [40, 40])
    assert found["rank"][0] > 0.3 and found["rank"][1] < 0


def test_nearer_is_one_at_best_and_zero_by_chance():
    vectors = np.vstack([np.zeros(4), np.eye(4)])
    found = nearer(
        np.vstack([np.eye(4)[:2], np.ones(4)]), vectors, np.array([[1], [1], [1]]), np.array([[2, 3, 0]] * 3)
    )
    assert found == pytest.approx([1, -1, 0], abs=1e-6)


# ------------------------------------------------------------------ the tasks


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    return read_split(files["train"], files["vocabulary"], files["items"])


CARDS = np.vstack([np.zeros(4), np.eye(4)[np.arange(24) % 4] + 0.01]).astype(np.float32)


def test_what_is_held_out_of_users_is_shown_nowhere(split):
    users = [1, 2, 3, 7]
    held = last_items(users, split)
    found = user_tasks(held, split, {}, CARDS, SPEC, 9, {})
    warm = set(split.warm().tolist())
    assert len(held) == 12 and {(u, i) for u in users for i in split.train[u][-3:]} == set(held)
    for row, (user, item) in enumerate(held):
        history = set(split.train[user])
        assert found.targets[row].tolist() == [item]
        assert not history & set(found.others[row].tolist()) and set(found.others[row].tolist()) <= warm
        rest = [i for i in split.train[user] if i != item]
        assert [i for i in found.evidence[row] if i] == rest[-5:] and found.histories[row] == rest
        assert found.prompts[row].count("\n- ") == min(5, len(rest))
        # what others are told apart by knows of none of the three
        assert found.signatures[user] == pytest.approx(CARDS[split.train[user][:-3]].mean(0))
        assert found.rest.train[user] == split.train[user][:-3]
        assert found.crowd[row, 0] == user and len(set(found.crowd[row])) == found.crowd.shape[1] > 20
        assert set(found.crowd[row].tolist()) <= set(split.train)


def test_a_user_keeps_an_item_to_be_known_by_or_has_no_task(split):
    few = replace(split, train=split.train | {1: [5], 2: [5, 6], 3: [5, 6, 7], 7: [5, 6, 5]})
    held = last_items([1, 2, 3, 7], few)
    assert held == [(2, 6), (3, 6), (3, 7), (7, 6)]
    tasks = user_tasks([(1, 5), *held], few, {}, CARDS, SPEC, 9, {})
    assert tasks.owners.tolist() == [2, 3, 3, 7] and tasks.crowd[:, 0].tolist() == [2, 3, 3, 7]
    with pytest.raises(InputError, match="no user has two training items"):
        user_tasks([(1, 5)], few, {}, CARDS, SPEC, 9, {})


def test_evidence_is_what_prompts_show_where_items_have_no_text(split):
    *_, third, bare, newest, held = split.train[1]
    titles = ["" if i == bare else title for i, title in enumerate(split.cards.title)]
    told, spec = replace(split, cards=replace(split.cards, title=titles)), SPEC | {"history": 2, "neighbours": 2}
    fields = {"Audience roles": ["camper", "b", "c", "d", "e"], "Audience interests": ["tents", "g", "h", "i", "j"]}
    found = user_tasks([(1, held)], told, dict.fromkeys(range(1, 25), fields), CARDS, spec, 9, {})
    assert found.prompts[0].count("\n- ") == found.prompts[0].count("liked by") == 2
    assert found.evidence.tolist() == [[third, newest]]
    assert evidence_of([1], "user", told, spec).tolist() == [[newest, held]]
    assert evidence_of([1], "user", told, spec | {"history": 3}).tolist() == [[third, newest, held]]
    others = evidence_of([held], "item", replace(told, train={1: told.train[1]}), spec | {"history": 3})
    assert others.tolist() == [[held, third, newest, held]], "the item itself, and what its reader chose"


def test_no_prompt_shows_what_was_written_of_its_own_user(split):
    """Audiences as they are written: each names what its readers chose, the item held out among it."""
    readers = split.readers(2, 0)
    told = {i: "; ".join(f"x{u}y{j}" for u in of for j in split.train[u]) for i, of in readers.items()}
    audiences = {i: {"Audience roles": [t, "b"], "Audience interests": ["c", "d"]} for i, t in told.items()}
    held = last_items(list(split.train), split)
    leaky, found = (user_tasks(held, split, audiences, CARDS, SPEC, 9, of) for of in ({}, readers))
    named = [[f"x{u}y{i}" in prompt for prompt, (u, i) in zip(of.prompts, held)] for of in (leaky, found)]
    assert sum(named[0]) > 10 and not any(named[1])
    assert sum("liked by" in prompt for prompt in found.prompts) > 50, "what others said is shown still"


def test_held_out_readers_are_shown_nowhere_and_strangers_never_read(split):
    fields = {u: {"Roles": [f"r{u}", "b", "c"], "Interests": ["d", "e", "f"]} for u in split.train}
    found = item_tasks([1, 2, 5], split, fields, CARDS, SPEC, 9)
    for row, item in enumerate([1, 2, 5]):
        readers = {u for u, h in split.train.items() if item in h}
        wanted = [w for w in found.targets[row] if w]
        assert len(wanted) == min(8, len(readers) // 2) and min(wanted) > max(split.train)
        assert not readers & set(found.others[row].tolist())
        shown = {u for u in split.train if f"r{u};" in found.prompts[row]}
        assert shown and shown < readers
        told = {i for i in found.evidence[row] if i}
        assert item in told and told <= {item}.union(*(split.train[u] for u in shown)), "cards alone are evidence"
        assert len(set(found.crowd[row])) == found.crowd.shape[1] == 21 and found.crowd[row, 0] == item
    scorer = Scorer(found.rest, CARDS, lambda texts: np.ones((len(texts), 4), dtype=np.float32), 0)
    judge = Judge(found, None, "item", WEIGHTS | {"faithfulness": 0.0}, None, scorer=scorer)
    # the card of an item tells those who like its topic from the others
    assert (judge.utility.reference > 0.6).all()


def test_no_floor_earns_more_than_the_template_by_a_guard(split):
    """The encoder reads letters, so that words of titles are nearer to cards than the template's are."""

    def letters(texts):
        return np.array([[text.count(c) for c in "etaoinsrhl"] for text in texts]) + 1e-3

    cards = np.vstack([np.zeros(10), letters([split.cards.line(i) for i in range(1, split.items + 1)])])
    tasks = user_tasks(last_items(list(split.train), split), split, {}, cards, SPEC, 9, {})
    judge = Judge(tasks, letters, "user", WEIGHTS | {"rank": 0.0}, 0.9)
    texts = template_texts(tasks, "user")
    evidence = {row: [i for i in tasks.evidence[row].tolist() if i] for row in texts}
    by_row = {row: strict(text, "user") for row, text in texts.items()}
    free, bound = {}, {}
    for caps, totals in (({}, free), (caps_of(tasks, letters, "user", judge.weights | WEIGHTS, 0.9), bound)):
        judge.caps = caps
        for name, of in {"template": by_row, **floors(evidence, by_row, "user", split.cards, 0)}.items():
            values, _ = judge([layout(f, "user") for f in of.values()], list(of), [40] * len(of), usual=1.0)
            totals[name] = np.nanmean(judge.total(values))
    assert max(free, key=free.get) != "template", "without caps a floor wins"
    assert max(bound, key=bound.get) == "template"


def test_strangers_are_as_active_as_the_held_out_readers():
    degree = np.array([0] + [2] * 50 + [40] * 10)
    drawn = match_activity(generator(0, "x"), degree, np.array([51, 52]), np.array([51, 52]), 8)
    assert sorted(drawn) == list(range(53, 61))
    more = match_activity(generator(0, "x"), degree, np.array([51, 52]), np.array([51, 52]), 999)
    assert sorted(more) == [*range(1, 51), *range(53, 61)]


def test_strangers_are_training_owners(split):
    template = dict.fromkeys(range(1, 49), {})
    assert set(strangers(template, "user", split, 0)) == set(split.train) < set(template)
    assert set(strangers(template, "item", split, 0)) == set(split.warm().tolist())


# ---------------------------------------------------------------- the watch


def test_training_stops_where_texts_of_others_get_worse_and_never_where_they_get_narrow():
    random = np.random.default_rng(0)
    before = {"schema": np.zeros(32), "rank": random.normal(size=32)}
    noise = 0.2 * random.normal(size=32)
    assert fault("rank", before, before) is None
    assert fault("rank", before, before | {"rank": before["rank"] + noise}) is None, "what chance does is no fall"
    assert fault("rank", before, before | {"rank": before["rank"] + 0.3}) is None
    assert "the rank of others falls" in fault("rank", before, before | {"rank": before["rank"] + noise - 0.3})
    shut = np.where(np.arange(32) < 16, -1.0, 0.0)
    assert "100% before, 50% now" in fault("rank", before, before | {"schema": shut})
    assert fault("rank", before | {"schema": shut}, before) is None, "more are profiles"
    few = {name: values[:7] for name, values in before.items()}
    assert fault("rank", few, few | {"rank": few["rank"] - 1}) is None, "of seven nothing is said"


def test_who_is_watched_is_neither_trained_on_nor_compared():
    trained, watched, others = parted(list(range(100)), 40)
    assert trained == list(range(60, 100))[::-1] and sorted(watched) == list(range(40, 60))
    assert others == list(range(40)), "as fine-tuning takes them"
    assert len(parted(list(range(500)), 40)[1]) == watch.OWNERS and parted([1, 2], 5) == ([2, 1], [], [])


def test_what_gets_worse_is_taken_back(tasks, tmp_path):
    rows = np.zeros(watch.FEWEST, dtype=int)
    model, said = torch.nn.Linear(1, 1), [OWN]
    watcher = Watch(judge_of(tasks), rows, model, 2, lambda rows: (said * len(rows), [40] * len(rows)))
    arguments, state = SimpleNamespace(output_dir=tmp_path), TrainerState(global_step=0, max_steps=9)
    control = TrainerControl()

    def step(number, weight):
        torch.nn.init.constant_(model.weight, weight)
        state.global_step = number
        watcher.on_log(arguments, state, control, logs={"reward": 0.0})

    watcher.on_train_begin(arguments, state, control)
    step(2, 2.0)
    said[0] = NEIGHBOUR
    step(3, 3.0)
    assert not control.should_training_stop and model.weight == 3, "nothing is looked at between"
    step(4, 4.0)
    assert control.should_training_stop and "the rank of others falls" in watcher.reason
    assert model.weight == 2 and [look["step"] for look in watcher.looks] == [0, 2, 4]


def test_the_watch_goes_on_from_a_checkpoint_whatever_the_model_is_on(tasks, tmp_path):
    rows = np.zeros(watch.FEWEST, dtype=int)
    arguments, state = SimpleNamespace(output_dir=tmp_path), TrainerState(global_step=2, max_steps=9)

    def watcher(model):
        model.device = next(model.parameters()).device
        return Watch(judge_of(tasks), rows, model, 2, lambda rows: ([OWN] * len(rows), [40] * len(rows)))

    before, after = watcher(torch.nn.Linear(1, 1)), watcher(torch.nn.Linear(1, 1, device="meta"))
    before.look(2)
    (tmp_path / "checkpoint-2").mkdir()
    before.on_save(arguments, state, TrainerControl())
    after.on_train_begin(arguments, state, TrainerControl())
    assert after.looks == before.looks and after.before.keys() == before.before.keys()
    for name, values in before.before.items():
        np.testing.assert_array_equal(after.before[name], values)


def test_only_whole_checkpoints_of_the_same_job_count(tmp_path, capsys):
    for step, owner in ((2, "same"), (4, "same"), (6, "other"), (10, None), (12, "same"), (14, "same"), (16, "same")):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "weights").write_bytes(b"1234")
        (folder / "rest").write_bytes(b"")
        if owner:
            state = TrainerState(global_step=step, is_world_process_zero=True)
            Checkpoints(tmp_path, owner).on_save(None, state, None)
    (tmp_path / "checkpoint-12/weights").write_bytes(b"1235")
    (tmp_path / "checkpoint-14/rest").unlink()
    (tmp_path / "checkpoint-16/whole").write_text("same")  # as of an earlier version
    assert Checkpoints(tmp_path, "same").latest() == tmp_path / "checkpoint-4"
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and all(sum(f"checkpoint-{n}: damaged" in s for s in said) == 1 for n in (12, 14, 16))
    assert Checkpoints(tmp_path, "new").latest() is None and not list(tmp_path.glob("checkpoint-*"))
    assert not capsys.readouterr().out


# ------------------------------------------------------- the job and its audit


SETTINGS = GRPO | {"prompts": 4, "watch": 3, "steps": 6, "learning_rate": 0.001}
LSA = {"kind": "lsa", "dimension": 8}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A base model that writes something, a new adapter, and the template's profiles as the best round's."""
    from ptebench.profiles.models.adapters import save_adapter
    from ptebench.profiles.models.loading import load

    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("grpo"))
    chain.build(steps=250)
    torch.manual_seed(0)
    model, _ = load(str(chain.base["base"].parent), None, WRITING["context"], None, LORA, True)
    folder = chain.root / "best"
    folder.mkdir()
    save_adapter(model, folder / "adapter_model.safetensors", folder / "adapter_config.json")
    chain.lsa = chain.root / "lsa.safetensors"
    texts = {"texts": chain.files["items"], "fit": chain.files["items"]}
    known = {n: chain.files[n] for n in ("train", "vocabulary")}
    job("embed", {"text": "card", "side": "item", "encoder": LSA}, known | texts, {"vectors": chain.lsa})
    return chain


def given(chain, side):
    other = {"user": "item", "item": "user"}[side]
    return chain.known | chain.base | {"evidence": chain.template[other], "template": chain.template[side]}


def policy(chain, folder, side="user", **changes):
    names = {
        "adapter": "adapter_model.safetensors",
        "adapter_config": "adapter_config.json",
        "rewards": "rewards.csv",
    }
    outputs = {n: folder / f for n, f in names.items()}
    inputs = given(chain, side) | {"adapter": chain.root / "best/adapter_model.safetensors"}
    notes = job("grpo", WRITING | {"grpo": SETTINGS | changes, "encoder": ENCODER, "side": side}, inputs, outputs)
    return {n: p.read_bytes() for n, p in outputs.items()}, notes


def weights_of(adapter: bytes) -> dict:
    return {name: weights.tolist() for name, weights in safetensors.torch.load(adapter).items()}


def test_a_killed_job_resumes_and_ends_in_the_same_bytes(chain, tmp_path, monkeypatch):
    whole, notes = policy(chain, tmp_path / "whole")
    rewards = pl.read_csv(whole["rewards"])
    assert rewards.height == 6 and notes["resumed_from_step"] is None
    assert [look["step"] for look in notes["watched"]] == [0, 3, 6]
    assert (rewards["reward_std"] > 0).sum() >= 3, "a policy without a signal would resume to the same bytes anyhow"
    assert whole["adapter"] != (chain.root / "best/adapter_model.safetensors").read_bytes()

    class Killed(Exception):
        pass

    judged = Judge.__call__
    calls = []

    def until(self, *arguments):
        calls.append(None)
        if len(calls) == 7:  # caps, four steps, two looks
            raise Killed
        return judged(self, *arguments)

    monkeypatch.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(Judge, "__call__", until)
        with pytest.raises(Killed):
            policy(chain, tmp_path / "killed")
    last = tmp_path / "killed/checkpoints/checkpoint-3"
    assert (last / "whole").is_file()
    shutil.copytree(tmp_path / "killed", tmp_path / "damaged")
    weights = tmp_path / "damaged/checkpoints/checkpoint-3/adapter_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    torch.manual_seed(99)
    np.random.seed(99)
    resumed, again = policy(chain, tmp_path / "killed")
    assert again["watched"] == notes["watched"], "what was before training is in the checkpoint"
    assert again["resumed_from_step"] == 3 and not (tmp_path / "killed/checkpoints").exists()
    assert resumed == whole
    resumed, again = policy(chain, tmp_path / "damaged")
    assert again["resumed_from_step"] == 2 and resumed == whole


def test_a_fault_ends_training_and_is_on_record(chain, tmp_path, monkeypatch):
    monkeypatch.setattr(
        watch, "fault", lambda task, before, after: "worse" if before["rank"] is not after["rank"] else None
    )
    before = (chain.root / "best/adapter_model.safetensors").read_bytes()
    changed = []  # variables, of the process, while its threads run
    with monkeypatch.context() as patch:
        patch.setattr(os, "putenv", lambda *change: changed.append(change))
        patch.setattr(os, "unsetenv", lambda *change: changed.append(change))
        made, notes = policy(chain, tmp_path, batch_size=2, watch=2)
    assert not changed
    assert notes["stopped"] == "worse" and notes["steps"] == pl.read_csv(made["rewards"]).height == 2
    assert weights_of(made["adapter"]) == weights_of(before), "what made texts worse is taken back"


def test_the_audit_tells_before_from_after_by_both_encoders(chain, tmp_path):
    settings = {"prompts": 4, "weights": WEIGHTS | {"preference": 0.2}}
    made, notes = policy(chain, tmp_path, "item", **settings)
    assert "preference" in pl.read_csv(made["rewards"]).columns
    assert set(notes["accuracy_of_preference"]) == {"matched", "neighbour", "swapped"}
    adapters = {
        "before": chain.root / "best/adapter_model.safetensors",
        "after": tmp_path / "adapter_model.safetensors",
    }
    outputs = {"csv": tmp_path / "audit.csv", "md": tmp_path / "audit.md"}
    spec = WRITING | {"grpo": SETTINGS | settings, "encoders": [("minilm", ENCODER), ("lsa", LSA)], "side": "item"}
    notes = job("audit_grpo", spec, given(chain, "item") | adapters | {"second": chain.lsa}, outputs)
    frame = read_table(outputs["csv"], AUDIT)
    assert frame["component"].unique(maintain_order=True).to_list() == [
        "reward", "schema", "auc", "faithfulness", "identification", "length", "preference", "parsed",
    ]  # fmt: skip
    assert frame["encoder"].to_list() == ["minilm"] * 8 + ["lsa"] * 8
    assert frame.filter(component="schema")["before"].n_unique() == 1, "the gate knows no encoder"
    assert frame.filter(component="reward")["pairs"].to_list() == [5, 5]
    assert outputs["md"].read_text().count("\n| ") == 17
    assert set(notes["accuracies_of_preference"]) == {"minilm", "lsa"}


def test_pairs_and_their_interval():
    random = np.random.default_rng(0)
    before = random.normal(size=200)
    found = paired(np.append(before, np.nan), np.append(before + 0.5 + 0.1 * random.normal(size=200), 1), random)
    assert found["pairs"] == 200 and found["low"] < 0.5 < found["high"] and found["high"] - found["low"] < 0.04
    assert np.isnan(paired(np.array([np.nan]), np.array([1.0]), random)["difference"])


def test_an_audit_of_no_change_finds_none(tasks):
    judge = judge_of(tasks)
    said = [{"text": OWN, "tokens": 30, "parsed": True}, {"text": "nothing", "tokens": 30, "parsed": False}]
    rows = compare(judge, {"before": said, "after": said}, "minilm", True, np.random.default_rng(0))
    assert all(r["difference"] == 0 for r in rows) and [r["pairs"] for r in rows] == [2, 2, 1, 1, 1, 1, 2]
    assert rows[-1]["component"] == "parsed" and rows[-1]["before"] == 0.5
    table = markdown(pl.DataFrame(rows, schema=AUDIT), "user")
    assert "| minilm (training) | schema | -0.5000 | -0.5000 | +0.0000 |" in table and "**" not in table


def test_the_memory_of_the_job_is_that_of_the_parts_in_which_it_reads():
    assert optimise.PART == resources.POLICY


def test_vllm_is_refused_where_it_is_not_installed(chain, tmp_path):
    with pytest.raises(InputError, match="vllm is not installed"):
        policy(chain, tmp_path, vllm=True)
