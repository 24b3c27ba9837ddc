"""Two-turn instructions: who is shown beside whom, what is hidden, what the loss reads."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ptebench.files import InputError, read_json, read_jsonl
from ptebench.profiles.evidence.collaborative import user_vectors
from ptebench.profiles.evidence.neighbours import nearest
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.rounds.dialogues import area_under_curve, dialogues, first_turn
from tests.profiles.chain import ENCODER, LORA, WRITING, Chain, half, job
from tests.profiles.synthetic import write_split

SPEC = {"history": 6, "neighbours": 3, "seed": 0}


@pytest.fixture(scope="module")
def split(tmp_path_factory):
    files = write_split(tmp_path_factory.mktemp("split"))
    return read_split(files["train"], files["vocabulary"], files["items"])


def test_neighbours_choose_from_the_same_topic(split):
    users = list(split.train)
    vectors = user_vectors(split.train, split.items)
    near = nearest(users, vectors, users, 3)
    alike = np.mean([(o - u) % 4 == 0 for u in users for o in near[u]])  # topics go round
    assert alike > 0.9 and not any(u in near[u] for u in users)
    assert (vectors == user_vectors(split.train, split.items)).all()


def test_nothing_that_is_asked_about_stands_in_a_prompt(split):
    users = [u for u, h in split.train.items() if len(set(h)) >= 3]
    found = dialogues(users, split, SPEC)
    assert found == dialogues(users, split, SPEC) and len(found) == 2 * len(users)
    titles = split.cards.title
    for dialogue in found:
        held = split.train[dialogue.user][-1]
        assert dialogue.last == held and (dialogue.item == held) == dialogue.chosen
        assert dialogue.chosen or dialogue.item not in split.train[dialogue.user]
        prompt = first_turn(dialogue, split, {}, SPEC)
        shown = {i for u in (dialogue.user, *dialogue.others) for i in split.train[u]} - {held, dialogue.item}
        hidden = {titles[held], titles[dialogue.item]} - {titles[i] for i in shown}
        lines = [part for line in prompt.split("\n") if line.startswith("- ") for part in line[2:].split("; ")]
        assert not hidden & {part.split(" | ")[0] for part in lines}
        assert sum(line.startswith("- ") for line in prompt.split("\n")) >= 4
    theirs = [d.item in {i for o in d.others for i in split.train[o]} for d in found if not d.chosen]
    assert 0.4 < np.mean(theirs) < 1


def test_the_vectors_know_nothing_of_what_is_held_out(split):
    users = [u for u, h in split.train.items() if len(set(h)) >= 3]
    held = {(u, split.train[u][-1]) for u in users}
    near = {d.user: d.others for d in dialogues(users, split, SPEC)}
    rest = split.without(held)
    assert near == nearest(users, user_vectors(rest.train, split.items), list(rest.train), 3)


def test_area_under_the_curve():
    chosen = np.array([True, False, True, False])
    assert area_under_curve(np.array([3.0, 1, 2, 0]), chosen) == 1
    assert area_under_curve(np.array([1.0, 1, 0, 0]), chosen) == 0.5
    assert area_under_curve(np.array([1.0, 1, 3, 2]), chosen) == pytest.approx(0.625)


def test_later_answers_weigh_more_and_prompts_nothing():
    from ptebench.profiles.models.finetune import LATER, answer_loss, segments

    rows = [([1, 2, 5, 6, 3, 7], [-100, -100, 5, 6, -100, 7]), ([1, 4], [-100, 4])]
    assert segments(torch.tensor([rows[0][1]])).tolist() == [[0, 0, 1, 1, 0, 2]]
    logits = torch.randn(2, 5, 9, generator=torch.Generator().manual_seed(0))
    read = -logits.log_softmax(-1)
    expected = read[0, 1, 5] + read[0, 2, 6] + LATER * read[0, 4, 7] + read[1, 0, 4]

    class Model:
        device = torch.device("cpu")

        def forward(self, input_ids, use_cache, logits_to_keep):
            assert input_ids.tolist() == [[1, 2, 5, 6, 3], [1, 4, 0, 0, 0]], "the end of a row is padded"
            kept.append(logits_to_keep.tolist())
            return SimpleNamespace(logits=logits[:, logits_to_keep])

        __call__ = forward

        def get_base_model(self):
            return self

    kept = []
    assert answer_loss(Model(), rows).item() == pytest.approx(expected.item())
    assert kept == [[0, 1, 2, 4]], "no logits where no row has an answer"


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A chain with dialogues, whose round 0 is done."""
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("chain"))
    chain.build()
    chain.instructed = chain.instruct(collaborative=0.5)
    chain.notes = {side: chain.tune(0, side) for side in ("user", "item")}
    return chain


def test_instructions_ask_what_was_chosen_and_what_was_not(chain):
    rows = [r for r in read_jsonl(chain.instructions["user"]) if "dialogue" in r]
    assert len(rows) == chain.instructed["collaborative"] == 4
    assert [r["completion"][-1]["content"] for r in rows] == ["yes", "no", "yes", "no"]
    assert not any("dialogue" in r for r in read_jsonl(chain.instructions["item"]))
    drawn = draw(read_split(*chain.texts.values()), 0, WRITING["probes"])
    assert not {r["id"] for r in rows} & set(drawn.probes["user"])


