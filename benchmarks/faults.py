"""Faults, made on purpose: kills, full disks, damaged files, clocks, links; after each, the bytes of a calm run.

python benchmarks/faults.py [--moments 50] [--sizes 20] [--seed 0] [--only NAME ...] [--folder FOLDER --minutes 10]

Runs of benchmarks/faults.yaml in copies of this checkout. `results/faults.json` has what came of it. With a folder the
next call goes on with the kills where the last one ended.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.checkouts import CONFIG, copy, digests, faults_of, finish, start
from benchmarks.kills import kills
from ptebench.files import remove, write_json
from ptebench.leases import RUN
from ptebench.provenance import REPOSITORY
from ptebench.records import RECORD, read_record

SPLIT = "results/splits/shop/leave_one_out"
CELL = "results/cells/shop/leave_one_out/sasrec/id/seed=0"
SMALL = [f"{SPLIT}/leakage.json", "results/data/shop/statistics.csv"]


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Path]:
    """Yield a file system in memory of so many bytes; raise OSError where this user may mount none."""
    place.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True
    )
    if done.returncode:
        raise OSError(done.stderr.strip())
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place])


def remount(place: Path, option: str) -> None:
    """Change a file system's size, or whether it can be written."""
    subprocess.run(["mount", "-o", f"remount,{option}", place], check=True)


