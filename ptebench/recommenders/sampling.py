"""Training examples as index tensors: ragged sequences, padded batches, negatives."""

import hashlib
from dataclasses import dataclass

import torch


def seed_of(root: int, *names) -> int:
    """Return the seed of one named purpose (order, initialisation, dropout, negatives) under a root seed."""
    text = "/".join(map(str, (root, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7])


@dataclass(frozen=True)
class Ragged:
    """Rows of ids of unequal length: row r is values[offsets[r]:offsets[r + 1]] (int64 tensors)."""

    values: torch.Tensor
    offsets: torch.Tensor

    @property
    def lengths(self) -> torch.Tensor:
        return self.offsets.diff()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device) -> "Ragged":
        return Ragged(self.values.to(device), self.offsets.to(device))

    def take(self, rows: torch.Tensor) -> "Ragged":
        """Return the chosen rows, in their order."""
        lengths = self.lengths[rows]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        start = self.offsets[rows].repeat_interleave(lengths)
        within = torch.arange(int(offsets[-1]), device=rows.device) - offsets[:-1].repeat_interleave(lengths)
        return Ragged(self.values[start + within], offsets)

    def padded(self, rows: torch.Tensor, length: int) -> torch.Tensor:
        """Return the last `length` ids of `rows`, oldest first, zeros on the right: (len(rows), <= length)."""
        end = self.offsets[rows + 1]
        start = torch.maximum(self.offsets[rows], end - length)
        width = max(int((end - start).max()), 1) if len(rows) else 1
        position = start[:, None] + torch.arange(width, device=rows.device)
        inside = position < end[:, None]
        if not len(self.values):  # nobody has any: there is nothing to look up
            return torch.zeros_like(position)
        return torch.where(inside, self.values[position.clamp_max(len(self.values) - 1)], 0)


def length_batches(lengths: torch.Tensor, size: int, generator) -> list[torch.Tensor]:
    """Return the rows with length > 1 in batches of like length (little padding is computed), in random order.

    A batch has about as many positions with a next item as `size` rows have on average: were it `size` rows, a mean
    over a batch of long histories would give each of their positions a fraction of the weight of others.
    """
    order = torch.randperm(len(lengths), generator=generator)
    order = order[lengths[order] > 1]
    order = order[lengths[order].sort(stable=True).indices]
    positions = lengths[order].double() - 1
    batch = ((positions.cumsum(0) - positions) / (size * positions.mean())).long()
    batches = order.split(batch.unique_consecutive(return_counts=True)[1].tolist())
    return [batches[i] for i in torch.randperm(len(batches), generator=generator)]


class Negatives:
    """Uniform negatives among the training items that the user has not touched."""

    def __init__(self, users: torch.Tensor, items: torch.Tensor, pool: torch.Tensor):
        """Take the training pairs (two tensors of equal length) and the items to draw from."""
        self.base = int(pool.max()) + 1
        self.keys = (users * self.base + items).unique()
        self.pool = pool

    def draw(self, users: torch.Tensor, generator) -> torch.Tensor:
        """Return one negative per user; after 100 rounds a user who touched nearly all keeps what was drawn."""
        items = self.pool[torch.randint(len(self.pool), users.shape, generator=generator, device=users.device)]
        for _ in range(100):
            key = users * self.base + items
            at = torch.searchsorted(self.keys, key).clamp_max(len(self.keys) - 1)
            bad = (self.keys[at] == key).nonzero()[:, 0]
            if not len(bad):
                break
            items[bad] = self.pool[torch.randint(len(self.pool), bad.shape, generator=generator, device=users.device)]
        return items
