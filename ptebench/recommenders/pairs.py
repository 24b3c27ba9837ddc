"""What backbones trained on user-item pairs share: free user vectors, batches, negatives."""

import torch
from torch import nn

from ptebench.recommenders.representation import rows
from ptebench.recommenders.sampling import Negatives, Ragged


class PairBackbone(nn.Module):
    """Free user vectors, times n / (n + user_gate) at n training events, plus the representation's user vectors.

    So users have the same free vectors whatever represents the items.
    """

    pool: torch.Tensor  # ids of the items that training knows
    weight: torch.Tensor  # (n_users + 1, 1) of free vectors

    def __init__(self, settings: dict, catalogue):
        super().__init__()
        self.settings = settings
        self.users = None
        if catalogue.free_users:
            self.users = nn.Embedding(catalogue.users + 1, settings["dimension"])
            nn.init.normal_(self.users.weight, std=catalogue.init_std)
            counts = catalogue.user_counts.float()[:, None]
            weight = torch.where(counts > 0, counts / (counts + settings["user_gate"]), 0.0)
            self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("pool", catalogue.train_items, persistent=False)

    def user_vectors(self, users, representation):
        """Return (len(users), d), or all (n_users + 1, d) for None.

        A user without training events has no free vector (zeros).
        """
        text = representation.user_vectors(users)
        if self.users is None:
            return text
        free = rows(self.users.weight, users) * rows(self.weight, users)
        return free if text is None else free + text

    def penalty(self, *vectors) -> torch.Tensor | float:
        """Return `l2` / 2 times the squares of a batch's `vectors`, each (B, d), divided by B.

        The regularisation of BPR (Rendle et al., UAI 2009) and of LightGCN (eq. 15): a step shrinks its own vectors
        alone, where decay would shrink those of rare users and items as often as all others.
        """
        if not self.settings["l2"]:
            return 0.0
        return self.settings["l2"] / 2 * sum(v.square().sum() for v in vectors) / len(vectors[0])

    def batches(self, train, generator):
        """Yield (users, items): each training pair once an epoch, or as many pairs of users drawn uniformly."""
        owners, items = train.pairs
        if not hasattr(self, "negatives"):
            self.negatives = Negatives(owners, items, self.pool)
        order = torch.randperm(len(items), generator=generator)
        if self.settings["draw"] == "users":
            order = user_draws(train.histories.to("cpu"), generator)
        for batch in order.to(items.device).split(self.settings["batch_size"]):
            yield owners[batch], items[batch]


def user_draws(histories: Ragged, generator) -> torch.Tensor:
    """Return N random positions among the N values of `histories`: a row uniformly, then one of its positions."""
    rows, size = histories.lengths.nonzero()[:, 0], (len(histories.values),)
    row = rows[torch.randint(len(rows), size, generator=generator)]
    # of so many numbers those left over by the division are too few to matter
    return histories.offsets[row] + torch.randint(2**62, size, generator=generator) % histories.lengths[row]
