"""Text-KNN: cosine of an item's text with those of the history, decayed along it; nothing is learned from behaviour."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.whitening import Whitened, require_text


class Counter:
    """Scores (B, n_items + 1) = sum_k decay^age_k cos(x_k, x_i), of text vectors less the training items' mean.

    With `components` these are whitened first, on the training items as well. Items without training events are ranked
    like any other; items without text score 0.
    """

    def __init__(self, settings: dict, catalogue):
        self.settings, self.items = settings, catalogue.items
        text, train_items = catalogue.item_text, catalogue.train_items
        present = text.any(1)
        if components := settings["components"]:
            centred = Whitened(text, train_items, settings["shrinkage"], False, components)()
        else:
            centred = text - require_text(text, train_items).mean(0)
        self.vectors = normalize(centred, dim=1) * present[:, None]

    def fit(self, train) -> None:
        """Do nothing: what is fitted on the training items is fitted on their texts."""

    def state_dict(self) -> dict:
        """Return the unit vectors (n_items + 1, d_text)."""
        return {"vectors": self.vectors}

    def load_state_dict(self, state: dict) -> None:
        """Take the vectors back."""
        self.vectors = state["vectors"]

    def scores(self, histories, users) -> torch.Tensor:
        """Return (B, n_items + 1)."""
        padded = histories.padded(torch.arange(len(histories)), self.settings["window"])
        age = (padded > 0).sum(1, keepdim=True) - torch.arange(padded.shape[1])
        weight = torch.where(padded > 0, self.settings["decay"] ** age.double(), 0.0).float()
        return torch.einsum("bl,bld->bd", weight, self.vectors[padded]) @ self.vectors.T
