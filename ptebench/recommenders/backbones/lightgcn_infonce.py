"""LightGCN trained by InfoNCE of cosines with sampled negatives, as AlphaRec is (Sheng et al., ICLR 2025)."""

import torch
from torch.nn.functional import cross_entropy, embedding, normalize

from ptebench.recommenders.graph import Graph


def infonce(users, positives, negatives, excluded, temperature: float) -> torch.Tensor:
    """Return the mean over rows of -log softmax(cosine / temperature) of the positive.

    Row k of `users` (B, d) is told row k of `positives` (B, d) from those rows of `negatives` (K, d) that `excluded`
    (B, K) leaves in.
    """
    users, positives, negatives = (normalize(x, dim=1) for x in (users, positives, negatives))
    others = (users @ negatives.T).masked_fill(excluded, float("-inf"))
    logits = torch.cat([(users * positives).sum(1, keepdim=True), others], 1) / temperature
    return cross_entropy(logits, torch.zeros(len(users), dtype=torch.long, device=users.device))


class Backbone(Graph):
    """As published, with `free_users` False, vectors of users are the representation's alone, free where it has none.

    Negatives are drawn once for a batch, which makes the published loss one matrix product; what a user has touched is
    no negative of that user. Every training pair comes once an epoch, where the published code draws a user and then
    one of the user's items.
    """

    def touched(self, users, items):
        """Return (B, K), whether each of `users` (B,) has trained on each of `items` (K,)."""
        keys, wanted = self.negatives.keys, users[:, None] * self.negatives.base + items
        return keys[torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)] == wanted

    def loss(self, batch, representation, generator):
        """Return InfoNCE over (user, positive) pairs."""
        users, positives = batch
        drawn = torch.randint(len(self.pool), (self.settings["negatives"],), generator=generator, device=users.device)
        negatives = self.pool[drawn]
        of_users, of_items = self.propagated(self.masked(self.first_layer(representation), representation))
        hidden, vectors = embedding(users, of_users), embedding(positives, of_items)
        objective = infonce(
            hidden,
            vectors,
            embedding(negatives, of_items),
            self.touched(users, negatives),
            self.settings["temperature"],
        )
        pairs = hidden, positives, users, vectors
        return objective + self.representation_loss(representation, (of_users, of_items), *pairs)

    def prepare(self, representation) -> None:
        """Propagate once for all the events that are about to be ranked, by cosine as in training."""
        super().prepare(representation)
        of_users, of_items = self.cache
        self.cache = normalize(of_users, dim=1), normalize(of_items, dim=1)
