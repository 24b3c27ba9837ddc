"""Compare all that lies in results with its records: bytes, inputs, code, and by `snakemake verify` the settings too.

python -m ptebench.verify results
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ptebench import leases
from ptebench.errors import InputError
from ptebench.files import remove
from ptebench.plan.paths import SCRATCH
from ptebench.provenance import code_modules, file_digest, module_path
from ptebench.records import LEFT, RECORD, SEAL, read_modules, read_record

CODE = "code"  # the folder in results where the plan says which modules a digest of code is of
# what each wildcard of a path of scratch may be; any other is a name of the configuration
VALUES = {"side": "user|item", "maker": "[0-9a-f]{16}", "rest": ".+", "stage": "warm|cold"} | dict.fromkeys(
    ("seed", "round", "trial", "bracket", "shard", "step"), "[0-9]+"
)
PLAN = "PTEBENCH_PLAN"  # the variable by which a plan knows that it is asked for what is stale, by the records alone
STALE = "stale: "  # how it begins a line


class Finding(NamedTuple):
    """Something that is not as its record says."""

    kind: str
    file: str
    reason: str


def of_pattern(pattern: str) -> str:
    """Return the regular expression of a path with wildcards."""
    names = re.split(r"{(\w+)}", pattern)
    return "".join(f"(?:{VALUES.get(text, '[^/]+')})" if at % 2 else re.escape(text) for at, text in enumerate(names))


ANY_SCRATCH = re.compile("|".join(map(of_pattern, SCRATCH)))


def is_scratch(path: Path) -> bool:
    """Return whether jobs keep a file for themselves, at its place, to go on from."""
    return ANY_SCRATCH.fullmatch(str(path)) is not None


def walk(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder but scratch, in the order of names; a folder may be a link."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        yield from (path for path in (Path(place, name) for name in sorted(names)) if not is_scratch(path))


def home_of(path: Path, record: dict[str, Any]) -> Path:
    """Return where the job of a record wrote it, its own place where it does not say."""
    words = shlex.split(record.get("command", ""))
    return next((Path(home) for word, home in zip(words, words[1:]) if word == "--provenance"), path)


class Results:
    """The files below folders with their records, and what was found of them."""

    def __init__(self, folders: list[Path]):
        self.folders, self.findings, self.unread = folders, list[Finding](), set[str]()
        files = [path for folder in folders for path in walk(folder)]
        self.left = [path for path in files if LEFT.fullmatch(path.name)]
        self.files = [path for path in files if not LEFT.fullmatch(path.name)]
        self.records: dict[Path, dict[str, Any]] = {}
        for path in self.files:
            if path.name.endswith(RECORD):
                try:
                    self.records[path] = read_record(path)
                except InputError as error:
                    self.add("damaged", path, str(error).partition(": ")[2])
        self.digests = self.read()
        self.leave_out_copies()
        self.codes = self.modules_by_code()

    def add(self, kind: str, file: Path | str, reason: str) -> None:
        """Note a finding."""
        self.findings.append(Finding(kind, str(file), reason))

    def read(self) -> dict[str, str]:
        """Return the sha256 of every file that a record names and that is there."""
        names = {
            name for record in self.records.values() for key in ("outputs", "inputs") for name in record.get(key, {})
        }
        there = sorted(name for name in names if Path(name).is_file())
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return dict(zip(there, pool.map(file_digest, map(Path, there))))

    def leave_out_copies(self) -> None:
        """Take copies of records that a job wrote, as a crate's, for files like others, of which its record tells."""
        homes = {path: home_of(path, record) for path, record in self.records.items()}
        copies = {
            name for path, record in self.records.items() if homes[path] == path for name in record.get("outputs", {})
        }
        for path, home in homes.items():
            if home != path and str(path) in copies:
                del self.records[path]

    def modules_by_code(self) -> dict[str, dict[str, str] | None]:
        """Return the modules that each digest of code is of, None where their file is not as the plan wrote it."""
        codes: dict[str, dict[str, str] | None] = {}
        for path in (path for path in self.files if self.is_code(path)):
            modules = read_modules(path)
            codes[path.stem] = modules or codes.get(path.stem)
            if modules is None:
                self.add("damaged", path, "not the modules of its digest; the next run of that code writes it anew")
        return codes

    def is_code(self, path: Path) -> bool:
        """Return whether a file says which modules a digest of code is of."""
        return path.suffix == ".json" and any(path.parent == folder / CODE for folder in self.folders)

    def verify(self) -> list[Finding]:
        """Return all findings."""
        for path, record in self.records.items():
            self.of_outputs(path, record)
            self.of_inputs(path, record)
        self.of_code()
        self.without_record()
        return self.findings

    def of_outputs(self, path: Path, record: dict[str, Any]) -> None:
        """Find what is not what its job wrote, or lies elsewhere."""
        if record.get("command") and SEAL not in record:
            self.add("damaged", path, "without a digest of itself: damaged, or of an earlier version")
        if (home := home_of(path, record)) != path:
            self.add("foreign", path, f"the record of another place: {home}")
            return
        for name, digest in record.get("outputs", {}).items():
            if name not in self.digests:
                self.add("gone", name, f"{path} says that it was made")
            elif self.digests[name] != digest:
                self.add("other bytes", name, f"not what its job wrote by {path}: damaged, or changed by hand")

    def of_inputs(self, path: Path, record: dict[str, Any]) -> None:
        """Find what was made from other bytes than lie there now."""
        for name, digest in record.get("inputs", {}).items():
            if name not in self.digests:
                if any(folder in Path(name).parents for folder in self.folders):
                    self.add("stale", path, f"made from {name}, which is gone")
                else:
                    self.unread.add(name)
            elif self.digests[name] != digest:
                self.add("stale", path, f"made from other bytes of {name}")

    def of_code(self) -> None:
        """Find what was made by other code than this checkout's; modules count by their syntax tree."""
        by_code: dict[str, list[Path]] = {}
        for path, record in self.records.items():
            if code := record.get("code"):
                by_code.setdefault(code, []).append(path)
        for code, paths in sorted(by_code.items()):
            for path in paths if (reason := self.code_reason(code)) else []:
                self.add("stale", path, reason)

    def code_reason(self, code: str) -> str:
        """Return how the code of a digest differs from this checkout's, nothing where it does not."""
        if code not in self.codes:
            return f"made by code {code}, of which nothing is known: {self.folders[0] / CODE}/{code}.json is gone"
        if (before := self.codes[code]) is None:
            return ""  # the file is damaged, which is told of it
        now = code_modules(*(module for module in before if module_path(module)))
        others = sorted(module for module, digest in before.items() if now.get(module) != digest)
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        return f"made by other code: {others[0]}{more}" if others else ""

    def without_record(self) -> None:
        """Find files that no record names."""
        of_records = {name for record in self.records.values() for name in record.get("outputs", {})}
        for path in self.files:
            if not path.name.endswith(RECORD) and not self.is_code(path) and str(path) not in of_records:
                self.add("no record", path, "nothing says what made it")


