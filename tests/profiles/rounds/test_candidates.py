"""New targets: the best of sampled answers, by what finds the item that no prompt shows."""

import numpy as np
import pytest
import torch

from ptebench.files import read_embeddings, read_jsonl
from ptebench.profiles.decoding.decode import Sampling
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.models.loading import load
from ptebench.profiles.rounds.candidates import COUNT, best_of, refresh, sample, tasks_of
from ptebench.profiles.schema.fields import layout, strict
from ptebench.profiles.schema.tables import read_profiles
from tests.profiles.chain import TUNING, WRITING, Chain

SPEC = WRITING | {"side": "user", "tuning": TUNING | {"refresh": 5}}


def profile(word):
    return layout({"Roles": [f"{word} {k}" for k in "abc"], "Interests": [f"{word} {k}" for k in "def"]}, "user")


class Worth:
    """A utility in which a longer text is worth more."""

    side = "user"

    def __call__(self, vectors, rows):
        return vectors[:, 0]


def test_the_best_valid_answer_is_the_target_and_none_where_none_is_valid():
    long, short = profile("lanterns"), profile("tents")
    answers = [[short, "nothing at all" * 99, long], [short, short], ["", "no profile"]]
    best = best_of(answers, Worth(), lambda texts: np.array([[len(t)] for t in texts]))
    assert best == {0: long, 1: short} and best_of([[""]], Worth(), None) == {}


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    torch.set_num_threads(1)
    chain = Chain(tmp_path_factory.mktemp("candidates"))
    chain.build(steps=150)
    chain.instruct()
    return chain


@pytest.mark.parametrize("side", ["user", "item"])
def test_targets_are_the_models_own_and_their_prompts_show_nothing_of_what_chooses_them(chain, side):
    whole = read_split(chain.files["train"], chain.files["vocabulary"], chain.files["items"])
    split = whole.without(draw(whole, 0, SPEC["probes"]).pairs)
    cards = read_embeddings(chain.files["cards"], split.items + 1).numpy()
    fields = read_profiles(chain.template[{"user": "item", "item": "user"}[side]])
    rows = read_jsonl(chain.instructions[side])
    model, tokenizer = load(str(chain.base["base"].parent), None, SPEC["context"], None, SPEC["lora"], False)

    def encode(texts):
        return np.random.default_rng(len(texts)).normal(size=(len(texts), cards.shape[1]))

    spec = SPEC | {"side": side}
    made, counts = refresh(rows, split, fields, cards, encode, model, tokenizer, spec)
    again, _ = refresh(rows, split, fields, cards, encode, model, tokenizer, spec)
    assert made == again and [row["id"] for row in made] == [row["id"] for row in rows] and counts["asked"] == 5
    other = [new["id"] for new, old in zip(made, rows) if new["completion"] != old["completion"]]
    assert len(other) <= counts["refreshed"] and set(other) <= {row["id"] for row in rows[:5]}
    assert all(strict(row["completion"][0]["content"], side) for row in made)
    if side == "user":
        tasks = tasks_of([row["id"] for row in rows], split, fields, cards, spec)
        for user, history, prompt in zip(tasks.owners.tolist(), tasks.histories, tasks.prompts):
            assert split.train[user][-1] not in history and prompt.count("\n- ") == len(history[-spec["history"] :])


@pytest.fixture(scope="module")
def writer(chain):
    """Return the embedded model, its tokenizer and three prompts."""
    loaded = load(str(chain.base["base"].parent), None, SPEC["context"], None, SPEC["lora"], False)
    return *loaded, [row["prompt"][0]["content"] for row in read_jsonl(chain.instructions["user"])[:3]]


def test_samples_differ_and_are_the_same_of_a_seed_whatever_the_batch(writer):
    model, tokenizer, prompts = writer
    first, again = (sample(model, tokenizer, prompts, 24, batch, 0) for batch in (8, 4))
    assert first == again != sample(model, tokenizer, prompts, 24, 8, 1)
    assert all(len(of) == COUNT for of in first) and len({t for of in first for t in of}) > 3


def test_samples_of_no_temperature_are_the_greedy_answers(writer):
    model, tokenizer, prompts = writer
    cold = generate(model, tokenizer, prompts, 24, 8, sampling=Sampling(2, 1e-4, 0))
    assert cold[::2] == cold[1::2] == generate(model, tokenizer, prompts, 24, 8)


def test_tokens_are_drawn_by_the_softmax_at_a_temperature():
    share, sampling = torch.tensor([0.5, 0.0, 0.2, 0.3]), Sampling(4, 2.0, 0)
    places = sampling.places(range(5000), 1)[:, 0]
    assert places.shape == (20_000,) and len(set(places.tolist())) == 20_000
    tokens = sampling.tokens((2.0 * share.log()).expand(20_000, -1), places)
    assert torch.bincount(tokens, minlength=4).div(20_000).numpy() == pytest.approx(share.numpy(), abs=0.015)
    assert not (tokens == 1).any(), "what has no chance is never drawn"
