"""Fetching from a publisher that truncates, stalls, answers 404 and changes a file between two requests."""

import gzip
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ptebench.config.base import kinds
from ptebench.config.benchmark import Dataset
from ptebench.data import downloads
from ptebench.data.downloads import advice, fetch, find, registry
from ptebench.files import InputError
from ptebench.provenance import module_path
from tests.data.publisher import FIRST, SECOND, Publisher
from tests.test_floors import imports
from workflow_scripts.download import main

ROOT = Path(__file__).resolve().parents[2]
CUT = 100_000


@pytest.fixture
def publisher(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "PATIENCE", 0.5)
    monkeypatch.setattr(downloads, "PAUSES", (0, 0, 0))
    with Publisher() as server:
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "raw" / "file.gz"


def known(publisher, content=None):
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()} if content else {}
    return {"url": publisher.url, "licence": "research use", **facts}


def left(target):
    return sorted(p.name for p in target.parent.iterdir())


WHOLE = ["file.gz", "file.gz.provenance.json"]


@pytest.mark.parametrize(
    "content, verified", [(FIRST, "bytes, sha256"), (None, "no: the publisher's checksum is unknown")]
)
def test_a_file_arrives_with_its_record(publisher, target, content, verified):
    fetch(target, known(publisher, content))
    assert target.read_bytes() == FIRST and left(target) == WHOLE
    record = json.loads((target.parent / WHOLE[1]).read_text())
    assert record.pop("fetched") and record == {
        "outputs": {str(target): hashlib.sha256(FIRST).hexdigest()}, "bytes": len(FIRST), "url": publisher.url,
        "version": '"first"', "licence": "research use", "verified": verified,
    }  # fmt: skip


@pytest.mark.parametrize("fault", [{}, {"stall": True}], ids=["truncated", "stalled"])
@pytest.mark.parametrize(
    "headers", [{"ETag": '"first"'}, {"ETag": 'W/"weak"', "Last-Modified": "Mon, 02 Jan 2023 10:00:00 GMT"}]
)
def test_an_interrupted_download_resumes(publisher, target, fault, headers):
    publisher.headers = headers
    publisher.answers = [{"cut": CUT, **fault}, {"cut": CUT, **fault}]
    fetch(target, known(publisher))
    assert target.read_bytes() == FIRST and left(target) == WHOLE
    assert publisher.asked == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_what_came_is_kept_for_the_next_run_and_no_half_file_is_shown(publisher, target):
    publisher.answers = [{"cut": CUT}, *[{"cut": 0}] * 4]
    with pytest.raises(
        InputError, match=f"{publisher.url}.* 100,000 bytes have arrived and are kept; run `snakemake d"
    ):
        fetch(target, known(publisher))
    assert not target.exists() and len(publisher.asked) == 5, "tries end when they bring nothing"
    fetch(target, known(publisher, FIRST))
    assert target.read_bytes() == FIRST and left(target) == WHOLE and publisher.asked[5] == f"bytes={CUT}-"


def test_a_part_of_another_url_is_not_continued(publisher, target):
    publisher.answers = [{"cut": CUT}, *[{"cut": 0}] * 4]
    with pytest.raises(InputError):
        fetch(target, known(publisher))
    fetch(target, {**known(publisher), "url": publisher.url + "?other"})
    assert target.read_bytes() == FIRST and publisher.asked[5] is None


CHANGED = {"content": SECOND, "headers": {"ETag": '"second"'}}


