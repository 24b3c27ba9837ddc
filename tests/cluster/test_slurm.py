"""Runs through a real Slurm: the same bytes as on one machine, whatever befalls the jobs, the controller or the run."""

from tests.cluster.conftest import contents


def test_cells_go_to_slurm_in_one_submission_and_have_the_same_bytes(run, done, without_cells):
    ranks = [path for path in contents(done) if path.endswith("ranks.parquet")]
    ended = run(without_cells, *ranks)
    assert "4 of 4" in ended.end()
    before, now = contents(done), contents(without_cells)
    assert now == {path: before[path] for path in now} and set(ranks) < set(now)
    assert ended.submissions == 1, "train and rank of two cells"
