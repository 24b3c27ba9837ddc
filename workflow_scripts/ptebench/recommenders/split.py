"""A split as index tensors."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl
import torch
from ptebench.files import (
    CANDIDATES,
    EVENTS,
    TRAIN,
    VOCABULARY,
    InputError,
    ragged,
    read_embeddings,
    read_table,
)  # fmt: skip
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
    candidates: torch.Tensor | None  # bool (items + 1,); None: the whole catalogue


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
    frame, sets = read_table(path, EVENTS), read_table(candidates, CANDIDATES)
    result = []
    for ranking in frame["ranking"].unique(maintain_order=True):
        part = frame.filter(pl.col("ranking") == ranking)
        if (empty := part.filter(pl.col("targets").list.len() == 0)).height:
            raise InputError(f"{path}: event {empty['event'][0]} has no target; write the split again")
        ids = torch.from_numpy(sets.filter(pl.col("ranking") == ranking)["item"].to_numpy().astype("int64"))
        allowed = None
        if len(ids):
            allowed = torch.zeros(items + 1, dtype=torch.bool)
            allowed[ids] = True
        event, users = (torch.from_numpy(part[c].to_numpy().astype("int64")) for c in ("event", "user"))
        result.append(Events(ranking, event, users, _ragged(part["history"]), _ragged(part["targets"]), allowed))
    return result


def catalogue(train: Train, sizes: tuple[int, int], dimension: int, text: dict) -> Catalogue:
    """Return sizes, training counts and the text vectors read from `text` (name -> path)."""
    users, items = sizes
    owners, values = train.pairs
    rows = {"item": items + 1, "card": items + 1, "user": users + 1}
    return Catalogue(
        users, items, dimension,
        torch.bincount(values, minlength=items + 1), torch.bincount(owners, minlength=users + 1),
        {name: read_embeddings(path, rows[name]) for name, path in text.items()},
    )  # fmt: skip
