"""The closed loop beside its controls: gain, drift and diversity by round, each with its interval, and paired changes.

    python benchmarks/loops.py FOLDER NAME NAME ... --save STEM

FOLDER is results/profiles/DATASET/PROTOCOL of the folder that one stands in, NAMEs are language models that differ
in `loop` alone, the closed one first. Writes STEM.csv and STEM.svg.
"""

import argparse
import csv
import json
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from ptebench.encoders import Encoder
from ptebench.files import PROFILES, read_embeddings, read_json, read_table
from ptebench.profiles.evidence.split import read_split
from ptebench.profiles.measures.bootstrap import spread
from ptebench.profiles.measures.ranking import gain
from ptebench.profiles.rounds.probe import Probes
from ptebench.randomness import generator

COLUMNS = (
    "loop", "round", "gain over the cards", "change of the gain since round 0", "closed less this loop",
    "embedding drift", "field drift", "pairwise cosine, users / items", "effective rank, users / items", "note",
)  # fmt: skip
PANELS = {
    "Gain over the cards, users": lambda p: p["gain"],
    "Drift of vectors": lambda p: p["embedding_drift"],
    "Drift of phrases": lambda p: p["field_drift"],
    "Mean pairwise cosine, users": lambda p: p["pairwise_cosine"]["user"],
    "Mean pairwise cosine, items": lambda p: p["pairwise_cosine"]["item"],
}


def shown(value: dict | None) -> str:
    """Return a mean and its interval as text."""
    return "" if value is None else f"{value['mean']:.4f} [{value['low']:.4f}, {value['high']:.4f}]"


class Loops:
    """The rounds of language models on the same probes."""

    def __init__(self, folder: Path, names: list[str]):
        self.folder, self.names = folder, names
        record = read_json(folder / names[0] / "rounds/0/probe.provenance.json")
        place = {Path(path).name: path for path in record["inputs"]}
        split = read_split(*(place[f"{name}.parquet"] for name in ("train", "vocabulary", "items")))
        cards = read_embeddings(place["item.safetensors"], split.items + 1).numpy()
        self.probes = Probes(split, cards, Encoder(record["spec"]["encoder"]), record["spec"])
        self.seed = record["spec"]["seed"]
        self.rounds = {name: read_json(folder / name / "convergence.json")["rounds"] for name in names}
        self.ranks = {(name, n): self.rank(name, n) for name in names for n in range(len(self.rounds[name]))}

    def rank(self, name: str, number: int):
        """Return the rank of each probe's held-out item by cards and the profile of a round."""
        profiles = read_table(self.folder / name / f"rounds/{number}/user/profiles.parquet", PROFILES)
        users = self.probes.of_probes({"user": profiles})["user"]
        return self.probes.ranks(users, self.probes.encode(users["text"].to_list()))

    def change(self, after: tuple[str, int], before: tuple[str, int]) -> dict:
        """Return by how much one round of one loop is above another, paired by probe."""
        return spread(gain(self.ranks[after], self.ranks[before]), generator(self.seed, "loops"))

    def rows(self) -> list[dict]:
        """Return a row for each loop and round."""
        rows = []
        for name in self.names:
            for probe in self.rounds[name]:
                number, closed = probe["round"], self.names[0]
                of = (name, number)
                pairs = (probe["pairwise_cosine"], probe["effective_rank"])
                cosine, rank = ([side[s] for s in ("user", "item")] for side in pairs)
                last = number == len(self.rounds[closed]) - 1 and name != closed
                note = probe["refused"] or ("passed on" if probe["passed"] else "")
                values = (
                    f"`{name}`", number, shown(probe["gain"]),
                    shown(self.change(of, (name, 0))) if number else "",
                    shown(self.change((closed, number), of)) if last else "",
                    shown(probe["embedding_drift"]), shown(probe["field_drift"]),
                    " / ".join(f"{c['mean']:.3f}" for c in cosine), " / ".join(f"{r:.1f}" for r in rank), note,
                )  # fmt: skip
                rows.append(dict(zip(COLUMNS, values, strict=True)))
        return rows

    def draw(self, path: Path) -> None:
        """Write the figure; loops stand a little apart so that intervals do not hide one another."""
        figure = Figure(figsize=(3.4 * len(PANELS), 3.4), layout="constrained")
        rounds = max(map(len, self.rounds.values()))
        for panel, (title, of) in zip(figure.subplots(1, len(PANELS)), PANELS.items()):
            for place, (name, probes) in enumerate(self.rounds.items()):
                points = [(p["round"] + 0.06 * place, v) for p in probes if (v := of(p)) is not None]
                if points:
                    across, values = zip(*points)
                    bars = [[v["mean"] - v["low"] for v in values], [v["high"] - v["mean"] for v in values]]
                    means = [v["mean"] for v in values]
                    panel.errorbar(across, means, yerr=bars, fmt="o-", capsize=2, label=name)
            panel.set(title=title, xlabel="round", xticks=range(rounds), xlim=(-0.3, rounds - 0.4))
            panel.legend(fontsize="small")
        with matplotlib.rc_context({"svg.hashsalt": "ptebench", "svg.fonttype": "none"}):
            figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--save", type=Path, required=True)
    arguments = parser.parse_args()
    loops = Loops(arguments.folder, arguments.names)
    rows = loops.rows()
    with open(arguments.save.with_suffix(".csv"), "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    loops.draw(arguments.save.with_suffix(".svg"))
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
