"""The command line that all jobs share: it parses arguments, limits threads, prints errors and writes the record.

    python -m workflow_scripts.split --spec '{"kind": "leave_one_out", ...}' \
        --input interactions PATH --output train PATH --output valid PATH ...
"""

import argparse
import json
import os
import resource
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ptebench.errors import InputError
from ptebench.files import write_json
from ptebench.provenance import canonical, checkout, digest, environment, file_digest, processor


@dataclass(frozen=True)
class Job:
    """A job's resolved settings, inputs and outputs, by name."""

    spec: dict[str, Any]
    inputs: dict[str, list[Path]]
    outputs: dict[str, Path]
    code: str
    threads: int

    def input(self, name: str) -> Path | None:
        """Return the one file of an input, None where the rule gave none."""
        return next(iter(self.inputs.get(name, [])), None)

    def part(self, name: str, spec: dict[str, Any]) -> "Job":
        """Return the job that has the inputs `name`.X as X beside all others, and settings of its own."""
        own = {key.partition(".")[2]: paths for key, paths in self.inputs.items() if key.startswith(f"{name}.")}
        return Job(spec, {**self.inputs, **own}, {}, self.code, self.threads)

    def fingerprint(self, spec: dict[str, Any] | None = None, names: Iterable[str] | None = None) -> str:
        """Return a digest of everything that decides a result: code, settings and the bytes of inputs.

        spec: settings in place of the job's. names: of the inputs that count, by default all.
        """
        names_of_inputs = self.inputs if names is None else names
        files = {name: [file_digest(path) for path in self.inputs.get(name, [])] for name in names_of_inputs}
        return digest(canonical([self.code, self.spec if spec is None else spec, files]))


def parse(arguments: list[str]) -> tuple[Job, argparse.Namespace]:
    """Parse a job's command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", type=json.loads, default={}, help="resolved settings, JSON")
    parser.add_argument("--code", default="", help="digest of the code, for the record")
    parser.add_argument("--input", nargs="+", action="append", default=[], metavar="NAME PATH")
    parser.add_argument("--output", nargs=2, action="append", default=[], metavar=("NAME", "PATH"))
    parser.add_argument("--provenance", type=Path, help="default: beside the first output")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 1)))
    options = parser.parse_args(arguments)
    inputs = {name: [Path(p) for p in paths] for name, *paths in options.input}
    outputs = {name: Path(path) for name, path in options.output}
    return Job(options.spec, inputs, outputs, options.code, options.threads), options


def run(main: Callable[[Job], dict[str, Any] | None]) -> None:
    """Run `main(job)`; on an InputError print its message alone and leave no output behind."""
    job, options = parse(sys.argv[1:])
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(job.threads)
    code, started, clock = checkout(), time.time(), time.perf_counter()
    try:
        for path in (p for paths in job.inputs.values() for p in paths):
            if not path.exists():
                raise InputError(f"{path}: no such file; check the path in the configuration")
        notes = main(job) or {}
    except BaseException as error:
        for path in job.outputs.values():
            path.unlink(missing_ok=True)
        if not isinstance(error, InputError):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    used, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    first = next(iter(job.outputs.values()))
    hardware = sys.modules.get("ptebench.hardware")  # of jobs alone that choose by it
    record = {
        "outputs": {str(p): file_digest(p) for p in job.outputs.values()},
        "inputs": {str(p): file_digest(p) for paths in job.inputs.values() for p in paths},
        "spec": job.spec,
        "seed": job.spec.get("seed"),
        "script": Path(sys.argv[0]).stem,
        "command": shlex.join(["python", "-m", f"workflow_scripts.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        "code": job.code,
        "checkout": code,
        "environment": environment(),
        "processor": processor(),
        "precisions": hardware.precisions() if hardware else None,
        "threads": job.threads,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "wall_seconds": round(time.perf_counter() - clock, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime, 3),
        "peak_memory_mib": round(max(used.ru_maxrss, children.ru_maxrss) / 1024, 1),
        **notes,
    }
    write_json(record, options.provenance or first.with_name(first.name + ".provenance.json"))
