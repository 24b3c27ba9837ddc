"""Names that mean no good: ids, titles, texts and paths go through a run as data; names of entries are refused."""

import csv
import importlib.util
import shutil
import subprocess
import sys

import polars as pl
import pytest
import yaml

from ptebench.config.read import read
from ptebench.errors import InputError
from tests.workflow.conftest import ROOT, SKIP, plain

TOUCH = "touch planted"
NAMES = [
    "it's", 'say "hi"', "two\nlines", f"$({TOUCH})", f"`{TOUCH}`", f"; {TOUCH};", f"| {TOUCH}", "{user}", "{{}}", "-rf", "--help",
    "x" * 300, "../../up", "a/b", "C:\\nul", "%s%n", "\\", "#", "&amp;", f"<script>{TOUCH}</script>", "=1+1", "@cmd", "a,b", "a\tb", "*",
    "~", "$HOME", "caf\u00e9", "cafe\u0301", "Cafe\u0301", "ß", "SS", "straße", "日本語", "مرحبا", "\U0001f600", "a\u202eb", "a\u200bb", "None.",
]  # fmt: skip
TITLE = f"<b>It's</b> $({TOUCH}) `{TOUCH}`; {{x}} {{}} | % & \\input{{/etc/passwd}} --x ü \u202e"


@pytest.mark.parametrize(
    "section", ["datasets", "protocols", "backbones", "representations", "tables", "encoders", "language_models"]
)
@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "A",
        "it's",
        "a\nb",
        "$(x)",
        "a;b",
        "{a}",
        "-a",
        "--a",
        "x" * 300,
        "ü",
        "日本",
        "a.b",
        "../a",
        "",
        ".",
        "a/b",
        "\x1b[31m",
        "\u202ea",
    ],
)
def test_a_name_of_an_entry_that_a_file_or_a_shell_would_read_otherwise_is_refused(section, name, tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config[section][name] = next(iter(config[section].values()))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputError, match=f"config.yaml: (.|\n)*{section}") as error:
        read([tmp_path / "config.yaml"], {})
    assert "\x1b" not in str(error.value) and "\u202e" not in str(error.value), "a terminal shows it as it is"


def rows():
    """Return interactions of users and items of all names, in which each name is in use as both."""
    for place, user in enumerate(NAMES):
        for step in range(5):
            yield user, NAMES[(place + step * 7) % len(NAMES)], 1_600_000_000 + 1000 * place + step


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A checkout whose raw files have such names and ids."""
    folder = tmp_path_factory.mktemp("names") / "clone"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    place = folder / f"-raw $({TOUCH}) it's; ü"
    place.mkdir()
    file, texts = place / f'-`{TOUCH}` "x" 日本.csv', place / f"$({TOUCH}).csv"
    with open(file, "w", newline="") as stream:
        csv.writer(stream).writerows([("user", "item", "t"), *rows()])
    with open(texts, "w", newline="") as stream:
        csv.writer(stream).writerows([("item", "name"), *((name, f"{name} {TITLE}") for name in NAMES)])
    config = {
        "data_root": place.name,
        "datasets": {
            "mine": {
                "source": "table", "interactions": file.name, "columns": {"user_id": "user", "item_id": "item", "timestamp": "t"},
                "items": texts.name, "item_columns": {"item_id": "item", "title": "name"},
            }
        },
        "protocols": {"leave_one_out": {}},
        "backbones": {"popularity": {}, "markov": {}},
        "representations": {"id": {}},
        "lists": 5,
        "tables": {
            "one": {"title": TITLE, "datasets": ["mine"], "protocols": ["leave_one_out"],
                    "rows": [{"backbones": ["popularity", "markov"]}]},
        },
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.fixture(scope="module")
def run(clone):
    """A function that runs snakemake in that checkout, where tables, report and crate are made."""

    def snakemake(*arguments):
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments]
        done = subprocess.run(command, cwd=clone, env=plain(), capture_output=True, text=True)
        assert not list(clone.parent.rglob("planted")), "a name was run"
        return done

    done = snakemake("tables", "report", "crate")
    snakemake.folder, snakemake.done = clone, done
    return snakemake


def test_ids_of_every_kind_stay_apart_and_as_they_are(run):
    assert run.done.returncode == 0, run.done.stdout[-3000:] + run.done.stderr[-3000:]
    results = run.folder / "results"
    stripped = {name.strip() for name in NAMES}
    assert len(stripped) == len(NAMES)
    interactions = pl.read_parquet(results / "data/mine/interactions.parquet")
    assert set(interactions["user_id"]) == set(interactions["item_id"]) == stripped and interactions.height == 5 * len(
        NAMES
    )
    items = pl.read_parquet(results / "data/mine/items.parquet")
    assert set(items["item_id"]) == stripped and items["title"].null_count() == 0


def test_ids_that_a_format_has_no_room_for_are_refused_there(run):
    done = run("results/exports/mine/leave_one_out/train.csv")
    assert done.returncode != 0 and "has a blank or a quote in its id, which RecBole's files do not" in done.stderr
    assert not (run.folder / "results/exports/mine/leave_one_out/train.csv").exists()


def test_a_title_is_text_in_every_format(run):
    folder = run.folder / "results"
    for page in [folder / "tables/one.html", *(folder / "report").rglob("*.html")]:
        text = page.read_text()
        assert "<b>It's" not in text and f"<script>{TOUCH}" not in text, page
    tex = (folder / "tables/one.tex").read_text()
    assert r"\input{" not in tex and r"\textbackslash{}input\{" in tex
    assert TITLE.splitlines()[0] in (folder / "tables/one.md").read_text()


def test_nothing_that_a_run_writes_is_named_after_what_it_reads(run):
    written = [path.name for path in (run.folder / "results").rglob("*")] + [
        path.name for path in (run.folder / "logs").rglob("*")
    ]
    assert len({name.casefold() for name in written}) == len(set(written)), (
        "two names are one where case does not count"
    )
    assert not [name for name in written if set(name) & set("$`;'\"{}| \n") or not name.isascii()]


TITLED = f"""tables={{one: {{title: "it's $({TOUCH})"}}}}"""


@pytest.mark.skipif(
    importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None, reason="make executors has not run"
)
@pytest.mark.parametrize("words", [[], ["--config", TITLED], ["--configfile", f"it's $({TOUCH}).yaml"]])
def test_what_an_executor_would_put_into_a_shell_is_refused(clone, tmp_path, words):
    folder = clone if words else tmp_path / f"clone $({TOUCH}) it's; ü"
    if not words:
        shutil.copytree(clone, folder, symlinks=True, ignore=SKIP)
    if "--configfile" in words:
        shutil.copy(folder / "config.yaml", folder / words[1])
    command = [sys.executable, "-m", "snakemake", "--jobs", "1", "--nocolor", "--executor", "cluster-generic"]
    command += ["--cluster-generic-submit-cmd", "sh", "--forceall", *words]  # so that there is something to submit
    done = subprocess.run(command, cwd=folder, env=plain(), capture_output=True, text=True)
    assert not list(tmp_path.rglob("planted")) + list(folder.parent.rglob("planted")), "a name was run"
    assert done.returncode != 0 and "in what a scheduler's shell is given" in done.stdout + done.stderr