@pytest.mark.parametrize(
    "first, then, asked",
    [
        ({}, [CHANGED], [None, f"bytes={CUT}-"]),  # If-Range has it sent from the start
        ({}, [{**CHANGED, "careless": True}], [None, f"bytes={CUT}-", None]),  # seen in what is answered
        ({}, [{**CHANGED, "content": SECOND[:CUT], "careless": True}], [None, f"bytes={CUT}-", None]),
        ({}, [{**CHANGED, "content": SECOND[: CUT // 2], "careless": True}], [None, f"bytes={CUT}-", None]),
        ({}, [{"early": 1}], [None, f"bytes={CUT}-", None]),  # not the bytes that were asked for
        ({"headers": {}}, [{"content": SECOND}], [None, None]),  # nothing tells versions apart
        ({"headers": {"ETag": 'W/"weak"'}}, [{"content": SECOND}], [None, None]),
        ({}, [{**CHANGED, "no_ranges": True}], [None, f"bytes={CUT}-"]),
    ],
    ids=["told", "careless", "as long as what came", "shorter", "early", "no version", "weak version", "no ranges"],
)
def test_two_versions_are_never_mixed(publisher, target, first, then, asked):
    publisher.answers = [{"cut": CUT, **first}, *then]
    fetch(target, known(publisher))
    assert target.read_bytes() == publisher.content and left(target) == WHOLE
    assert publisher.asked == asked


def test_two_downloads_at_once_are_noticed(publisher, target):
    part = target.with_name(".file.gz.part")
    publisher.answers = [{"cut": CUT}, {"meanwhile": lambda: part.write_bytes(FIRST[:CUT] + b"theirs")}]
    with pytest.raises(InputError, match="no other download is at work"):
        fetch(target, known(publisher))
    assert not target.exists() and not part.exists()


def test_a_part_that_is_whole_is_not_sent_again(publisher, target):
    target.parent.mkdir()
    part = target.with_name(".file.gz.part")
    part.write_bytes(FIRST)
    part.with_name(".file.gz.part.json").write_text(json.dumps({"url": publisher.url, "version": '"first"'}))
    fetch(target, known(publisher, FIRST))
    assert target.read_bytes() == FIRST and left(target) == WHOLE
    assert publisher.asked == [f"bytes={len(FIRST)}-"]


@pytest.mark.parametrize(
    "answer, said",
    [
        ({"status": 404}, "the publisher has no such file (404); check the file's name and the release"),
        ({"status": 403}, "the server refuses (403 Forbidden); fetch the file by hand"),
        ({"no_length": True, "cut": CUT}, "the server sends nothing, or does not say how much"),
        ({"content": b""}, "the server sends nothing, or does not say how much"),
        ({"headers": {"Content-Type": "text/html; charset=utf-8"}}, "a web page came instead of the file"),
    ],
)
def test_an_answer_that_will_stay_is_not_asked_for_again(publisher, target, answer, said):
    publisher.answers = [answer]
    with pytest.raises(InputError, match=re.escape(f"{publisher.url}: {said}")):
        fetch(target, known(publisher))
    assert left(target) == [] and len(publisher.asked) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_answer_that_may_pass_is_asked_for_again(publisher, target, status):
    publisher.answers = [{"status": status}, {"status": status}]
    fetch(target, known(publisher))
    assert target.read_bytes() == FIRST


@pytest.mark.parametrize(
    "content, said",
    [
        (FIRST[:-1] + b"!", ": expected sha256 [0-9a-f]{64}, found"),
        (FIRST + b"!", ": expected bytes 300001, found 300000; what arrived was deleted; run"),
    ],
)
def test_content_that_is_not_the_known_one_is_deleted(publisher, target, content, said):
    with pytest.raises(InputError, match=re.escape(publisher.url) + said):
        fetch(target, known(publisher, content))
    assert left(target) == []
    fetch(target, known(publisher, FIRST))
    assert target.read_bytes() == FIRST and publisher.asked == [None, None] and left(target) == WHOLE


@pytest.mark.parametrize(
    "place, said",
    [
        ("file:///etc/passwd", "it points to file:///etc/passwd, which is not followed; fetch the file by hand"),
        ("ftp://127.0.0.1/x", "it points to ftp://127.0.0.1/x, which is not followed"),
        ("http://localhost:1/x?key=hush", "it points to another host, http://localhost:1/x; see whether that is"),
        ("//user:hush@elsewhere.example/x", "it points to another host, http://elsewhere.example/x; see whether"),
    ],
)
def test_a_server_that_points_elsewhere_is_not_followed(publisher, target, place, said):
    publisher.answers = [{"status": 302, "headers": {"Location": place}}]
    with pytest.raises(InputError, match=re.escape(f"{publisher.url}: {said}")) as error:
        fetch(target, known(publisher))
    assert "hush" not in str(error.value) and left(target) == [] and len(publisher.asked) == 1


def test_a_server_that_points_to_another_of_its_files_is_followed_and_not_for_ever(publisher, target):
    publisher.answers = [{"status": 301, "headers": {"Location": "/moved.gz", "ETag": '"first"'}}]
    fetch(target, known(publisher, FIRST))
    assert target.read_bytes() == FIRST and len(publisher.asked) == 2
    target.unlink()
    publisher.answers = [{"status": 302, "headers": {"Location": "/again.gz"}}] * 9
    with pytest.raises(InputError, match="it points elsewhere 5 times over"):
        fetch(target, known(publisher))
    assert not target.exists()


def test_over_https_nobody_is_sent_to_http(monkeypatch, publisher):
    class Answer:
        is_redirect, headers = True, {"Location": "http://host.example/x"}

        def close(self):
            pass

    monkeypatch.setattr(downloads.requests, "get", lambda *_, **__: Answer())
    with pytest.raises(InputError, match="it points to http://host.example/x, which is not followed"):
        downloads._get("https://host.example/x", {})


@pytest.mark.parametrize(
    "length, said",
    [
        (200_000, ": expected bytes 300000, found 200000"),  # less than it has
        (400_000, ".* 300,000 bytes have arrived and are kept"),  # more than it ever sends
        ("many", ": the server sends nothing, or does not say how much"),
        ("9" * 30, ": the server sends nothing, or does not say how much"),
        ("-5", ": the server sends nothing, or does not say how much"),
    ],
)
def test_a_length_that_is_a_lie_makes_no_file(publisher, target, length, said):
    publisher.answers = [{"length": length, "no_ranges": True} for _ in range(9)]
    with pytest.raises(InputError, match=re.escape(publisher.url) + said):
        fetch(target, known(publisher, FIRST))
    assert not target.exists() and "file.gz.provenance.json" not in left(target)


def test_gzip_named_as_an_encoding_stays_as_it_is(publisher, target):
    publisher.content = gzip.compress(FIRST)
    publisher.answers = [{"cut": CUT, "headers": {"ETag": '"first"', "Content-Encoding": "gzip"}}]
    fetch(target, known(publisher))
    assert target.read_bytes() == publisher.content and len(publisher.asked) == 2


def test_a_killed_download_goes_on(publisher, target):
    publisher.answers = [{"cut": CUT, "stall": True}]
    command = [
        sys.executable,
        "-m",
        "workflow_scripts.download",
        "--files",
        json.dumps({str(target): known(publisher)}),
    ]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    part = target.with_name(".file.gz.part")
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL) as job:
        until = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size == CUT) and time.monotonic() < until:
            time.sleep(0.02)
        job.send_signal(signal.SIGKILL)
    assert left(target) == [part.name, f"{part.name}.json"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(FIRST):,} bytes; verified: no" in done.stdout
    assert target.read_bytes() == FIRST and left(target) == WHOLE and publisher.asked == [None, f"bytes={CUT}-"]


def test_one_file_that_fails_keeps_no_other_from_coming(publisher, tmp_path):
    publisher.answers = [{"status": 404}]
    gone, there, gated, own = (tmp_path / name for name in ("gone", "there", "gated", "own"))
    missing = main({
        str(gone): known(publisher), str(there): known(publisher), str(own): None,
        str(gated): {"licence": "academic", "manual": "agree to the terms"},
    })  # fmt: skip
    assert there.read_bytes() == FIRST and not gone.exists()
    assert [sentence.partition(":")[0] for sentence in missing] == ["http", str(own), str(gated)]
    assert missing[2].endswith("agree to the terms; put it there (terms: academic)")


AMAZON = {r: {"source": "amazon", "release": r} for r in ("2014", "2018", "2023")}


@pytest.mark.parametrize(
    "path, settings, end",
    [
        ("raw/reviews_Toys_and_Games_5.json.gz", AMAZON["2014"], "/categoryFiles/reviews_Toys_and_Games_5.json.gz"),
        ("ratings_Books.csv", AMAZON["2014"], "/amazon/productGraph/categoryFiles/ratings_Books.csv"),
        ("meta_Books.json.gz", AMAZON["2014"], "/amazon/productGraph/categoryFiles/meta_Books.json.gz"),
        ("meta_Books.json.gz", AMAZON["2018"], "/amazon_v2/metaFiles2/meta_Books.json.gz"),
        (
            "Magazine_Subscriptions_5.json.gz",
            AMAZON["2018"],
            "/amazon_v2/categoryFilesSmall/Magazine_Subscriptions_5.json.gz",
        ),
        ("Magazine_Subscriptions.json.gz", AMAZON["2018"], "/amazon_v2/categoryFiles/Magazine_Subscriptions.json.gz"),
        ("Books.csv", AMAZON["2018"], "/amazon_v2/categoryFilesSmall/Books.csv"),
        ("meta_Books.jsonl.gz", AMAZON["2023"], "/raw/meta_categories/meta_Books.jsonl.gz"),
        ("Books.jsonl.gz", AMAZON["2023"], "/raw/review_categories/Books.jsonl.gz"),
        ("a/5core/rating_only/Books.csv.gz", AMAZON["2023"], "/benchmark/5core/rating_only/Books.csv.gz"),
    ],
)
def test_where_a_file_is(path, settings, end):
    assert find(path, settings)["url"].endswith(end)


def test_checksums_are_those_of_the_very_file():
    assert find("x/0core/rating_only/All_Beauty.csv.gz", AMAZON["2023"])["bytes"] == 21_954_519
    assert "bytes" not in find("x/5core/rating_only/All_Beauty.csv.gz", AMAZON["2023"])


@pytest.mark.parametrize(
    "path, settings, said",
    [
        ("d/Books.csv", AMAZON["2018"], "d/Books.csv: no such file; `snakemake download` fetches it (terms: no formal"),
        ("d/b.json", {"source": "yelp"}, "d/b.json: no such file; agree to the terms at https://business.yelp.com"),
        ("d/mine.csv", {"source": "table"}, "d/mine.csv: no such file; check its name and data_root"),
        ("d/Books.txt", AMAZON["2018"], "d/Books.txt: no such file; check its name and data_root"),
    ],
)
def test_what_is_said_of_a_missing_file(path, settings, said):
    assert advice(path, find(path, settings)).startswith(said)


def test_the_registry_is_sound():
    sources = set(kinds(Dataset))
    assert sources - {entry["of"]["source"] for entry in registry()} == {"simulated", "sequences", "table"}
    for entry in registry():
        assert entry["of"]["source"] in sources and entry["licence"]
        assert set(entry) in ({"of", "licence", "manual"}, {"of", "licence", "files"})
        for name, facts in entry.get("files", {}).items():
            assert set(facts) in ({"url"}, {"url", "bytes", "sha256"}), name
            assert facts["url"].startswith("https://")
            assert set(re.findall(r"{\w+}", facts["url"])) == set(re.findall(r"{\w+}", name))
            assert "sha256" not in facts or re.fullmatch("[0-9a-f]{64}", facts["sha256"])


def test_nothing_but_downloads_and_endpoints_speaks_to_the_network():
    network = {"requests", "urllib3", "urllib", "http", "socket"}
    speaking = {
        p
        for p in (f for x in ("ptebench", "workflow_scripts") for f in (ROOT / x).rglob("*.py"))
        if network & {m.split(".")[0] for m in imports(p)}
    }
    assert speaking == {module_path("ptebench.data.downloads"), module_path("ptebench.profiles.teachers.client")}
