"""Language models: which model writes profiles, where it runs, and how it is fine-tuned."""

import re
import warnings
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from ptebench.config.base import Above, Name, Place, Positive, Seed, Settings, Share
from ptebench.weights import PACKED

Side = Literal["user", "item"]
warnings.filterwarnings("ignore", 'Field name "schema"')  # hides a method that pydantic gave up
BUILT_IN = ("embedded", PACKED)  # models that need no hub
WRITERS = ("kd", "sft", "grpo")  # of a language model that runs here


class Lora(Settings):
    """The adapter, on all linear layers."""

    rank: Positive = 16
    """Rank of the two matrices beside a layer."""
    alpha: Positive = 32
    """Their product counts alpha / rank."""
    dropout: Share = 0.05
    """Dropout of what enters them in fine-tuning; GRPO has none."""


class FineTuning(Settings):
    """One half-round of supervised fine-tuning, its rate warmed up and then falling as a cosine."""

    examples: Positive = 400
    """Instructions of a half-round, drawn by seed."""
    epochs: Positive = 1
    """Passes over the instructions."""
    batch_size: Positive = 8
    """Instructions of a step, a multiple of `processes`."""
    learning_rate: Above = 2e-4
    """Highest rate of AdamW in distillation."""
    learning_rate_of_rounds: Above = 5e-5
    """Highest rate of AdamW in the rounds after it; after a refused round half of it."""
    refresh: int = Field(64, ge=0)
    """Instructions of a later round with new answers: the best of four samples, by the scorer of the gain."""


class RewardWeights(Settings):
    """Weights of the components of GRPO's reward; 0: not computed; the gate on the schema always applies."""

    rank: float = Field(0.0, ge=0)
    """Users: rank of the held-out item by cards and profile, compared with its rank by the cards alone."""
    auc: float = Field(0.0, ge=0)
    """Items: how well card and profile tell held-out readers from others, less how well the card does."""
    faithfulness: float = Field(0.0, ge=0)
    """Share of the phrases that the evidence supports, less what is copied; the template's at most."""
    identification: float = Field(0.0, ge=0)
    """How well the owner is found in a crowd, less over-smoothing; the template's at most."""
    length: float = Field(0.0, ge=0)
    """0 from 20 to 80 tokens, falling to -1 outside."""
    preference: float = Field(0.0, ge=0)
    """Preference by a Bradley-Terry model of template profiles, as RecLM's reward."""
    nearer: float = Field(0.0, ge=0)
    """How much nearer the profile's vector is to what was held out than to others, as a contrastive loss."""
    title: float = Field(0.0, ge=0)
    """Users: how much likelier the language model finds the held-out item's title behind the profile."""


PRESETS = {
    "pte": {"rank": 1.0, "auc": 1.0, "faithfulness": 0.3, "identification": 0.5, "length": 0.1},
    "recl": {"preference": 1.0, "length": 0.1},
    "blue": {"nearer": 1.0, "title": 0.5, "length": 0.1},
}  # of the weights


class Grpo(Settings):
    """Group relative policy optimisation."""

    steps: Positive = 100
    """Steps, whatever the number of prompts; where texts of others become worse it ends earlier."""
    prompts: Positive = 64
    """Owners of a side whose profiles are sampled: a prompt for each item, three for each user, with another item held
    out."""
    generations: int = Field(4, ge=2)
    """Texts sampled for a prompt; the advantage of a text is relative to them."""
    batch_size: Positive = 16
    """Texts of a step, a multiple of `generations`."""
    learning_rate: Above = 1e-4
    """Constant rate of AdamW."""
    beta: float = Field(0.02, ge=0)
    """Weight of the divergence from the adapter that GRPO starts from."""
    temperature: Above = 1.0
    """Temperature of sampling."""
    candidates: Positive = 49
    """Number of others that what was held out is ranked against; 49, as in the probe of rounds."""
    reward: Literal["pte", "recl", "blue"] = "pte"
    """Preset of the weights: what profiles are for, and that they are true; RecLM's reward model; BLUE's contrast and
    likelihood of the next item."""
    weights: RewardWeights = RewardWeights()
    """Weights of the reward's components, over those of the preset."""
    watch: Positive = 10
    """Steps after which texts of up to 32 owners that are not trained on are judged; where they have become worse,
    training stops, and the adapter is what it was before."""
    vllm: bool = False
    """Generate with vLLM, where it is installed."""

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and isinstance(weights := settings.get("weights", {}), dict):
            return {**settings, "weights": PRESETS.get(str(settings.get("reward", "pte")), {}) | weights}
        return settings

    @model_validator(mode="after")
    def _whole_batches(self) -> Self:
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
    """Width of its states, a multiple of twice `heads`."""
    layers: Positive = 2
    """Number of layers."""
    heads: Positive = 4
    """Attention heads of a layer."""
    vocabulary: Positive = 4096
    """Tokens of its byte-pair vocabulary, at most."""
    steps: Positive = 600
    """Steps of pretraining on the template teacher's lessons."""
    batch_size: Positive = 4
    """Lessons of a step."""
    learning_rate: Above = 3e-3
    """Highest rate, of Muon for matrices inside the layers and of AdamW for the rest."""

    @model_validator(mode="after")
    def _whole_heads(self) -> Self:
        if self.hidden % (2 * self.heads):
            raise ValueError(f"hidden: {self.hidden} is no multiple of {2 * self.heads}, twice the heads; change one")
        return self


