"""What backbones trained on user-item pairs share: free user vectors, batches, negatives."""

import torch
from torch import nn

from ptebench.recommenders.sampling import Negatives, Ragged

GATE = 5.0  # training events at which a user's free vector has half its weight beside a text vector


class PairBackbone(nn.Module):
    """Free user vectors beside those, if any, of the representation."""

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings = settings
        self.users = nn.Embedding(catalogue.users + 1, settings["dimension"])
        nn.init.normal_(self.users.weight, std=catalogue.init_std)
        counts = catalogue.user_counts.float()[:, None]
        self.register_buffer("trained", (counts > 0).float(), persistent=False)
        self.register_buffer("gate", counts / (counts + GATE), persistent=False)
        self.register_buffer("pool", catalogue.known_items, persistent=False)

    def user_vectors(self, users, representation):
        """Return (len(users), d), or all (n_users + 1, d) for None: free vectors, gated where the user has text too.

        A user without training events has no free vector (zeros).
        """
        free, text = self.users.weight, representation.user_vectors(users)
        weight = self.trained if text is None else self.gate
        if users is not None:
            free, weight = free[users], weight[users]
        return free * weight if text is None else free * weight + text

    def penalty(self, *vectors) -> torch.Tensor | float:
        """Return `l2` / 2 times the squares of a batch's `vectors`, each (B, d), divided by B.

        The regularisation of BPR (Rendle et al., UAI 2009) and of LightGCN (eq. 15): a step shrinks its own vectors
        alone, where decay would shrink those of rare users and items as often as all others.
        """
        if not self.settings["l2"]:
            return 0.0
        return self.settings["l2"] / 2 * sum(v.square().sum() for v in vectors) / len(vectors[0])

    def batches(self, train, generator):
        """Yield (users, items): each training pair once an epoch, or as many draws of users alike."""
        owners, items = train.pairs
        if not hasattr(self, "negatives"):
            self.negatives = Negatives(owners, items, self.pool)
        order = torch.randperm(len(items), generator=generator)
        if self.settings["draw"] == "users":
            order = user_draws(train.histories.to("cpu"), generator)
        for rows in order.to(items.device).split(self.settings["batch_size"]):
            yield owners[rows], items[rows]


def user_draws(histories: Ragged, generator) -> torch.Tensor:
    """Return (N,) places in the N values of `histories`: rows that have any alike, then those of a row alike."""
    rows, size = histories.lengths.nonzero()[:, 0], (len(histories.values),)
    row = rows[torch.randint(len(rows), size, generator=generator)]
    # of so many numbers those left over by the division are too few to matter
    return histories.offsets[row] + torch.randint(2**62, size, generator=generator) % histories.lengths[row]
