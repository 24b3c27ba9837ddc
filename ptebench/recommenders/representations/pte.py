"""PtE: profiles through a frozen encoder and a task-aligned adapter, for items and for users."""

from ptebench.recommenders import adapter
from ptebench.recommenders.representation import Towers


class Representation(Towers):
    """Item vectors from the profile and the card; on pairs, user vectors from the user's profile."""

    tower = adapter.Tower
