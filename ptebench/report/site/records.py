"""The records of all that lies in results/: what made a file, from what, back to the raw data."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ptebench.errors import InputError
from ptebench.provenance import canonical, file_digest
from ptebench.records import LEFT
from ptebench.report.captions import sample

HASHED = 2**26  # bytes; a larger file is known by its record alone
RECORD = "provenance.json"
VIEWS = tuple(f"results/{name}/" for name in ("report", ".report", "crate", ".crate"))  # made of records
CODE = "results/code/"  # the plan writes it: what records mean by their `code`
NO_RECORD = (RECORD, ".answers.jsonl", ".safetensors.index.json")


@dataclass(frozen=True)
class Record:
    """What a job wrote of itself."""

    path: str
    data: dict[str, Any]

    @property
    def script(self) -> str:
        return str(self.data.get("script", ""))

    @property
    def seconds(self) -> float:
        return float(self.data["wall_seconds"])


@dataclass(frozen=True)
class Step:
    """A file of a chain: how many jobs lie between it and the chain's end, its digest, its record (None: raw)."""

    depth: int
    path: str
    digest: str
    record: Record | None


@dataclass
class Records:
    """Every record below a folder, by the files that it is of."""

    root: Path
    by_output: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def below(cls, root: Path, folder: str = "results") -> "Records":
        """Read all records below root/folder; raise InputError for one that is no record."""
        found = cls(root)
        for path in sorted((root / folder).rglob(f"*{RECORD}")):
            if path.relative_to(root).as_posix().startswith(VIEWS):
                continue
            try:
                record = Record(path.relative_to(root).as_posix(), json.loads(path.read_text()))
                found.by_output |= dict.fromkeys(record.data["outputs"], record)
            except (ValueError, KeyError) as error:
                raise InputError(f"{path}: no record ({error}); delete it and make its files again") from None
        return found

    @cached_property
    def all(self) -> list[Record]:
        return list({record.path: record for record in self.by_output.values()}.values())

    def of(self, path: str) -> Record:
        """Return the record of a file; raise InputError where it has none."""
        if path not in self.by_output:
            raise InputError(f"{path}: no record beside it; make it again by snakemake")
        return self.by_output[path]

    def sample(self, dataset: str) -> str:
        """Return of how many users a dataset is a sample; "" where it is none."""
        return sample(self.of(f"results/data/{dataset}/interactions.parquet").data)

    def chain(self, path: str) -> list[Step]:
        """Return a file and all that it was made from, each file once, inputs below what they made."""
        steps: list[Step] = []
        seen: set[str] = set()

        def walk(file: str, digest: str, depth: int) -> None:
            if file in seen:
                return
            seen.add(file)
            record = self.by_output.get(file)
            steps.append(Step(depth, file, digest, record))
            for name, made_of in (record.data["inputs"] if record else {}).items():
                if not name.endswith(RECORD):
                    walk(name, made_of, depth + 1)

        walk(path, self.of(path).data["outputs"][path], 0)
        return steps

    def cost(self, path: str) -> float:
        """Return the seconds of all jobs behind a file."""
        records = {step.record.path: step.record for step in self.chain(path) if step.record}
        return sum(record.seconds for record in records.values())

    def stale(self) -> Iterator[tuple[str, str]]:
        """Yield each file that was not made from what lies there now, or changed since, and what is wrong with it."""
        for record in self.all:
            for name, digest in record.data["inputs"].items():
                maker = self.by_output.get(name)
                if maker and maker.data["outputs"][name] != digest:
                    yield record.path, f"made from another version of {name}"
            for name, digest in record.data["outputs"].items():
                path = self.root / name
                if path.exists() and path.stat().st_size <= HASHED and file_digest(path) != digest:
                    yield name, "changed since its record was written"

    def unexplained(self, folder: str = "results") -> Iterator[tuple[str, str]]:
        """Yield each file below a folder that no record is of, and inputs that nothing explains."""
        for path in sorted((self.root / folder).rglob("*")):
            name = path.relative_to(self.root).as_posix()
            if path.is_file() and not name.endswith(NO_RECORD) and not name.startswith((*VIEWS, CODE)):
                if name not in self.by_output and not LEFT.fullmatch(path.name):
                    yield name, "no record says what made it"
        for record in self.all:
            for name in record.data["inputs"]:
                known = name in self.by_output or name.endswith(RECORD)
                if name.startswith(f"{folder}/") and not known:
                    yield record.path, f"made from {name}, which has no record"

    def uneven(self) -> Iterator[tuple[str, str]]:
        """Yield each kind of job whose records are of several versions of the code or of the software."""
        kinds: dict[str, list[Record]] = {}
        for record in self.all:
            kinds.setdefault(_kind(record), []).append(record)
        for kind, records in sorted(kinds.items()):
            if len(codes := sorted({record.data["code"] for record in records})) > 1:
                yield kind, f"{len(records)} jobs by {len(codes)} versions of the code: {', '.join(codes)}"
        software = {canonical(record.data["environment"]) for record in self.all}
        if len(software) > 1:
            yield "all jobs", f"{len(software)} environments (Python, machine, packages); compare their records"


def _kind(record: Record) -> str:
    """Return the kind of job that shares one code: its script, with what it loads by name."""
    spec = record.data["spec"]
    names = [spec[key]["kind"] for key in ("backbone", "representation") if isinstance(spec.get(key), dict)]
    names += [str(spec[key]) for key in ("source", "layout", "kind") if isinstance(spec.get(key), str)]
    return " ".join([record.script or record.path.rpartition("/")[2].removesuffix(".provenance.json"), *names])
