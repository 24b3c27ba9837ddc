"""LightGCN trained by InfoNCE of cosines with sampled negatives, as AlphaRec is (Sheng et al., ICLR 2025)."""

import torch
from torch.nn.functional import cross_entropy, embedding, normalize

from ptebench.recommenders.graph import Graph


def infonce(users, positives, negatives, exclusion, temperature: float) -> torch.Tensor:
    """Return the mean over rows of -log softmax(cosine / temperature) of the positive.

    Row k of `users` (B, d) is compared with row k of `positives` (B, d) and with all `negatives` (K, d) but those that
    are True in row k of `exclusion` (B, K).
    """
    users, positives, negatives = (normalize(x, dim=1) for x in (users, positives, negatives))
    others = (users @ negatives.T).masked_fill(exclusion, float("-inf"))
    logits = torch.cat([(users * positives).sum(1, keepdim=True), others], 1) / temperature
    return cross_entropy(logits, torch.zeros(len(users), dtype=torch.long, device=users.device))


class Backbone(Graph):
    """LightGCN with InfoNCE over negatives that a batch shares.

    With `free_users` False, as published, user vectors come from the representation, and are free only where it has
    none. Sharing negatives makes the loss one matrix product; a user's own training items are no negatives of that
    user. Every training pair comes once an epoch; the published code draws a user, then one of the user's items.
    """

    def has_trained_on(self, users, items):
        """Return (B, K), whether each of `users` (B,) has trained on each of `items` (K,)."""
        keys, keys_of_pairs = self.negatives.keys, users[:, None] * self.negatives.base + items
        return keys[torch.searchsorted(keys, keys_of_pairs).clamp_max(len(keys) - 1)] == keys_of_pairs

    def loss(self, batch, representation, generator):
        """Return InfoNCE over (user, positive) pairs."""
        users, positives = batch
        places = torch.randint(len(self.pool), (self.settings["negatives"],), generator=generator, device=users.device)
        negatives = self.pool[places]
        of_users, of_items = self.propagate(self.mask_layer(self.first_layer(representation), representation))
        hidden, vectors = embedding(users, of_users), embedding(positives, of_items)
        objective = infonce(
            hidden,
            vectors,
            embedding(negatives, of_items),
            self.has_trained_on(users, negatives),
            self.settings["temperature"],
        )
        pairs = hidden, positives, users, vectors
        return objective + self.representation_loss(representation, (of_users, of_items), *pairs)

    def prepare(self, representation) -> None:
        """Propagate once for all the events that are about to be ranked, by cosine as in training."""
        super().prepare(representation)
        of_users, of_items = self.cache
        self.cache = normalize(of_users, dim=1), normalize(of_items, dim=1)
