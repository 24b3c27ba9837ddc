"""A language model at an endpoint: every answer is paid for once, faults pass or are named, the key stays secret."""

import json
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from ptebench.files import PROFILES, InputError, read_json, read_jsonl, read_table
from ptebench.profiles.evidence.prompts import BEYOND
from ptebench.profiles.schema.fields import skeleton
from ptebench.profiles.teachers import client, endpoint
from ptebench.profiles.teachers.client import seconds
from ptebench.profiles.teachers.endpoint import ask, write_side
from ptebench.records import SEAL, seal
from tests.profiles.chain import ENCODER
from tests.profiles.synthetic import write_split
from tests.profiles.teachers.fake_endpoint import KEY, FakeEndpoint, answer
from tests.profiles.teachers.fake_endpoint import PROFILES as SAID

ROOT = Path(__file__).resolve().parents[3]
MANY = [f"prompt {n}" for n in range(12)]
OK = {"body": answer({"messages": [{"content": "Roles"}]})}


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PTEBENCH_KEYS", "gpt=FAKE_KEY")
    monkeypatch.setenv("FAKE_KEY", KEY)
    monkeypatch.setattr(client, "PAUSES", (0, 0.01, 0.02))
    with FakeEndpoint() as fake:
        yield fake


def settings(server, **changes):
    return {
        "name": "gpt", "endpoint": server.address, "model": "m", "temperature": 0.0, "seed": 3, "request": {},
        "new_tokens": {"user": 96, "item": 128}, "concurrency": 3,
    } | changes  # fmt: skip


def test_what_a_request_says_and_where_it_goes(server, tmp_path):
    file = tmp_path / "a/answers.jsonl"
    found, counts = ask(["x"], 96, settings(server, request={"top_p": 0.9, "max_tokens": None}), file)
    ((path, headers, body, _),) = server.asked
    assert path == "/v1/chat/completions" and headers["Authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "m", "messages": [{"role": "user", "content": "x"}], "temperature": 0.0, "seed": 3, "top_p": 0.9,
    }  # fmt: skip
    assert found[0]["tokens"] == 7 and found[0]["model"] == "fake-1" and counts["asked"] == 1
    ask(["y"], 96, settings(server), file)
    assert server.asked[1][2]["max_tokens"] == 96


def test_without_a_variable_no_key_is_sent_and_an_unset_one_is_named(server, tmp_path, monkeypatch):
    monkeypatch.setenv("PTEBENCH_KEYS", "")
    ask(["x"], 96, settings(server), tmp_path / "a.jsonl")
    assert "Authorization" not in server.asked[0][1]
    monkeypatch.setenv("PTEBENCH_KEYS", "other=X gpt=FAKE_KEY")
    for value in ("", f"{KEY}\nand more"):
        monkeypatch.setenv("FAKE_KEY", value)
        with pytest.raises(InputError, match=r"language_models.gpt.key_variable: .* FAKE_KEY .*; export it") as error:
            ask(["y"], 96, settings(server), tmp_path / "a.jsonl")
        assert KEY not in str(error.value)
    ask(["x"], 96, settings(server), tmp_path / "a.jsonl")  # nothing to ask needs no key
    assert len(server.asked) == 1


def test_prompts_go_out_together_and_no_more_than_allowed(server, tmp_path):
    server.delay = 0.05
    found, _ = ask(MANY, 96, settings(server), tmp_path / "a.jsonl")
    assert len(found) == 12 and server.most == 3


def test_answers_belong_to_their_prompts(server, tmp_path):
    server.first = [{"stall": 0.1, **OK}]
    spec = settings(server)
    ask(MANY, 96, spec, tmp_path / "a.jsonl")
    lines = {row["key"]: row for row in read_jsonl(tmp_path / "a.jsonl")}
    for prompt in MANY:
        key = endpoint.digest(endpoint.canonical([spec["endpoint"], endpoint.request(prompt, 96, spec)]))
        lines[key] = seal({name: value for name, value in lines[key].items() if name != SEAL} | {"text": prompt})
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in lines.values()))
    found, counts = ask(MANY[::-1] + MANY[:1], 96, spec, tmp_path / "a.jsonl")
    assert [a["text"] for a in found] == MANY[::-1] + MANY[:1] and counts["kept"] == 12 and counts["asked"] == 0