def full_disks(base: Path, calm: dict[str, str], count: int, seed: int, note: Callable[[dict], None]) -> None:
    """Run where results lie on a disk too small, every other time all others too; make room, run again."""
    folder, draw, rows = copy(base / "full"), random.Random(seed), list[dict]()
    need = sum(p.stat().st_size for p in (base / "calm/results/data").rglob("*") if p.is_file())
    for number in range(count):
        size = 4096 * max(2, int(draw.uniform(0.02, 1.0) * need) // 4096)
        try:
            with small_disk(base / "disk", size) as disk:
                for name in (names := ("results", "logs", ".snakemake")):
                    remove(folder / name)
                for name in names[: 3 if number % 2 else 1]:
                    (disk / name).mkdir()
                    (folder / name).symlink_to(disk / name, target_is_directory=True)
                status, said = finish(folder, *SMALL)
                logs = said + "".join(path.read_text(errors="replace") for path in (folder / "logs").rglob("*.log"))
                half = faults_of(folder, calm)
                remount(disk, f"size={64 * 2**20}")
                again, _ = finish(folder, *SMALL)
                differ = [n for n, d in digests(folder).items() if calm.get(n, d) != d]
                row = {
                    "bytes": size, "status": status,
                    "told": status == 0 or ("the disk is full" in logs and "Traceback" not in said),
                    "half": half, "again": again, "differ": differ,
                }  # fmt: skip
        except OSError as error:
            print(f"full disks: skipped, no file system can be mounted here: {error}")
            return note({"full_disks": f"skipped: {error}"})
        rows.append(row)
        note({"full_disks": rows})
        print(f"{number + 1} of {count}: {row}", flush=True)
    sound = sum(r["told"] and not r["half"] and not r["again"] and not r["differ"] for r in rows)
    note({"full_disks_sound": f"{sound} of {count}"})
    print(f"{sound} of {count} full disks: told with the file's name, no half file, the same bytes where there is room")


def places(base: Path, calm: dict[str, str], note: Callable[[dict], None]) -> None:
    """Results that cannot be written, results on another file system by a link, a clock that was set back."""
    folder, found = copy(base / "places"), dict[str, object]()
    try:
        with small_disk(base / "disk", 64 * 2**20) as disk:
            (folder / "results").symlink_to(disk, target_is_directory=True)
            remount(disk, "ro")
            status, said = finish(folder, *SMALL)
            found["read-only"] = {
                "status": status,
                "told": "Read-only file system" in said,
                "files": len(digests(folder)),
            }
            remount(disk, "rw")
            status, _ = finish(folder, *SMALL)
            found["linked, on another file system"] = {"status": status, "wrong": faults_of(folder, calm)}
    except OSError as error:
        found["read-only"] = found["linked, on another file system"] = f"skipped: {error}"
    calm_folder, hour = base / "calm", 3600
    for path in (calm_folder / "results").rglob("*"):
        if path.is_file():  # as by a clock that is set back in the midst
            shift = random.Random(path.name).choice([-5, -1, 0]) * hour
            os.utime(path, (time.time() + shift, time.time() + shift))
    found["clock set back"] = "Nothing to be done" in finish(calm_folder, "--dry-run")[1]
    note({"places": found})
    print(found)


def bits(base: Path, note: Callable[[dict], None]) -> None:
    """Flip a bit in each artefact and record of a finished run, and ask `verify`, without .snakemake."""
    folder = base / "bits"
    shutil.copytree(base / "calm", folder, symlinks=True, ignore=shutil.ignore_patterns(".snakemake"))
    draw = random.Random(0)
    files = [n for n in digests(folder) if not n.startswith("results/code/")]
    files += [str(p.relative_to(folder)) for p in (folder / "results").rglob(f"*{RECORD}")]
    for name in files:
        content = bytearray((folder / name).read_bytes())
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        stat = (folder / name).stat()
        (folder / name).write_bytes(content)
        os.utime(folder / name, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    records = [name for name in files if name.endswith(RECORD)]
    said = look(folder)
    named = sum(f"damaged: {name}: " in said for name in records)
    for name in records:  # the files again, with sound records
        shutil.copy2(base / "calm" / name, folder / name)
    said = look(folder)
    others = [name for name in files if not name.endswith(RECORD)]
    missed = [name for name in others if f"other bytes: {name}: " not in said]
    counts = {"records": f"{named} of {len(records)}", "artefacts": f"{len(others) - len(missed)} of {len(others)}"}
    note({"bits": counts | {"missed": missed}})
    print(f"flipped bits that verify names: {counts}; missed: {missed}")


def look(folder: Path) -> str:
    """Return what `python -m ptebench.verify results` says."""
    variables = os.environ | {"PYTHONPATH": str(folder / "imports")}
    command = [sys.executable, "-P", "-m", "ptebench.verify", "results"]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True).stdout


def two_runs(base: Path, calm: dict[str, str], note: Callable[[dict], None]) -> None:
    """Start two runs of different files in one checkout at once."""
    folder = copy(base / "two")
    runs = [start(folder, SMALL[0]), start(folder, SMALL[1])]
    first = [run.wait() for run in runs]
    again = [finish(folder, target)[0] for target in SMALL]
    row = {"at once": first, "again": again, "wrong": faults_of(folder, calm)}
    note({"two_runs": row})
    print(f"two runs at once: {row}")


def orphan(base: Path, note: Callable[[dict], None]) -> None:
    """Let a job go on without its run, as on a node of a cluster, while the cell is made anew by other settings."""
    folder = base / "orphan"
    shutil.copytree(base / "calm", folder, symlinks=True)
    words = shlex.split(read_record(folder / CELL / RECORD)["command"])
    variables = os.environ | {"PYTHONPATH": str(folder / "imports")}
    variables.pop(RUN, None)
    command = [sys.executable, "-P", *words[1:]]
    late = subprocess.Popen(command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True)
    while not (folder / CELL / ".model.safetensors.lease").exists() and late.poll() is None:
        time.sleep(0.01)
    late.send_signal(signal.SIGSTOP)
    config = folder / CONFIG
    config.write_text(config.read_text().replace("epochs: 2", "epochs: 3"))
    status, _ = finish(folder, f"{CELL}/ranks.parquet")
    made = digests(folder)
    late.send_signal(signal.SIGCONT)
    said = late.communicate()[1]
    row = {"anew": status, "the new stays": digests(folder) == made, "told": "another job has begun" in said}
    note({"orphan": row})
    print(f"a job without its run: {row}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moments", type=int, default=50, help="kills")
    parser.add_argument("--minutes", type=float, default=1e9, help="after which no further kill is made")
    parser.add_argument("--sizes", type=int, default=20, help="full disks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", nargs="+", default=["bits", "orphan", "two", "places", "full", "kills"], help="of these"
    )
    parser.add_argument("--folder", type=Path, help="to work in; its calm run and kills are used on")
    parser.add_argument("--result", type=Path, default=REPOSITORY / "benchmarks/results/faults.json")
    options = parser.parse_args()
    base = (options.folder or Path(tempfile.mkdtemp(prefix="faults-"))).resolve()
    file, began = options.result, time.time()

    def note(values: dict) -> None:
        result = json.loads(file.read_text()) if file.exists() else {}
        write_json(result | values | {"seed": options.seed}, file)

    if not (base / "calm/whole").exists():
        status, said = finish(copy(base / "calm"))
        if status:
            sys.exit(f"the calm run failed\n{said[-3000:]}")
        (base / "calm/whole").touch()
    calm = digests(base / "calm")
    print(f"{len(calm)} artefacts of a calm run, {time.time() - began:.0f} s", flush=True)
    parts: dict[str, Callable[[], None]] = {
        "bits": lambda: bits(base, note),
        "orphan": lambda: orphan(base, note),
        "two": lambda: two_runs(base, calm, note),
        "places": lambda: places(base, calm, note),
        "full": lambda: full_disks(base, calm, options.sizes, options.seed, note),
        "kills": lambda: kills(base, calm, options.moments, options.minutes, options.seed, note),
    }
    for name in options.only:
        parts[name]()
    if not options.folder:
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
