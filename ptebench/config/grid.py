"""Laws on tables and analyses, and the check of these and of those on cells: each yields what no job could do."""

from collections.abc import Iterator
from datetime import date
from itertools import chain, product
from typing import Any

from ptebench.config.base import Settings, kind_of
from ptebench.config.benchmark import Benchmark
from ptebench.config.cell_laws import CELL_LAWS, Cell
from ptebench.config.cells import saw_held_out
from ptebench.config.changes import points
from ptebench.config.external import External
from ptebench.config.information import Analysis
from ptebench.config.messages import hint, refuse
from ptebench.config.protocols import TIES, ColdStartUser, GlobalTemporal, Protocol, Snapshot
from ptebench.config.readers import Reader, UserReader
from ptebench.config.representations import Text
from ptebench.config.tables import LIST_METRICS, TableSettings
from ptebench.config.tuning import axes_of

Grid = TableSettings | Analysis


def check_grid(model: Benchmark, where: str) -> None:
    """Raise InputError for a cell that makes no sense, and for a table or an analysis of what cannot be."""
    tables = {f"tables.{name}": table for name, table in model.tables.items()}
    grids: dict[str, Grid] = {**tables, **{f"information.{name}": grid for name, grid in model.information.items()}}
    of_grids = (law(model, place, grid) for place, grid in grids.items() for law in GRID_LAWS)
    of_tables = (law(model, place, table) for place, table in tables.items() for law in TABLE_LAWS)
    of_cells = (law(c) for place, grid in grids.items() for c in cells(model, place, grid) for law in CELL_LAWS)
    refuse(where, chain.from_iterable(chain(of_grids, of_tables, of_cells)))


def cells(model: Benchmark, place: str, grid: Grid) -> Iterator[Cell]:
    """Yield the cells that a table or an analysis asks for."""
    for rows in grid.rows:
        for b, p, r in product(rows.backbones, grid.protocols, rows.representations):
            representation = model.representations[r]
            profiles = isinstance(representation, Text) and reads_users(model, representation)
            yield Cell(place, p, b, r, model.protocols[p], model.backbones[b], representation, profiles)


def reads_users(model: Benchmark, reader: UserReader) -> bool:
    """Return whether there are profiles of users to read."""
    if embedding := model.embeddings.get(reader.text):
        return reader.reads_users and reads_users(model, embedding)
    supplied = model.texts.get(reader.text)
    return reader.reads_users and (supplied is None or supplied.user is not None)


def leaks(model: Benchmark, place: str, grid: Grid) -> Iterator[str]:
    """What is read was written without what a protocol holds out, unless a table allows leaks."""
    texts = {model.embeddings.get(part.text, part).text for part in readers_of(model, grid).values()}
    reads, also = "its vectors are of", ""
    if isinstance(grid, TableSettings):
        texts = set() if grid.allow_leaks else texts
        reads, also = "its rows read", ", or set allow_leaks: true in a table of such rows alone"
    for text in sorted(texts & set(model.texts)):
        saw = model.texts[text].model_dump()["saw"]
        for p in grid.protocols:
            if saw_held_out(saw, p, model.protocols[p].model_dump()):
                what, mend = SAW[saw] if isinstance(saw, str) else (HISTORIES.format(**saw), f"{saw['protocol']}, or ")
                yield (
                    f"{place}: {reads} {text!r}, whose writer saw {what} {p} holds out; use {mend}another text{also}"
                )


