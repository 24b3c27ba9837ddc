"""Streams of random numbers by seed and name."""

import zlib

import numpy as np


def generator(seed: int, name: str) -> np.random.Generator:
    """Return the stream of random numbers of that name; streams of one seed are independent."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])
