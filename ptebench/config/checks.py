"""Laws on names across sections: each yields a sentence for what no job could do."""

import csv
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from ptebench.config.base import Settings, kind_of
from ptebench.config.benchmark import Benchmark
from ptebench.config.cells import BACKBONES, REPRESENTATIONS
from ptebench.config.embeddings import Embedding
from ptebench.config.encoders import SentenceTransformer
from ptebench.config.external import External
from ptebench.config.folders import missing_folder, unfit_model
from ptebench.config.histories import Generative
from ptebench.config.information import Vectors
from ptebench.config.language_models import WRITERS, EndpointModel, LanguageModel
from ptebench.config.messages import hint, nearest, refuse
from ptebench.config.readers import Reader
from ptebench.config.texts import Histories
from ptebench.config.tuning import FIXED, axes_of
from ptebench.encoders import KINDS as JUDGES

PUBLISHED = ("published.csv", "published_statistics.csv")
OTHER_TEXTS = ("card", "template")  # than what language models write


def check_names(model: Benchmark, where: str) -> None:
    """Raise InputError where an entry names another that is not defined, or that cannot serve."""
    names = (check_published, lists, table_names, grid_names, embedding_names, information_names)
    laws = (*names, learning_encoders, texts, teachers, override_names, axes)
    refuse(where, chain.from_iterable(law(model) for law in laws))
    refuse(where, local_models(model))


def undefined(model: Benchmark, section: str, name: str, place: str) -> Iterator[str]:
    """Yield that `place` names what `section` does not define."""
    if name not in (entries := getattr(model, section)):
        yield f"{place}: {name!r} is not defined under {section!r}{hint(name, entries)}"


@cache
def published_keys() -> set[str]:
    """Return the keys under which values or counts of datasets are published."""
    keys: set[str] = set()
    for name in PUBLISHED:
        with open(Path(__file__).parents[1] / "report" / name, encoding="utf-8", newline="") as stream:
            keys |= {key for row in csv.DictReader(stream) for key in row["dataset"].split(" ")}
    return keys


def check_published(model: Benchmark) -> Iterator[str]:
    """A dataset is compared with values that are published."""
    for name, settings in model.datasets.items():
        key, keys = settings.published, published_keys()
        if key is not None and key not in keys:
            yield (
                f"datasets.{name}.published: nothing is published under {key!r}; did you mean "
                f"{nearest(key, sorted(keys))!r}? (the column dataset of report/{' and report/'.join(PUBLISHED)})"
            )


def lists(model: Benchmark) -> Iterator[str]:
    """Lists are no longer than what is measured of them, and Diversity has an encoder and lists."""
    largest = max([*model.ks, *(int(m.partition("@")[2]) for table in model.tables.values() for m in table.metrics)])
    if model.lists is not None and model.lists > largest:
        yield f"lists: {model.lists} is more than the largest K, {largest}; name {model.lists} under 'ks' or keep less"
    if model.diversity is not None:
        yield from undefined(model, "encoders", model.diversity, "diversity")
        if model.lists is None:
            yield "diversity: it is measured of lists, and none are kept; set 'lists: K'"


def table_names(model: Benchmark) -> Iterator[str]:
    """A table leaves the names of the tables over all others alone."""
    for name in ("statistics", "references"):
        if name in model.tables:
            yield f"tables.{name}: the name belongs to a table over all others; choose another"


def grid_names(model: Benchmark) -> Iterator[str]:
    """A table names what is defined."""
    for table, settings in model.tables.items():
        for axis in ("datasets", "protocols"):
            for name in getattr(settings, axis):
                yield from undefined(model, axis, name, f"tables.{table}.{axis}")
        for number, rows in enumerate(settings.rows, 1):
            for axis in ("backbones", "representations"):
                for name in getattr(rows, axis):
                    yield from undefined(model, axis, name, f"tables.{table}.rows no. {number}.{axis}")


def analysed(model: Benchmark) -> Iterator[tuple[str, Vectors]]:
    """Yield all vectors that analyses of information hold against each other, with their places."""
    for name, analysis in model.information.items():
        for of, vectors in analysis.vectors.items():
            yield f"information.{name}.vectors.{of}", vectors