def same_text(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """Rows read one text where a table asks for it, by the same encoder, and all or none of them profiles of users."""
    rows = list(readings(model, place, table)) if table.text == "same" else []
    for side, mend in ((1, "name one text"), (2, "set 'users: false' where it reads them")):
        (first, reading), *others = [(row[0], row[side]) for row in rows if row[side]] or [("", "")]
        if odd := next((row for row in others if row[1] != reading), None):
            yield (
                f"{place}.text: 'same', but {first} reads {reading} and {odd[0]} reads {odd[1]}; {mend}, or leave the "
                "key out"
            )
            return


def readings(model: Benchmark, place: str, table: TableSettings) -> Iterator[tuple[str, str, str]]:
    """Yield of each row its name, what it reads of items, and whether profiles of users, which no counter does."""
    for cell in cells(model, place, table):
        if settings := cell.reader:
            read = model.embeddings.get(settings.text, settings)
            text = read.text if getattr(read, "items", True) else "card"
            items = f"{text}{' + card' * (read.card and text != 'card')} by {read.encoder}"
            users = f"{'' if cell.reads_users else 'no '}profiles of users" if not cell.backbone.counter else ""
            yield f"{cell.backbone_name}.{cell.representation_name}", items, users


def unread_texts(model: Benchmark, place: str, grid: Grid) -> Iterator[str]:
    """A row that names texts of users alone reads them; it would have cards in their place, and the texts' name."""
    for cell in cells(model, place, grid):
        name = cell.reader.text if cell.reader else ""
        if name in model.texts and model.texts[name].item is None and not cell.reads_users:
            part = cell.backbone_name if cell.backbone.counter else cell.representation_name
            yield (
                f"{place}: {part} names {name!r}, which has texts of users alone, and on "
                f"{cell.backbone_name} it reads none of users; give it texts of items, or use a backbone that reads "
                "those of users, such as sasrec or lightgcn"
            )


def readers_of(model: Benchmark, grid: Grid) -> dict[str, Reader]:
    """Return what reads text in a table's rows or an analysis, by name."""
    parts: dict[str, Settings] = {part: model.backbones[part] for rows in grid.rows for part in rows.backbones}
    parts |= {part: model.representations[part] for rows in grid.rows for part in rows.representations}
    parts |= grid.texts if isinstance(grid, Analysis) else {}
    return {part: settings for part, settings in parts.items() if isinstance(settings, Reader)}


def compared_ids(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """A comparison with ids has a backbone with them and with another representation."""
    if table.compare != "id":
        return
    sides: dict[str, set[bool]] = {}
    for rows in table.rows:
        for b in rows.backbones:
            sides.setdefault(b, set()).update(kind_of(model.representations[r]) == "id" for r in rows.representations)
    if not any(len(both) == 2 for both in sides.values()):
        yield (
            f"{place}.compare: 'id' compares a representation with ids on the same backbone, and no backbone has "
            "both; add a row of the kind 'id', or compare best_other or each"
        )


def claims(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """A claim is about rows, metrics, rankings and groups of its table."""
    rows = [f"{b}.{r}" for block in table.rows for b in block.backbones for r in block.representations]
    for number, claim in enumerate(table.claims, 1):
        of_claim = f"{place}.claims: claim {number}"
        for key, possible in (
            ("row", rows), ("above", rows), ("metric", table.metrics), ("ranking", table.rankings),
            ("group", table.groups),
        ):  # fmt: skip
            given = getattr(claim, key)
            if given is not None and given not in possible:
                yield f"{of_claim}.{key}: the table has no {given!r}{hint(given, possible)} ({', '.join(possible)})"
        if claim.above is not None and table.compare == "id":
            yield f"{of_claim}: with 'compare: id' no other rows are compared; set compare: best_other or each"


def list_metrics(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """A table shows metrics of lists that are kept, as long as K, beside a metric of ranks."""
    key, of_lists = f"{place}.metrics", [m for m in table.metrics if m.startswith(LIST_METRICS)]
    for metric in of_lists:
        k = int(metric.partition("@")[2])
        if model.lists is None or model.lists < k:
            length = "none are kept" if model.lists is None else f"those kept end at {model.lists}"
            yield f"{key}: {metric} is made of the lists of cells, and {length}; set 'lists: {k}'"
        if metric.startswith("Diversity") and model.diversity is None:
            yield f"{key}: {metric} compares vectors of cards, and no encoder is named; set 'diversity: ENCODER'"
        if metric == "Diversity@1":
            yield f"{key}: {metric}: a list of one has no pair; name a larger K"
    if table.metrics[0] in of_lists:
        yield f"{key}: {of_lists[0]} does not say whether lists are right; name one that does first, such as NDCG@10"
    for number, claim in enumerate(table.claims, 1):
        if claim.metric in of_lists:
            yield (
                f"{place}.claims: claim {number}.metric: {claim.metric} has no test; name one of "
                f"{', '.join(m for m in table.metrics if m not in of_lists)}"
            )


def impressions(model: Benchmark, place: str, grid: Grid) -> Iterator[str]:
    """A protocol ranks impressions of datasets that have them."""
    for d, p in product(grid.datasets, grid.protocols):
        if _has_impressions(model.protocols[p]) and not _has_impressions(model.datasets[d]):
            yield (
                f"{place}: {p} ranks impressions, and {d} has none; set 'impressions: true' for the dataset "
                "where its source has them (mind), or leave it out of the protocol"
            )


def _has_impressions(settings: Any) -> bool:
    return getattr(settings, "impressions", False)


def times(model: Benchmark, place: str, grid: Grid) -> Iterator[str]:
    """A protocol splits a dataset by times within its days, or by the publisher's split, if it has them."""
    for d, p in product(grid.datasets, grid.protocols):
        dataset, protocol = model.datasets[d], model.protocols[p]
        if isinstance(protocol, Snapshot) and protocol.cut is None and dataset.split != "interactions":
            yield (
                f"{place}: {p} without 'cut' takes the publisher's split, and the source of {d} has none of "
                f"interactions; set protocols.{p}.cut, the first day of the test period"
            )
        if isinstance(protocol, ColdStartUser) and protocol.given and dataset.split != "users":
            yield (
                f"{place}: {p} takes the publisher's split of users ('given'), and the source of {d} has none; set "
                f"protocols.{p}.given: false to draw one"
            )
        cuts = cuts_of(protocol)
        if cuts and not dataset.has_times:
            own = dataset.split == "interactions"
            mend = "leave 'cut' out for the publisher's split" if own else "use another protocol"
            yield f"{place}: {p} parts by time, and the interactions of {d} have no timestamps; {mend}"
        first, last = dataset.period
        for cut in cuts:
            if isinstance(cut, date) and ((first and cut <= first) or (last and cut > last)):
                yield (
                    f"{place}: {p} cuts at {cut}, and the interactions of {d} are of {first or '...'} to "
                    f"{last or '...'}; move the cut between them"
                )


def cuts_of(protocol: Protocol) -> list[date | float]:
    """Return where a protocol parts interactions: days, or shares of them."""
    if isinstance(protocol, GlobalTemporal):
        return list(protocol.cuts)
    return [protocol.cut] if isinstance(protocol, Snapshot) and protocol.cut else []


def compat_groups(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """Groups by published thresholds are of datasets that have such thresholds."""
    compat = next((group for group in table.groups if group.endswith("_compat")), None)
    for d in table.datasets if compat else ():
        if model.datasets[d].heads_compat is None:
            yield (
                f"{place}: the group {compat} needs published thresholds, and {d} has none; set "
                f"datasets.{d}.heads_compat: {{user: ..., item: ...}}, or name groups without _compat"
            )


def ranking_names(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """A table shows rankings and groups that its protocols can have of its datasets."""
    for d, p in product(table.datasets, table.protocols):
        protocol = model.protocols[p]
        groups = [group for group in protocol.groups if group not in TIES or model.datasets[d].has_times]
        for key, possible in (("rankings", protocol.rankings), ("groups", groups)):
            for name_of_group in getattr(table, key):
                if name_of_group not in possible:
                    yield (
                        f"{place}.{key}: {p} of {d} has no {name_of_group!r}{hint(name_of_group, possible)} "
                        f"({', '.join(possible)})"
                    )


def widths(model: Benchmark, place: str, grid: Grid) -> Iterator[str]:
    """A representation fits the backbone's dimension, and every value on a tuned axis is valid with some others."""
    for rows in grid.rows:
        for d, b, r in product(grid.datasets, rows.backbones, rows.representations):
            if not model.backbones[b].counter:
                for fault in misfits(model, d, b, r):
                    yield f"{place}: {b} with {r} on {d}{fault}"


def depths(model: Benchmark, place: str, table: TableSettings) -> Iterator[str]:
    """A table asks of lists from elsewhere for no metric beyond their length."""
    deepest = max(table.metrics, key=lambda metric: int(metric.split("@")[1]))
    for b in dict.fromkeys(b for rows in table.rows for b in rows.backbones):
        backbone = model.backbones[b]
        if isinstance(backbone, External) and backbone.k < int(deepest.split("@")[1]):
            yield (
                f"{place}.metrics: {deepest} asks for more than the {backbone.k} items that lists of {b} have at "
                f"least; set backbones.{b}.k to their length, or lower the metric's K"
            )


def misfits(model: Benchmark, d: str, b: str, r: str) -> Iterator[str]:
    """Yield the end of a sentence on a backbone and a representation that do not go together."""
    representation, overrides = model.representations[r], model.overrides.get(d, {})
    settings = model.backbones[b].model_dump() | overrides.get(b, {}) | overrides.get(f"{b}.{r}", {})
    vectors = model.embeddings.get(getattr(representation, "text", "")) or model.encoders.get(
        getattr(representation, "encoder", "")
    )
    width = None if vectors is None else vectors.width
    axes = {
        (section, key): axis if isinstance(axis, list) else axis.model_dump()
        for section, name in (("backbones", b), ("representations", r))
        for key, axis in axes_of(getattr(model.tuning, section), name, getattr(model, section)[name]).items()
        if key in ("dimension", "heads", "groups")
    }

    def misfit(point: dict[tuple[str, str], Any]) -> str | None:
        own = {key: value for (section, key), value in point.items() if section == "representations"}
        dimension = int(point.get(("backbones", "dimension"), settings["dimension"]))
        return representation.model_copy(update=own).misfit(dimension, width)

    if reason := misfit({}):
        yield f": {reason}"
    for axis, values in axes.items():
        others = {key: value for key, value in axes.items() if key != axis}
        for value in values if isinstance(values, list) else []:
            if all(misfit(point | {axis: value}) for point in points(others)):
                section, key = axis
                name = {"backbones": b, "representations": r}[section]
                yield f", tuning.{section}.{name}.{key} at {value}: {misfit({axis: value})}"


SAW = {  # by a word: what a writer saw, and which protocol the texts are for
    "all": ("all interactions, which", ""),
    "training": ("the publisher's training part, which", "a protocol with the publisher's split, or "),
}
HISTORIES = "the histories of {protocol}, some of which"
GRID_LAWS = (leaks, unread_texts, impressions, times, widths)
TABLE_LAWS = (same_text, compared_ids, claims, list_metrics, compat_groups, ranking_names, depths)
