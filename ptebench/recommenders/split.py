"""A split as index tensors."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl
import torch

from ptebench.files import (
    CANDIDATES,
    EVENTS,
    OWN_CANDIDATES,
    TRAIN,
    VOCABULARY,
    InputError,
    ragged,
    read_embeddings,
    read_table,
)  # fmt: skip
from ptebench.recommenders.controls import control_texts
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged


def _ragged(column: pl.Series) -> Ragged:
    values, offsets = ragged(column)
    return Ragged(torch.from_numpy(values), torch.from_numpy(offsets))


@dataclass(frozen=True)
class Train:
    """Training histories, one row a user."""

    users: torch.Tensor  # (R,)
    histories: Ragged

    @cached_property
    def pairs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return users and items of every training event, two tensors (N,)."""
        return self.users.repeat_interleave(self.histories.lengths), self.histories.values

    def to(self, device) -> "Train":
        return Train(self.users.to(device), self.histories.to(device))


@dataclass(frozen=True)
class Events:
    """Cases to rank, all of one ranking."""

    ranking: str
    event: torch.Tensor  # (E,)
    users: torch.Tensor  # (E,)
    histories: Ragged
    targets: Ragged
    # bool (items + 1,) of all events, int64 (E, C) of each, 0 is padding; None: the whole catalogue
    candidates: torch.Tensor | None


def read_sizes(vocabulary) -> tuple[int, int]:
    """Return the numbers of users and of items."""
    sizes = dict(read_table(vocabulary, VOCABULARY).group_by("side").len().iter_rows())
    return sizes["user"], sizes["item"]


def read_train(path) -> Train:
    """Read train.parquet."""
    frame = read_table(path, TRAIN)
    return Train(torch.from_numpy(frame["user"].to_numpy().astype("int64")), _ragged(frame["history"]))


def read_events(path, candidates, items: int) -> list[Events]:
    """Read valid.parquet or test.parquet, one Events per ranking, in order of first appearance."""
    frame, sets = read_table(path, EVENTS), read_table(candidates, CANDIDATES, OWN_CANDIDATES)
    result = []
    for ranking in frame["ranking"].unique(maintain_order=True):
        part = frame.filter(pl.col("ranking") == ranking)
        if (empty := part.filter(pl.col("targets").list.len() == 0)).height:
            raise InputError(f"{path}: event {empty['event'][0]} has no target; write the split again")
        mask = _own(part, sets, items, candidates) if "events" in sets.columns else _shared(ranking, sets, items)
        event, users = (torch.from_numpy(part[c].to_numpy().astype("int64")) for c in ("event", "user"))
        result.append(Events(ranking, event, users, _ragged(part["history"]), _ragged(part["targets"]), mask))
    return result


def _shared(ranking: str, sets: pl.DataFrame, items: int) -> torch.Tensor | None:
    """Return the candidates that all events of a ranking share."""
    ids = sets.filter(pl.col("ranking") == ranking)["item"]
    return _mask(ids, items) if len(ids) else None


def _mask(ids: pl.Series, items: int) -> torch.Tensor:
    mask = torch.zeros(items + 1, dtype=torch.bool)
    mask[torch.from_numpy(ids.to_numpy().astype("int64"))] = True
    return mask


def _own(part: pl.DataFrame, sets: pl.DataFrame, items: int, path) -> torch.Tensor | None:
    """Return the candidates of each event of a ranking, or those that all its events share; None where none has any."""
    row_of = sets.with_row_index("row").select("row", event=pl.col("events")).explode("event")
    rows = part.select("event").join(row_of, on="event", how="left", maintain_order="left")["row"]
    if rows.null_count() == len(rows):
        return None
    if rows.null_count():
        event = part["event"][int(rows.is_null().arg_true()[0])]
        raise InputError(f"{path}: event {event} has no candidates, others of its ranking do; write the split again")
    if len(rows) > 1 and rows.n_unique() == 1:
        return _mask(sets["items"][rows[0]], items)
    lists = sets["items"].gather(rows)
    return _ragged(lists).padded(torch.arange(len(lists)), int(lists.list.len().to_numpy().max()))


def catalogue(
    train: Train, sizes: tuple[int, int], settings: dict, text: dict, control: dict | None = None
) -> Catalogue:
    """Return sizes, training counts, what `settings` of a backbone say, and the vectors of `text` (name -> path).

    Those of the sides that `control` (side -> kind or None) names are replaced.
    """
    users, items = sizes
    owners, values = train.pairs
    rows = {"item": items + 1, "card": items + 1, "user": users + 1}
    return Catalogue(
        users, items, settings.get("dimension", 0),
        torch.bincount(values, minlength=items + 1), torch.bincount(owners, minlength=users + 1),
        control_texts({name: read_embeddings(path, rows[name]) for name, path in text.items()}, control or {}),
        settings.get("init_std", Catalogue.init_std),
    )  # fmt: skip
