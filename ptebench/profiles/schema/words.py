"""English words that name nothing."""

import runpy
from importlib.util import find_spec
from pathlib import Path


def _read() -> frozenset[str]:
    """Return scikit-learn's list of stop words, without the second that its package takes to import."""
    spec = find_spec("sklearn")
    assert spec and spec.origin, "scikit-learn is among the requirements"
    words: frozenset[str] = runpy.run_path(str(Path(spec.origin).parent / "feature_extraction/_stop_words.py"))[
        "ENGLISH_STOP_WORDS"
    ]
    return words


STOP_WORDS = _read()
