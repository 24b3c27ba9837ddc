"""A Workflow Run RO-Crate of finished tables: workflow, configuration, results, records, and who made what of what."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from ptebench.files import replace_folder, write_json, write_text
from ptebench.provenance import REPOSITORY, canonical
from ptebench.report.crate.hub import write_hub
from ptebench.report.site.records import RECORD, Record, Step
from ptebench.report.site.results import Results

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
TERMS = "https://w3id.org/ro/terms/workflow-run/context"  # has sha256
CODE = (
    "rules/*.smk",
    "workflow_scripts/*.py",
    "envs/*.yaml",
    "requirements.in",
    "requirements.txt",
    "CITATION.cff",
    "LICENSE",
)
README = """# Tables of PtE-Bench, with all that is known of how they were made

{tables}
An RO-Crate (Workflow Run Crate 0.5): `ro-crate-metadata.json` says which job made which file of what, with digests.
`results/tables/` has the tables, `results/` the records of all jobs and what of their files is small and textual;
other files are known by their SHA-256. `configuration.json` is the configuration with all defaults. `hub/` has
adapters and item vectors in the layout of the hub, each with its card. Raw data is under its publishers' terms and not
here.
"""
FORMATS = {
    ".csv": "text/csv", ".json": "application/json", ".md": "text/markdown", ".tex": "application/x-tex",
    ".html": "text/html", ".svg": "image/svg+xml", ".py": "text/x-python", ".yaml": "application/yaml",
}  # fmt: skip
TRAVELS = (".csv", ".json", ".md", ".tex", ".html", ".svg")  # of what lies behind the tables; the rest by its digest


def steps_of(results: Results) -> list[Step]:
    """Return the tables and all that they were made from, each file once."""
    chains = (results.records.chain(f"results/tables/{table.name}.csv") for table in results.tables)
    return list({step.path: step for chain in chains for step in chain}.values())


def write_crate(results: Results, configuration: dict[str, Any], folder: Path) -> None:
    """Write a crate into a folder, which it replaces once it is whole."""
    making = folder.with_name(f".{folder.name}")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    steps = steps_of(results)
    write_json(configuration, making / "configuration.json")
    write_text(
        README.format(tables="".join(f"- {table.spec['title']}\n" for table in results.tables)), making / "README.md"
    )
    models = write_hub(results.records, steps, making / "hub")
    crate = ROCrate(gen_preview=False)
    Crate(crate, results, steps, making).describe(models)
    crate.write(making)
    replace_folder(making, folder)


class Crate:
    """What a crate says of tables and of the jobs behind them."""

    def __init__(self, crate: ROCrate, results: Results, steps: list[Step], folder: Path):
        self.crate, self.results, self.steps, self.folder = crate, results, steps, folder
        self.records = list({s.record.path: s.record for s in steps if s.record}.values())
        self.files: dict[str, Entity] = {}

    def describe(self, models: list[str]) -> None:
        """Fill the crate: what it is, workflow, files, and one action for the run and one for each job."""
        crate, titles = self.crate, "; ".join(table.spec["title"] for table in self.results.tables)
        crate.name = f"PtE-Bench: {titles}"
        crate.description = (
            "Tables of recommenders with all records behind them: settings, digests, code, versions, cost."
        )
        crate.license = self._add("https://spdx.org/licenses/MIT", "CreativeWork", name="MIT License")
        ended = max(map(end, self.records))
        crate.datePublished = ended
        crate.metadata.extra_contexts.append(TERMS)
        crate.root_dataset["conformsTo"] = [
            self._add(url, "CreativeWork", name=name, version=version) for url, name, version in PROFILES
        ]
        self.author = self._add("#authors", "Organization", name="The PtE-Bench authors")
        crate.root_dataset["author"] = crate.root_dataset["publisher"] = self.author
        crate.add_file(self.folder / "README.md", "README.md", properties={
            "encodingFormat": "text/markdown", "about": {"@id": "./"},
        })  # fmt: skip
        workflow = self._workflow()
        for name in models:
            crate.add_directory(self.folder / "hub" / name, f"hub/{name}", properties={"name": name})
        for step in self.steps:
            self.files[step.path] = self._file(step)
        tables = [self._output(path) for table in self.results.tables for path in self._forms(table.name)]
        configuration = crate.add_file(self.folder / "configuration.json", "configuration.json", properties={
            "name": "Configuration, with all defaults", "encodingFormat": "application/json",
        })  # fmt: skip
        raw = [self.files[step.path] for step in self.steps if step.record is None]
        configuration["exampleOfWork"], tables[0]["exampleOfWork"] = workflow["input"], workflow["output"]
        command = self.results.settings["command"]
        times = min(map(begin, self.records)), ended
        self._action("#run", command, workflow, [configuration, *raw], tables, *times, description=f"Run of {command}")
        for record in self.records:
            self._job(record)
        crate.root_dataset["mentions"] = [e for e in crate.contextual_entities if e.type == "CreateAction"]

    def _add(self, identity: str, kind: str, **properties: Any) -> Entity:
        return self.crate.add(ContextEntity(self.crate, identity, properties={"@type": kind, **properties}))

    def _workflow(self) -> Entity:
        """Add the workflow and its code; return it."""
        version = commit()
        workflow = self.crate.add_workflow(
            REPOSITORY / "Snakefile", "Snakefile", main=True, lang="snakemake", gen_cwl=False,
            properties={"name": "PtE-Bench", "version": version, "softwareRequirements": "requirements.txt"},
        )  # fmt: skip
        for path in sorted(path for pattern in CODE for path in REPOSITORY.glob(pattern)):
            name = path.relative_to(REPOSITORY).as_posix()
            kinds = ["File", "SoftwareSourceCode"] if path.suffix in (".py", ".smk") else "File"
            self.crate.add_file(path, name, properties={
                "@type": kinds, "name": name, "version": version, "encodingFormat": media_type(path),
            })  # fmt: skip
        for part, kind in (("input", "configuration"), ("output", "tables")):
            parameter = self._add(f"#{kind}", "FormalParameter", name=kind, additionalType="File")
            parameter["conformsTo"] = {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}
            workflow[part] = parameter
        workflow["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
        return workflow

    def _forms(self, table: str) -> list[str]:
        return list(self.results.records.of(f"results/tables/{table}.csv").data["outputs"])

    def _file(self, step: Step) -> Entity:
        """Add a file of a chain: itself where it is small and textual, else what it is known by."""
        path = self.results.root / step.path
        properties = {"name": step.path, "sha256": step.digest}
        if step.record and path.suffix in TRAVELS and path.exists():
            return self.crate.add_file(path, step.path, properties=properties | {"encodingFormat": media_type(path)})
        return self._add(f"#{step.path}", "CreativeWork", **properties)

    def _output(self, path: str) -> Entity:
        """Return the entity of an output of a job, which need not be part of a chain."""
        if path not in self.files:
            record = self.results.records.of(path)
            self.files[path] = self._file(Step(0, path, record.data["outputs"][path], record))
        return self.files[path]

    def _job(self, record: Record) -> None:
        """Add the action of a job, and its record."""
        instrument = self.crate.get(f"workflow_scripts/{record.script}.py")
        inputs = [self.files[name] for name in record.data["inputs"] if not name.endswith(RECORD)]
        outputs = [self._output(name) for name in record.data["outputs"]]
        record_file = self.crate.add_file(self.results.root / record.path, record.path, properties={
            "name": f"Record of {record.path}", "encodingFormat": "application/json",
        })  # fmt: skip
        made_by = f"code {record.data['code']}, {canonical(record.data['environment'])}"
        times = begin(record), end(record)
        more = {"subjectOf": record_file, "description": made_by}
        self._action(f"#{record.path}", record.script, instrument, inputs, outputs, *times, **more)

    def _action(self, identity: str, name: str, instrument: Any, objects: list[Entity], products: list[Entity],
                began: datetime, ended: datetime, **more: Any) -> None:  # fmt: skip
        action = self._add(identity, "CreateAction", name=name)
        for key, value in {"instrument": instrument, "object": objects, "result": products, **more}.items():
            if value:
                action[key] = value[0] if isinstance(value, list) and len(value) == 1 else value
        action["startTime"], action["endTime"] = began.isoformat(), ended.isoformat()
        action["agent"], action["actionStatus"] = self.author, "http://schema.org/CompletedActionStatus"


def media_type(path: Path) -> str:
    return FORMATS.get(path.suffix, "text/plain")


def begin(record: Record) -> datetime:
    return datetime.fromisoformat(record.data["started"]).astimezone(UTC)


def end(record: Record) -> datetime:
    return begin(record) + timedelta(seconds=round(record.seconds))


def commit() -> str:
    """Return the commit of this checkout, "+" behind it where files differ; "unknown" outside a repository."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"
