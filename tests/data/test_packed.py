"""Files that are packed: what comes out of a small one has a bound, and what a matrix says of itself is checked."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow
from scipy import sparse

from ptebench.data import matrices
from ptebench.data.matrices import entries, read_npz
from ptebench.data.unpickle import read_pickle
from ptebench.errors import InputError
from ptebench.raw import lines as raw_lines
from ptebench.raw import packed, parquet
from ptebench.raw.tables import table_blocks


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(packed, "FREE", 1 << 20)
    monkeypatch.setattr(matrices, "FREE", 1 << 20)
    monkeypatch.setattr(parquet, "FREE", 1 << 20)


def test_a_bomb_of_lines_is_refused_and_text_is_not(tight, tmp_path):
    bomb, text = tmp_path / "bomb.gz", tmp_path / "text.gz"
    bomb.write_bytes(gzip.compress(b"\n" * 20_000_000))
    with pytest.raises(InputError, match="bomb.gz: it unpacks to more than 200 times its size"):
        list(raw_lines.lines(bomb))
    text.write_bytes(gzip.compress("".join(f"{n},{n * 7919 % 10007}\n" for n in range(200_000)).encode()))
    assert sum(block.height for block in raw_lines.lines(text)) == 200_000


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_lines, "LONGEST", 1 << 23)
    file = tmp_path / "one.gz"
    file.write_bytes(gzip.compress(b"a\nb\n" + b"x" * (1 << 25)))
    with pytest.raises(InputError, match="one.gz: line 3 is longer than 8,388,608 bytes"):
        list(raw_lines.lines(file))


def equal_rows(path):
    pl.DataFrame({"user_id": ["u"] * 300_000, "item_id": ["i"] * 300_000}).write_parquet(path)


def one_page(path):
    pl.DataFrame({"user_id": ["u" * 3_000_000], "item_id": ["i"]}).write_parquet(path, compression="zstd")


def one_text_for_many(path):
    table = pa.table({"user_id": ["u" * 20_000] * 1_000, "item_id": ["i"] * 1_000})
    arrow.write_table(table, path, compression="zstd", store_schema=False)


def one_category_for_many(path):
    users = pa.DictionaryArray.from_arrays(pa.array(np.zeros(1_000, dtype=np.int8)), pa.array(["u" * 20_000]))
    arrow.write_table(pa.table({"user_id": users, "item_id": ["i"] * 1_000}), path, compression="zstd")


def one_long_of_many(path):
    table = pa.table({"user_id": [str(n) for n in range(9_000)] + ["u" * 20_000] * 1_000, "item_id": ["i"] * 10_000})
    arrow.write_table(table, path, compression="zstd", store_schema=False)


def many_rows_by_word_alone(path):
    pl.DataFrame({"user_id": ["u"] * 100, "item_id": ["i"] * 100}).write_parquet(path)
    data = path.read_bytes()
    at = data.rindex(b"\x16\xc8\x01")  # 100, as the footer writes it of a group of rows
    longer = data[:at] + b"\x16\xc8\x81\x80\x80\x04" + data[at + 3 : -8]
    path.write_bytes(longer + (int.from_bytes(data[-8:-4], "little") + 3).to_bytes(4, "little") + data[-4:])


@pytest.mark.parametrize(
    "write",
    [equal_rows, one_page, one_text_for_many, one_category_for_many, one_long_of_many, many_rows_by_word_alone],
    ids=lambda write: write.__name__,
)
def test_a_bomb_of_parquet_is_refused(write, tight, tmp_path):
    write(file := tmp_path / "bomb.parquet")
    assert file.stat().st_size < 90_000
    with pytest.raises(InputError, match="bomb.parquet: it stands for more than [0-9,]+ bytes"):
        list(table_blocks(file, ["user_id", "item_id"], None))


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "uncompressed"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_table_of_parquet_is_no_bomb(compression, version, tight, tmp_path):
    users, items = ([str(n * step % 10_007) for n in range(50_000)] for step in (1, 7919))
    table = pa.table({"user_id": users, "item_id": items, "t": range(50_000), "list": [["a", "b"], []] * 25_000})
    polars, other = tmp_path / "polars.parquet", tmp_path / "arrow.parquet"
    pl.from_arrow(table).write_parquet(polars, compression=compression, row_group_size=9_000)
    codec = {"uncompressed": None}.get(compression, compression)
    arrow.write_table(
        table, other, compression=codec, data_page_version=version, data_page_size=4096, row_group_size=9_000
    )
    for file in (polars, other):
        (block,) = table_blocks(file, ["user_id", "item_id", "t", "list"], None)
        assert block["item_id"].to_list() == items and block["list"].len() == 50_000


def test_a_bomb_in_a_column_that_nothing_asks_for_harms_nobody(tight, tmp_path):
    file = tmp_path / "t.parquet"
    pl.DataFrame({"user_id": ["u", "v"], "text": ["x" * 5_000_000, ""]}).write_parquet(file)
    (block,) = table_blocks(file, ["user_id"], None)
    assert block["user_id"].to_list() == ["u", "v"]


def test_a_bomb_of_a_pickle_is_refused(tight, tmp_path):
    file = tmp_path / "x.pkl"
    file.write_bytes(gzip.compress(pickle.dumps(b"\0" * 20_000_000)))
    with pytest.raises(InputError, match="x.pkl: it unpacks to more than 200 times its size"):
        read_pickle(file)


@pytest.mark.parametrize(
    "text", [b"\x80\x04cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.", b"cnumpy\nndarray\n((I999999999999\ntI0\ntR."]
)
def test_a_pickle_that_asks_for_memory_of_its_own_is_an_error_of_the_file(tmp_path, text):
    file = tmp_path / "x.pkl"
    file.write_bytes(text)
    try:
        read_pickle(file)  # where there is as much
    except InputError as error:
        assert "x.pkl" in str(error)


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


def test_a_bomb_of_a_matrix_is_refused_by_what_it_declares(tight, tmp_path):
    file = tmp_path / "x.npz"
    file.write_bytes(archive(data=b"\0" * 30_000_000))
    with pytest.raises(InputError, match="x.npz: its parts unpack to 30,000,000 bytes, more than 200 times its size"):
        read_npz(file)


def test_members_of_an_archive_that_lead_elsewhere_write_nothing(tmp_path):
    stream = io.BytesIO()
    sparse.save_npz(stream, sparse.csr_matrix(np.eye(2)))
    stream.seek(0)
    with zipfile.ZipFile(stream, "a") as file:
        file.writestr("../../planted", "x")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x.npz").write_bytes(stream.getvalue())
    assert read_npz(tmp_path / "a/b/x.npz").shape == (2, 2)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.npz"]


MATRIX = sparse.csr_matrix(np.array([[1, 0, 1], [0, 1, 0], [1, 1, 0]], dtype=np.float32))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_every_kind_of_matrix_has_the_same_entries(kind):
    found = entries(MATRIX.asformat(kind))
    assert (found.todense() == MATRIX.todense()).all() and list(zip(*found.coords)) == [
        (0, 0),
        (0, 2),
        (1, 1),
        (2, 0),
        (2, 1),
    ]


@pytest.mark.parametrize(
    "kind, part, value",
    [
        ("csr", "indices", [0, 2, 1, 0, 10**6]),
        ("csr", "indptr", [0, 10**6, 3, 5]),
        ("csr", "indptr", [0, -5, 3, 5]),
        ("csc", "indices", [0, 2, 1, 2, -7]),
        ("coo", "coords", ([0, 0, 1, 2, 10**6], [0, 2, 1, 0, 1])),
        ("coo", "_shape", (10**12, 3)),
        ("csr", "_shape", (3,)),
        ("bsr", "indptr", [0, 10**6, 3, 5]),
    ],
)
def test_a_matrix_whose_parts_do_not_fit_is_refused_before_c_code_follows_them(kind, part, value):
    matrix = MATRIX.asformat(kind).copy()
    of = (
        np.asarray
        if part in ("indices", "indptr")
        else (lambda v: tuple(map(np.asarray, v)))
        if part == "coords"
        else tuple
    )
    matrix.__dict__[part] = of(value)  # as a pickle sets it
    with pytest.raises((ValueError, TypeError, IndexError)):
        entries(matrix)


def test_the_reader_says_which_file_has_such_a_matrix(tmp_path):
    from ptebench.data.sources.reclm import _matrix

    matrix = MATRIX.copy()
    matrix.indices[0] = 10**6
    (tmp_path / "train.pkl").write_bytes(pickle.dumps(matrix))
    with pytest.raises(InputError, match="train.pkl: its matrix is damaged"):
        _matrix(tmp_path / "train.pkl")
    (tmp_path / "train.npz").write_bytes(archive(format=json.dumps("csr").encode()))
    with pytest.raises(InputError, match="train.npz: not readable as a scipy matrix"):
        _matrix(tmp_path / "train.npz")
