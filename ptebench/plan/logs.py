"""What the end of a job's log says: how far the job is, or why it failed."""

import ast
import re
import shutil
from pathlib import Path

TAIL = 8192  # bytes at the end of a log that are looked at
BLOCK = 4096  # bytes, less than which are no room for a line in an empty log
TRACEBACK = "Traceback (most recent call last):"
ERROR = re.compile(r"[\w.]+(Error|Exception|Interrupt|Exit|Warning)\b")  # begins the last line of a traceback
WITHOUT_WORD, WITHOUT_ERROR = "ended without a word", "ended without an error"
TERMINATED = ("killed by signal 15 ", WITHOUT_WORD, WITHOUT_ERROR)  # the shell of a job may end before it says why
FRAME = re.compile(r'File ".*/((?:ptebench|workflow_scripts)/(?:\w+/)*\w+\.py)", line (\d+)')  # of our code


def ending(log: Path) -> list[str]:
    """Return the last lines of a log, none where there is no log."""
    try:
        with open(log, "rb") as stream:
            stream.seek(max(log.stat().st_size - TAIL, 0))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]


def progress(log: Path) -> str:
    """Return how far a job is by the last line of its log, what its trainer prints as a dict in short."""
    lines = [line for line in ending(log) if "warn" not in line.lower() and "%|" not in line]  # no bar of a library
    if lines and ERROR.match(lines[-1]) and TRACEBACK in lines:
        lines = lines[: lines.index(TRACEBACK)]  # it ends, as after Ctrl-C
    if not lines:
        return ""
    if lines[-1].startswith("{") and lines[-1].endswith("}"):
        try:
            numbers = ast.literal_eval(lines[-1])
        except (SyntaxError, ValueError):
            return ""
        return ", ".join(f"{key} {numbers[key]}" for key in ("epoch", "loss", "reward") if key in numbers)
    return lines[-1]


def reason(log: Path) -> str:
    """Return the error line of a failed job: its own, else how its Python ended, else that it says nothing."""
    lines = ending(log)
    if own := [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]:
        return own[-1] + (", perhaps for its memory" if own[-1].startswith("killed by signal 9 ") else "")
    if not lines:
        return WITHOUT_WORD + ("; the disk is full" if shutil.disk_usage(Path()).free < BLOCK else "")
    if ERROR.match(lines[-1]):
        return lines[-1] + place(lines)
    words = progress(log)
    return WITHOUT_ERROR + (f"; its last words: {words}" if words else "")


def place(lines: list[str]) -> str:
    """Return, in brackets, the innermost line of our code in the last traceback of a log; nothing without one."""
    for line in reversed(lines):
        if line == TRACEBACK:
            break
        if frame := FRAME.match(line):
            return f" ({frame[1]} line {frame[2]})"
    return ""
