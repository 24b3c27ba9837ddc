"""Controls: vectors in place of those of texts, so that what a text says can be told from that there is one."""

import torch
from torch.nn.functional import normalize

from ptebench.recommenders.sampling import seed_of

SIDES = {"item": ("item", "card"), "user": ("user",)}


def replaced(vectors: torch.Tensor, kind: str, generator) -> torch.Tensor:
    """Return `vectors` (n + 1, d) with others in place of those of the owners that have any.

    `shuffled`: those of another owner, drawn at random; `one`: of one owner, for all; `random`: normal, of the length
    of the true ones.
    """
    owners = vectors.any(1).nonzero()[:, 0]
    true, result = vectors[owners], vectors.clone()
    if kind == "random":
        noise = torch.randn(true.shape, generator=generator)
        result[owners] = normalize(noise, dim=1) * true.norm(dim=1, keepdim=True)
    else:
        drawn = torch.randperm(len(owners), generator=generator)
        result[owners] = true[drawn if kind == "shuffled" else drawn[:1].expand(len(owners))]
    return result


def controlled(text: dict[str, torch.Tensor], control: dict) -> dict[str, torch.Tensor]:
    """Return `text` with the vectors of the sides that `control` (side -> kind or None) names replaced.

    The draws are the same for every cell and seed; an item's card goes with its text.
    """
    text = dict(text)
    for side, kind in control.items():
        names = [name for name in SIDES[side] if name in text]
        if kind is None or not names:
            continue
        generator = torch.Generator().manual_seed(seed_of(0, "control", side))
        joined = replaced(torch.cat([text[name] for name in names], 1), kind, generator)
        parts = joined.split([text[name].shape[1] for name in names], 1)
        text |= zip(names, parts, strict=True)
    return text
