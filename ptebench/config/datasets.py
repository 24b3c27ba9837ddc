"""Datasets: paths and formats of raw files, and filters."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from ptebench.config.base import Count, Place, Places, Positive, Seed, Settings, refuse_one_file_twice


def _refuse_one_column_twice(columns: dict[str, str]) -> dict[str, str]:
    for name in columns:
        if twice := [other for other in columns if columns[other] == columns[name] and other != name]:
            raise ValueError(f"{columns[name]!r} stands for both {name} and {twice[0]}; name a column for each")
    return columns


Columns = Annotated[
    dict[Literal["user_id", "item_id", "timestamp", "rating"], str], AfterValidator(_refuse_one_column_twice)
]
ItemColumns = dict[Literal["item_id", "title", "categories", "brand", "description"], str]
TieBreak = Literal["shuffle", "file", "id"]


class HeadsCompat(Settings):
    """Published thresholds of the groups `..._compat`, beside those by training counts."""

    user: Positive
    """Visible items in the test from which on a user is head."""
    item: Positive
    """Interactions, those of validation and test included, from which on an item is head."""


class Dataset(Settings):
    """What every source shares: filters, order of tied events, the published counts to compare with."""

    user_core: Count = 0
    """Interactions that a user needs to stay; 0 keeps all users."""
    item_core: Count = 0
    """Interactions that an item needs to stay; 0 keeps all items."""
    core: Literal["iterative", "one_pass_compat", "one_pass_users_compat"] = "iterative"
    """How often the cores are counted: until all have enough; or, as some published sets were made, once, or once and
    then users again."""
    duplicates: Literal["keep", "first", "last"] = "keep"
    """Which rows of a repeated user-item pair stay, in order of time."""
    users: Positive | None = None
    """Users that are drawn by `tie_seed` of those who are left by all filters; null: all. Their items are not filtered
    again."""
    min_rating: float | None = None
    """Lowest rating that stays; null keeps every row, those without a rating too."""
    start: date | None = None
    """First day (UTC) that stays."""
    end: date | None = None
    """Last day (UTC) that stays."""
    tie_break: TieBreak = "shuffle"
    """Order of a user's events within one timestamp: at random by seed, as in the file, or by item id; at random,
    since a model could learn a catalogue's order from the file's."""
    tie_seed: Seed = 0
    """Seed of `tie_break: shuffle`."""
    max_bad_rows: Count = 0
    """Malformed lines that are skipped and counted before the job fails; 0, so that damage stops the job."""
    heads_compat: HeadsCompat | None = None
    """Thresholds of the groups `user_head_compat` and the like of the protocol `long_tail`; null: no such groups."""
    published: str | None = None
    """Name under which `report/published.csv` and `report/published_statistics.csv` hold values to compare with."""

    @property
    def has_times(self) -> bool:
        """Whether every interaction may have a time; a file may still lack some."""
        return True

    @property
    def has_ratings(self) -> bool:
        """Whether interactions may have ratings."""
        return True

    @property
    def split(self) -> str | None:
        """Whether the publisher's own split divides `users` or `interactions`; None where there is no such split."""
        return None

    @property
    def period(self) -> tuple[date | None, date | None]:
        """The first and the last day that an interaction can have, None where only the data say."""
        return self.start, self.end

    @model_validator(mode="after")
    def _what_filters_need(self) -> Self:
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"end: {self.end} is before start, {self.start}")
        for key in ("start", "end"):
            if getattr(self, key) is not None and not self.has_times:
                raise ValueError(f"{key}: the interactions of this source have no timestamps; leave it out")
        if self.min_rating is not None and not self.has_ratings:
            raise ValueError("min_rating: the interactions of this source have no ratings; leave it out")
        return self


class Amazon(Dataset):
    """Amazon reviews: `reviews_X.json.gz` and the like, or the file of ratings alone; and item metadata."""

    source: Literal["amazon"]
    release: Literal["2014", "2018", "2023"] = "2018"
    """Edition of the files, which differ in columns and keys."""
    reviews: Place | None = None
    """File of reviews, JSON lines; this or `ratings`."""
    ratings: Place | None = None
    """File of ratings alone, CSV; this or `reviews`."""
    metadata: Place | None = None
    """File of item metadata; null: items have no text."""

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if bool(self.reviews) == bool(self.ratings):
            raise ValueError("give either 'reviews' or 'ratings'")
        return self


class Yelp(Dataset):
    """Yelp open dataset: `yelp_academic_dataset_review.json` and `yelp_academic_dataset_business.json`."""

    source: Literal["yelp"]
    reviews: Place
    """File of reviews, JSON lines."""
    businesses: Place
    """File of businesses, which are the items, JSON lines."""


class Netflix(Dataset):
    """Netflix Prize: `combined_data` files and `movie_titles.csv`."""

    source: Literal["netflix"]
    ratings: Places
    """Files `combined_data_1.txt` and so on."""
    titles: Place
    """File `movie_titles.csv`."""
    probe: Place | None = None
    """File `probe.txt`: its ratings are the publisher's test part, all others train; null: no such split."""
    qualifying: Place | None = None
    """File `qualifying.txt`: pairs with a date and no rating, as further interactions."""

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions" if self.probe else None


