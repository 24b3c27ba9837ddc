"""What each preset of GRPO's reward pays for texts that mean nothing, beside the template.

    make smollm2
    snakemake --cores 2 results/profiles/mind/snapshot/template/user.parquet \
        results/embeddings/mind/snapshot/card/minilm/item.safetensors --configfile configs/smollm2.yaml
    PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python benchmarks/reward_floors.py results mind/snapshot

Owners of each side that no instruction teaches, an item or readers of each held out as in GRPO. The template and the
floors of the quality table say what the rest of the history says; the mean card is a vector, whose phrases count as
faithful as the template's. Without `--titles` the component `title`, which SmolLM2 reads, is left out. A preset fails
where a floor earns more than the template, with the interval of the paired bootstrap above 0.
"""

import argparse
import tempfile
from pathlib import Path
from typing import cast

import numpy as np
import torch
from measure import machine, save

from ptebench.config.language_models import PRESETS, RewardWeights
from ptebench.encoders import Encoder
from ptebench.files import read_embeddings
from ptebench.profiles.evidence.owners import draw
from ptebench.profiles.evidence.split import Split, read_split
from ptebench.profiles.evidence.vectors import unit
from ptebench.profiles.grpo.judge import judge_of, template_texts
from ptebench.profiles.grpo.preference import pairs
from ptebench.profiles.grpo.rewards import COMPONENTS, Judge, nearer
from ptebench.profiles.grpo.titles import titles_of
from ptebench.profiles.measures.bootstrap import interval
from ptebench.profiles.measures.faithfulness import strangers
from ptebench.profiles.measures.floors import MEAN, floors
from ptebench.profiles.measures.identification import identification
from ptebench.profiles.measures.ranking import ranks
from ptebench.profiles.measures.tasks import Tasks, item_tasks, last_items, user_tasks
from ptebench.profiles.models.loading import load, load_tokenizer
from ptebench.profiles.models.packed import unpack
from ptebench.profiles.schema.fields import layout, strict
from ptebench.profiles.schema.tables import read_profiles
from ptebench.randomness import generator

SPEC = {"seed": 0, "probes": 512, "history": 6, "neighbours": 3, "context": 640}
CANDIDATES = 49
LORA = {"rank": 4, "alpha": 8, "dropout": 0.0}


def tasks_of(side: str, split: Split, pool: list[int], cards: np.ndarray, readers: dict, count: int) -> Tasks:
    """Return a task for each owner of a side."""
    ids = pool[::-1][:count]
    if side == "item":
        return item_tasks(ids, split, readers, cards, SPEC, CANDIDATES)
    return user_tasks(list(dict(last_items(ids, split)).items()), split, {}, cards, SPEC, CANDIDATES, {})


def texts_of(tasks: Tasks, side: str) -> dict[str, dict[int, str]]:
    """Return what the template and each floor say for every task, by the task's row; nobody knows what is held out."""
    texts = template_texts(tasks, side)
    by_row = {row: cast(dict, strict(text, side)) for row, text in texts.items()}
    evidence = {row: [i for i in items if i] for row, items in enumerate(tasks.evidence.tolist())}
    fields = {"template": by_row} | floors(evidence, by_row, side, tasks.rest.cards, SPEC["seed"])
    return {name: {row: layout(f, side) for row, f in of.items()} for name, of in fields.items()}


