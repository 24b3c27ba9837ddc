"""RLMRec-Gen: free vectors from which the text can be told again (Ren et al., WWW 2024)."""

import torch
from torch.nn.functional import dropout

from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.rlmrec import Rlmrec, head


class Representation(Rlmrec):
    """What is hidden must be made up from what is not, as text.

    On a history the next item is what is hidden: its text is told from the state before it. On pairs, where nothing
    stands between a vector and its text, a share `mask` of the vector's coordinates is hidden.
    """

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.item_head = head(catalogue.dimension, self.text.shape[1])
        if self.user_text is not None:
            self.user_head = head(catalogue.dimension, self.user_text.shape[1])

    def auxiliary_loss(self, hidden, targets, users=None):
        """Return weight * InfoNCE of texts told with the true ones, of items and of users that have text."""
        items, others = self.items_with_others(targets)
        texts, temperature = self.text[torch.cat([items, others])], self.settings["temperature"]
        if users is None:
            present = self.text[targets].any(1)
            at = torch.searchsorted(items, targets[present])
            return self.settings["weight"] * contrast(self.item_head(hidden[present]), texts, temperature, at)
        loss = contrast(self.item_head(self._masked(self.items(items))), texts, temperature)
        if self.user_text is not None:
            vectors, texts = self.users_with_text(hidden, users)
            loss = loss + contrast(self.user_head(self._masked(vectors)), texts, temperature)
        return self.settings["weight"] * loss

    def _masked(self, vectors):
        return dropout(vectors, self.settings["mask"])