def information_names(model: Benchmark) -> Iterator[str]:
    """An analysis of information names what is defined, and cells that have vectors of items."""
    for name, analysis in model.information.items():
        for axis in ("datasets", "protocols"):
            for of in getattr(analysis, axis):
                yield from undefined(model, axis, of, f"information.{name}.{axis}")
    for place, vectors in analysed(model):
        text = model.texts.get(vectors.text or "")
        if text and text.item is None:
            yield f"{place}.text: {vectors.text!r} has texts of users alone; name one of items"
        if vectors.backbone is None:
            continue
        for key, named in (("backbone", vectors.backbone), ("representation", vectors.representation)):
            yield from undefined(model, f"{key}s", named, f"{place}.{key}")
        backbone = model.backbones.get(vectors.backbone)
        if backbone and (backbone.counter or isinstance(backbone, Generative)):
            yield f"{place}.backbone: {vectors.backbone!r} has no vectors of items; name one that learns them here"


def texts(model: Benchmark) -> Iterator[str]:
    """What reads text names an encoder, and a text that something writes."""
    readers: dict[str, Settings] = {f"backbones.{n}": s for n, s in model.backbones.items()}
    readers |= {f"representations.{n}": s for n, s in model.representations.items()}
    readers |= {f"embeddings.{n}": s for n, s in model.embeddings.items()}
    for place, vectors in analysed(model):
        if reader := vectors.reader:
            readers[place] = reader
    for place, settings in readers.items():
        if not isinstance(settings, Reader):
            continue
        if settings.text in model.embeddings:
            yield from of_an_embedding(settings, place)
            continue
        yield from undefined(model, "encoders", settings.encoder, f"{place}.encoder")
        if settings.text in OTHER_TEXTS or settings.text in model.texts:
            continue
        name, *writer = settings.text.split(".")
        if name not in model.language_models:
            near = hint(name, (*OTHER_TEXTS, *model.texts, *model.embeddings, *model.language_models))
            yield f"{place}.text: {name!r} is not defined under 'texts', 'embeddings' or 'language_models'{near}"
        if isinstance(model.language_models.get(name), EndpointModel):
            if writer:
                yield (
                    f"{place}.text: {settings.text!r}; {name} is at an endpoint, where nothing is fine-tuned; name "
                    f"{name!r} alone for what it writes as it is, or LANGUAGE_MODEL.WRITER of a language model with "
                    f"'teacher: {name}'"
                )
        elif name in model.language_models and (len(writer) != 1 or writer[0] not in WRITERS):
            yield (
                f"{place}.text: {settings.text!r}; expected card, template, a language model at an endpoint, "
                f"LANGUAGE_MODEL.WRITER with a writer of {', '.join(WRITERS)}, or a name under 'texts' or 'embeddings'"
            )


def of_an_embedding(reader: Reader, place: str) -> Iterator[str]:
    """Yield what a reader of an embedding says that the embedding itself says."""
    if isinstance(reader, Embedding):
        yield f"{place}.text: {reader.text!r} is an embedding already; name the text that it reads"
    for key in sorted({"encoder", "card", "items"} & reader.model_fields_set):
        yield f"{place}.{key}: embeddings.{reader.text} says it; leave it out here"


def embedding_names(model: Benchmark) -> Iterator[str]:
    """Supplied texts and embeddings leave the names of other texts alone; a split that a writer saw is defined."""
    for name, text in model.texts.items():
        if isinstance(text.saw, Histories):
            yield from undefined(model, "protocols", text.saw.protocol, f"texts.{name}.saw.protocol")
        if name in OTHER_TEXTS or name in model.language_models:
            yield f"texts.{name}: the name belongs to another text; choose another"
    for name in model.embeddings:
        if name in OTHER_TEXTS or name in model.language_models or name in model.texts:
            yield f"embeddings.{name}: the name belongs to another text; choose another"


def learning_encoders(model: Benchmark) -> Iterator[str]:
    """An encoder that learns has layers, and reads texts."""
    for name, settings in model.embeddings.items():
        encoder, place = model.encoders.get(settings.encoder), f"embeddings.{name}"
        if not settings.align.encoder_layers or encoder is None:
            continue
        if (kind := kind_of(encoder)) not in JUDGES:
            yield (
                f"{place}.align.encoder_layers: {settings.encoder!r} is of the kind {kind!r}, which has no layers; "
                f"name an encoder of the kind {' or '.join(JUDGES)}, or leave it out"
            )
        for side, control in settings.control:
            if control == "random":
                yield f"{place}.control.{side}: noise is no text that an encoder could learn from; name shuffled or one"


