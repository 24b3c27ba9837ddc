"""A safe reader of foreign pickles: it admits arrays, sparse matrices and builtin containers by exact name."""

import importlib
import pickle
from pathlib import Path

from ptebench.files import InputError
from ptebench.raw.packed import unpack

SPARSE = ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")
ADMITTED = {
    ("numpy", "ndarray"): ("numpy", "ndarray"),
    ("numpy", "dtype"): ("numpy", "dtype"),
    **{
        (f"numpy.{core}.multiarray", name): ("numpy._core.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): ("numpy._core.numeric", "_frombuffer") for core in ("core", "_core")},
    # scipy renamed its modules: matrices pickled before and after are the same class
    **{
        (f"scipy.sparse.{mark}{kind}", f"{kind}_{form}"): (f"scipy.sparse._{kind}", f"{kind}_{form}")
        for mark in ("", "_")
        for kind in SPARSE
        for form in ("matrix", "array")
    },
    **{
        (module, name): ("builtins", name)
        for module in ("builtins", "__builtin__")
        for name in ("set", "frozenset", "list", "dict", "tuple", "bytearray", "object", "int", "float", "complex")
    },
    ("collections", "OrderedDict"): ("collections", "OrderedDict"),
    ("collections", "defaultdict"): ("collections", "defaultdict"),
    ("copyreg", "_reconstructor"): ("copyreg", "_reconstructor"),
    ("copy_reg", "_reconstructor"): ("copyreg", "_reconstructor"),
}


def _latin1(text: str, encoding: str) -> bytes:
    """Stand in for _codecs.encode, by which old pickles spell bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it encodes text as {encoding!r}")
    return text.encode("latin1")


class _Containers(pickle.Unpickler):
    def find_class(self, module: str, name: str):
        if (module, name) == ("_codecs", "encode"):
            return _latin1
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        module, name = ADMITTED[module, name]
        return getattr(importlib.import_module(module), name)


def read_pickle(path: Path):
    """Return the object of a pickle, plain or gzip; raise InputError where it needs a class that is not admitted."""
    path = Path(path)
    try:
        with unpack(path) as stream:
            return _Containers(stream).load()
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: refused as a pickle of data ({error}); only numpy arrays, scipy sparse matrices and builtin "
            "containers are read"
        ) from error
    # a broken stream fails in as many ways as the classes that it fills
    except Exception as error:
        raise InputError(f"{path}: not a whole pickle ({type(error).__name__}: {error}); fetch it again") from error
