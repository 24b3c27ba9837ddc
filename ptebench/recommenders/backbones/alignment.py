"""Phase 1 of PtE, the alignment of text with training pairs: what comes next is told by its text from all else."""

from functools import cached_property

import torch
from torch import nn
from torch.nn import functional as F

from ptebench.collaborative import factors
from ptebench.files import InputError
from ptebench.recommenders.mutual import contrast
from ptebench.recommenders.sampling import Ragged

DECAY, WINDOW = 0.7, 10  # of the items of a history that ask together for the next one
RELATED = 256  # targets of a step, at most, whose cosines are compared with those of collaborative vectors
WARM = 5  # training events from which on an item has a collaborative vector worth comparing with


def neighbours(histories: Ragged, window: int) -> torch.Tensor:
    """Return (3, N): items, those up to `window` places after them in a history, and its row."""
    row = torch.arange(len(histories)).repeat_interleave(histories.lengths)
    values, pairs = histories.values, []
    for gap in range(1, window + 1):
        same = (row[:-gap] == row[gap:]) & (values[:-gap] != values[gap:])
        pairs.append(torch.stack([values[:-gap], values[gap:], row[gap:]])[:, same])
    return torch.cat(pairs, 1)


def touched(histories: Ragged, rows: torch.Tensor, place: torch.Tensor, width: int) -> torch.Tensor:
    """Return (len(rows), width), true where a history of `rows` holds the item whose `place` (items + 1,) is there.

    The place of an item that is nowhere is -1.
    """
    chosen = histories.take(rows)
    owner, at = torch.arange(len(rows)).repeat_interleave(chosen.lengths), place[chosen.values]
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    mask[owner[at >= 0], at[at >= 0]] = True
    return mask


class Backbone(nn.Module):
    """Contrast, for each pair, of the next item with others and of what came before it with the batch's.

    What came before is an item of the same history, or the user whose profile is read. The loss adds the distance of
    cosines to those of collaborative vectors, and uniformity on the sphere. The representation is `alignment`.
    The text that learning starts from is judged as an epoch is.
    """

    judges_start = True

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings, self.items, self.counts = settings, catalogue.items, catalogue.item_counts
        text = catalogue.item_text.any(1)
        self.told = [text, catalogue.text["user"].any(1)] if "user" in catalogue.text else [text]
        self.pool = (text & (catalogue.item_counts > 0)).nonzero()[:, 0]

    def observe(self, train) -> None:
        """Take the pairs of training whose both ends have text: contexts, next items and rows of histories.

        A context is an item, or a user's id + n_items + 1.
        """
        pairs, histories = neighbours(train.histories, self.settings["window"]), train.histories
        if len(self.told) == 2:
            row = torch.arange(len(histories)).repeat_interleave(histories.lengths)
            pairs = torch.cat([pairs, torch.stack([train.users[row] + self.items + 1, histories.values, row])], 1)
        pairs = pairs[:, torch.cat(self.told)[pairs[0]] & self.told[0][pairs[1]]]
        if not pairs.shape[1]:
            raise InputError(
                "train.parquet: no two items with text in one history, and no user with a profile: nothing to align; "
                "check the dataset's item texts, or read the text as it is"
            )
        self.pairs, self.data = pairs, train
        self.share = torch.bincount(pairs[1], minlength=self.items + 1) / pairs.shape[1]

    def batches(self, train, generator):
        """Yield (3, B): contexts, next items and rows; each pair once an epoch."""
        order = torch.randperm(self.pairs.shape[1], generator=generator)
        for batch in order.split(self.settings["batch_size"]):
            yield self.pairs[:, batch]

    def contexts(self, ids, representation):
        """Return (N, d) of contexts (N,)."""
        of_items = ids <= self.items
        vectors = representation.items("before", ids[of_items])
        if of_items.all():
            return vectors
        of_users = representation.users("before", ids[~of_items] - self.items - 1)
        place = torch.cat([of_items.nonzero()[:, 0], (~of_items).nonzero()[:, 0]])
        return torch.cat([vectors, of_users])[place.argsort()]

    def loss(self, batch, representation, generator):
        """Return the loss of a batch (3, B)."""
        before, after, rows = batch
        size, others = len(after), self.settings["others"]
        drawn = self.pool[torch.randint(len(self.pool), (others,), generator=generator)]
        place = torch.full((self.items + 1,), -1)
        candidates = torch.cat([after, drawn]).unique()
        place[candidates] = torch.arange(len(candidates))
        if self.settings["encoder_layers"]:
            self.renew(torch.cat([before, after]).unique(), representation, generator)
        hidden, vectors = self.contexts(before, representation), representation.items("next", candidates)
        at = place[after]
        positive = touched(self.data.histories, rows, place, len(candidates))
        # how often an item is expected among the candidates: what is met often is no worse an answer
        expected = size * self.share[candidates] + others / len(self.pool)
        told = contrast(hidden, vectors, at, positive, expected.log(), self.settings["temperature"])
        return told + self.shape(vectors[at[:RELATED]], after[:RELATED])

    def renew(self, ids, representation, generator) -> None:
        """Have texts of a step's `ids`, those of contexts too, encoded with gradients: `encoded` of them at most."""
        ids = ids[torch.randperm(len(ids), generator=generator)[: self.settings["encoded"]]]
        representation.renew(ids[ids <= self.items], ids[ids > self.items] - self.items - 1)

    def prepare(self, representation) -> None:
        """Have all texts encoded by the encoder as it is after an epoch, where it learns."""
        if self.settings["encoder_layers"]:
            representation.settle()

    @cached_property
    def related(self) -> torch.Tensor:
        """The collaborative vectors of items (n_items + 1, d), of unit length."""
        users, values = self.data.pairs
        found = factors(users.numpy(), values.numpy(), (int(users.max()) + 1, self.items + 1))[1]
        return F.normalize(torch.from_numpy(found), dim=1)

    def shape(self, vectors, items):
        """Return the terms of the cosines of `vectors` (n, d) of `items` (n,), weighed."""
        distinct, row = items.unique(return_inverse=True)
        first = torch.empty_like(distinct).scatter_reduce_(0, row, torch.arange(len(items)), "amin", include_self=False)
        vectors, warm = vectors[first], self.counts[distinct] >= WARM
        cosines = vectors @ vectors.T
        apart = ~torch.eye(len(vectors), dtype=torch.bool)
        uniformity = (4 * (cosines - 1))[apart].exp().mean().log() if len(vectors) > 1 else 0
        theirs = self.related[distinct[warm]]
        relation = (cosines[warm][:, warm] - theirs @ theirs.T).square().mean() if warm.any() else 0
        return self.settings["relation"] * relation + self.settings["uniformity"] * uniformity

    def queries(self, histories, users, representation):
        """Return (B, d): what a history asks for, younger items louder, and the user beside it."""
        padded = histories.padded(torch.arange(len(histories)), WINDOW)
        age = (padded > 0).sum(1, keepdim=True) - 1 - torch.arange(padded.shape[1])
        weight = torch.where(padded > 0, DECAY ** age.float(), 0.0)
        before = representation.item_vectors().chunk(2, 1)[0]
        asked = torch.einsum("bl,bld->bd", weight, before[padded]) * 2**0.5
        of_users = representation.user_vectors(users)
        return asked if of_users is None else asked + of_users.chunk(2, 1)[1]

    def scores(self, queries, representation):
        """Return (B, n_items + 1)."""
        return queries @ representation.item_vectors().chunk(2, 1)[1].T