class Mind(Dataset):
    """MIND: `behaviors.tsv` (clicks, and the click history) and `news.tsv`."""

    source: Literal["mind"]
    behaviors: Places
    """Files `behaviors.tsv`, of which every click is an interaction."""
    news: Places
    """Files `news.tsv`, the item texts."""
    history: bool = True
    """Also read the click history of a user's first impression, as events before all impressions."""
    impressions: bool = False
    """Also keep what every impression showed, which the protocol `snapshot` can rank."""

    @property
    def has_ratings(self) -> bool:
        """See Dataset."""
        return False

    @model_validator(mode="after")
    def _all_that_was_shown(self) -> Self:
        if self.impressions and self.item_core > 1:
            raise ValueError("impressions: they show items that item_core drops; leave one of the two out")
        return self


class Reclm(Dataset):
    """RecLM: train and test matrices (npz, or the published pickles) and item texts."""

    source: Literal["reclm"]
    train: Place
    """File of the user-item matrix of the training period."""
    test: Place
    """File of the user-item matrix of the test period, with the same rows."""
    items: Place
    """File of item texts, JSON lines, with each item's column in both matrices."""

    @model_validator(mode="after")
    def _two_periods(self) -> Self:
        refuse_one_file_twice([self.train, self.test])
        return self

    @property
    def has_times(self) -> bool:
        """See Dataset."""
        return False

    @property
    def has_ratings(self) -> bool:
        """See Dataset."""
        return False

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions"


class Sequences(Dataset):
    """One user a line, items oldest first; one file, or train, valid and test files of users."""

    source: Literal["sequences"]
    tie_break: TieBreak = "file"
    """Order of a user's events within one timestamp; the file's, since without times its order is all there is."""
    sequences: Place | None = None
    """File of all users; this, `parts`, or all of `train`, `valid`, `test`."""
    parts: Place | None = None
    """File of a user and, in a column each, the items of the publisher's training, validation and test part."""
    train: Place | None = None
    """File of the training users."""
    valid: Place | None = None
    """File of the validation users."""
    test: Place | None = None
    """File of the test users."""
    user_column: bool = True
    """The first field of a line is the user; without, names of users are made of part and line."""
    user_map: Place | None = None
    """Table of part, line and user, for files without users whose users another file names; null: there is none."""
    times: Place | None = None
    """File of a user and the times of the sequence, in seconds since 1970, NA where unknown, a user a line; the file of
    `sequences` itself where times are its third column; null: no times."""
    items: Place | None = None
    """Table of item texts: CSV, TSV, Parquet or JSON lines; null: items have no text."""
    item_columns: ItemColumns = {}
    """The table's columns for ours, where they have other names."""
    item_map: Place | None = None
    """Table of an item's id in the sequences and, second, in `items`, where the two differ; null: they do not."""

    @property
    def has_times(self) -> bool:
        """See Dataset."""
        return self.times is not None

    @property
    def has_ratings(self) -> bool:
        """See Dataset."""
        return False

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "users" if self.train else "interactions" if self.parts else None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        parts = [self.train, self.valid, self.test]
        if bool(self.sequences) + bool(self.parts) + any(parts) != 1 or any(parts) != all(parts):
            raise ValueError("give either 'sequences', 'parts', or all of 'train', 'valid', 'test'")
        if self.parts and self.times:
            raise ValueError("times: they are of sequences, and 'parts' has items in no order; leave it out")
        if self.item_map and not self.items:
            raise ValueError("item_map: it maps to 'items', and there are none; name them, or leave it out")
        if self.user_map and (self.user_column or not self.train):
            raise ValueError("user_map: it names users of 'train', 'valid', 'test' with user_column: false alone")
        if self.times and not (self.user_column or self.user_map):
            raise ValueError("times: they are told by user, and the files name none; give user_map")
        refuse_one_file_twice([part for part in parts if part])
        return self


class Table(Dataset):
    """Any CSV, TSV, Parquet or JSON-lines file; columns are named here."""

    source: Literal["table"]
    interactions: Place
    """Table of interactions, a row each."""
    columns: Columns
    """The table's columns for ours; times are seconds since 1970 or text such as 2024-05-31."""
    items: Place | None = None
    """Table of item texts: CSV, TSV, Parquet or JSON lines; null: items have no text."""
    item_columns: ItemColumns = {}
    """The table of items' columns for ours, where they have other names."""

    @property
    def has_times(self) -> bool:
        """See Dataset."""
        return "timestamp" in self.columns

    @property
    def has_ratings(self) -> bool:
        """See Dataset."""
        return "rating" in self.columns

    @model_validator(mode="after")
    def _keys(self) -> Self:
        for key in ("user_id", "item_id"):
            if key not in self.columns:
                raise ValueError(f"columns: {key} is not named; name the column that holds it")
        return self


class Recbole(Dataset):
    """RecBole's atomic files; columns that are named otherwise than by us are named here."""

    source: Literal["recbole"]
    inter: Place
    """File `.inter` of interactions."""
    columns: Columns = {}
    """The file's columns for ours, where they have other names."""
    item: Place | None = None
    """File `.item` of item texts; null: items have no text."""
    item_columns: ItemColumns = {}
    """The columns of `.item` for ours, where they have other names; no others are read, as they may leak."""
    seq_separator: Annotated[str, Field(min_length=1)] = " "
    """What stands between categories; RecBole's setting of that name, with its default."""
