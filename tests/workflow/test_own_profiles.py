"""Profiles of one's own: histories go out, texts come in, and are read on that split alone."""

import re
import runpy
import shutil

import polars as pl
import pytest
import yaml

from ptebench.records import record_of
from tests.workflow.conftest import ROOT, SKIP, snakemake

SCRIPT, SETTINGS = re.findall(
    r"```(?:python|yaml)\n(.*?)```",
    (ROOT / "docs/guide/datasets.md").read_text().partition("## Profiles of your own")[2],
    re.S,
)[:2]
CONFIG = {
    "data_root": ".",
    "datasets": {"shop": {"source": "simulated", "layout": "amazon", "users": 60, "items": 48}},
    "protocols": {"leave_one_out": {}, "cold_start_user": {}},
    "encoders": {"lsa": {"dimension": 8}},
    "backbones": {"popularity": {}, "sasrec": {"dimension": 8, "heads": 1, "epochs": 1, "device": "cpu"}},
    "representations": {"id": {}, "own": {"kind": "pte", "text": "mine", "encoder": "lsa"}},
    "tables": {
        "one": {
            "title": "T", "datasets": ["shop"], "protocols": ["leave_one_out"], "metrics": ["NDCG@10"],
            "rows": [{"backbones": ["popularity", "sasrec"], "representations": ["own"]}],
        }
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a checkout whose histories were exported, with texts by the script of the guide, and their settings."""
    folder = tmp_path_factory.mktemp("own") / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    row = {"backbones": ["popularity"], "representations": ["id"]}
    first = CONFIG | {"tables": {"one": CONFIG["tables"]["one"] | {"rows": [row]}}}
    first["representations"] = {"id": {}}
    (folder / "config.yaml").write_text(yaml.safe_dump(first))
    done = snakemake(folder, "exports", stub=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def settings(run, tmp_path_factory):
    """Return the guide's settings, with the digest that its script prints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(run)
        (script := tmp_path_factory.mktemp("script") / "script.py").write_text(SCRIPT)
        names = runpy.run_path(str(script))
        digest = names["hashlib"].sha256((names["split"] / "histories.csv").read_bytes()).hexdigest()
    texts = yaml.safe_load(SETTINGS)["texts"]
    texts["mine"]["saw"]["histories"] = digest
    return texts


def start(run, texts, *arguments, **changes):
    (run / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"texts": texts} | changes))
    return snakemake(run, *arguments, stub=False)


def test_texts_from_the_exported_histories_are_a_row_without_a_mark_that_says_who_has_none(run, settings):
    folder = run / "results/exports/shop/leave_one_out"
    exported, held_out = (pl.read_csv(folder / f"{name}.csv") for name in ("histories", "test"))
    assert record_of(folder / "histories.csv"), "among the outputs of a record"
    assert exported.columns == ["user_id", "item_id", "position"]
    assert exported.join(held_out, on=["user_id", "item_id"], how="semi").is_empty()
    lines = (run / "profiles.jsonl").read_text().splitlines()
    (run / "profiles.jsonl").write_text("\n".join(lines[1:]))
    done = start(run, settings)
    assert done.returncode == 0, done.stderr[-3000:]
    gap = f"texts of mine: {len(lines) - 1} of {len(lines)} users"
    assert f"note: {gap}\n" in done.stdout + done.stderr, "the terminal tells of whom there is no text"
    assert all(gap in (run / f"results/tables/one.{form}").read_text() for form in ("md", "tex", "html"))
    table = pl.read_csv(run / "results/tables/one.csv").filter(representation="own", backbone="sasrec")
    assert table["text"].to_list() == ["card, users by mine"]


def test_on_another_protocol_they_are_refused_or_marked(run, settings):
    table = CONFIG["tables"]["one"] | {"protocols": ["cold_start_user"]}
    done = start(run, settings, "-n", tables={"one": table})
    said = done.stdout + done.stderr
    assert done.returncode and "'mine', whose writer saw the histories of leave_one_out, some of which" in said, said
    done = start(run, settings, "-n", "-p", tables={"one": table | {"allow_leaks": True}})
    assert done.returncode == 0 and '"text":"card, users by mine; saw held-out items"' in done.stdout + done.stderr


def test_where_the_split_has_become_another_they_are_refused_with_both_digests(run, settings):
    saw, seen = settings["mine"]["saw"], settings["mine"]["saw"]["histories"]
    shop = CONFIG["datasets"]["shop"] | {"users": 61}
    vectors = "results/embeddings/shop/leave_one_out/mine/lsa/user.safetensors"
    done = start(run, settings, vectors, datasets={"shop": shop})
    said = done.stdout + done.stderr
    (now,) = re.findall(r"histories\.parquet is ([0-9a-f]{64})", said)[:1]
    assert done.returncode and now != seen, said[-3000:]
    assert f"texts.mine.saw.histories: its writer saw a histories.csv of the sha256 {seen}" in said
    mended = {"mine": settings["mine"] | {"saw": saw | {"histories": now}}}
    done = start(run, mended, vectors, datasets={"shop": shop})
    assert done.returncode == 0 and (run / vectors).is_file(), done.stderr[-3000:]
