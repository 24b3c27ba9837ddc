"""Semantic ids: an item as a few codes, coarse to fine, found from its vector; and the tree that all ids span."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.functional import mse_loss

from ptebench.files import InputError

ROUNDS = 50  # of Lloyd's algorithm at most
HIDDEN = (512, 256, 128)  # layers of the RQ-VAE, as published
LATENT = 32
BATCH = 1024
REVIVE = 100  # steps after which a code that nothing chose moves
BLOCK = 2**14  # rows whose distances to all centres are alive at once


def nearest(x: torch.Tensor, centres: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return squared distance and index, each (N,), of the centre (K, d) nearest to each row of x (N, d)."""
    pairs = [torch.cdist(rows, centres).min(1) for rows in x.split(BLOCK)]
    return torch.cat([f.values for f in pairs]).square(), torch.cat([f.indices for f in pairs])


def spread(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return k rows of x (N, d) far from one another, or all different ones where there are fewer.

    Each is drawn with probability as its squared distance to the nearest so far (Arthur & Vassilvitskii, SODA 2007).
    """
    places = [torch.randint(len(x), (1,))]
    distance = (x - x[places[0]]).square().sum(1)
    while len(places) < k and bool(distance.any()):
        places.append(distance.multinomial(1))
        distance = torch.minimum(distance, (x - x[places[-1]]).square().sum(1))
    return x[torch.cat(places)]


def kmeans(x: torch.Tensor, k: int) -> torch.Tensor:
    """Return at most k centres of the rows of x (N, d) by Lloyd's algorithm, from rows drawn by torch's generator.

    A centre that nothing is nearest to moves to one of the rows farthest from theirs.
    """
    centres = spread(x, k)
    for _ in range(ROUNDS):
        distance, owner = nearest(x, centres)
        count = owner.bincount(minlength=len(centres))
        means = torch.zeros_like(centres).index_add_(0, owner, x) / count.clamp_min(1)[:, None]
        empty = (count == 0).nonzero()[:, 0]
        means[empty] = x[distance.topk(len(empty)).indices]
        if torch.equal(means, centres):
            break
        centres = means
    return centres


def residual_kmeans(x: torch.Tensor, levels: int, k: int) -> list[torch.Tensor]:
    """Return `levels` codebooks (<= k, d): centres of x (N, d), then of the residual after each level."""
    codebooks = []
    for _ in range(levels):
        codebooks.append(kmeans(x, k))
        x = x - codebooks[-1][nearest(x, codebooks[-1])[1]]
    return codebooks


def quantise(x: torch.Tensor, codebooks: list[torch.Tensor]) -> torch.Tensor:
    """Return the codes (N, levels) of x (N, d): at each level the centre nearest to the residual."""
    codes = []
    for centres in codebooks:
        codes.append(nearest(x, centres)[1])
        x = x - centres[codes[-1]]
    return torch.stack(codes, 1)


def _perceptron(widths) -> nn.Sequential:
    layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


@torch.enable_grad()
def rqvae(x: torch.Tensor, levels: int, k: int, steps: int) -> tuple[nn.Module, list[torch.Tensor]]:
    """Return an encoder of rows like x (N, d) and codebooks of what it returns (Lee et al., CVPR 2022; TIGER, 3.1).

    The loss sums the reconstruction error, the error of every codebook against its residual, and a quarter of that as
    the commitment of the encoder. Codebooks start from residual k-means. A code that no row chose for REVIVE steps
    moves to the residual of a row of the batch; otherwise few codes stay in use.
    """
    widths = (x.shape[1], *HIDDEN, LATENT)
    encoder, decoder = _perceptron(widths), _perceptron(widths[::-1])
    with torch.no_grad():
        start = residual_kmeans(encoder(x), levels, k)
    codebooks = nn.ParameterList(nn.Parameter(centres) for centres in start)
    parameters = [*encoder.parameters(), *decoder.parameters(), *codebooks]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=1e-4)
    used = [torch.zeros(len(c), dtype=torch.bool) for c in codebooks]
    for step in range(1, steps + 1):
        rows = x[torch.randint(len(x), (min(BATCH, len(x)),))]
        latent = encoder(rows)
        residual, sums, objective = latent, torch.zeros_like(latent), latent.new_zeros(())
        for centres, used_codes in zip(codebooks, used):
            code = nearest(residual.detach(), centres.detach())[1]
            used_codes[code] = True
            centre = centres[code]
            objective = objective + mse_loss(centre, residual.detach()) + 0.25 * mse_loss(residual, centre.detach())
            if step % REVIVE == 0 and step < steps:
                dead = (~used_codes).nonzero()[:, 0]
                with torch.no_grad():
                    centres[dead] = residual[torch.randint(len(residual), dead.shape)]
                used_codes.zero_()
            sums, residual = sums + centre, residual - centre.detach()
        # straight through: the decoder's gradient reaches the encoder as if nothing had been rounded
        objective = objective + mse_loss(decoder(latent + (sums - latent).detach()), rows)
        optimizer.zero_grad(set_to_none=True)
        objective.backward()
        optimizer.step()
    return encoder, [c.detach() for c in codebooks]


@torch.no_grad()
def fit_codes(vectors: torch.Tensor, in_training: torch.Tensor, quantizer: str, levels: int, k: int, steps: int):
    """Return the codes (N, levels) of vectors (N, d), fitted on the rows that are True in `in_training` (N,).

    Vectors are standardised first by the mean and the mean square of those rows. Random numbers come from torch's
    generator. Raises InputError where no row is True.
    """
    if not bool(in_training.any()):
        raise InputError("text vectors: nothing that training knows has text; check the dataset's item texts")
    mean = vectors[in_training].mean(0)
    x = (vectors - mean) / (vectors[in_training] - mean).square().mean().sqrt().clamp_min(1e-8)
    if quantizer == "kmeans":
        return quantise(x, residual_kmeans(x[in_training], levels, k))
    encoder, codebooks = rqvae(x[in_training], levels, k, steps)
    return quantise(encoder(x), codebooks)


def separate(codes: torch.Tensor, in_training: torch.Tensor, k: int) -> torch.Tensor:
    """Return codes (N, levels + 1): rows that share all their codes are numbered from 0 in one more code.

    Training rows are numbered first, so that their code depends on no other row. Raises InputError where more than k
    rows share their codes.
    """
    _, group, count = codes.unique(dim=0, return_inverse=True, return_counts=True)
    if int(count.max()) > k:
        raise InputError(
            f"backbones.*.codes: {int(count.max())} items have one semantic id and the last code tells {k} apart; "
            "raise it, or 'levels', or give the items texts that differ"
        )
    order = (~in_training).long().sort(stable=True).indices
    order = order[group[order].sort(stable=True).indices]
    last = torch.empty_like(group)
    last[order] = torch.arange(len(group)) - (count.cumsum(0) - count)[group[order]]
    return torch.cat([codes, last[:, None]], 1)


@dataclass(frozen=True)
class Tree:
    """The prefix tree of all ids; each level has tables with one row for every node above several items.

    A node above a single item needs no row: the item is decided. The last row of every table has no child, so that
    index -1, no node, finds no item.
    """

    row: torch.Tensor  # (n_items + 1, levels) the open node of an item on each level, -1: there is none
    child: list[torch.Tensor]  # of a level, (open + 1, k): the row on the next level, -1: not open or not there
    item: list[torch.Tensor]  # of a level, (open + 1, k): the item of a child that holds one, else 0
    in_training: list[torch.Tensor]  # of a level, (open + 1, k): whether a child holds an item that training knows


def tree(codes: torch.Tensor, in_training: torch.Tensor, k: int) -> Tree:
    """Return the tree of codes (n_items + 1, levels), unique, each in 0 ... k - 1, or -1 for an item without an id.

    `in_training` (n_items + 1,) are the items with training events.
    """
    device = codes.device
    row = torch.full_like(codes, -1)
    tables: tuple[list[torch.Tensor], ...] = ([], [], [])
    items = (codes[:, 0] >= 0).nonzero()[:, 0]
    node, nodes = torch.zeros_like(items), 1
    for level in range(codes.shape[1]):
        row[items, level] = node
        child, item, knows = (torch.full(((nodes + 1) * k,), v, device=device) for v in (-1, 0, False))
        key = node * k + codes[items, level]
        keys, place, count = key.unique(return_inverse=True, return_counts=True)
        several = count > 1
        child[keys[several]] = torch.arange(int(several.sum()), device=device)
        alone = ~several[place]
        item[key[alone]] = items[alone]
        knows[key[in_training[items]]] = True
        for table, values in zip(tables, (child, item, knows)):
            table.append(values.view(nodes + 1, k))
        items, node, nodes = items[~alone], child[key[~alone]], int(several.sum())
    return Tree(row, *tables)