def teachers(model: Benchmark) -> Iterator[str]:
    """A language model has an encoder that judges, a name of its own, and a teacher that teaches."""
    for name, settings in model.language_models.items():
        place = f"language_models.{name}"
        yield from undefined(model, "encoders", settings.encoder, f"{place}.encoder")
        if name in OTHER_TEXTS:
            yield f"{place}: the name belongs to another text; choose another"
        encoder = model.encoders.get(settings.encoder)
        if isinstance(settings, LanguageModel) and encoder and (kind := kind_of(encoder)) not in JUDGES:
            yield (
                f"{place}.encoder: {settings.encoder!r} is of the kind {kind!r}, which cannot judge profiles; name an "
                f"encoder of the kind {' or '.join(JUDGES)}"
            )
        teacher = settings.teacher if isinstance(settings, LanguageModel) else "template"
        if isinstance(teacher, str) and teacher != "template":
            yield from undefined(model, "language_models", teacher, f"{place}.teacher")
            if isinstance(model.language_models.get(teacher), LanguageModel):
                yield (
                    f"{place}.teacher: {teacher!r} is at no endpoint; name template, a language model with an "
                    "'endpoint', or files of supplied profiles"
                )


def local_models(model: Benchmark) -> Iterator[str]:
    """Models in folders that a table or an analysis reads are there, and those that are taught can be."""
    rows = [rows for table in model.tables.values() for rows in table.rows]
    rows += [rows for analysis in model.information.values() for rows in analysis.rows]
    parts: list[Settings] = [model.backbones[name] for block in rows for name in block.backbones]
    parts += [model.representations[name] for block in rows for name in block.representations]
    parts += [reader for _, vectors in analysed(model) if (reader := vectors.reader)]
    readers = [model.embeddings.get(part.text, part) for part in parts if isinstance(part, Reader)]
    writers = dict.fromkeys(part.text.partition(".")[0] for part in readers)
    models = {name: model.language_models[name] for name in writers if name in model.language_models}
    for name, settings in models.items():
        if isinstance(settings, LanguageModel) and settings.model != "embedded":
            for fault in unfit_model(settings.model, settings.context):
                yield f"language_models.{name}.model: {fault}"
    for name in dict.fromkeys([part.encoder for part in readers] + [settings.encoder for settings in models.values()]):
        if isinstance(encoder := model.encoders[name], SentenceTransformer):
            for fault in missing_folder(encoder.model):
                yield f"encoders.{name}.model: {fault}"


def override_names(model: Benchmark) -> Iterator[str]:
    """Overrides name a dataset, a backbone of it, and perhaps a representation."""
    for dataset, settings in model.overrides.items():
        yield from undefined(model, "datasets", dataset, "overrides")
        for cell in settings:
            backbone, _, representation = cell.partition(".")
            yield from undefined(model, "backbones", backbone, f"overrides.{dataset}")
            if representation:
                yield from undefined(model, "representations", representation, f"overrides.{dataset}.{backbone}")


def axes(model: Benchmark) -> Iterator[str]:
    """An axis of a study belongs to an entry or a kind, and leaves alone what a cell reads, runs or is judged by."""
    sections: dict[str, Any] = {"backbones": BACKBONES, "representations": REPRESENTATIONS}
    spaces = {section: getattr(model.tuning, section) for section in sections}
    entries = (
        (spaces[section], name, entry) for section in sections for name, entry in getattr(model, section).items()
    )
    if any(any(space.values()) for space in spaces.values()) and not any(axes_of(*entry) for entry in entries):
        yield "tuning: no entry has the name or kind of one of its axes, nothing would be tuned; name one that has"
    for section, of_kind in sections.items():
        for name, space in spaces[section].items():
            entry = getattr(model, section).get(name)
            if (kind := of_kind.get(name) if entry is None else type(entry)) is None:
                near = hint(name, [*getattr(model, section), *of_kind])
                yield f"tuning.{section}: {name!r} is not defined under {section!r}, and no kind there{near}"
                continue
            if issubclass(kind, External):
                yield f"tuning.{section}.{name}: its lists are from elsewhere, and are not tuned here; leave it out"
            for key in space:
                if key in FIXED:
                    yield (
                        f"tuning.{section}.{name}.{key}: no axis, it changes what a cell reads, runs or is judged by; "
                        "define a second entry with the other value"
                    )
                elif entry is None and key not in kind.model_fields:
                    yield f"tuning.{section}.{name}.{key}: unknown key{hint(key, kind.model_fields)}"
