"""From raw files to the report and the crate, by real jobs."""

import json
import shutil

from tests.workflow.conftest import ROOT, SKIP, planned, snakemake

CONFIG = """
seeds: [0]
datasets:
  shop: {source: simulated, layout: amazon, users: 80, items: 48}
protocols:
  leave_one_out:
backbones:
  popularity:
  markov:
representations:
  id:
tables:
  small:
    title: Counters
    datasets: [shop]
    protocols: [leave_one_out]
    rows: [{backbones: [popularity, markov], representations: [id]}]
    metrics: [NDCG@10]
"""


def test_a_run_is_reported_and_packed_with_every_file_explained(tmp_path):
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    (folder / "config.yaml").write_text(CONFIG)
    done = snakemake(folder, "report", "crate", stub=False)
    assert done.returncode == 0, done.stderr[-3000:]
    state = (folder / "results/report/state.html").read_text()
    for words in ("none has changed since", "Every file has a record", "as expected", "one version of the code"):
        assert words in state, words
    row = (folder / "results/report/cells/shop/leave_one_out/markov/id.html").read_text()
    assert "results/data/shop/raw/Simulated_5.json.gz" in row and "<td>train</td>" in row
    graph = json.loads((folder / "results/crate/ro-crate-metadata.json").read_text())["@graph"]
    assert sum(entity["@type"] == "CreateAction" for entity in graph) == 11  # the run, and ten jobs behind the table
    assert "<code>snakemake --cores all" in row and "Run of snakemake --cores all" in json.dumps(graph)
    checked = snakemake(folder, "verify", stub=False)
    assert checked.returncode == 0, f"{checked.stdout}{checked.stderr[-3000:]}"
    (folder / "config.yaml").rename(folder / "own.yaml")
    assert planned(folder, "report", "crate", "--configfile", "own.yaml") == {}, "a name is no reason to make them anew"
    (folder / "own.yaml").rename(folder / "config.yaml")
    (folder / "results/report/index.html").unlink()
    assert planned(folder, "report", "crate") == {"report": 1}