@pytest.mark.parametrize(
    "change",
    [{"model": "n"}, {"temperature": 0.5}, {"seed": 4}, {"request": {"top_p": 0.9}}, {"concurrency": 1}, {"name": "x"}],
)
def test_only_what_changes_an_answer_is_asked_anew(server, tmp_path, change):
    ask(["x"], 96, settings(server), tmp_path / "a.jsonl")
    ask(["x"], 96, settings(server, **change), tmp_path / "a.jsonl")
    assert len(server.asked) == (1 if set(change) & {"concurrency", "name"} else 2)


@pytest.mark.parametrize(
    "way",
    [{"status": 429}, {"status": 500}, {"status": 503}, {"stall": 0.8}, {"drop": True}, {"status": 408}],
    ids=["rate limit", "500", "503", "time-out", "dropped", "408"],
)
def test_faults_that_pass_are_tried_again(server, tmp_path, way, monkeypatch):
    if "stall" in way:
        monkeypatch.setattr(client, "PATIENCE", 0.5)  # here alone: a busy machine may take as long to answer
    server.first = [way, way]
    found, _ = ask(["x"], 96, settings(server), tmp_path / "a.jsonl")
    assert found[0]["text"].startswith("Roles") and len(server.asked) == 3


def test_pauses_grow_and_are_no_shorter_than_the_server_asks(server, tmp_path, monkeypatch):
    monkeypatch.setattr(client, "PAUSES", (0.05, 0.2))
    server.first = [{"status": 500}, {"status": 500}]
    ask(["x"], 96, settings(server), tmp_path / "a.jsonl")
    first, second, third = (moment for *_, moment in server.asked)
    assert 0.05 <= second - first < 0.2 <= third - second
    server.first, server.asked = [{"status": 429, "headers": {"Retry-After": "0.5"}}], []
    ask(["y"], 96, settings(server), tmp_path / "a.jsonl")
    assert server.asked[1][3] - server.asked[0][3] >= 0.5


def test_retry_after_counts_seconds_or_gives_a_date():
    assert seconds("7") == 7 and 8 < seconds(formatdate(time.time() + 10, usegmt=True)) < 11
    assert [seconds(h) for h in (None, "", "soon", "-3", "nan", "inf", formatdate(0, usegmt=True))] == [0.0] * 7


def test_tries_end_and_what_came_is_kept(server, tmp_path):
    server.first = [OK, OK, *[{"status": 503}] * 99]
    with pytest.raises(InputError, match=rf"{server.address}/chat.*503.*kept.*language_models.gpt is up"):
        ask(MANY, 96, settings(server, concurrency=1), tmp_path / "a.jsonl")
    assert len(server.asked) == 2 + 4 and len(read_jsonl(tmp_path / "a.jsonl")) == 2
    server.first = []
    ask(MANY, 96, settings(server), tmp_path / "a.jsonl")
    answered = server.prompts()[:2] + server.prompts()[6:]
    assert sorted(answered) == sorted(MANY), "nothing is paid for twice"


def test_a_busy_server_is_not_a_dead_one(server, tmp_path):
    """Refusals count in a row: as long as any prompt is answered, the others wait their turn."""
    server.first = [way for _ in range(6) for way in ({"status": 429}, {"status": 429}, OK)]
    found, _ = ask(MANY, 96, settings(server, concurrency=2), tmp_path / "a.jsonl")
    assert len(found) == 12


def test_a_wait_beyond_reason_ends_at_once(server, tmp_path):
    server.first = [{"status": 429, "headers": {"Retry-After": "86400"}}]
    with pytest.raises(InputError, match="asks to wait 86,400 s"):
        ask(["x"], 96, settings(server), tmp_path / "a.jsonl")


ECHO = json.dumps({"error": {"message": f"no {KEY}", "code": "x"}})


