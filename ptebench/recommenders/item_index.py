"""Item indices: an item as a few codes that training histories alone decide (Hua et al., SIGIR-AP 2023)."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import eigsh


def levels_for(items: int, codes: int, ways: int) -> int:
    """Return how many codes tell `items` apart, where all but the last, one of `codes`, part them in `ways` ways."""
    levels = 1
    while codes * ways ** (levels - 1) < items:
        levels += 1
    return levels


def appearance(values: torch.Tensor, items: int) -> torch.Tensor:
    """Return the ids 1 ... items in order of first appearance in `values` (N,), those that never appear last."""
    first = torch.full((items + 1,), len(values))
    first.scatter_reduce_(0, values, torch.arange(len(values)), "amin")
    return first[1:].sort(stable=True).indices + 1


def digits(count: int, codes: int, levels: int) -> torch.Tensor:
    """Return the numbers 0 ... count - 1 as digits (count, levels) of base `codes`."""
    place = codes ** torch.arange(levels).flip(0)
    return torch.arange(count)[:, None] // place % codes


def cooccurrence(users: np.ndarray, rows: np.ndarray, size: int) -> sp.csr_array:
    """Return the number of users with both of two different rows (size, size), of pairs (N,) each."""
    shape = int(users.max(initial=0)) + 1, size
    touched = sp.csr_array((np.ones(len(users)), (users, rows)), shape=shape)
    touched.data[:] = 1.0  # repeated pairs were summed
    together = (touched.T @ touched).tocsr()
    together.setdiag(0.0)
    together.eliminate_zeros()
    return together


def spectral_clusters(graph: sp.csr_array, ways: int) -> np.ndarray:
    """Return a cluster 0 ... ways - 1 of each row of a symmetric graph (n, n), and `ways` for rows without any edge.

    The leading eigenvectors of D^-1/2 A D^-1/2, turned so that each row is close to one axis (Damle, Minden & Ying,
    2019: no start drawn, no seed).
    """
    degree = graph.sum(1)
    linked = np.flatnonzero(degree)
    labels = np.full(len(degree), ways)
    if len(linked) <= ways:
        labels[linked] = np.arange(len(linked))
        return labels
    scale = sp.diags_array(degree[linked] ** -0.5)
    draws = np.random.default_rng(0)  # of the solver, for its start and where a subspace is exhausted
    vectors = eigsh(scale @ graph[linked][:, linked] @ scale, ways, which="LA", tol=1e-4, rng=draws)[1]
    pivots = scipy.linalg.qr(vectors.T, pivoting=True)[2][:ways]
    left, _, right = scipy.linalg.svd(vectors[pivots].T)
    labels[linked] = np.abs(vectors @ (left @ right)).argmax(1)
    return labels


def clustered(graph: sp.csr_array, codes: int, ways: int, levels: int) -> torch.Tensor:
    """Return unique codes (n, levels) of the rows of a graph of co-occurrence (n, n), n <= codes * ways**(levels - 1).

    Rows are parted in `ways` clusters, each of these again, until at most `codes` are left, which are counted in their
    order; codes after the count are 0. A cluster of more rows than the codes after it can part is cut in their order
    into several, and 2 * ways < codes always has codes for all.
    """
    found = np.zeros((graph.shape[0], levels), dtype=np.int64)
    open_clusters = [(np.arange(graph.shape[0]), 0)]
    while open_clusters:
        rows, level = open_clusters.pop()
        if len(rows) <= codes:
            found[rows, level] = np.arange(len(rows))
            continue
        labels = spectral_clusters(graph[rows][:, rows], ways)
        most = codes * ways ** (levels - level - 2)
        clusters = (rows[labels == label] for label in np.unique(labels))
        parts = [c[start : start + most] for c in clusters for start in range(0, len(c), most)]
        for code, part in enumerate(parts):
            found[part, level] = code
        open_clusters += [(part, level + 1) for part in parts]
    return torch.from_numpy(found)


def item_index(histories, items: int, index: str, codes: int, ways: int, seed: int) -> torch.Tensor:
    """Return the codes (items + 1, levels) of all items, unique, of training histories (a Ragged); row 0 is -1.

    `sequential`: numbers in order of first appearance; `random`: the same, shuffled by `seed`; `collaborative`: paths
    in a tree of clusters of the graph of items that users have in common. Items outside the histories come last, so
    that the others' codes depend on none of them, but for how many there are in all.
    """
    order = appearance(histories.values, items)
    levels = levels_for(items, codes, ways)
    if index == "collaborative":
        row = torch.empty(items + 1, dtype=torch.long)
        row[order] = torch.arange(items)
        owners = torch.arange(len(histories)).repeat_interleave(histories.lengths)
        found = clustered(cooccurrence(owners.numpy(), row[histories.values].numpy(), items), codes, ways, levels)
    else:
        found = digits(items, codes, levels)
    if index == "random":
        known = len(histories.values.unique())
        order[:known] = order[torch.randperm(known, generator=torch.Generator().manual_seed(seed))]
    result = torch.full((items + 1, levels), -1)
    result[order] = found
    return result
