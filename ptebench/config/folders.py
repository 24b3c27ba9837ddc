"""Folders of saved models: what their files say before anything is loaded, asked or paid for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ptebench.errors import NO_JSON

# kinds of models that transformers does not let read a prompt once and go on from there
WITHOUT_CACHE = ("falcon_mamba", "mamba", "mamba2", "openai-gpt", "reformer", "rwkv", "xlm", "xlnet", "xlstm")


def folder_of(source: str) -> Path | None:
    """Return the folder that a source names; None for a hub id."""
    folder = Path(source)
    return folder if folder.is_dir() or folder.is_absolute() or source.startswith(".") else None


def missing_folder(source: str) -> Iterator[str]:
    """Yield that there is no such folder."""
    folder = folder_of(source)
    if folder is not None and not folder.is_dir():
        yield f"{source}: no such folder; give the folder of a saved model, or a hub id"


def unfit_model(source: str, context: int) -> Iterator[str]:
    """Yield why the language model in a folder cannot be taught to write profiles; nothing of a hub id."""
    if source.endswith(".gguf"):
        if not Path(source).is_file():
            yield f"{source}: no such file; give the path of a .gguf file, or the folder of a saved model"
        return
    yield from missing_folder(source)
    if (folder := folder_of(source)) is None:
        return
    model, tokenizer = _settings(folder / "config.json"), _settings(folder / "tokenizer_config.json")
    if model is None:
        yield f"{source}: no config.json in it that can be read; give the folder of a saved model, or a hub id"
        return
    if (kind := model.get("model_type")) in WITHOUT_CACHE:
        yield f"{source}: a model of the kind {kind!r} has no cache to read prompts into; choose another"
    text = model.get("text_config")
    for part in (model, text if isinstance(text, dict) else {}):
        longest = part.get("max_position_embeddings", part.get("n_positions"))
        if isinstance(longest, int) and context > longest:
            yield f"{source}: its context is {longest} tokens, 'context' is {context}; lower it"
    if not (any(folder.glob("chat_template*")) or (tokenizer or {}).get("chat_template")):
        yield f"{source}: no chat template; choose an instruction-tuned model"


def _settings(file: Path) -> dict[str, Any] | None:
    """Return what a JSON file holds, None where it is no mapping."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, *NO_JSON):
        return None
    return content if isinstance(content, dict) else None