@pytest.mark.parametrize(
    "way, said",
    [
        ({"status": 401, "body": ECHO}, r"401: no \*\*\*; the key is missing or refused; .*language_models.gpt.key_var"),
        ({"status": 403, "body": ""}, "403; the key is missing or refused"),
        ({"status": 404, "body": ECHO}, r"404: no \*\*\*; check language_models.gpt.model \('m'\) and .endpoint"),
        ({"status": 400, "body": ECHO}, r"400: no \*\*\*; check the settings of language_models.gpt"),
        ({"status": 308, "headers": {"Location": "http://127.0.0.1:1/"}, "body": ""}, "308; it points elsewhere"),
        ({"status": 429, "body": json.dumps({"error": {"message": "pay", "code": "insufficient_quota"}})}, "429: pay; "),
        ({"status": 400, "body": "[]"}, "400; check"),
        ({"status": 400, "body": '{"error": "too long"}'}, "400: too long; check"),
        ({"status": 400, "body": '{"detail": "too long"}'}, "400: too long; check"),
        ({"status": 400, "body": '{"object": "error", "message": "too long", "code": 400}'}, "400: too long; check"),
        ({"status": 422, "body": '{"detail": [{"loc": ["body", "seed"], "msg": "extra"}, {"loc": ["body", "top_k"], '
          '"msg": "extra"}]}'}, "422: body.seed: extra; body.top_k: extra; check"),
        ({"status": 400, "body": '{"errors": [{"title": "too long"}]}'}, "400: too long; check"),
        ({"status": 400, "body": '{"fault": {"faultstring": "gone"}}'}, '400: {"fault": {"faultstring": "gone"}}; check'),
        ({"status": 400, "body": "<html><head><style>p {}</style></head><p>Bad\n gateway</p></html>"},
         "400: Bad gateway; check"),
        ({"status": 400, "body": "too\nlong"}, "400: too long; check"),
        ({"status": 400, "body": "x" * 999}, "400: x{299}…; check"),
        ({"status": 400, "body": '{"error": "Bearer other-key is none"}'}, r"400: Bearer \*\*\* is none; check"),
    ],
)  # fmt: skip
def test_refusals_that_stay_end_at_once_with_the_mend(server, tmp_path, way, said, capsys):
    server.first = [way] * 3
    with pytest.raises(InputError, match=said) as error:
        ask(MANY, 96, settings(server), tmp_path / "a.jsonl")
    assert str(error.value).startswith(f"{server.address}/chat/completions: ") and len(server.asked) <= 6
    out = "".join(capsys.readouterr())
    assert KEY not in str(error.value) + out + (tmp_path / "a.jsonl").read_text()


def test_malformed_answers_are_counted_and_left_to_the_parser(server, tmp_path):
    body = {"messages": [{"content": "Roles"}]}

    def message(**fields):
        return {"body": json.dumps({"choices": [{"message": fields}], "usage": 3})}

    server.first = [
        {"body": "<html>"}, {"body": '{"choices": []}'}, {"body": '{"error": "busy"}'}, {"body": "[1]"},
        {"body": answer(body, " \n")}, {"body": answer(body).replace('"content"', '"refusal"')},
        message(content=None), message(content=None, reasoning_content="Roles: a; b; c\nInterests: d; e; f"),
        message(reasoning="hm"),
        {"body": answer(body, "Roles: A, B, C\nInterests: D, E, F \ud83d")},
        {"status": 400, "body": json.dumps({"error": {"code": "content_filter", "message": "no"}})},
    ]  # fmt: skip
    spec, file = settings(server, concurrency=1), tmp_path / "a.jsonl"
    frame, record = write_side(list(range(1, 13)), MANY, "user", spec, file)
    assert {k: v for k, v in record.items() if k.startswith("malformed")} == {
        "malformed: no JSON": 1, "malformed: no choices": 3, "malformed: empty text": 2, "malformed: refusal": 1,
        "malformed: thoughts without an answer": 2, "malformed: content filter": 1,
    }  # fmt: skip
    assert record["parsed"] == 2 and record["strict"] == 1 and record["failed: missing heading"] == 10
    assert frame["fields"].null_count() == 10
    # what a server did not deliver is asked for again, what it charged for is not
    _, record = write_side(list(range(1, 13)), MANY, "user", spec, file)
    assert record["asked"] == 4 and record["kept"] == 8 and record["parsed"] == 6


