"""Sparse matrices of files from elsewhere: whatever they say of themselves is checked before C code follows it."""

import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
from scipy import sparse

from ptebench.files import InputError
from ptebench.raw.packed import FREE, RATIO

LARGEST = 10**8  # users or items
PACKED = {"csr": sparse.csr_array, "csc": sparse.csc_array, "bsr": sparse.bsr_array}


def read_npz(path: Path):
    """Read a scipy sparse matrix; raise InputError where the file is none, or unpacks to far more than its size."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(member.file_size for member in archive.infolist())
            if declared > max(FREE, RATIO * path.stat().st_size):
                raise InputError(f"{path}: its parts unpack to {declared:,} bytes, more than {RATIO} times its size")
        return sparse.load_npz(path)
    except InputError:
        raise
    except Exception as error:  # of zip, NumPy and scipy each its own
        raise InputError(f"{path}: not readable as a scipy matrix ({error}); fetch it again") from error


def entries(matrix) -> sparse.coo_array:
    """Return the non-zero entries of a sparse matrix, row by row; raise ValueError where its parts do not fit."""
    shape = tuple(int(size) for size in matrix.shape)
    if len(shape) != 2 or not all(0 <= size <= LARGEST for size in shape):
        raise ValueError(f"it has the shape {shape}")
    if matrix.format in PACKED:
        parts = (np.asarray(matrix.data), np.asarray(matrix.indices), np.asarray(matrix.indptr))
        matrix = PACKED[matrix.format](parts, shape=shape)
        matrix.check_format(full_check=True)
    elif matrix.format == "coo":
        places = tuple(np.asarray(place) for place in matrix.coords)
        matrix = sparse.coo_array((np.asarray(matrix.data), places), shape=shape)
    elif matrix.format == "dia":
        matrix = sparse.dia_array((np.asarray(matrix.data), np.asarray(matrix.offsets)), shape=shape)
    elif matrix.format == "lil":
        lengths = [len(row) for row in matrix.rows]
        if len(lengths) != shape[0] or lengths != [len(row) for row in matrix.data]:
            raise ValueError("its rows do not fit")
        rows = np.repeat(np.arange(shape[0]), lengths)
        columns, values = np.array([*chain(*matrix.rows)]), np.array([*chain(*matrix.data)])
        matrix = sparse.coo_array((values, (rows, columns.astype(np.int64))), shape=shape)
    else:
        matrix = sparse.coo_array(matrix)
        matrix = sparse.coo_array((matrix.data, matrix.coords), shape=shape)
    if not np.issubdtype(matrix.dtype, np.number) and matrix.dtype != bool:
        raise ValueError(f"it holds {matrix.dtype}")
    matrix = sparse.csr_array(matrix)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix.tocoo()
