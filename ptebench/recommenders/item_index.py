"""Item indices: short sequences of codes made from training histories alone (Hua et al., SIGIR-AP 2023)."""

import numpy as np
import scipy.linalg
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import eigsh


def levels_for(items: int, codes: int, ways: int) -> int:
    """Return how many codes an item needs: each level splits into `ways`, the last into `codes`."""
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
    incidence = sp.csr_array((np.ones(len(users)), (users, rows)), shape=shape)
    incidence.data[:] = 1.0  # repeated pairs were summed
    together = (incidence.T @ incidence).tocsr()
    together.setdiag(0.0)
    together.eliminate_zeros()
    return together


def spectral_clusters(graph: sp.csr_array, ways: int) -> np.ndarray:
    """Return a cluster 0 ... ways - 1 of each row of a symmetric graph (n, n), and `ways` for rows without any edge.

    The leading eigenvectors of D^-1/2 A D^-1/2, turned so that each row is close to one axis (Damle, Minden & Ying,
    2019: no start drawn, no seed).
    """
    degree = graph.sum(1)
    has_edge = np.flatnonzero(degree)
    labels = np.full(len(degree), ways)
    if len(has_edge) <= ways:
        labels[has_edge] = np.arange(len(has_edge))
        return labels
    scale = sp.diags_array(degree[has_edge] ** -0.5)
    draws = np.random.default_rng(0)  # of the solver, for its start and where a subspace is exhausted
    vectors = eigsh(scale @ graph[has_edge][:, has_edge] @ scale, ways, which="LA", tol=1e-4, rng=draws)[1]
    pivots = scipy.linalg.qr(vectors.T, pivoting=True)[2][:ways]
    left, _, right = scipy.linalg.svd(vectors[pivots].T)
    labels[has_edge] = np.abs(vectors @ (left @ right)).argmax(1)
    return labels


def cluster(graph: sp.csr_array, codes: int, ways: int, levels: int) -> torch.Tensor:
    """Return unique codes (n, levels) of the rows of a graph of co-occurrence (n, n), n <= codes * ways**(levels - 1).

    Rows are split into `ways` clusters, and each cluster again, until a cluster has at most `codes` rows; these are
    numbered in order, and codes after the number are 0. A cluster with too many rows for the levels left is cut into
    several, in order; with 2 * ways < codes there are always enough codes.
    """
    codes_of_rows = np.zeros((graph.shape[0], levels), dtype=np.int64)
    open_clusters = [(np.arange(graph.shape[0]), 0)]
    while open_clusters:
        rows, level = open_clusters.pop()
        if len(rows) <= codes:
            codes_of_rows[rows, level] = np.arange(len(rows))
            continue
        labels = spectral_clusters(graph[rows][:, rows], ways)
        most = codes * ways ** (levels - level - 2)
        clusters = (rows[labels == label] for label in np.unique(labels))
        parts = [c[start : start + most] for c in clusters for start in range(0, len(c), most)]
        for code, part in enumerate(parts):
            codes_of_rows[part, level] = code
        open_clusters += [(part, level + 1) for part in parts]
    return torch.from_numpy(codes_of_rows)


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
        codes_of_rows = cluster(cooccurrence(owners.numpy(), row[histories.values].numpy(), items), codes, ways, levels)
    else:
        codes_of_rows = digits(items, codes, levels)
    if index == "random":
        train_count = len(histories.values.unique())
        order[:train_count] = order[torch.randperm(train_count, generator=torch.Generator().manual_seed(seed))]
    result = torch.full((items + 1, levels), -1)
    result[order] = codes_of_rows
    return result
