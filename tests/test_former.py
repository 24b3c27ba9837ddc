"""What a job made last time is put back where it would be made again, and only there."""

import sys

import pytest

from ptebench import former, job, leases
from ptebench.files import write_text


@pytest.fixture
def begin(tmp_path, monkeypatch):
    """A function that runs a job from in.txt to out.txt as Snakemake does, and says whether it did any work."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(leases.RUN, raising=False)
    files = [tmp_path / "out.txt", tmp_path / "provenance.json"]
    (tmp_path / "in.txt").write_text("in")

    def run(*, spec="{}", aside=True):
        work = []

        def main(job):
            work.append(1)
            write_text("made of " + job.input("text").read_text(), job.outputs["out"])

        if aside:
            former.set_aside(path.relative_to(tmp_path) for path in files)
        for path in files:
            path.unlink(missing_ok=True)
        words = ["toy", "--spec", spec, "--input", "text", "in.txt", "--output", "out", "out.txt"]
        monkeypatch.setattr(sys, "argv", [*words, "--provenance", "provenance.json"])
        job.run(main)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.txt", "provenance.json"]
        return bool(work)

    run.folder = tmp_path
    return run


def test_the_same_command_on_the_same_bytes_does_no_work_and_keeps_the_record(begin):
    assert begin()
    record = (begin.folder / "provenance.json").read_bytes()
    (begin.folder / "in.txt").write_text("in")  # anew, the same bytes
    assert not begin() and (begin.folder / "out.txt").read_text() == "made of in"
    assert (begin.folder / "provenance.json").read_bytes() == record
    assert begin(aside=False), "nothing was set aside: it was asked for by force"


@pytest.mark.parametrize("changed", ["in.txt", "out.txt", "provenance.json"])
def test_other_bytes_of_an_input_the_result_or_its_record_are_made_anew(begin, changed):
    begin()
    with open(begin.folder / changed, "a") as stream:
        stream.write(" more")
    assert begin()
    assert (begin.folder / "out.txt").read_text() == "made of " + (begin.folder / "in.txt").read_text()


def test_other_settings_are_made_anew(begin):
    begin()
    assert begin(spec='{"epochs": 7}') and not begin(spec='{"epochs": 7}')


def test_a_job_of_which_a_file_is_gone_is_not_set_aside(begin):
    begin()
    (begin.folder / "out.txt").unlink()
    former.set_aside([begin.folder / "out.txt", begin.folder / "provenance.json"])
    assert not list(begin.folder.glob(".former*"))
