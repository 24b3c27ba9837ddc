"""Random: a score drawn for each pair of user and item, whatever either did."""

import torch

from ptebench.recommenders.top import draw


class Counter:
    """Scores (B, n_items + 1), of one user the same in every event."""

    def __init__(self, settings: dict, catalogue):
        self.items = catalogue.items

    def fit(self, train) -> None:
        """Learn nothing."""

    def state_dict(self) -> dict:
        """Return the number of items, for a file is never empty."""
        return {"items": torch.tensor([self.items])}

    def load_state_dict(self, state: dict) -> None:
        """Take nothing back."""

    def scores(self, histories, users) -> torch.Tensor:
        """Return (B, n_items + 1) whole numbers as float64."""
        items = torch.arange(self.items + 1)
        return draw(users[:, None].cpu(), items[None]).double()
