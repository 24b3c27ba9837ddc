"""Analyses of information: which vectors of items are held against each other, on which splits."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ptebench.config.base import Name, Names, Settings
from ptebench.config.readers import Reader
from ptebench.config.tables import Rows

NULLS = ("random", "hashed", "popularity")  # what a suite holds its vectors against, and calls so


class Vectors(Settings):
    """Vectors of items: of a trained cell, or of texts."""

    backbone: Name | None = None
    """Of a cell: its backbone, a name under `backbones` that trains; the cell is that of the first of `seeds`."""
    representation: Name = "id"
    """Of a cell: its representation, a name under `representations`."""
    text: str | None = None
    """Of texts: which, as in a representation, or a name under `embeddings`."""
    encoder: Name = "minilm"
    """Of texts: their encoder, a name under `encoders`."""

    @model_validator(mode="after")
    def _of_one_source(self) -> Self:
        if (self.backbone is None) == (self.text is None):
            raise ValueError("vectors are of a trained cell ('backbone') or of texts ('text'); give one of the two")
        aside = {"encoder"} if self.backbone else {"representation"}
        if wrong := sorted(aside & self.model_fields_set):
            raise ValueError(f"{wrong[0]}: {'a cell' if self.backbone else 'a text'} has none; leave it out")
        return self

    @property
    def reader(self) -> Reader | None:
        """Return what reads the texts; None of a cell."""
        return Reader(**self.model_dump(include=self.model_fields_set & {"text", "encoder"})) if self.text else None


class Analysis(Settings):
    """What vectors of the same items tell of each other, and what each is worth to a recommender."""

    title: str = "What vectors tell of vectors"
    """Heading of the page."""
    datasets: Names
    """Names under `datasets`."""
    protocols: Names
    """Names under `protocols`."""
    vectors: Annotated[dict[Name, Vectors], Field(min_length=2)]
    """Vectors by name, at least two; the budget curve is of the first two."""

    @property
    def rows(self) -> list[Rows]:
        """Return the cells that it asks for, as a table does."""
        cells = [v for v in self.vectors.values() if v.backbone]
        return [Rows(backbones=[v.backbone], representations=[v.representation]) for v in cells]

    @property
    def texts(self) -> dict[str, Reader]:
        """Return what reads the texts that it asks for, by name."""
        return {name: reader for name, v in self.vectors.items() if (reader := v.reader)}

    @model_validator(mode="after")
    def _beside_the_nulls(self) -> Self:
        if doubles := sorted(self.vectors.keys() & set(NULLS)):
            raise ValueError(f"vectors: '{doubles[0]}' is the name of vectors that know no item; give another name")
        return self
