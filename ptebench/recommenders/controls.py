"""Controls: text vectors replaced by uninformative ones, to measure how much of a gain is due to what texts say."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.sampling import seed_of

SIDES = {"item": ("item", "card"), "user": ("user",)}


def replace_vectors(vectors: torch.Tensor, kind: str, generator) -> torch.Tensor:
    """Return `vectors` (n + 1, d) with every row that is not zeros replaced.

    `shuffled`: by the row of another owner, at random; `one`: by the row of the same owner for all; `random`: by
    normal noise of the row's own length.
    """
    owners = vectors.any(1).nonzero()[:, 0]
    true, result = vectors[owners], vectors.clone()
    if kind == "random":
        noise = torch.randn(true.shape, generator=generator)
        result[owners] = normalize(noise, dim=1) * true.norm(dim=1, keepdim=True)
    else:
        order = torch.randperm(len(owners), generator=generator)
        result[owners] = true[order if kind == "shuffled" else order[:1].expand(len(owners))]
    return result


def control_texts(text: dict[str, torch.Tensor], control: dict) -> dict[str, torch.Tensor]:
    """Return `text` with the vectors replaced on each side that `control` (side -> kind or None) names.

    The draws are the same for every cell and seed; an item's card goes with its text.
    """
    text = dict(text)
    for side, kind in control.items():
        names = [name for name in SIDES[side] if name in text]
        if kind is None or not names:
            continue
        generator = torch.Generator().manual_seed(seed_of(0, "control", side))
        vectors = replace_vectors(torch.cat([text[name] for name in names], 1), kind, generator)
        parts = vectors.split([text[name].shape[1] for name in names], 1)
        text |= zip(names, parts, strict=True)
    return text
