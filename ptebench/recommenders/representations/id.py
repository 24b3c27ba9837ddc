"""A free vector per item id."""

from ptebench.recommenders.representation import Free


class Representation(Free):
    """Free vectors and nothing else."""

    def __init__(self, settings: dict, catalogue):
        super().__init__(catalogue)
