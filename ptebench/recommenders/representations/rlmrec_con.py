"""RLMRec-Con: free vectors held close to the text's by contrast (Ren et al., WWW 2024)."""

import torch

from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.rlmrec import Rlmrec, head


class Representation(Rlmrec):
    """Item vectors are aligned with their texts mapped to d, and user vectors with theirs."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        self.item_head = head(self.text.shape[1], catalogue.dimension)
        if self.user_text is not None:
            self.user_head = head(self.user_text.shape[1], catalogue.dimension)

    def auxiliary_loss(self, hidden, targets, users=None, vectors=None):
        """Return weight * InfoNCE of items, and of users where the backbone has them and they have text."""
        items, others = self.items_with_others(targets)
        texts = self.item_head(self.text[torch.cat([items, others])])
        loss = contrast(self.vectors_of_items(items, targets, vectors), texts, self.settings["temperature"])
        if users is not None and self.user_text is not None:
            of_users, texts = self.users_with_text(hidden, users)
            loss = loss + contrast(of_users, self.user_head(texts), self.settings["temperature"])
        return self.settings["weight"] * loss
