"""Kills of a run, of a job, of the whole group at seeded moments, every other one within a write.

A job is halted when what it writes is there in part, or some of its files and not all, looked at once more, and only
then ended: such a kill hits.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.checkouts import digests, faults_of, finish, jobs, start
from ptebench.files import write_json
from ptebench.records import RECORD, read_record

# what is aimed at: a script, and what it has half written
AIMS = [
    ("split", "renames"), ("grpo", "renames"), ("language_model", "renames"),
    ("grpo", "checkpoint"), ("write_profiles", "answers"), ("grpo", "output"), ("write_profiles", "output"),
    ("train", "checkpoint"), ("tune_round", "checkpoint"), ("grpo", "checkpoint"), ("tune_round", "output"),
    ("write_profiles", "output"), ("embed", "output"), ("grpo", "output"), ("split", "output"), ("train", "output"),
]  # fmt: skip
SOME = 4  # jobs whose files are removed at once
TRIES = 4
PATIENCE = 120.0  # seconds to wait for what is aimed at
LONGEST = 900.0  # seconds after a kill in which a run ends, however slow the machine
VICTIMS = ["run", "job", "job", "group"]


class Moment(NamedTuple):
    """When and what to kill, and by which signal; `script` and `what` where it is aimed."""

    number: int
    victim: str
    signal: signal.Signals
    script: str
    what: str
    delay: float  # seconds, where it is not aimed


def moments(count: int, seed: int) -> list[Moment]:
    """Return the moments of a seed; every other one is aimed, at each of AIMS in turn."""
    rows = []
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        victim, kind = draw.choice(VICTIMS), draw.choice([signal.SIGKILL, signal.SIGTERM])
        script, what = AIMS[number // 2 % len(AIMS)] if number % 2 else ("", "time")
        rows.append(Moment(number, victim, kind, script, what, draw.uniform(0.5, 12)))
    return rows


def half_written(folder: Path, what: str, process: int) -> list[str]:
    """Return the names of what a job has half written in the folder of its outputs."""
    names = list[str]()
    for place in (folder, folder / "training", folder / "checkpoints"):
        for path in place.iterdir() if place.is_dir() else ():
            temporary = path.name.startswith(f".{process}.")
            if what == "answers":
                half = path.name.endswith(".answers.jsonl") and path.stat().st_size > 0
            elif what == "checkpoint":
                parted = path.name.startswith("checkpoint-") and path.is_dir()  # of transformers, file by file
                half = parted and not (path / "whole").exists() or temporary and "checkpoint" in path.name
            else:
                half = temporary and "checkpoint" not in path.name
            names += [path.name] * half
    return names


def owner(folder: Path) -> int:
    """Return the process that makes the files of a folder, 0 where none does."""
    for lease in folder.glob(".*.lease"):
        try:
            return int(lease.read_text().split()[0])
        except (OSError, IndexError, ValueError):
            continue
    return 0


def catch(folder: Path, run: subprocess.Popen[bytes], moment: Moment, outputs: list[Path]) -> tuple[int, list[str]]:
    """Wait until a job has half written what is aimed at, and halt it; return its process and what is there."""

    def look(process: int) -> list[str]:
        if moment.what != "renames":
            return half_written(folder, moment.what, process)
        names = [path.name for path in outputs if path.exists()]
        return names if len(names) < len(outputs) else []

    until = time.monotonic() + PATIENCE
    while run.poll() is None and time.monotonic() < until:
        try:
            if (process := owner(folder)) and look(process):
                os.kill(process, signal.SIGSTOP)
                time.sleep(0.02)
                if names := look(process):
                    return process, names
                os.kill(process, signal.SIGCONT)
        except (ProcessLookupError, FileNotFoundError):
            continue
        time.sleep(0.0 if process else 0.01)
    return 0, []


def wait_for_job(folder: Path, run: subprocess.Popen[bytes], moment: Moment, delay: float) -> int:
    """Wait for a moment that is not aimed, `delay` seconds; return the process of a job."""
    until = time.monotonic() + delay
    while run.poll() is None:
        if time.monotonic() > until and (targets := jobs(folder)):
            return int(random.Random(moment.number).choice(targets).pid)
        time.sleep(0.05)
    return 0


def strike(run: subprocess.Popen[bytes], process: int, moment: Moment) -> None:
    """End the victim; what was halted goes on, where it was none."""
    try:
        if moment.victim == "group":
            os.killpg(run.pid, moment.signal)
            os.killpg(run.pid, signal.SIGCONT)
        else:
            os.kill(process if moment.victim == "job" else run.pid, moment.signal)
            os.kill(process, signal.SIGCONT)
    except ProcessLookupError:
        pass


def remove(folder: Path, moment: Moment) -> dict[str, list[Path]]:
    """Remove the files of the job that is aimed at, or of some, so that there is work; return these by their record."""
    draw = random.Random(moment.number)
    paths = sorted(path for path in (folder / "results").rglob(f"*{RECORD}") if not path.name.startswith("."))
    records = {path: read_record(path) for path in paths}
    if moment.script:
        fit = [path for path, record in records.items() if record.get("script") == moment.script]
        if (moment.script, moment.what) == ("train", "checkpoint"):
            fit = [path for path in fit if "sasrec" in path.parts]  # a counter has none
        chosen = [draw.choice(fit)]
    else:
        chosen = draw.sample(sorted(records), SOME)
    files = {path: [folder / name for name in records[path]["outputs"]] + [path] for path in chosen}
    for path in chosen:
        if moment.what == "answers":  # that a run in peace has kept
            for answers in path.parent.glob("*.answers.jsonl"):
                answers.unlink()
        for file in files[path]:
            file.unlink(missing_ok=True)
    return {str(path.relative_to(folder)): outputs for path, outputs in files.items()}


def has_ended(run: subprocess.Popen[bytes]) -> bool:
    """Wait for a run that was struck; return whether it ended, and end it where it did not."""
    try:
        run.wait(LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        return False
    return True


def until_gone(folder: Path) -> bool:
    """Return whether a job still runs a minute after its run ended; one that still imports ends after that."""
    end = time.monotonic() + 60
    while alive := jobs(folder):
        if time.monotonic() > end:
            return bool(alive)
        time.sleep(0.1)
    return False


def kill(folder: Path, calm: dict[str, str], moment: Moment) -> dict:
    """Kill at one moment, look, run again, compare; return what came of it."""
    for number in range(TRIES):
        targets = remove(folder, moment)
        run = start(folder, *targets)
        if moment.script:
            target, outputs = next(iter(targets.items()))
            process, names = catch(folder / Path(target).parent, run, moment, outputs)
        else:
            process, names = wait_for_job(folder, run, moment, moment.delay / 2**number), []
        if process:
            break
        if status := run.wait():  # else its writes, or all its jobs, were over too soon
            said = (folder / "run.log").read_text(errors="replace")[-500:]
            return moment._asdict() | {"signal": moment.signal.name, "hit": False, "half": [], "left": [],
                                       "wrong": [f"a run ended with {status} by itself: {said}"], "again": 0,
                                       "asked": [], "differ": []}  # fmt: skip
    row: dict = moment._asdict() | {"signal": moment.signal.name, "hit": bool(process), "half": names}
    if process:
        strike(run, process, moment)
    endless = not has_ended(run)
    alone = until_gone(folder)
    left = [p.name for p in (folder / "results").rglob(".*.*") if p.name[1:].split(".")[0].isdigit()]
    wrong = faults_of(folder, calm) + ["a job outlives its run"] * alone + ["a run does not end"] * endless
    again = next((status for _ in range(2) if (status := finish(folder, *targets)[0]) == 0), 1)
    if asked := sorted(calm.keys() - digests(folder)):  # what nothing lacks that the targets are made of
        again = again or finish(folder, *asked)[0]
    now = digests(folder)
    differ = sorted(name for name in calm.keys() | now.keys() if calm.get(name) != now.get(name))
    return row | {"left": left, "wrong": wrong, "again": again, "asked": asked, "differ": differ}


def is_sound(row: dict) -> bool:
    """Return whether a kill was made, and did no harm."""
    return row["hit"] and not row["wrong"] and not row["again"] and not row["differ"]


def kills(
    base: Path, calm: dict[str, str], count: int, minutes: float, seed: int, note: Callable[[dict], None]
) -> None:
    """Kill at so many moments; what a folder has of them already, by the same seed, is not made again."""
    folder, file, until = base / "kills", base / f"kills.{seed}.json", time.monotonic() + 60 * minutes
    rows = json.loads(file.read_text()) if file.exists() else []
    done = {row["number"] for row in rows}
    # those that are aimed first: they say most where time is short
    for moment in sorted(moments(count, seed), key=lambda moment: not moment.script):
        if moment.number in done:
            continue
        if time.monotonic() > until:
            break
        if not (
            folder / "sound"
        ).exists():  # as after a kill that did harm, and after a call that was ended in the midst
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(base / "calm", folder, symlinks=True)
        (folder / "sound").unlink(missing_ok=True)
        row = kill(folder, calm, moment)
        rows.append(row)
        write_json(rows, file)
        if is_sound(row):
            (folder / "sound").touch()
        print(f"{len(rows)} of {count}: {'sound' if is_sound(row) else 'NOT SOUND'}: {row}", flush=True)
    hits = Counter(f"{row['script']} {row['what']}".strip() for row in rows if row["hit"])
    # of a cell that was made anew the metrics, which read its record, are so far of the former one
    everything = [str(path.relative_to(base / "calm")) for path in (base / "calm/results").rglob(f"*{RECORD}")]
    end: dict = {"everything": finish(folder, *everything)[0], "verify": finish(folder, "verify")[0]}
    hidden = [p for p in (folder / "results").rglob(".*") if p.name[1:].split(".")[0].isdigit() or "lease" in p.name]
    end["left"] = [str(path.relative_to(folder)) for path in hidden]
    sound = f"{sum(map(is_sound, rows))} of {len(rows)}"
    note({"kills": rows, "kills_hits": dict(sorted(hits.items())), "kills_end": end, "kills_sound": sound})
    print(f"{sound} kills: every file whole at once, all bytes of the calm run after a rerun; {dict(hits)}; {end}")