def of_mean_card(judge: Judge, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Return the components of a vector that is the mean card of a history, or the item's own."""
    tasks, none = judge.tasks, np.zeros(len(rows))
    vectors = tasks.signatures[tasks.owners[rows]]
    if judge.side == "user":
        vectors = np.stack([tasks.judged[tasks.histories[row]].mean(0) for row in rows.tolist()])
    assert judge.utility is not None and judge.prefer is not None
    return {
        judge.task: judge.utility(vectors, rows),
        "identification": identification(ranks(vectors, tasks.signatures, tasks.crowd[rows])),
        "preference": judge.prefer(unit(vectors), tasks.signatures[tasks.owners[rows]]),
        "nearer": nearer(vectors, tasks.judged, tasks.targets[rows], tasks.others[rows]),
        "length": none,
        "title": np.full(len(rows), np.nan),  # no text
    }


def components(judge: Judge, texts: dict[str, dict[int, str]], tokenizer) -> dict[str, dict[str, np.ndarray]]:
    """Return the components of each writer's texts for the rows of which all say something."""
    rows = np.array(sorted(set.intersection(*(set(of) for of in texts.values()))))
    found: dict = {}
    for name, of in texts.items():
        said = [of[row] for row in rows.tolist()]
        values, together = judge(said, rows, [len(tokenizer.encode(text)) for text in said], found.get("usual"))
        found.setdefault("usual", together["likeness"])
        found[name] = values
    del found["usual"]
    mean = of_mean_card(judge, rows)
    for component, caps in judge.caps.items():
        if component in mean:
            mean[component] = np.fmin(mean[component], caps[rows])
    return found | {MEAN: {c: mean.get(c, found["template"][c]) for c in judge.weights}}


def totals(found: dict, side: str, weights: dict[str, float]) -> dict:
    """Return the total of each writer by some weights, and its difference from the template's with its interval."""
    names = [c for c in COMPONENTS[side] if c in found["template"]]
    each = {
        name: np.sum([weights.get(c, 0.0) * np.nan_to_num(values[c]) for c in names], 0)
        for name, values in found.items()
    }
    result = {}
    for name, total in each.items():
        low, high = interval(total - each["template"], generator(0, "floors of the reward"))
        difference = float((total - each["template"]).mean())
        figures = {"total": float(total.mean()), "above_the_template": difference, "low": low, "high": high}
        result[name] = {key: round(value, 3) for key, value in figures.items()}
    return result


def side_of(side: str, folder: Path, of: str, model, tokenizer, count: int) -> dict:
    """Return the components and the totals of every preset for texts of a side."""
    where = folder / "splits" / of
    split = read_split(
        where / "train.parquet", where / "vocabulary.parquet", folder / f"data/{Path(of).parts[0]}/items.parquet"
    )
    cards = read_embeddings(folder / f"embeddings/{of}/card/minilm/item.safetensors", split.items + 1).numpy()
    template = {s: read_profiles(folder / f"profiles/{of}/template/{s}.parquet") for s in ("user", "item")}
    encoder = Encoder({"kind": "minilm", "precision": "auto", "max_tokens": 256})
    roles = draw(split, SPEC["seed"], SPEC["probes"])
    rest, pool = split.without(roles.pairs), roles.pool[side]
    tasks = tasks_of(side, rest, pool, cards, template["user"], count)
    compared = pairs(pool[:-count], template[side], rest, tasks.signatures, side, SPEC["seed"])
    weights = dict.fromkeys(RewardWeights.model_fields, 1.0)
    reads = model is not None and side == "user"
    likely = titles_of(model, tokenizer, split.cards, SPEC["context"])(tasks) if reads else None
    spec = SPEC | {"side": side, "grpo": {"weights": weights}}
    judge = judge_of(tasks, strangers(template[side], side, rest, 0), compared, cards, encoder, spec, None, likely)
    found = components(judge, texts_of(tasks, side), tokenizer)
    names = [c for c in COMPONENTS[side] if c in judge.weights]
    return {
        "owners": len(next(iter(found.values()))["length"]),
        "components": {n: {c: round(float(v[c].mean()), 3) for c in names} for n, v in found.items()},
        "presets": {name: totals(found, side, of) for name, of in PRESETS.items()},
        "by_component": {c: totals(found, side, {c: 1.0}) for c in names},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("split", help="such as mind/snapshot")
    parser.add_argument("--owners", type=int, default=256)
    parser.add_argument("--titles", action="store_true", help="also `title`, which the language model reads")
    options = parser.parse_args()
    torch.set_num_threads(1)
    result = {"benchmark": "floors of GRPO's reward", "split": options.split, "machine": machine(1)}
    with tempfile.TemporaryDirectory() as folder:
        unpack("smollm2", Path(folder))
        tokenizer = load_tokenizer(folder)
        model = load(folder, None, SPEC["context"], None, LORA, True)[0] if options.titles else None
        for side in ("user", "item"):
            result[side] = side_of(side, options.results, options.split, model, tokenizer, options.owners)
    save("reward_floors", result)


if __name__ == "__main__":
    main()
