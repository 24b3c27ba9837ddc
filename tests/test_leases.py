"""Whose a file is: the job that began last; what killed processes leave; a job ends with its run."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from ptebench import job, leases
from ptebench.errors import InputError
from ptebench.files import aside, atomic, write_text
from ptebench.leases import Lease, Superseded, end_with, place, this_run, wait_for_end
from ptebench.records import check_digest, read_record

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """A function that runs a job in this process, from in.txt to out.txt."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(leases.RUN, raising=False)
    (tmp_path / "in.txt").write_text("in")

    def run(main):
        words = ["toy", "--input", "text", "in.txt", "--output", "out", "out.txt", "--provenance", "provenance.json"]
        monkeypatch.setattr(sys, "argv", words)
        job.run(main)

    run.folder = tmp_path
    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(text):
    return lambda job: write_text(text, job.outputs["out"])


def test_a_job_whose_files_another_one_has_begun_to_make_leaves_them_to_it(begin, capsys):
    out, record = begin.folder / "out.txt", begin.folder / "provenance.json"

    def slow(old):
        lease = Lease(out)  # of a job that begins later and ends sooner
        lease.take()
        out.write_text("new")
        record.write_text("of the new")
        lease.end()
        write("old")(old)

    with pytest.raises(SystemExit) as ended:
        begin(slow)
    assert ended.value.code == 1 and "another job has begun to make this since" in capsys.readouterr().err
    assert out.read_text() == "new" and record.read_text() == "of the new"
    assert names(begin.folder) == ["in.txt", "out.txt", "provenance.json"], "no lease and no temporary file stays"


def test_a_claim_is_held_until_the_next_one_is_taken_even_when_that_is_done(tmp_path):
    older, newer = Lease(tmp_path / "model"), Lease(tmp_path / "model")
    older.take()
    assert older.is_held()
    newer.take()
    older.end()
    assert newer.is_held() and not older.is_held()
    newer.end()
    with pytest.raises(Superseded):
        older.check()
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_removed_by_the_next_writer_of_the_file(tmp_path):
    (tmp_path / "scratch").mkdir()
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for process in (gone.stdout.strip(), os.getppid()):
        (tmp_path / f".{process}.model").write_text("half")
        (tmp_path / f".{process}.others").write_text("half")
    (tmp_path / "scratch" / f".{gone.stdout.strip()}.making").mkdir()
    write_text("whole", tmp_path / "model")
    with aside(tmp_path / "scratch", "making") as folder:
        assert names(tmp_path / "scratch") == [folder.name]
    assert names(tmp_path / "scratch") == []
    left = {f".{os.getppid()}.model", f".{os.getppid()}.others", f".{gone.stdout.strip()}.others", "scratch", "model"}
    assert set(names(tmp_path)) == left, "a process that lives may still write"


def test_in_a_job_no_process_is_waited_for(begin):
    (begin.folder / f".{os.getppid()}.out.txt").write_text("half")
    begin(write("whole"))
    assert names(begin.folder) == ["in.txt", "out.txt", "provenance.json"]


def test_a_process_ends_with_its_run(tmp_path):
    run = subprocess.Popen(SLEEP)
    code = (
        f"from ptebench.leases import end_with; import time; end_with('{run.pid} {place()}'); print(1); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"1\n" and child.poll() is None
    run.kill()
    run.wait()
    assert child.wait(5) == -signal.SIGKILL
    late = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert late.returncode == -signal.SIGKILL and late.stdout == b"", "the run had ended before"


def test_without_the_means_of_linux_a_process_asks_now_and_then(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    run = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.2)"])
    wait = wait_for_end(run.pid)
    run.wait()
    began = time.monotonic()
    wait()
    assert time.monotonic() - began < 2
    with pytest.raises(ProcessLookupError):
        wait_for_end(run.pid)


def test_a_run_on_another_machine_is_not_watched():
    end_with("1 elsewhere pid:[1]")
    assert this_run() == f"{os.getpid()} {place()}"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("IoError(StorageFull)")]
)
def test_a_full_disk_is_named_with_the_file(tmp_path, error):
    with pytest.raises(InputError, match="model: the disk is full .* MB free.; make room"), atomic(tmp_path / "model"):
        raise error
    assert names(tmp_path) == []


def test_a_job_on_a_full_disk_says_so_in_one_line(begin, capsys):
    def full(job):
        raise OSError(errno.ENOSPC, "No space left on device")  # of a library that names no file

    with pytest.raises(SystemExit):
        begin(full)
    assert capsys.readouterr().err.startswith("error: out.txt: the disk is full")
    assert names(begin.folder) == ["in.txt"]


def test_an_input_that_is_not_what_its_record_says_ends_the_job(begin, capsys):
    begin(write("good"))
    (begin.folder / "out.txt").write_text("gone")
    words = ["toy", "--input", "text", "out.txt", "--output", "out", "next.txt"]
    sys.argv = words
    with pytest.raises(SystemExit):
        job.run(write("next"))
    said = capsys.readouterr().err
    assert said.startswith("error: out.txt: not the bytes that provenance.json says its job wrote")
    assert not (begin.folder / "next.txt").exists()


def test_a_bit_of_a_record_is_missed_as_one_of_a_file_is(begin):
    begin(write("good"))
    record = begin.folder / "provenance.json"
    text = record.read_text()
    assert read_record(record)["inputs"]["in.txt"] == check_digest(begin.folder / "in.txt")
    for old, new in (('"seed": null', '"seed": 1'), ('"outputs"', '"outputz"'), ("{", "")):
        record.write_text(text.replace(old, new, 1))
        with pytest.raises(InputError, match="provenance.json: damaged, or edited"):
            read_record(record)


def test_a_number_that_is_none_costs_no_job_its_record(begin):
    begin(lambda job: write_text("x", job.outputs["out"]) or {"mean": float("nan"), "all": [float("inf"), 1.5]})
    record = read_record(begin.folder / "provenance.json")
    assert record["mean"] is None and record["all"] == [None, 1.5]
