"""Every reader of files that come from elsewhere, with valid files to mutate."""

import io
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import torch
from scipy import sparse

from ptebench import files
from ptebench.config.read import read as read_configuration
from ptebench.data.statistics import PUBLISHED as PUBLISHED_STATISTICS
from ptebench.data.unpickle import read_pickle
from ptebench.embeddings.texts import read_supplied
from ptebench.profiles.teachers.supplied import supplied
from ptebench.profiles.writing.answer_files import open_answers
from ptebench.propose import configuration, propose
from ptebench.recommenders.external import read_lists
from ptebench.records import RECORD, read_record, seal
from ptebench.report.printed import read_printed
from ptebench.report.tables import read_published
from tests.data.readers import DEFAULTS
from tests.data.test_bad_input import CASES as LINES

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).with_name("corpus")
USERS, ITEMS = ("u1", "u2", "ü 3"), ("i1", "i2", "7")
VOCABULARY = pl.DataFrame(
    {"side": ["user"] * 3 + ["item"] * 3, "id": [1, 2, 3] * 2, "raw": [*USERS, *ITEMS]}, schema=files.VOCABULARY
)


@dataclass(frozen=True)
class Reader:
    """What is read: files by name, the first of which is mutated, and the function that reads them in a folder."""

    files: dict[str, bytes]
    read: Callable[[Path], object]
    binary: bool = False  # no text: bytes are mutated, not lines

    @property
    def target(self) -> str:
        return next(iter(self.files))

    def try_in(self, folder: Path, content: bytes) -> str | None:
        """Read with other content of the first file; return what the InputError says, None where there is a result.

        Any other error is the reader's fault, and so is a file that it leaves.
        """
        for name, data in (self.files | {self.target: content}).items():
            (folder / name).write_bytes(data)
        try:
            self.read(folder)
            said = None
        except files.InputError as error:
            said = str(error)
            assert any(name in said for name in self.files), f"no file is named: {said}"
        assert {path.name for path in folder.iterdir()} == {*self.files}, "the reader leaves a file"
        return said


def kept(name: str) -> Path:
    """Return the folder of what once broke the reader of that name."""
    return CORPUS / re.sub(r"[^A-Za-z0-9]+", "_", name)


def text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def jsonl(*rows: object) -> bytes:
    return text(*(json.dumps(row, ensure_ascii=False) for row in rows))


def parquet(**columns: list) -> bytes:
    stream = io.BytesIO()
    pl.DataFrame(columns).write_parquet(stream)
    return stream.getvalue()


def parquet_of_arrow(**columns: list) -> bytes:
    """Return a table as another library writes it: categories, pages of version 2, gzip."""
    import pyarrow as pa
    from pyarrow import parquet as arrow

    table, stream = pa.table(columns), io.BytesIO()
    table = table.set_column(0, "user_id", table["user_id"].dictionary_encode())
    arrow.write_table(table, stream, data_page_version="2.0", compression="gzip", row_group_size=2)
    return stream.getvalue()


def source(name: str, settings: dict, paths: dict[str, str]) -> Callable[[Path], object]:
    """Return the reading of a source's files, to the frames that the job writes."""

    def read(folder: Path):
        asked = DEFAULTS | {"source": name} | settings
        reading = import_module(f"ptebench.data.sources.{name}").read(
            {key: [folder / file] for key, file in paths.items()}, asked
        )
        frame = pl.concat(reading.interactions).collect()
        files.check(frame, files.INTERACTIONS, "interactions")
        files.check(reading.items, files.ITEMS, "items")
        return frame

    return read


def from_lines() -> dict[str, Reader]:
    """Return the readers of lines of which tests/data has files, lenient ones: they come furthest."""
    readers = {}
    for case, (settings, _, contents) in LINES.items():
        if case.startswith("reclm"):
            continue
        plain = {key: (file.removesuffix(".gz"), text(*rows)) for key, (file, rows) in contents.items()}
        paths = {key: file for key, (file, _) in plain.items()}
        readers[case] = Reader(dict(plain.values()), source(case.split()[0], settings | {"max_bad_rows": 10**9}, paths))
    return readers


