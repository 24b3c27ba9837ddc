"""GRPO on a world whose answer is known: does it find the fact that cards show and the writer omits?

    PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python benchmarks/known_answer.py --save

Of the three items of a history one is signed, and the person will choose by its colour alone; the others, each of
another colour, are not. Neither the mean of the cards nor the newest one tells which colour is the signed one's; the
prompt does. A small decoder writes as its teacher does, of the newest thing, and one time in seven of a colour: in the
one world of the signed one's, in the other of any. GRPO is rewarded by the rank of the next item, by cards and profile,
and once more by the same rewards shuffled among the texts of a step. Measured on people that it never saw: the gain,
the rank by the encoder of the reward and by a second one, each as a paired difference, and the share of profiles that
name the colour. `ceiling` is what profiles would gain that all name it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import torch
from measure import machine, save

from ptebench.encoders import Encoder
from ptebench.files import EVENTS
from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.embedded.model import new_model, tokenizer_of
from ptebench.profiles.embedded.pretraining import pretrain
from ptebench.profiles.evidence.cards import Cards
from ptebench.profiles.evidence.prompts import user_prompt
from ptebench.profiles.evidence.split import Split
from ptebench.profiles.grpo.audit import encoder_of, paired
from ptebench.profiles.grpo.optimise import optimise
from ptebench.profiles.grpo.rewards import Judge
from ptebench.profiles.measures.gain import Gain, questions
from ptebench.profiles.measures.scorer import Scorer
from ptebench.profiles.measures.tasks import user_tasks
from ptebench.profiles.models.loading import load
from ptebench.profiles.models.tokens import rows_of
from ptebench.profiles.schema.fields import layout, strict
from ptebench.randomness import generator

COLOURS = ("crimson", "azure", "olive", "amber", "violet", "ivory", "coral", "indigo", "maroon", "turquoise")
THINGS = ("kettle", "lantern", "saddle", "violin", "blanket", "compass", "teapot", "ladder")
SHOWN = 3  # items of a history
UNSEEN, TAUGHT, LEARNING = 256, 600, 256  # people: measured, known to the scorer alone, of GRPO
WATCHED = 32  # of those of GRPO, who are not trained on
READING = {"thing": 0.3, "colours": 0.4}  # answers from which the decoder learns to read
WORLDS = {  # answers of the teacher whose style it takes on
    "teacher_names_the_fact": {"thing": 0.85, "signed": 0.15},
    "teacher_names_any_colour": {"thing": 0.85, "any": 0.15},
}
SPEC = {
    "seed": 0, "history": SHOWN, "neighbours": 3, "context": 320, "new_tokens": {"user": 40}, "model": "small",
    "write_batch": 64, "lora": {"rank": 16, "alpha": 32, "dropout": 0.0},
}  # fmt: skip
GRPO = {
    "steps": 60, "generations": 8, "batch_size": 64, "learning_rate": 2e-3, "beta": 0.0, "temperature": 1.0,
    "watch": 10, "vllm": False, "candidates": 49, "prompts": LEARNING,
}  # fmt: skip
WEIGHTS = {"rank": 1.0} | dict.fromkeys(
    ("auc", "faithfulness", "identification", "length", "preference", "nearer", "title"), 0.0
)
MODEL = {"hidden": 64, "layers": 2, "heads": 4, "steps": 1200, "batch_size": 16, "learning_rate": 5e-3}
WRITER = {"steps": 150, "learning_rate": 1e-3}


def said(words: list[str]) -> str:
    """Return the profile of who is fond of three words."""
    fond = [f"{word} {of}" for word, of in zip(words, ("lover", "fan", "collector"))]
    return layout({"Roles": ["reader", "owner", "buyer"], "Interests": fond}, "user")


class World:
    """Items of every colour and thing, signed or not; people with three of them, and the one that they choose next."""

    def __init__(self, seed: int):
        random = np.random.default_rng(seed)
        self.items = [(c, t, s) for c in COLOURS for t in THINGS for s in (False, True)]
        self.place = {item: n for n, item in enumerate(self.items, 1)}
        titles = ["", *(f"{'signed ' if s else ''}{c} {t}" for c, t, s in self.items)]
        none = [""] * len(titles)
        self.cards = Cards(titles, [[] for _ in titles], none, none)
        people = UNSEEN + TAUGHT + LEARNING
        self.fact = ["", *random.choice(COLOURS, people).tolist()]
        self.train = {user: self.history(user, random) for user in range(1, people + 1)}
        self.split = Split(self.cards, self.train, pl.DataFrame({"side": ["item"], "id": [1], "raw": ["x"]}))
        self.people = {"unseen": list(range(1, UNSEEN + 1)), "learning": list(range(people - LEARNING + 1, people + 1))}

    def history(self, user: int, random: np.random.Generator) -> list[int]:
        """Return what a person has, and last what follows."""
        colours = random.permutation([c for c in COLOURS if c != self.fact[user]])[: SHOWN - 1].tolist()
        things = random.permutation(THINGS).tolist()
        own = [(c, t, False) for c, t in zip(colours, things)] + [(self.fact[user], things[-1], True)]
        after = (self.fact[user], str(random.choice(THINGS)), bool(random.integers(2)))
        return [self.place[i] for i in (*(own[k] for k in random.permutation(SHOWN)), after)]

    def prompt(self, history: list[int]) -> str:
        """Return the prompt of a history."""
        return user_prompt(history, self.cards, {}, SHOWN, 0)

    def answer(self, history: list[int], kind: str, random: np.random.Generator) -> str:
        """Return what a teacher says: the newest thing, all colours, or one alone."""
        shown = [self.items[i - 1] for i in history]
        colours = [c for c, _, _ in shown]
        words = {
            "thing": [shown[-1][1]] * SHOWN, "colours": colours, "any": [random.choice(colours)] * SHOWN,
            "signed": [next(c for c, _, signed in shown if signed)] * SHOWN,
        }  # fmt: skip
        return said(words[kind])

    def lessons(self, count: int, kinds: dict[str, float], random: np.random.Generator) -> list[tuple[str, str]]:
        """Return prompts of random histories, of nobody in particular, and answers of kinds by chance."""
        people = random.integers(1, len(self.fact), size=count).tolist()
        histories = [self.history(user, random)[:SHOWN] for user in people]
        kind = random.choice(list(kinds), count, p=list(kinds.values())).tolist()
        return [(self.prompt(h), self.answer(h, k, random)) for h, k in zip(histories, kind)]


class Shuffled(Judge):
    """The control: the rewards of a step go to any of its texts; those of the people watched stay."""

    def __call__(self, texts, rows, tokens, usual=None):
        found, together = super().__call__(texts, rows, tokens, usual)
        there = np.flatnonzero(found["schema"] == 0)
        if max(rows) < LEARNING - WATCHED:
            found["rank"][there] = found["rank"][generator(len(texts), "".join(texts)).permutation(there)]
        return found, together


def taught(world: World, writing: dict[str, float], folder: Path) -> dict:
    """Teach a small decoder to read, then to write as the teacher does; save it; return what `load` takes."""
    random, size = np.random.default_rng(1), MODEL["batch_size"]
    alone = next(kind for kind in writing if kind != "thing")
    stages = [(READING | {alone: 0.3}, MODEL), (writing, MODEL | WRITER)]
    pairs = [world.lessons(settings["steps"] * size, kinds, random) for kinds, settings in stages]
    tokenizer = tokenizer_of([text for pair in pairs[0][:2000] for text in pair], 600, SPEC["context"])
    torch.manual_seed(0)
    model = new_model(tokenizer, MODEL, SPEC["context"])
    for lessons, (_, settings) in zip(pairs, stages):
        pretrain(model, rows_of(lessons, tokenizer, SPEC["context"]), settings, tokenizer.pad_token_id, 0)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return {"source": str(folder), "revision": None, "context": SPEC["context"], "template_arguments": {}}


def written(model, tokenizer, world: World, users: list[int]) -> dict[int, str]:
    """Return the profiles that a model writes greedily of users, by id."""
    prompts = [world.prompt(world.train[u][:SHOWN]) for u in users]
    ids = generate(model, tokenizer, prompts, SPEC["new_tokens"]["user"], SPEC["write_batch"])
    texts = {u: text_of(t, tokenizer).strip() for u, t in zip(users, ids)}
    return {u: text for u, text in texts.items() if strict(text, "user")}


def space_of(world: World, encode, titles: list[str]) -> dict:
    """Return what judges texts in the space of an encoder: of those who learn, and of the unseen."""
    held = {kind: [(u, world.train[u][-1]) for u in users] for kind, users in world.people.items()}
    rest = world.split.without({pair for pairs in held.values() for pair in pairs})
    cards = np.vstack([0 * encode(titles[:1]), encode(titles)]).astype(np.float32)
    scorer = Scorer(rest, cards, encode, 0)
    tasks = {kind: user_tasks(of, world.split, {}, cards, SPEC, GRPO["candidates"], {}) for kind, of in held.items()}
    rows = [(n, "full", u, world.train[u][:SHOWN], [i]) for n, (u, i) in enumerate(held["unseen"])]
    asked = questions("user", True, pl.DataFrame(rows, schema=EVENTS, orient="row"), rest, cards, set(), 0)
    judge = Judge(tasks["unseen"], encode, "user", WEIGHTS, scorer=scorer)
    return {
        "encode": encode,
        "scorer": scorer,
        "tasks": tasks["learning"],
        "judge": judge,
        "gain": Gain(asked, scorer, 0),
    }


def report(world: World, spaces: dict, early: dict[int, str], late: dict[int, str]) -> dict:
    """Return what changed on the unseen people from early to late texts."""
    found: dict = {}
    for when, texts in (("before", early), ("after", late)):
        named = [world.fact[u] in texts.get(u, "") for u in world.people["unseen"]]
        found[when] = {"profiles": len(texts), "names_the_fact": round(float(np.mean(named)), 3)}
    both = [u for u in early if u in late]
    for name, space in spaces.items():
        rows = np.array([world.people["unseen"].index(u) for u in both])
        ranks = [space["judge"]([of[u] for u in both], rows, [40] * len(both))[0]["rank"] for of in (early, late)]
        found[name] = {
            "rank": rounded(paired(*ranks, generator(0, "audit"))),
            "gain_before": rounded(space["gain"](early, space["encode"])),
            "gain_after": rounded(space["gain"](late, space["encode"])),
            "change": rounded(space["gain"].change(early, late, space["encode"])),
        }
    return found


def rounded(figures: dict) -> dict:
    """Return figures with four digits, None for what is not a number."""
    return {name: digits(value, 4) for name, value in figures.items()}


def digits(value: float, number: int) -> float | None:
    """Return a value with so many digits, None for what is not a number."""
    return None if np.isnan(value) else round(value, number)


def trained(world: World, spaces: dict, source: dict, kind: type[Judge], steps: int, scratch: Path) -> dict:
    """Train by the rewards of a kind of judge; return what changed on people that were never seen."""
    torch.manual_seed(0)
    model, tokenizer = load(**source, adapter=None, lora=SPEC["lora"], trainable=True)
    early = written(model, tokenizer, world, world.people["unseen"])
    space, minilm = spaces["minilm"], spaces["minilm"]["encode"]
    judge = kind(space["tasks"], minilm, "user", WEIGHTS, scorer=space["scorer"])
    watched = np.arange(LEARNING - WATCHED, LEARNING)
    spec = SPEC | {"grpo": GRPO | {"steps": steps}}
    curve, notes = optimise(model, tokenizer, judge, watched, spec, scratch, "known answer")
    late = written(model, tokenizer, world, world.people["unseen"])
    found = report(world, spaces, early, late) | {key: notes[key] for key in ("steps", "stopped", "seconds")}
    found["watched"] = [{key: digits(value, 3) for key, value in look.items()} for look in notes["watched"]]
    for column in ("rank", "valid", "effective_rank", "equal_groups", "gradient"):
        found[f"{column}_by_step"] = [digits(x, 3) for x in curve[column].gather_every(5).to_list()]
    found["example"] = {"before": early.get(1), "after": late.get(1), "fact": world.fact[1]}
    return found


def worth(world: World, space: dict, encode) -> dict:
    """Return the mean reward of what may be said, and the gain of profiles that all name the fact."""
    users, random = space["tasks"].owners.tolist(), np.random.default_rng(0)
    shown = {u: [world.items[i - 1] for i in world.train[u][:SHOWN]] for u in range(1, len(world.fact))}
    words = {
        "thing": lambda u: shown[u][-1][1], "fact": lambda u: world.fact[u],
        "another_colour": lambda u: random.choice([c for c, _, signed in shown[u] if not signed]),
    }  # fmt: skip
    judge, found = Judge(space["tasks"], encode, "user", WEIGHTS, scorer=space["scorer"]), {}
    for name, of in words.items():
        texts = [said([of(u)] * SHOWN) for u in users]
        rewards = judge(texts, np.arange(len(users)), [20] * len(users))[0]["rank"]
        found[f"reward_of_{name}"] = {
            "mean": round(float(rewards.mean()), 3),
            "deviation": round(float(rewards.std()), 3),
        }
    everybody = {u: said([world.fact[u]] * SHOWN) for u in world.people["unseen"]}
    return found | {"ceiling": rounded(space["gain"](everybody, encode))}


def main() -> None:
    """Train with true and with shuffled rewards; print and save what changed on people that were never seen."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--steps", type=int, default=GRPO["steps"])
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    world = World(0)
    titles, minilm = world.cards.title[1:], Encoder({"kind": "minilm", "precision": "float32", "max_tokens": 64})
    encoders = {"minilm": minilm, "lsa": encoder_of({"kind": "lsa", "dimension": 32}, titles)}
    spaces = {name: space_of(world, encode, titles) for name, encode in encoders.items()}
    found = {"machine": machine(1), "worth": {n: worth(world, space, encoders[n]) for n, space in spaces.items()}}
    print(found["worth"], flush=True)
    for name in given.worlds:
        with tempfile.TemporaryDirectory() as folder:
            source = taught(world, WORLDS[name], Path(folder) / "base")
            found[name] = {}
            for rewards, kind in (("true_rewards", Judge), ("shuffled_rewards", Shuffled)):
                scratch = Path(folder) / rewards
                found[name][rewards] = trained(world, spaces, source, kind, given.steps, scratch)
                print(name, rewards, found[name][rewards], flush=True)
    if given.save:
        save("known_answer", found)


if __name__ == "__main__":
    main()
