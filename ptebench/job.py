"""The command line that all jobs share: it parses arguments, limits threads, prints errors and writes the record.

    python -m workflow_scripts.split --spec '{"kind": "leave_one_out", ...}' \
        --input interactions PATH --output train PATH --output valid PATH ...
"""

import argparse
import errno
import json
import os
import resource
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ptebench import former, leases
from ptebench.errors import InputError
from ptebench.files import is_full, no_room, write_json
from ptebench.provenance import canonical, checkout, digest, environment, file_digest, processor
from ptebench.records import RECORD, check_digests, seal


@dataclass(frozen=True)
class Job:
    """A job's resolved settings, inputs and outputs, by name."""

    spec: dict[str, Any]
    inputs: dict[str, list[Path]]
    outputs: dict[str, Path]
    code: str
    threads: int
    run: str = ""  # the command of the run, of a job whose pages show it
    digests: dict[Path, str] = field(default_factory=dict)  # of inputs, when the job began

    def input(self, name: str) -> Path | None:
        """Return the one file of an input, None where the rule gave none."""
        return next(iter(self.inputs.get(name, [])), None)

    def part(self, name: str, spec: dict[str, Any]) -> "Job":
        """Return the job that has the inputs `name`.X as X beside all others, and settings of its own."""
        own = {key.partition(".")[2]: paths for key, paths in self.inputs.items() if key.startswith(f"{name}.")}
        return Job(spec, {**self.inputs, **own}, {}, self.code, self.threads, self.run, self.digests)

    def digest(self, path: Path) -> str:
        """Return the sha256 of an input."""
        return self.digests.get(path) or file_digest(path)

    def fingerprint(self, spec: dict[str, Any] | None = None, names: Iterable[str] | None = None) -> str:
        """Return a digest of everything that decides a result: code, settings and the bytes of inputs.

        spec: settings in place of the job's. names: of the inputs that count, by default all.
        """
        names_of_inputs = self.inputs if names is None else names
        files = {name: [self.digest(path) for path in self.inputs.get(name, [])] for name in names_of_inputs}
        return digest(canonical([self.code, self.spec if spec is None else spec, files]))


def parse(arguments: list[str]) -> tuple[Job, argparse.Namespace]:
    """Parse a job's command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", type=json.loads, default={}, help="resolved settings, JSON")
    parser.add_argument("--code", default="", help="digest of the code, for the record")
    parser.add_argument("--run", default="", help="command of the run, for pages that show it")
    parser.add_argument("--input", nargs="+", action="append", default=[], metavar="NAME PATH")
    parser.add_argument("--output", nargs=2, action="append", default=[], metavar=("NAME", "PATH"))
    parser.add_argument("--provenance", type=Path, help="default: beside the first output")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", 1)))
    options = parser.parse_args(arguments)
    inputs = {name: [Path(p) for p in paths] for name, *paths in options.input}
    outputs = {name: Path(path) for name, path in options.output}
    return Job(options.spec, inputs, outputs, options.code, options.threads, options.run), options


def run(main: Callable[[Job], dict[str, Any] | None]) -> None:
    """Run `main(job)` and write its record; where it fails, leave no output behind, and say what can be mended."""
    job, options = parse(sys.argv[1:])
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(job.threads)
    begun = Begun(checkout(), time.time(), time.perf_counter())
    if run := os.environ.get(leases.RUN):
        leases.end_with(run)
    first = next(iter(job.outputs.values()))
    lease, record = leases.Lease(first), options.provenance or first.with_name(f"{first.name}.{RECORD}")
    try:
        lease.take()
        leases.own.append(lease)
        job.digests.update(check_digests(path for paths in job.inputs.values() for path in paths))
        if former.put_back(job.outputs.values(), record, command(), named(job.digests)):
            print("the inputs have the bytes that they had, and so has the result: it is put back as it was")
            return
        notes = main(job) or {}
        write_json(seal(describe(job, begun) | notes), record)
    except BaseException as error:
        if not isinstance(error, leases.Superseded):
            clear(job)
        if (message := explain(error, first)) is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        sys.exit(1)
    finally:
        former.forget([*job.outputs.values(), record])
        lease.end()
        leases.own.clear()


class Begun(NamedTuple):
    """When a job began, and by which code."""

    checkout: dict[str, Any] | None
    time: float
    clock: float


def clear(job: Job) -> None:
    """Remove the outputs of a job that failed; where a folder is read-only there are none."""
    for path in job.outputs.values():
        with suppress(OSError):
            path.unlink(missing_ok=True)


def explain(error: BaseException, first: Path) -> InputError | None:
    """Return what the user can mend of an error, None where it is a fault of the code; `first`: an output."""
    if isinstance(error, InputError):
        return error
    if is_full(error):
        return no_room(first)
    if isinstance(error, OSError) and error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return InputError(f"{error.filename or first}: {error.strerror}; make its folder writable and run again")
    return None


def command() -> str:
    """Return the command of this job."""
    return shlex.join(["python", "-m", f"workflow_scripts.{Path(sys.argv[0]).stem}", *sys.argv[1:]])


def named(digests: dict[Path, str]) -> dict[str, str]:
    """Return digests by the name of their file."""
    return {str(path): value for path, value in digests.items()}


def describe(job: Job, begun: Begun) -> dict[str, Any]:
    """Return the record of a job that is done, but for what it notes itself."""
    used, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    hardware = sys.modules.get("ptebench.hardware")  # of jobs alone that choose by it
    return {
        "outputs": {str(path): file_digest(path) for path in job.outputs.values()},
        "inputs": named(job.digests),
        "spec": job.spec,
        "seed": job.spec.get("seed"),
        "script": Path(sys.argv[0]).stem,
        "command": command(),
        "code": job.code,
        "checkout": begun.checkout,
        "environment": environment(),
        "processor": processor(),
        "precisions": hardware.precisions() if hardware else None,
        "threads": job.threads,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun.time)),
        "wall_seconds": round(time.perf_counter() - begun.clock, 3),
        "cpu_seconds": round(used.ru_utime + used.ru_stime + children.ru_utime + children.ru_stime, 3),
        "peak_memory_mib": round(max(used.ru_maxrss, children.ru_maxrss) / 1024, 1),
    }