PAIRS = {"user_id": ["u1", "u1", "u2", "ü 3"], "item_id": ["i1", "7", "i2", "i1"], "t": [1, 2, 3, 4]}
TABLE = {"columns": {"user_id": "user_id", "item_id": "item_id", "timestamp": "t"}}
SEQUENCES = text("user_id\titem_ids\ttimestamps", "u1\ti1 i2 7\t1 2 3", "u2\ti1 7\t5 NA", "u3\ti2\t9")
MATRIX = sparse.csr_matrix(np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]], dtype=np.float32))
COLUMNS = jsonl(*({"item_id": f"i{n}", "title": "One", "train_col": n, "test_col": n} for n in range(3)))
PRINTED = text(
    "setting,method,NDCG@10,R@20,targets,events", "warm,SASRec,0.0338,0.1,one,100", 'cold,"A, B",.02,5e-2,several,7'
)


def npz(matrix) -> bytes:
    stream = io.BytesIO()
    sparse.save_npz(stream, matrix)
    return stream.getvalue()


def pickled(value) -> bytes:
    import pickle

    return pickle.dumps(value, protocol=4)


def reclm(name: str, content: bytes) -> Reader:
    """Return the reader of RecLM's files of which the training matrix is mutated."""
    own = {name: content, "items.jsonl": COLUMNS, "test.npz": npz(MATRIX)}
    return Reader(own, source("reclm", {}, {"train": name, "items": "items.jsonl", "test": "test.npz"}), binary=True)


def external(name: str, content: bytes, columns: dict, ids: str = "raw") -> Reader:
    own = {name: content, "vocabulary.parquet": parquet(**{c: VOCABULARY[c] for c in VOCABULARY.columns})}
    settings = {"columns": columns, "ids": ids, "unknown": "drop"}
    return Reader(own, lambda folder: read_lists(folder / name, folder / "vocabulary.parquet", settings))


PROFILE = "Roles: reader; cook; walker; Interests: old books; slow food; long walks"
SUPPLIED = {
    "s.jsonl": jsonl(*({"user_id": user, "text": PROFILE, "x": [1]} for user in USERS)),
    "s.csv": text("user_id,text", *(f'{user},"{PROFILE}"' for user in USERS)),
    "s.tsv": text("UID\toutput", *(f"{user}\t{PROFILE}" for user in USERS)),
    "s.parquet": parquet(id=list(USERS), response=[PROFILE] * 3),
}
CONTRACTS = {
    "interactions": (files.INTERACTIONS, {"user_id": ["a"], "item_id": ["b"], "timestamp": [1], "rating": [None], "row": [0],
                                          "part": [None]}),
    "train": (files.TRAIN, {"user": [1, 2], "history": [[1, 2], [3]]}),
    "profiles": (files.PROFILES, {"id": [1], "text": ["t"], "fields": ["{}"], "prompt_sha256": ["0"], "generation": ["{}"]}),
}  # fmt: skip


def contract(name: str) -> Reader:
    kinds, columns = CONTRACTS[name]
    stream = io.BytesIO()
    pl.DataFrame(columns, schema=kinds).write_parquet(stream)
    file = f"{name}.parquet"
    return Reader({file: stream.getvalue()}, lambda folder: files.read_table(folder / file, kinds), binary=True)


def tensors() -> bytes:
    from safetensors.torch import save

    return save({"vectors": torch.arange(12, dtype=torch.float32).reshape(4, 3)}, {"text": "card"})


LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 64, "hidden_size": 16, "intermediate_size": 32,
    "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip


def shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight of a tiny language model."""
    layer = {"self_attn.": {f"{part}_proj": (16, 16) for part in "qkvo"},
             "mlp.": {"gate_proj": (32, 16), "up_proj": (32, 16), "down_proj": (16, 32)},
             "": {"input_layernorm": (16,), "post_attention_layernorm": (16,)}}  # fmt: skip
    inner = {f"model.layers.0.{of}{name}.weight": shape for of, parts in layer.items() for name, shape in parts.items()}
    outer = {"model.embed_tokens.weight": (64, 16), "model.norm.weight": (16,), "lm_head.weight": (64, 16)}
    return inner | outer


def model_weights() -> bytes:
    from safetensors.torch import save

    return save({name: torch.full(shape, 0.25) for name, shape in shapes().items()}, {"format": "pt"})


def read_model(folder: Path) -> object:
    from ptebench.profiles.models.loading import load_base

    return load_base(str(folder), None, 32)


def gguf_bytes() -> bytes:
    """Return the same model in one file, with a tokenizer of letters."""
    from gguf import GGUFWriter

    names = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "o_proj": "attn_output", "gate_proj": "ffn_gate", "up_proj": "ffn_up",
             "down_proj": "ffn_down", **{f"{part}_proj": f"attn_{part}" for part in "qkv"}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        writer = GGUFWriter(file := Path(folder) / "m.gguf", "llama")
        (
            writer.add_block_count(1),
            writer.add_context_length(64),
            writer.add_embedding_length(16),
            writer.add_vocab_size(64),
        )
        (
            writer.add_feed_forward_length(32),
            writer.add_head_count(2),
            writer.add_head_count_kv(2),
            writer.add_layer_norm_rms_eps(1e-5),
        )
        (
            writer.add_tokenizer_model("gpt2"),
            writer.add_token_list([*(chr(33 + n) for n in range(63)), "!!"]),
            writer.add_token_types([1] * 64),
        )
        (
            writer.add_token_merges(["! !"]),
            writer.add_eos_token_id(1),
            writer.add_bos_token_id(0),
            writer.add_pad_token_id(2),
        )
        writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
        for name, shape in shapes().items():
            last = name.removesuffix(".weight")
            short = names[last] if last in names else f"blk.0.{names[last.split('.')[-1]]}"
            writer.add_tensor(f"{short}.weight", np.full(shape, 0.25, dtype=np.float32))
        writer.write_header_to_file(), writer.write_kv_data_to_file(), writer.write_tensors_to_file(), writer.close()
        return file.read_bytes()


def read_gguf(folder: Path) -> object:
    from ptebench.profiles.models.packed import unpack

    with tempfile.TemporaryDirectory() as made:
        return unpack(str(folder / "m.gguf"), Path(made))


def read_proposal(folder: Path) -> object:
    proposal = configuration(propose(folder / "mine.csv", folder / "items.csv"))
    (folder / "own.yaml").write_text(proposal, encoding="utf-8")
    try:
        return read_configuration([folder / "own.yaml"], {})  # what is proposed is sound
    finally:
        (folder / "own.yaml").unlink()


def read_answers(folder: Path) -> object:
    with open_answers(folder / "a.answers.jsonl") as (answers, keep):
        keep("new", {"text": "x"})
    with open_answers(folder / "a.answers.jsonl") as (again, _):
        assert again["new"] == {"text": "x"} and again.items() >= answers.items(), "what was kept is there again"
    return again


def record_bytes() -> bytes:
    return json.dumps(seal({"outputs": {"a": "0" * 64}, "inputs": {}, "spec": {"k": [1, 2.5, None]}})).encode()


def configurations() -> dict[str, Reader]:
    """Return a reader for each of some configurations of the repository, in any working folder."""
    readers = {}
    for path in (
        ROOT / "config.yaml",
        ROOT / "configs/own.yaml",
        ROOT / "configs/mind.yaml",
        ROOT / "configs/magazines.yaml",
    ):
        name = f"{path.stem}.yaml"
        readers[f"configuration {path.stem}"] = Reader(
            {name: path.read_bytes()}, lambda folder, name=name: read_configuration([folder / name], {})
        )
    return readers


READERS: dict[str, Reader] = {
    **from_lines(),
    "table of TSV": Reader({"t.tsv": text("user_id\titem_id\tt", "u1\ti1\t1", 'u2\t"i" 2\t2')}, source("table", TABLE, {"interactions": "t.tsv"})),
    "table of Parquet": Reader({"t.parquet": parquet(**PAIRS)}, source("table", TABLE, {"interactions": "t.parquet"}), binary=True),
    "table of Parquet by Arrow": Reader({"t.parquet": parquet_of_arrow(**PAIRS)}, source("table", TABLE, {"interactions": "t.parquet"}), binary=True),
    "table items of JSON": Reader(
        {"i.jsonl": jsonl({"item_id": "i1", "title": "One", "categories": [["a"], ["b", "c"]]}, {"item_id": 7, "categories": "['x', 'y']"}),
         "t.parquet": parquet(**PAIRS)},
        source("table", TABLE | {"item_columns": {}}, {"items": "i.jsonl", "interactions": "t.parquet"}),
    ),
    "table items of Parquet": Reader(
        {"i.parquet": parquet(item_id=["i1", "7"], title=["One", None], categories=[["a"], ["b", "c"]]), "t.parquet": parquet(**PAIRS)},
        source("table", TABLE | {"item_columns": {}}, {"items": "i.parquet", "interactions": "t.parquet"}), binary=True,
    ),
    "sequences with times": Reader({"s.tsv": SEQUENCES}, source("sequences", {}, {"sequences": "s.tsv", "times": "s.tsv"})),
    "sequences, lists": Reader({"s.txt": text("user_id\titem_ids", "u1\t['i1', 'i2']", "u2\ti1 7")}, source("sequences", {}, {"sequences": "s.txt"})),
    "sequences in parts": Reader(
        {"p.tsv": text("user\ttrain\tvalid\ttest", "u1\ti1 i2\t7\ti3", "u2\t[1, 2]\t3\t4")}, source("sequences", {}, {"parts": "p.tsv"})
    ),
    "sequences, users' names": Reader(
        {"m.tsv": text("part\tline\tuser", "train\t1\tu1", "train\t2\tu2", "valid\t1\tu3", "test\t1\tu4"),
         "train.txt": text("i1 i2", "i3"), "valid.txt": text("i1"), "test.txt": text("i2 i1")},
        source("sequences", {"user_column": False}, {"user_map": "m.tsv", "train": "train.txt", "valid": "valid.txt", "test": "test.txt"}),
    ),
    "sequences, items' names": Reader(
        {"m.tsv": text("ours\ttheirs", "1\ti1", "2\ti2"), "s.txt": text("u 1 2"), "i.jsonl": jsonl({"item_id": "i1", "title": "One"})},
        source("sequences", {}, {"item_map": "m.tsv", "sequences": "s.txt", "items": "i.jsonl"}),
    ),
    "reclm items": Reader(
        {"items.jsonl": COLUMNS, "train.npz": npz(MATRIX), "test.npz": npz(MATRIX)},
        source("reclm", {}, {"items": "items.jsonl", "train": "train.npz", "test": "test.npz"}),
    ),
    "reclm npz": reclm("train.npz", npz(MATRIX)),
    "reclm npz of coordinates": reclm("train.npz", npz(MATRIX.tocoo())),
    **{f"reclm pickle {kind}": reclm("train.pkl", pickled(MATRIX.asformat(kind))) for kind in ("csr", "csc", "coo", "lil", "dok", "dia", "bsr")},
    "pickle of containers": Reader(
        {"p.pkl": pickled({"a": [np.arange(4), {1, 2}, (3.5, None)], "b": b"x" * 20})}, lambda folder: read_pickle(folder / "p.pkl"), binary=True
    ),
    "lists of CSV": external("l.csv", text("user_id,item_id,score", "u1,i1,0.5", "u1,7,1e-3", "u2,i2,2"), {}),
    "lists by rank": external("l.tsv", text("event\titem_id\trank", "0\ti1\t1", "0\t7\t2", "1\ti2\t1"), {}),
    "lists without names": external("l.txt", text("u1 Q0 i1 1 0.5 run", "u1 Q0 7 2 0.25 run"), {"user_id": 1, "item_id": 3, "score": 5}),
    "lists of JSON": external("l.jsonl", jsonl({"user_id": "u1", "item_id": 7, "score": 1}, {"user_id": "u2", "item_id": "i1", "score": 0.5}), {}),
    "lists of dense ids": external("l.csv", text("user_id,item_id", "1,1", "1,3", "2,2"), {}, "dense"),
    **{
        f"supplied profiles {name}": Reader({name: content}, lambda folder, name=name: supplied(folder / name, {u: n for n, u in enumerate(USERS, 1)}, "user"),
                                            binary=name.endswith("parquet"))
        for name, content in SUPPLIED.items()
    },
    **{
        f"supplied texts {name}": Reader({name: content}, lambda folder, name=name: read_supplied(folder / name, ["text"], VOCABULARY.filter(side="user")))
        for name, content in SUPPLIED.items() if "text" in str(content[:20])
    },
    **configurations(),
    "published values": Reader(
        {"published.csv": b"".join((ROOT / "ptebench/report/published.csv").read_bytes().splitlines(keepends=True)[:12])},
        lambda folder: read_published(folder / "published.csv"),
    ),
    "published statistics": Reader(
        {"counts.csv": b"".join((ROOT / "ptebench/report/published_statistics.csv").read_bytes().splitlines(keepends=True)[:12])},
        lambda folder: files.read_table(folder / "counts.csv", PUBLISHED_STATISTICS),
    ),
    "printed table": Reader({"printed.csv": PRINTED}, lambda folder: read_printed(folder / "printed.csv")),
    "printed values": Reader(
        {"printed.csv": text("dataset,method,metric,k,value", "d,A,NDCG,10,0.5", "d,A,HR,10,0.75", "d,B,NDCG,10,0.25")},
        lambda folder: read_printed(folder / "printed.csv"),
    ),
    **{f"contract {name}": contract(name) for name in CONTRACTS},
    "tensors": Reader({"v.safetensors": tensors()}, lambda folder: files.read_embeddings(folder / "v.safetensors", 4), binary=True),
    "vectors": Reader({"v.safetensors": tensors()}, lambda folder: files.read_vectors(folder / "v.safetensors"), binary=True),
    "language model": Reader({"model.safetensors": model_weights(), "config.json": json.dumps(LLAMA).encode()}, read_model, binary=True),
    **({"language model in one file": Reader({"m.gguf": gguf_bytes()}, read_gguf, binary=True)} if find_spec("gguf") else {}),
    "JSON": Reader({"j.json": json.dumps({"a": [1, 2.5, "ü", None], "b": {"c": True}}, ensure_ascii=False).encode()}, lambda folder: files.read_json(folder / "j.json")),
    "JSON lines": Reader({"j.jsonl": jsonl({"key": "a", "text": "ü"}, {"key": "b", "n": [1]})}, lambda folder: files.read_jsonl(folder / "j.jsonl")),
    "record": Reader({RECORD: record_bytes()}, lambda folder: read_record(folder / RECORD)),
    "answers": Reader({"a.answers.jsonl": jsonl(seal({"key": "a", "text": "ü"}), seal({"key": "b", "n": [1]}))}, read_answers),
    "proposal": Reader(
        {"mine.csv": text("customer,product,when,stars", *(f"c{n % 7},p{n % 5},{1252800000 + n},{n % 5 + 1}" for n in range(40))),
         "items.csv": text("product,name", *(f"p{n},One {n}" for n in range(5)))},
        read_proposal,
    ),
}  # fmt: skip