def test_parts_that_are_text_are_joined_and_thoughts_left_out(server, tmp_path):
    profile = SAID["user"]
    parts = [
        [{"type": "text", "text": profile}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": profile}],
        [{"type": "reasoning", "text": "Roles: hm"}, {"type": "output_text", "text": profile}],
        [{"text": profile[:30]}, profile[30:]],
        [{"type": "text", "text": {"value": profile, "annotations": []}}],
    ]
    server.first = [{"body": json.dumps({"choices": [{"message": {"content": content}}]})} for content in parts]
    found, _ = ask(MANY[:5], 96, settings(server, concurrency=1), tmp_path / "a.jsonl")
    assert [a["text"] for a in found] == [profile] * 5
    silent = {
        "thoughts without an answer": {"message": {"content": parts[1][:1]}},
        "refusal": {"message": {"content": [{"type": "refusal", "refusal": "no"}]}},
        "content filter": {"finish_reason": "content_filter", "message": {"role": "assistant"}},
    }
    server.first = [{"body": json.dumps({"choices": [choice]})} for choice in silent.values()]
    found, _ = ask(["x", "y", "z"], 96, settings(server, concurrency=1), tmp_path / "a.jsonl")
    assert [a["fault"] for a in found] == list(silent)


def test_an_error_that_comes_as_an_answer_is_told_in_the_server_s_words(server, tmp_path):
    server.first = [{"body": json.dumps({"error": {"message": "the model is overloaded", "code": 502}})}] * 2
    with pytest.raises(
        InputError, match=r"none in the form of OpenAI's interface \(no choices: the model is overloaded\)"
    ):
        ask(MANY[:2], 96, settings(server), tmp_path / "a.jsonl")


def test_what_is_no_profile_is_asked_for_once_more_with_the_reason(server, tmp_path):
    body, file = {"messages": [{"content": "Roles"}]}, tmp_path / "a.jsonl"
    few = "<think>Roles: and Interests:</think>Roles: a; b\nInterests: c; d; e"
    server.first = [{"body": answer(body, few)}, {}, {"body": answer(body, "No.")}, {"body": answer(body, "Never.")}]
    prompts = [f"{prompt}\n{BEYOND}\n{skeleton('user', True)}" for prompt in MANY[:3]]
    frame, record = write_side([1, 2, 3], prompts, "user", settings(server, concurrency=1), file)
    assert frame["fields"].null_count() == 1 and frame["text"][1] == "No." and len(server.asked) == 5
    assert record["asked"] == 5 and record["tokens"] == 5 * 7
    assert record["asked again: too few phrases"] == record["asked again: missing heading"] == 1
    first, said, asked = server.asked[1][2]["messages"]
    assert first["content"] == prompts[0] and said == {"role": "assistant", "content": few[36:]}
    assert "(too few phrases)" in asked["content"] and asked["content"].endswith(f" {BEYOND}\n{skeleton('user', True)}")
    assert len(read_jsonl(file)) == 5
    again, record = write_side([1, 2, 3], prompts, "user", settings(server), file)
    assert record["asked"] == 0 and again.equals(frame) and len(server.asked) == 5


@pytest.mark.parametrize(
    "content, why, mend",
    [
        ("Hello!", "missing heading: 'Hello!'", "name a model that follows instructions under language_models.gpt.model"),
        ("<think>Roles: a; b; c", "thoughts without an answer: '<think>Roles", "raise language_models.gpt.new_tokens, or "),
        (None, r"thoughts without an answer\)", "raise language_models.gpt.new_tokens, or turn its thinking off by .*request"),
    ],
)  # fmt: skip
def test_a_writer_of_no_profiles_is_asked_no_further(server, tmp_path, content, why, mend):
    message = {"content": content, "reasoning_content": "hm"}
    server.first = [{"body": json.dumps({"choices": [{"message": message}]})}] * 999
    prompts, file = [f"prompt {n}" for n in range(200)], tmp_path / "a.jsonl"
    for _ in range(2):  # the second time it is known
        with pytest.raises(InputError, match=f"'m': none of 24 answers is a profile .{why}.*{file} has them; {mend}"):
            write_side(list(range(200)), prompts, "user", settings(server), file)
        assert 24 <= len(server.asked) <= 2 * (24 + 3)


def test_one_profile_takes_all_doubt(server, tmp_path):
    none = [{"body": answer({"messages": [{"content": ""}]}, "Hello!")}] * 46
    server.first = [*none, {}, *[{"body": answer({"messages": [{"content": ""}]}, "Hello!")}] * 999]
    prompts = [f"prompt {n}" for n in range(40)]
    frame, _ = write_side(list(range(40)), prompts, "user", settings(server, concurrency=1), tmp_path / "a.jsonl")
    assert frame["fields"].null_count() == 39


def test_another_interface_is_named(server, tmp_path):
    server.first = [{"body": "<html>welcome</html>"}] * 12
    with pytest.raises(
        InputError, match=r"12 answers and none in the form of OpenAI's .*\(no JSON\); check .*endpoint"
    ):
        ask(MANY, 96, settings(server), tmp_path / "a.jsonl")


def test_a_line_that_was_cut_short_is_asked_anew_and_harms_no_other(server, tmp_path):
    file = tmp_path / "a.jsonl"
    ask(["x", "y"], 96, settings(server, concurrency=1), file)
    file.write_bytes(file.read_bytes()[:-9])
    for _ in range(2):
        ask(["x", "y", "z"], 96, settings(server, concurrency=1), file)
    assert server.prompts() == ["x", "y", "y", "z"]


def test_a_line_that_was_changed_is_asked_anew(server, tmp_path, capsys):
    file = tmp_path / "a.jsonl"
    whole, _ = ask(["x", "y"], 96, settings(server, concurrency=1), file)
    first, second = file.read_text().splitlines()
    file.write_text(f"{first.replace('Roles', 'Rules')}\n{second}\n")
    again, counts = ask(["x", "y"], 96, settings(server, concurrency=1), file)
    assert again == whole and counts["asked"] == 1 and server.prompts() == ["x", "y", "x"]
    assert "1 lines" in capsys.readouterr().out


JOB = """
import json, sys; from pathlib import Path
from ptebench.profiles.teachers.endpoint import ask
ask([f"prompt {n}" for n in range(12)], 96, json.loads(sys.argv[1]), Path(sys.argv[2]))
"""


def start(server, file):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PTEBENCH_KEYS": ""}
    return subprocess.Popen([sys.executable, "-c", JOB, json.dumps(settings(server)), str(file)], env=env)


def wait_for(condition):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("nothing came")


def test_a_killed_run_pays_nothing_twice(server, tmp_path):
    file, server.delay = tmp_path / "a.jsonl", 0.3
    job = start(server, file)
    wait_for(lambda: file.exists() and file.read_bytes().count(b"\n") >= 3)
    job.send_signal(signal.SIGKILL)
    job.wait()
    kept = file.read_bytes().count(b"\n")
    assert 3 <= kept < 12
    wait_for(lambda: server.open == 0)
    begun, server.delay = len(server.asked), 0.0
    ask(MANY, 96, settings(server), file)
    assert len(server.asked) - begun == 12 - kept


def test_two_jobs_that_ask_the_same_pay_once(server, tmp_path):
    server.delay = 0.1
    jobs = [start(server, tmp_path / "a.jsonl") for _ in range(2)]
    assert [job.wait(60) for job in jobs] == [0, 0] and sorted(server.prompts()) == sorted(MANY)


# ------------------------------------------------------------------ the two jobs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("split")
    found = write_split(folder)
    arguments = [f for n in ("train", "vocabulary", "items", "histories") for f in ("--input", n, str(found[n]))]
    outputs = [f for s in ("user", "item") for f in ("--output", s, str(folder / f"template/{s}.parquet"))]
    run("template_profiles", [*arguments, *outputs])
    return found | {f"template_{s}": folder / f"template/{s}.parquet" for s in ("user", "item")}


def run(script, arguments, check=True):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", f"workflow_scripts.{script}", *arguments]
    return subprocess.run(command, env=env, check=check, capture_output=True, text=True)


def command(files, names, spec, outputs):
    words = ["--spec", json.dumps(spec)]
    for name in names:
        words += ["--input", name, str(files[name])]
    for name, path in outputs.items():
        words += ["--output", name, str(path)]
    return words


TEACH = ("train", "vocabulary", "items", "cards", "template_user", "template_item")
WRITE = ("train", "vocabulary", "items", "cards", "histories")


def test_a_teacher_at_an_endpoint_is_read_like_supplied_profiles(server, files, tmp_path):
    spec = {"seed": 0, "probes": 6, "history": 4, "neighbours": 2, "examples": 8}
    outputs = {s: tmp_path / f"student/teacher/{s}.jsonl" for s in ("user", "item")}
    words = command(files, TEACH, spec | {"endpoint": settings(server)}, outputs)
    done = run("teach", words)
    asked = len(server.asked)
    assert asked == 16 and len(read_jsonl(tmp_path / "gpt/answers.jsonl")) == 16
    again = run("teach", words)
    assert len(server.asked) == asked, "a repeated run pays nothing"
    record = read_json(tmp_path / "student/teacher/user.jsonl.provenance.json")
    assert record["taught"]["user"]["kept"] == 8 and record["taught"]["item"]["parsed"] == 8
    everything = done.stdout + done.stderr + again.stdout + again.stderr
    everything += "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    assert KEY not in everything and server.asked[0][1]["Authorization"].endswith(KEY)
    # the prompts show the endpoint's own users as readers, and no probe's held-out item
    assert any("tent fan; board fan; oven fan" in p for p in server.prompts())
    taught = {"user": tmp_path / "user.jsonl", "item": tmp_path / "item.jsonl", "texts": tmp_path / "texts.parquet"}
    extra = {f"teacher_{s}": path for s, path in outputs.items()}
    asks = spec | {"collaborative": 0.0, "schema": "phrases", "encoder": ENCODER}
    run("instructions", command(files | extra, (*TEACH, *extra), asks, taught))
    rows = read_jsonl(taught["user"])
    assert len(rows) == 8 and {r["completion"][0]["content"].split("\n")[0] for r in rows} == {
        "Roles: tent fan; board fan; oven fan"
    }
    assert {r["prompt"][0]["content"] for r in rows} == {p for p in server.prompts() if "Audience roles" not in p}


def test_a_teacher_that_writes_no_profiles_leaves_nothing(server, files, tmp_path):
    server.first = [{"body": answer({"messages": [{"content": ""}]}, "Hello!")}] * 16
    spec = {"seed": 0, "probes": 6, "history": 4, "neighbours": 2, "examples": 8, "endpoint": settings(server)}
    outputs = {s: tmp_path / f"student/teacher/{s}.jsonl" for s in ("user", "item")}
    done = run("teach", command(files, TEACH, spec, outputs), check=False)
    assert done.returncode == 1 and "'m': none of 8 answers is a profile" in done.stderr
    assert not any(path.exists() for path in outputs.values())


def test_an_endpoint_writes_everybody(server, files, tmp_path):
    spec = {"seed": 0, "history": 4, "neighbours": 2, "endpoint": settings(server)}
    user, item = (tmp_path / f"gpt/{s}.parquet" for s in ("user", "item"))
    run("endpoint_profiles", command(files, WRITE, spec | {"side": "user"}, {"profiles": user}))
    words = command(files | {"evidence": user}, (*WRITE, "evidence"), spec | {"side": "item"}, {"profiles": item})
    run("endpoint_profiles", words)
    frames = [read_table(path, PROFILES) for path in (user, item)]
    assert [f["id"].to_list() for f in frames] == [list(range(1, 49)), list(range(1, 25))]
    assert [f["fields"].null_count() for f in frames] == [0, 0]
    assert json.loads(frames[1]["generation"][0]) == {"writer": "gpt", "model": "fake-1", "tokens": 7, "repair": None}
    cold = [p for p in server.prompts() if "Nobody has chosen it yet" in p]
    assert len(cold) == 3 and all("liked by a, b, f, g" in p for p in cold), "cold items come after the warm ones"


def test_a_writer_of_no_profiles_leaves_none(server, files, tmp_path):
    server.first = [{"body": answer({"messages": [{"content": ""}]}, "Hello!")}] * 999
    spec = {"seed": 0, "history": 4, "neighbours": 2, "side": "item", "endpoint": settings(server)}
    profiles = tmp_path / "gpt/item.parquet"
    words = command(files | {"evidence": files["template_user"]}, (*WRITE, "evidence"), spec, {"profiles": profiles})
    done = run("endpoint_profiles", words, check=False)
    assert done.returncode == 1 and "'m': none of 24 answers is a profile" in done.stderr and not profiles.exists()


def test_a_refused_key_ends_a_job_without_a_word_of_it(server, files, tmp_path):
    server.first = [{"status": 401, "body": ECHO}] * 9
    spec = {"seed": 0, "history": 4, "neighbours": 2, "side": "user", "endpoint": settings(server)}
    words = command(files, WRITE, spec, {"profiles": tmp_path / "gpt/user.parquet"})
    done = run("endpoint_profiles", words, check=False)
    assert done.returncode == 1 and done.stderr.startswith("error: http://127.0.0.1") and KEY not in done.stderr
    assert [p.name for p in (tmp_path / "gpt").iterdir()] == ["answers.jsonl"]
