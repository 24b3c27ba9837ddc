"""Cards of items alone, through the adapter of PtE."""

from ptebench.recommenders.representations.pte import Representation

__all__ = ["Representation"]