def test_one_template_renders_prompts_for_training_and_for_writing(chain):
    """The tokens before the first answer are those that a prompt has when profiles are written; only answers count."""
    from ptebench.profiles.models.loading import load_tokenizer
    from ptebench.profiles.models.tokens import conversation_tokens, prompt_tokens

    tokenizer = load_tokenizer(str(chain.base["base"].parent))
    for row in read_jsonl(chain.instructions["user"]):
        ids, labels = conversation_tokens(row["prompt"] + row["completion"], tokenizer)
        prompt = prompt_tokens(row["prompt"][0]["content"], tokenizer)
        assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {-100}
        answers = [t["content"] for t in row["completion"] if t["role"] == "assistant"]
        read = tokenizer.decode([i for i in labels if i != -100], skip_special_tokens=True)
        assert "".join(read.split()) == "".join("".join(answers).split())
        assert sum(i == tokenizer.eos_token_id for i in labels) == len(answers)
    tokenizer.chat_template = "{% for m in messages %}{{ loop.length }}{{ m['content'] }}{% endfor %}"
    with pytest.raises(InputError, match="does not keep prompt and answer apart"):
        conversation_tokens(row["prompt"] + row["completion"][:1], tokenizer)


def test_lengths_of_prompts_are_recorded(chain, tmp_path):
    lengths = chain.notes["user"]["lengths"]
    assert lengths["prompts"] == 8 and lengths["before"]["median"] <= lengths["before"]["longest"]
    from ptebench.profiles.models.loading import load_tokenizer
    from ptebench.profiles.models.tokens import conversation_tokens, prompt_tokens, shortened

    tokenizer = load_tokenizer(str(chain.base["base"].parent))
    rows = read_jsonl(chain.instructions["user"])
    limit = lengths["before"]["median"] - 10
    short, found = shortened(rows, tokenizer, limit)
    assert found["before"] == lengths["before"] and 0.5 <= found["truncated"] <= 1
    for row in short:
        whole, first = (len(conversation_tokens(row["prompt"] + row["completion"][:n], tokenizer)[0]) for n in (3, 1))
        assert len(prompt_tokens(row["prompt"][0]["content"], tokenizer)) + whole - first <= limit
    assert found["after"]["longest"] <= limit


def test_a_probe_asks_the_model_what_held_out_people_chose(chain):
    inputs = chain.known | {f"{s}_profiles": half(chain.root, 0, s)["profiles"] for s in ("user", "item")}
    inputs |= chain.base | {"user_adapter": half(chain.root, 0, "user")["adapter"]}
    spec = WRITING | {"round": 0, "encoder": ENCODER, "embedding_drift": 0.0, "field_drift": 0.0, "collaborative": 0.5}
    found = []
    for name in ("a", "b"):
        job("probe_round", spec, inputs, {"probe": chain.root / f"{name}.json"})
        found.append(read_json(chain.root / f"{name}.json"))
    assert found[0] == found[1] and found[0]["asked"] == 2 * WRITING["probes"]
    assert 0 <= found[0]["area_under_curve"] <= 1


def test_later_rounds_ask_again(chain, tmp_path):
    (chain.root / "rounds/0/probe.json").write_text(json.dumps({"next": "continue", "retried": False}))
    outputs = {n: tmp_path / p.name for n, p in half(chain.root, 1, "user").items()}
    notes = chain.tune(1, "user", outputs)
    # the items' profiles stand in the prompts now
    assert notes["prompts_sha256"] != chain.notes["user"]["prompts_sha256"] and len(notes["losses"]) == 2


def test_four_bits_need_a_gpu_and_a_package(chain, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("what it tests is said where there is no GPU; run it on a machine without one")
    outputs = {n: tmp_path / p.name for n, p in half(chain.root, 0, "user").items()}
    with pytest.raises(InputError, match="'quantization: 4bit' needs an NVIDIA GPU"):
        chain.tune(0, "user", outputs, quantization="4bit")


def test_what_dialogues_teach_is_what_the_probe_asks(chain, tmp_path):
    """Where every answer is `yes`, that is what the model comes to prefer."""
    from ptebench.profiles.models.finetune import finetune
    from ptebench.profiles.models.loading import load
    from ptebench.profiles.models.yes_no import preference

    rows = [r for r in read_jsonl(chain.instructions["user"]) if "dialogue" in r and r["dialogue"]["chosen"]]
    torch.manual_seed(1)
    model, tokenizer = load(str(chain.base["base"].parent), None, 320, None, LORA | {"dropout": 0.0}, True)
    turns = [r["prompt"] + r["completion"] for r in rows]
    before = preference(model, tokenizer, turns)
    finetune(model, tokenizer, rows, {"epochs": 40, "batch_size": 2, "learning_rate": 0.02}, 320, 0, tmp_path)
    assert (preference(model, tokenizer, turns) > before + 0.05).all()


def test_an_answer_that_the_context_would_cut_is_refused(chain, tmp_path):
    from ptebench.profiles.models.finetune import finetune
    from ptebench.profiles.models.loading import load_tokenizer

    rows = read_jsonl(chain.instructions["item"])
    rows[-1]["completion"][-1]["content"] = long = "Audience interests: " + "; ".join(map(str, range(200)))
    tokenizer = load_tokenizer(str(chain.base["base"].parent))
    settings = {"epochs": 1, "batch_size": 2, "learning_rate": 0.02}
    with pytest.raises(InputError, match=rf"'context' is 320 \(the answer: '{long[:30]}.*raise 'new_tokens'"):
        finetune(None, tokenizer, rows, settings, 320, 0, tmp_path)