def is_used(path: Path) -> bool:
    """Return whether a process that lives may still need a file of those that a kill leaves."""
    if path.name.startswith(".former."):
        return any(Path(".snakemake/locks").glob("*"))
    if path.name.endswith(".lease"):
        process, _, where = path.read_text().rpartition(" ")[0].partition(" ")
        return where != leases.place() or not process.isdigit() or leases.is_alive(int(process))
    match = LEFT.fullmatch(path.name)
    return match is not None and leases.is_alive(int(match[1]))


def stale_by_plan(words: list[str]) -> Iterator[Finding]:
    """Yield what was made by other settings than a plan has, asked by the command of its dry run."""
    command = [sys.executable, "-P", "-m", "snakemake", *words[1:], "--dry-run", "--nolock"]
    done = subprocess.run(command, env=os.environ | {PLAN: "1"}, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"{shlex.join(words)} --dry-run: no plan\n{done.stderr.strip()[-2000:]}")
    for line in (done.stdout + done.stderr).splitlines():
        if line.startswith(STALE):
            file, _, reason = line.removeprefix(STALE).partition(": ")
            yield Finding("stale", file, reason)


def main() -> None:
    """Read the command line; name what was found, exit with 1 where it is anything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="of results, from where a run was started"
    )
    parser.add_argument("--plan", type=shlex.split, help="the command of a run, whose settings count too")
    options = parser.parse_args()
    try:
        if gone := [folder for folder in options.folders if not folder.is_dir()]:
            raise InputError(f"{gone[0]}: no such folder; run it where results/ is")
        results = Results(options.folders)
        findings = results.verify() + list(stale_by_plan(options.plan) if options.plan else ())
    except InputError as error:
        sys.exit(f"error: {error}")
    for finding in findings:
        print(f"{finding.kind}: {finding.file}: {finding.reason}")
    for path in results.left:
        if not is_used(path):
            remove(path)
            print(f"removed: {path}: left by a process that was killed")
    if results.unread:
        print(f"not compared, since not there: {len(results.unread)} inputs, such as {min(results.unread)}")
    counts = ", ".join(f"{count} {kind}" for kind, count in Counter(finding.kind for finding in findings).items())
    size = f"{len(results.files):,} files, {len(results.records):,} records"
    print(f"error: {counts} among {size}" if findings else f"{size}: all as their records say")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
