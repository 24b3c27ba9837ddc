"""The harness of faults aims where it says: moments by seed, and what counts as half written."""

from collections import Counter

from benchmarks.checkouts import CLOCK
from benchmarks.kills import half_written, is_sound, moments
from ptebench.provenance import REPOSITORY


def test_every_other_moment_is_aimed_at_checkpoints_answers_and_outputs():
    rows = moments(50, 0)
    assert rows == moments(50, 0) != moments(50, 1) and rows[:20] == moments(20, 0), (
        "a longer run has the same first ones"
    )
    aims = Counter((row.script, row.what) for row in rows if row.script)
    whats = Counter(what for _, what in aims.elements())
    assert sum(aims.values()) == 25 and whats["checkpoint"] >= 5 and whats["renames"] >= 3
    assert sum(count for (script, _), count in aims.items() if script == "grpo") >= 6
    assert sum(count for (script, _), count in aims.items() if script == "write_profiles") >= 5
    assert {row.victim for row in rows} == {"run", "job", "group"} and len({row.signal for row in rows}) == 2


def test_half_written_is_what_stands_under_a_temporary_name_or_without_its_mark(tmp_path):
    for name in ("checkpoints/checkpoint-1", "checkpoints/checkpoint-2", "training"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "checkpoints/checkpoint-1/whole").touch()
    for name in (".7.model", ".8.model", "model", "training/.7.checkpoint.pt", "a.answers.jsonl"):
        (tmp_path / name).touch()
    assert half_written(tmp_path, "output", 7) == [".7.model"]
    assert sorted(half_written(tmp_path, "checkpoint", 7)) == [".7.checkpoint.pt", "checkpoint-2"]
    assert half_written(tmp_path, "answers", 7) == []
    (tmp_path / "a.answers.jsonl").write_text("{")
    assert half_written(tmp_path, "answers", 7) == ["a.answers.jsonl"]


def test_a_moment_that_hit_nothing_is_not_counted_as_sound():
    row = {"hit": True, "wrong": [], "again": 0, "differ": []}
    assert is_sound(row) and not is_sound(row | {"hit": False}) and not is_sound(row | {"differ": ["x"]})


def test_checkpoints_are_due_at_once_in_its_copies():
    assert "CHECKPOINT_SECONDS = 60.0" in (REPOSITORY / CLOCK).read_text(), "what the harness writes anew is there"
