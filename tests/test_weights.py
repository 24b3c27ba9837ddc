"""What the weights of a language model are: every tensor counts, and what is not at hand is said at once."""

import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from ptebench import weights as module
from ptebench.errors import InputError
from ptebench.weights import known_digest, packed, weights


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def saved(folder):
    folder.mkdir()
    save_file({"head": torch.zeros(4, 4), "body": torch.arange(64.0)}, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "README.md").write_text("a model")
    return folder


@pytest.mark.parametrize("name", ["head", "body"])
def test_every_tensor_counts_to_its_last_value(tmp_path, name):
    folder = saved(tmp_path / "m")
    before = weights(str(folder))
    tensors = load_file(folder / "model.safetensors")
    tensors[name].view(-1)[-1] += 1
    save_file(tensors, folder / "model.safetensors")
    assert weights(str(folder)) != before


@pytest.mark.parametrize(
    "file, counts", [("tokenizer.json", True), ("chat_template.jinja", True), ("README.md", False), ("model.py", False)]
)
def test_a_tokenizer_counts_and_words_about_it_do_not(tmp_path, file, counts):
    folder = saved(tmp_path / "m")
    before = weights(str(folder))
    (folder / file).write_text("changed")
    assert (weights(str(folder)) != before) == counts


def test_a_large_file_is_read_once_until_it_changes(tmp_path, monkeypatch):
    file, read = tmp_path / "model.safetensors", []
    file.write_bytes(bytes(2**20))
    monkeypatch.setattr(module, "file_digest", lambda path: read.append(path) or f"digest {len(read)}")
    assert known_digest(file) == known_digest(file) == "digest 1"
    file.write_bytes(bytes(2**20 - 1) + b"1")
    assert known_digest(file) == "digest 2"
    Path(".snakemake/weights.json").write_text("{cut sh")
    assert known_digest(file) == "digest 3"


def test_a_hub_id_is_its_commit(monkeypatch):
    asked = []

    class Api:
        def model_info(self, model, revision, timeout):
            asked.append((model, revision))
            return type("Info", (), {"sha": "c" * 40})

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    assert weights("org/model", "main") == "c" * 40 and asked == [("org/model", "main")]


def test_a_hub_that_does_not_answer_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: time.sleep(60))
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    clock = time.perf_counter()
    with pytest.raises(InputError, match="'org/not-here': not on this machine, and the hub does not answer .Timeout"):
        weights("org/not-here")
    assert time.perf_counter() - clock < 5


def test_what_is_missing_is_said_with_its_mend(monkeypatch):
    with pytest.raises(InputError, match="'/no/such/folder': no such folder"):
        weights("/no/such/folder")
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for model in ("smollm2", "some.gguf"):
        assert packed(model)
        with pytest.raises(InputError, match="run 'make smollm2', once"):
            weights(model)
    monkeypatch.setattr(module, "find_spec", lambda name: name == "gguf" or None)
    with pytest.raises(InputError, match="'smollm2': its weights are not installed; run 'make smollm2', once"):
        weights("smollm2")
    with pytest.raises(InputError, match="'some.gguf': no such file"):
        weights("some.gguf")
