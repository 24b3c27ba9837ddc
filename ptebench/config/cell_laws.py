"""Laws on the cells of tables and analyses: each yields a sentence for what no job could do."""

from collections.abc import Iterator
from typing import NamedTuple

from ptebench.config.backbones import Backbone
from ptebench.config.base import Settings, kind_of
from ptebench.config.histories import Bert4rec, Dreamrec, Sequential
from ptebench.config.protocols import ColdStartUser, Protocol
from ptebench.config.readers import Reader
from ptebench.config.representations import Representation, Text


class Cell(NamedTuple):
    """What a table or an analysis asks for, whatever the dataset: the key that does, names, and their settings."""

    place: str
    protocol_name: str
    backbone_name: str
    representation_name: str
    protocol: Protocol
    backbone: Backbone
    representation: Representation
    profiles: bool
    """Whether there are profiles of users to read."""

    @property
    def reader(self) -> Reader | None:
        """Return what reads text, the backbone where it counts; None where nothing does."""
        settings: Settings = self.backbone if self.backbone.counter else self.representation
        return settings if isinstance(settings, Reader) else None

    @property
    def reads_users(self) -> bool:
        """Return whether profiles of users are read."""
        return self.profiles and (self.backbone.needs_users or self.backbone.reads_profiles)


def causal(cell: Cell) -> Iterator[str]:
    """A representation that learns from histories goes with a backbone that reads them in order."""
    backbone = cell.backbone
    in_order = isinstance(backbone, Sequential | Dreamrec) and not isinstance(backbone, Bert4rec)
    if (reason := cell.representation.causal_alone) and not (in_order or backbone.counter):
        yield (
            f"{cell.place}: {cell.representation_name} {reason.format(cell.backbone_name)}; use a backbone such "
            "as sasrec, gru4rec or hstu"
        )


def pairwise(cell: Cell) -> Iterator[str]:
    """A representation with users of its own goes with a backbone that has vectors of users."""
    backbone = cell.backbone
    if (reason := cell.representation.pairs_alone) and not (backbone.needs_users or backbone.counter):
        yield (
            f"{cell.place}: {cell.representation_name} {reason.format(cell.backbone_name)}; use a backbone on "
            "pairs such as biasmf_reclm or lightgcn"
        )


def only_representation(cell: Cell) -> Iterator[str]:
    """A backbone that needs one kind of representation has that kind."""
    own = kind_of(cell.representation)
    kind, reason = cell.backbone.only_with or (own, "")
    if own != kind:
        yield (
            f"{cell.place}: {cell.backbone_name} {reason}, and {cell.representation_name} is of the kind "
            f"{own!r}; use a representation of the kind {kind!r}"
        )


def only_backbone(cell: Cell) -> Iterator[str]:
    """A representation that needs one kind of backbone has that kind."""
    own = kind_of(cell.backbone)
    kind, reason = cell.representation.only_with or (own, "")
    if own != kind and not cell.backbone.counter:
        yield (
            f"{cell.place}: {cell.representation_name} {reason.format(cell.backbone_name)}; use a backbone of "
            f"the kind {kind!r}, or a representation such as morec"
        )


def control_of_users(cell: Cell) -> Iterator[str]:
    """Profiles of users are controlled where they are read."""
    representation, backbone = cell.representation, cell.backbone
    control = isinstance(representation, Text) and representation.control.user
    if control and not cell.profiles:
        yield (
            f"{cell.place}: {cell.representation_name} controls the profiles of users, and its embedding has "
            "none; name an embedding of profiles, or control items"
        )
    elif control and not (cell.reads_users or backbone.counter):
        yield (
            f"{cell.place}: {cell.representation_name} controls the profiles of users, which "
            f"{cell.backbone_name} does not read; use one that does, such as sasrec or lightgcn, or control items"
        )


def cold_users(cell: Cell) -> Iterator[str]:
    """Users without training events need a backbone that reads histories, or a representation that reads profiles."""
    if not (isinstance(cell.protocol, ColdStartUser) and cell.backbone.needs_users):
        return
    protocol = cell.protocol_name
    place = f"{cell.place}: {cell.backbone_name} with {cell.representation_name}"
    if not (cell.representation.cold_users and cell.profiles):
        yield (
            f"{place} cannot rank for users unseen in training, and {protocol} has no others; use a backbone that "
            "reads histories, or user profiles"
        )
    if len(cell.protocol.cold_k) > 1:
        yield (
            f"{place} reads user profiles, written once, from the shortest history of {protocol}; give each of "
            f"protocols.{protocol}.cold_k a protocol of its own"
        )


CELL_LAWS = (causal, pairwise, only_representation, only_backbone, control_of_users, cold_users)
