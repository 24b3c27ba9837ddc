"""A secret is planted wherever one may stand; no log, record, report, error or benchmark file has it."""

import base64
import json
import os
import shutil
import subprocess
import sys
from urllib.parse import quote

import pytest
import yaml

from ptebench.config.read import read
from ptebench.errors import InputError
from tests.profiles.teachers.fake_endpoint import FakeEndpoint, answer
from tests.workflow.conftest import ROOT, SKIP, plain

KEY, TOKEN, PROXY, USER = (f"hush-{name}/7+x" for name in ("key", "token", "proxy", "user"))
PROFILES = [f"results/profiles/shop/leave_one_out/gpt/{side}.parquet" for side in ("user", "item")]


def echo(body):
    """Return an answer that repeats the key wherever an answer has room for text."""
    reply = json.loads(answer(body))
    reply["model"] = f"fake {KEY}"
    reply["choices"][0]["message"]["content"] += f"\n{KEY}"
    return json.dumps(reply | {"system_fingerprint": KEY})


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A function that runs snakemake with secrets all around, and gives what it said; its checkout."""
    folder = tmp_path_factory.mktemp("secrets") / "checkout"
    shutil.copytree(ROOT, folder, symlinks=True, ignore=SKIP)
    variables = plain() | {
        "GPT_KEY": KEY, "HF_TOKEN": TOKEN, "OPENAI_API_KEY": TOKEN, "NO_PROXY": "127.0.0.1",
        "HTTPS_PROXY": f"http://{USER}:{quote(PROXY, safe='')}@127.0.0.1:9", "DOWNLOAD_TOKEN": TOKEN,
    }  # fmt: skip

    def snakemake(endpoint, *targets):
        config = {
            "datasets": {"shop": {"source": "simulated", "layout": "amazon", "users": 60, "items": 48}},
            "protocols": {"leave_one_out": {}},
            "language_models": {
                "gpt": {"endpoint": endpoint, "model": "m", "key_variable": "GPT_KEY", "history": 3, "neighbours": 2, "concurrency": 2}
            },
            "encoders": {"minilm": {}, "lsa": {"dimension": 8}},
            "backbones": {"textknn": {"text": "gpt", "encoder": "lsa"}},
            "representations": {"id": {}},
            "tables": {"one": {"title": "One", "datasets": ["shop"], "protocols": ["leave_one_out"], "rows": [{"backbones": ["textknn"]}]}},
        }  # fmt: skip
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        command = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", "-p", *targets]
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)
        (folder / "config.yaml").unlink()
        return done

    snakemake.folder = folder
    return snakemake


def spellings(secret):
    """Return a secret as it may be written: plain, in an address, in JSON, in base64."""
    return {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], base64.b64encode(secret.encode()).decode()}


def check(run, done):
    """Check that neither what was said nor any file of the checkout has a secret."""
    written = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file() and not path.is_symlink()}
    own = {path for path in written if "test_secrets" in path.name or path.suffix == ".pyc"}
    for secret in (KEY, TOKEN, PROXY, USER):
        for word in spellings(secret):
            assert word not in done.stdout + done.stderr
            assert not [path for path in written.keys() - own if word.encode() in written[path]], word


def test_a_run_with_an_endpoint_that_repeats_the_key_writes_it_nowhere(run):
    with FakeEndpoint() as server:
        server.first = [{"status": 500, "body": f"down for {KEY}"}]
        import tests.profiles.teachers.fake_endpoint as fake

        usual, fake.answer = fake.answer, echo
        try:
            done = run(server.address, "tables", "report", "crate")
        finally:
            fake.answer = usual
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert server.asked and all(headers["Authorization"] == f"Bearer {KEY}" for _, headers, _, _ in server.asked)
    assert list((run.folder / "logs").rglob("*.tsv")) and (run.folder / "results/report/index.html").exists()
    check(run, done)


@pytest.mark.parametrize(
    "body", [f"no {KEY}", json.dumps({"error": {"message": f"Bearer {KEY} is none", "code": KEY}})]
)
def test_a_refusal_that_repeats_the_key_is_told_without_it(run, body):
    shutil.rmtree(run.folder / "results/profiles", ignore_errors=True)
    with FakeEndpoint() as server:
        server.first = [{"status": 401, "body": body}] * 20
        done = run(server.address, *PROFILES)
    assert done.returncode != 0 and "the key is missing or refused" in done.stdout + done.stderr
    check(run, done)


@pytest.mark.parametrize(
    "address",
    [f"https://{USER}:{KEY}@host.example/v1", f"https://host.example/v1?key={KEY}", f"https://host.example/v1#{KEY}"],
)
def test_an_address_with_a_secret_is_refused_without_repeating_it(run, address):
    done = run(address, "--dry-run", *PROFILES)
    said = done.stdout + done.stderr
    assert done.returncode != 0 and "expected https://HOST/PATH, without a user, a password or a query" in said
    check(run, done)


def test_a_secret_among_the_fields_of_a_request_is_refused_without_repeating_it(tmp_path):
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    entry = {"endpoint": "https://host.example/v1", "model": "m", "request": {"extra_headers": {"X-Api-Key": KEY}}}
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(config | {"language_models": config["language_models"] | {"gpt": entry}})
    )
    with pytest.raises(
        InputError, match="gpt: request: X-Api-Key is named as a secret is, .* under key_variable"
    ) as error:
        read([tmp_path / "config.yaml"], {})
    assert KEY not in str(error.value)


def test_the_variables_of_these_tests_are_none_of_this_process():
    assert not [name for name, value in os.environ.items() if "hush-" in value]
