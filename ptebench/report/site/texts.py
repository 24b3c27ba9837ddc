"""The page of profiles: what each writer says of the same people and items, and how it was taught."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
from markupsafe import Markup

from ptebench.files import ITEMS, PROFILES, VOCABULARY, read_table
from ptebench.report.site import drawing
from ptebench.report.site.results import Results

SHOWN = 6  # of each side
TITLES = 12  # of a history, the newest


class Owner(NamedTuple):
    """A user or an item: what is known of it, and what each writer says."""

    side: str
    identity: int
    evidence: list[str]
    profiles: dict[str, str]


class Texts(NamedTuple):
    """What a language model wrote of a split."""

    dataset: str
    protocol: str
    model: str
    owners: list[Owner]
    rounds: list[Markup]
    rewards: list[tuple[str, list[Markup]]]
    choice: dict[str, Any] | None
    quality: pl.DataFrame | None

    @property
    def page(self) -> str:
        return f"profiles/{self.dataset}/{self.protocol}/{self.model}.html"


def texts(results: Results) -> list[Texts]:
    """Return what every writer of every split of the tables wrote."""
    found = []
    for dataset, protocol in results.pairs:
        folder = results.root / f"results/profiles/{dataset}/{protocol}"
        written = (path.name for path in folder.glob("*/") if any(path.rglob("*.parquet")))
        models = sorted(name for name in written if name != "template")
        for model in models:
            found.append(_texts(results, dataset, protocol, folder / model))
    return found


def _texts(results: Results, dataset: str, protocol: str, folder: Path) -> Texts:
    choice = folder / "convergence.json"
    quality = folder / "quality.csv"
    steps = json.loads(choice.read_text()) if choice.exists() else None
    rewards = [(side, _rewards(folder / f"grpo/{side}/rewards.csv", side)) for side in ("user", "item")]
    return Texts(
        dataset, protocol, folder.name, _owners(results, dataset, protocol, folder),
        _rounds(steps["rounds"]) if steps else [], [(side, drawn) for side, drawn in rewards if drawn], steps,
        pl.read_csv(quality) if quality.exists() else None,
    )  # fmt: skip


def _owners(results: Results, dataset: str, protocol: str, folder: Path) -> list[Owner]:
    """Return the first owners of each side that most writers wrote of, with their evidence."""
    split = results.root / f"results/splits/{dataset}/{protocol}"
    items = read_table(results.root / f"results/data/{dataset}/items.parquet", ITEMS)
    names = read_table(split / "vocabulary.parquet", VOCABULARY).filter(side="item")
    known = names.join(items, left_on="raw", right_on="item_id", how="left").select("id", "title", "card")
    titles = {identity: title or "(no title)" for identity, title, _ in known.iter_rows()}
    cards = {identity: card or "" for identity, _, card in known.iter_rows()}
    histories = dict(pl.read_parquet(split / "histories.parquet").select("user", "history").iter_rows())
    owners = []
    for side in ("user", "item"):
        said = {writer: _said(path) for writer, path in _writers(folder, side).items()}
        counts: dict[int, int] = {}
        for of in said.values():
            for identity in of:
                counts[identity] = counts.get(identity, 0) + 1
        chosen = sorted(sorted(counts), key=lambda identity: -counts[identity])[:SHOWN]
        for identity in chosen:
            newest = histories.get(identity, [])[-TITLES:]
            evidence = [titles.get(item, "?") for item in newest] if side == "user" else [cards.get(identity, "")]
            profiles = {writer: of[identity] for writer, of in said.items() if identity in of}
            owners.append(Owner(side, identity, evidence, profiles))
    return owners


def _writers(folder: Path, side: str) -> dict[str, Path]:
    """Return the profiles of one side that lie there, by writer: the template, rounds, and those after them."""
    found = {"template": folder.parent / f"template/{side}.parquet"}
    for path in sorted(folder.glob(f"rounds/*/{side}/profiles.parquet"), key=lambda path: int(path.parts[-3])):
        found[f"round {path.parts[-3]}"] = path
    found |= {writer: folder / f"{writer}/{side}.parquet" for writer in ("base", "kd", "sft", "grpo")}
    found[folder.name] = folder / f"{side}.parquet"
    return {writer: path for writer, path in found.items() if path.exists()}


def _said(path: Path) -> dict[int, str]:
    return dict(read_table(path, PROFILES).select("id", "text").iter_rows())


def _rounds(rounds: list[dict[str, Any]]) -> list[Markup]:
    """Return the drawings of the rounds: usefulness beside that of the cards alone, drift, diversity."""
    drawn = []
    utility = {name: _points(rounds, name) for name in ("utility", "utility_of_cards")}
    drawn.append(drawing.lines(utility, ("round", "1 / log2(1 + rank)"), "How near to the top the held-out item is"))
    drift = {name: _points(rounds, name) for name in ("embedding_drift", "field_drift")}
    drawn.append(drawing.lines(drift, ("round", "drift"), "Drift of profiles from round to round", zero=True))
    for name, label in (("effective_rank", "effective rank"), ("parse_rate", "share with fields")):
        each = [{"round": r["round"], **(r[name] or {})} for r in rounds]
        sides = {side: _points(each, side) for side in ("user", "item")}
        drawn.append(drawing.lines(sides, ("round", label), label.capitalize(), zero=True))
    return [one for one in drawn if one]


def _points(rounds: list[dict[str, Any]], name: str) -> list[drawing.Point]:
    values = [(r["round"], r[name]) for r in rounds if r.get(name) is not None]
    return [(float(number), float(v["mean"] if isinstance(v, dict) else v)) for number, v in values]


def _rewards(path: Path, side: str) -> list[Markup]:
    """Return the drawings of GRPO's steps: reward, components, diversity; none where there was no GRPO."""
    if not path.exists():
        return []
    frame = pl.read_csv(path)
    parts = [c for c in frame.columns if c != "reward" and f"{c}_std" in frame.columns]
    kinds = {"reward": ["reward"], "components of the reward": parts, "effective rank of texts": ["effective_rank"],
             "KL from the fine-tuned model": ["kl"]}  # fmt: skip
    drawn = []
    for label, names in kinds.items():
        lines = {name: _column(frame, name) for name in names if name in frame.columns}
        drawn.append(drawing.lines(lines, ("step", label), f"{label.capitalize()} by step of GRPO, {side} profiles"))
    return [one for one in drawn if one]


def _column(frame: pl.DataFrame, name: str) -> list[drawing.Point]:
    pairs = frame.select("step", pl.col(name).cast(pl.Float64, strict=False)).drop_nulls().iter_rows()
    return [(float(step), value) for step, value in pairs if value == value]
