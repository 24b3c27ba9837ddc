"""RLMRec-Gen: free vectors from which the text can be reconstructed (Ren et al., WWW 2024)."""

import torch
from torch.nn.functional import dropout

from ptebench.recommenders.contrast import contrast
from ptebench.recommenders.rlmrec import Rlmrec, head


class Representation(Rlmrec):
    """The model reconstructs texts of what it hides.

    On a graph, as published, it hides a share `mask` of the nodes and reconstructs their texts from the vectors that
    their neighbours propagate. On a history it reconstructs the next item's text from the state before it. On pairs it
    hides a share `mask` of the coordinates of an item's own vector.
    """

    nodes: torch.Tensor  # (n_users + n_items + 2,) those that may be hidden
    gaps: torch.Tensor  # the same, those that are

    def __init__(self, settings: dict, catalogue):
        super().__init__(settings, catalogue)
        in_training = catalogue.user_counts > 0
        has_text = in_training & False if self.user_text is None else in_training & self.user_text.any(1)
        nodes = torch.cat([has_text, (catalogue.item_counts > 0) & self.text.any(1)])
        self.register_buffer("nodes", nodes, persistent=False)
        self.item_head = head(catalogue.dimension, self.text.shape[1])
        if self.user_text is not None:
            self.user_head = head(catalogue.dimension, self.user_text.shape[1])

    def mask(self, layer):
        """Return `layer` (n_users + n_items + 2, d) with zeros for a random share of the nodes that have a text."""
        self.gaps = self.nodes & (torch.rand(len(self.nodes), device=layer.device) < self.settings["mask"])
        return layer * ~self.gaps[:, None]

    def graph_loss(self, nodes, hidden, targets, users, vectors):
        """Return weight * InfoNCE of the texts of the nodes that `mask` hid, `others` at most of a side."""
        of_users, of_items = nodes
        of_user, of_item = self.gaps.split([len(of_users), len(of_items)])
        loss = self._contrast_texts(self.item_head, of_items, self.text, of_item)
        if self.user_text is not None:
            loss = loss + self._contrast_texts(self.user_head, of_users, self.user_text, of_user)
        return self.settings["weight"] * loss

    def _contrast_texts(self, head, vectors, text, gaps):
        ids = gaps.nonzero()[:, 0]
        ids = ids[torch.randperm(len(ids), device=ids.device)[: self.settings["others"]]]
        return contrast(head(vectors[ids]), text[ids], self.settings["temperature"])

    def auxiliary_loss(self, hidden, targets, users=None, vectors=None):
        """Return weight * InfoNCE of reconstructed with true texts, over items and users that have text."""
        items, others = self.items_with_others(targets)
        texts, temperature = self.text[torch.cat([items, others])], self.settings["temperature"]
        if users is None:
            present = self.text[targets].any(1)
            at = torch.searchsorted(items, targets[present])
            return self.settings["weight"] * contrast(self.item_head(hidden[present]), texts, temperature, at)
        loss = contrast(self.item_head(self._drop(self.items(items))), texts, temperature)
        if self.user_text is not None:
            vectors, texts = self.users_with_text(hidden, users)
            loss = loss + contrast(self.user_head(self._drop(vectors)), texts, temperature)
        return self.settings["weight"] * loss

    def _drop(self, vectors):
        return dropout(vectors, self.settings["mask"])
