"""Popularity: the training count of the item."""

import torch


class Counter:
    """Scores (B, n_items + 1), the same for every user."""

    def __init__(self, settings: dict, catalogue):
        self.items, self.counts = catalogue.items, catalogue.item_counts.double()

    def fit(self, train) -> None:
        """Count nothing: the catalogue's training counts are the model."""

    def state_dict(self) -> dict:
        """Return the counts (n_items + 1,)."""
        return {"counts": self.counts}

    def load_state_dict(self, state: dict) -> None:
        """Take the counts back."""
        self.counts = state["counts"]

    def scores(self, histories, users) -> torch.Tensor:
        """Return (B, n_items + 1)."""
        return self.counts.expand(len(histories), -1).clone()
