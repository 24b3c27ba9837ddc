"""`snakemake download` and nothing else fetches; without it, a missing raw file is an error that names it."""

import shutil

import pytest
import yaml

from tests.data.publisher import FIRST, Publisher
from tests.workflow.conftest import ROOT, SKIP, planned, snakemake

CONFIG = {
    "data_root": "raw",
    "datasets": {
        "toys": {"source": "amazon", "reviews": "Toys_5.json.gz", "metadata": "2018/meta_Toys.json.gz"},
        "places": {"source": "yelp", "reviews": "review.json", "businesses": "business.json"},
    },
    "protocols": {"leave_one_out": {}},
    "backbones": {"markov": {}},
    "representations": {"id": {}},
    "tables": {
        "small": {
            "title": "Small", "datasets": ["toys", "places"], "protocols": ["leave_one_out"], "rows": [{"backbones": ["markov"]}],
        }
    },
}  # fmt: skip


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Publisher() as server:
        yield server


@pytest.fixture
def project(tmp_path, publisher):
    """A checkout that knows Amazon's files at the local publisher's."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    known = folder / "ptebench/data/downloads.yaml"
    known.write_text(known.read_text().replace("https://mcauleylab.ucsd.edu", publisher.root))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def test_only_download_fetches(project, publisher):
    toys = ["--config", "datasets=[toys]"]
    done = snakemake(project, *toys)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "raw/Toys_5.json.gz: no such file; `snakemake download` fetches it" in said
    assert "raw/2018/meta_Toys.json.gz: no such file; `snakemake download`" in said
    assert publisher.asked == [] and not (project / "raw").exists()

    done = snakemake(project, "download", *toys, stub=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "raw/Toys_5.json.gz").read_bytes() == FIRST and len(publisher.asked) == 2
    assert (project / "raw/2018/meta_Toys.json.gz.provenance.json").is_file()
    assert snakemake(project, "download", *toys, stub=False).returncode == 0
    assert len(publisher.asked) == 2, "what is there is not fetched again"

    assert planned(project, *toys)["interactions"] == 1 and "download" not in planned(project, *toys)
    done = snakemake(project, *toys)
    assert done.returncode == 0, done.stderr[-3000:]
    shutil.rmtree(project / "raw")
    assert planned(project, *toys) == {}, "results stay good without the raw files"


def test_gated_files_are_left_to_the_user_and_the_others_come(project):
    done = snakemake(project, "download", stub=False)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and (project / "raw/2018/meta_Toys.json.gz").is_file()
    assert "raw/review.json: no such file; agree to the terms at https://business.yelp.com" in said
    assert "raw/business.json: no such file; agree" in said and "Toys_5.json.gz: no such" not in said