class WritingModel(Settings):
    """What every language model shares: the evidence that its prompts show, and the length of its answers."""

    model: Place
    """Name of the model, as the endpoint knows it."""
    history: Positive = 10
    """Most recent training items that a user's prompt shows."""
    neighbours: Positive = 5
    """Readers that an item's prompt shows, and newest items that a user's prompt shows with their audience."""
    new_tokens: dict[Side, Positive] = {"user": 96, "item": 128}
    """Tokens of an answer, at most, by side."""
    schema: Literal["phrases", "sentence"] = "phrases"  # type: ignore[assignment]
    """What a profile is: two lists of `phrases`; `sentence`: behind them one of at most 40 words, in which the model
    says what it knows beyond the cards."""
    encoder: Name = "minilm"
    """Encoder of the cards that resemble a cold item's, of drift and of rewards; a name under `encoders`."""
    seed: Seed = 0
    """Seed of all draws, and of an endpoint's decoding."""

    @field_validator("new_tokens")
    @classmethod
    def _of_both_sides(cls, value: dict[Side, int]) -> dict[Side, int]:
        return {**cls.model_fields["new_tokens"].default, **value}


class LanguageModel(WritingModel):
    """A causal language model that runs here and how it is taught to write profiles."""

    model: Place = "embedded"
    """`embedded`, `smollm2` (after `make smollm2`), a hub id, the folder of a saved model or a .gguf file; `embedded`,
    so that everything runs without a download."""
    revision: str | None = None
    """Branch, tag or commit of a hub id; null: its default branch."""
    template_arguments: dict[str, str | bool | int | float | None] = {}
    """Arguments of its chat template, such as `enable_thinking: false` or `date_string: 1 Jan 2025`."""
    teacher: Annotated[dict[Side, Place], Field(min_length=1)] | Name = "template"
    """What answers the instructions of round 0: `template`, files of supplied profiles by side, or the name of a
    language model at an endpoint."""
    collaborative: Share = 0.0
    """Share of the users' instructions that are in two turns, beside people who chose alike; 0, as they did not help on
    MIND."""
    context: Positive = 768
    """Tokens of prompt and answer together, at most."""
    write_batch: Positive = 64
    """Prompts that are answered at once; halved once where memory does not suffice."""
    threads: Positive = 1
    """Cores of a job that reads the model; on one alone the same seed gives the same bytes."""
    shards: Positive = 1
    """Jobs among which the writing of a side is divided."""
    max_rounds: Positive = 5
    """Rounds after distillation, at most."""
    loop: Literal["closed", "static", "user", "item", "shuffled"] = "closed"
    """What prompts of later rounds show: new profiles; or, as controls, those of distillation in every round, one side
    fine-tuned alone, users' prompts with the profiles of other items."""
    probes: Positive = 512
    """Users and items, each, that are watched for convergence and teach nothing, of every degree; at most a quarter of
    a side."""
    embedding_drift: float = 0.02
    """Drift of the profiles' vectors (1 - cosine) below which a round is steady."""
    field_drift: float = 0.10
    """Drift of the profiles' phrases (1 - Jaccard overlap) below which a round is steady."""
    embedded: EmbeddedModel = EmbeddedModel()
    """Settings of the model `embedded`."""
    lora: Lora = Lora()
    """Settings of the adapter."""
    quantization: Literal["4bit"] | None = None
    """Precision of the model's weights while its adapter is fine-tuned (QLoRA); null: full."""
    processes: Positive = 1
    """Processes that share every batch of fine-tuning, a GPU each where there are GPUs."""
    tuning: FineTuning = FineTuning()
    """Settings of supervised fine-tuning."""
    grpo: Grpo = Grpo()
    """Settings of GRPO."""

    @model_validator(mode="after")
    def _room_for_prompts(self) -> Self:
        side, longest = max(self.new_tokens.items(), key=lambda entry: entry[1])
        if self.context <= longest:
            raise ValueError(
                f"context: {self.context} tokens for prompt and answer together, and new_tokens gives {longest} to the "
                f"answers of the side {side!r}; raise context, or lower new_tokens"
            )
        if self.model == "embedded" and self.schema == "sentence":
            raise ValueError(
                "schema: 'embedded' knows nothing beyond the cards; give it phrases, or choose another model, such as "
                "smollm2"
            )
        if self.model == "embedded" and self.template_arguments:
            raise ValueError("template_arguments: the chat template of 'embedded' reads none; leave it out")
        if self.tuning.batch_size % self.processes:
            raise ValueError(
                f"tuning.batch_size: {self.tuning.batch_size} is no multiple of processes, {self.processes}; change one"
            )
        return self

    @field_validator("model")
    @classmethod
    def _no_slip_of_a_built_in_name(cls, value: str) -> str:
        near = get_close_matches(value.lower(), BUILT_IN, n=1, cutoff=0.8)
        if near and value not in BUILT_IN and "/" not in value:
            raise ValueError(f"{value!r} is unknown; did you mean {near[0]!r}? (a folder of that name: ./{value})")
        return value

    @field_validator("template_arguments")
    @classmethod
    def _names_of_arguments(cls, value: dict[str, Any]) -> dict[str, Any]:
        ours = ("messages", "add_generation_prompt")
        for name in value:
            if not re.fullmatch(r"[A-Za-z_]\w*", name) or name in ours:
                raise ValueError(
                    f"{name}: expected the name of an argument of the chat template, none of {', '.join(ours)}"
                )
        return value


