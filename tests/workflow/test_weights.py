"""Weights at a path are inputs: a plan sees another model there, and says what is missing before any job runs."""

import json

import pytest
import yaml

from tests.workflow.conftest import planned, snakemake

TARGETS = ("profiles", "--config", "datasets=[shop]")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(bytes(2**20))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 2048}))
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def with_model(checkout, model):
    config = yaml.safe_load((checkout / "config.yaml").read_text())
    config["language_models"]["embedded"]["model"] = str(model)
    (checkout / "config.yaml").write_text(yaml.safe_dump(config))


def test_other_weights_at_a_path_plan_every_job_that_reads_them(checkout, model):
    with_model(checkout, model)
    assert snakemake(checkout, *TARGETS).returncode == 0
    assert planned(checkout, *TARGETS) == {}
    (model / "README.md").write_text("words about the model")
    assert planned(checkout, *TARGETS) == {}
    (model / "model.safetensors").write_bytes(bytes(2**20 - 1) + b"1")
    jobs = planned(checkout, *TARGETS)
    assert jobs["tune_round"] == 6 and jobs["grpo"] == jobs["write_profiles"] == 2 and jobs["quality"] == 1


@pytest.mark.parametrize(
    "name, message", [("org/none-of-ours", "the hub does not answer"), ("./nothing", "no such folder")]
)
def test_a_model_that_is_not_there_is_said_before_any_job(checkout, monkeypatch, name, message):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with_model(checkout, name)
    done = snakemake(checkout, *TARGETS)
    assert done.returncode and done.stderr.count(message) == 1 and "Traceback (most recent" not in done.stderr
    assert "rule " not in done.stdout + done.stderr