class EndpointModel(WritingModel):
    """A language model behind an OpenAI-compatible interface; it can teach others and write profiles."""

    endpoint: str
    """The address up to and without `/chat/completions`."""
    key_variable: str | None = None
    """The environment variable that holds the key; null: no key is sent."""
    temperature: float = Field(0.0, ge=0)
    """Temperature of decoding; 0, the most repeatable."""
    request: dict[str, Any] = {}
    """Further fields of a request, over ours; null leaves one of ours out."""
    concurrency: Positive = 8
    """Requests under way at once."""

    @model_validator(mode="before")
    @classmethod
    def _no_fine_tuning(cls, value: Any) -> Any:
        if foreign := [k for k in value if k in set(LanguageModel.model_fields) - set(cls.model_fields)]:
            raise ValueError(
                f"{foreign[0]}: nothing is fine-tuned at an endpoint; give it to a language model that runs here, "
                "whose 'teacher' may be this one"
            )
        return value

    @model_validator(mode="after")
    def _no_secrets(self) -> Self:
        # here and not as patterns of the fields, whose errors would print what was given
        if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", self.endpoint):
            raise ValueError("endpoint: expected https://HOST/PATH, without a user, a password or a query")
        if self.key_variable is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_variable):
            raise ValueError(
                "key_variable: expected the name of an environment variable (capitals, digits, _), never the key itself"
            )
        if secret := next(filter(SECRET.search, _keys_within(self.request)), None):
            raise ValueError(
                f"request: {secret} is named as a secret is, and what a request holds stands in records; export "
                "it, and name its variable under key_variable"
            )
        return self


SECRET = re.compile(r"api[_-]?key|authorization|password|secret|access[_-]?token|credential|cookie", re.I)


def _keys_within(value: Any) -> Iterator[str]:
    """Yield the keys of a mapping, and of all that is in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from _keys_within(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys_within(inner)


def _where_it_runs(entry: Any) -> str:
    """Return the tag of a language model's class."""
    has_endpoint = "endpoint" in entry if isinstance(entry, dict) else isinstance(entry, EndpointModel)
    return "EndpointModel" if has_endpoint else "LanguageModel"


MODELS: dict[str, type[WritingModel]] = {"LanguageModel": LanguageModel, "EndpointModel": EndpointModel}
AnyLanguageModel = Annotated[
    Annotated[LanguageModel, Tag("LanguageModel")] | Annotated[EndpointModel, Tag("EndpointModel")],
    Discriminator(_where_it_runs),
]
