"""Files that are packed: what comes out of a small one has a bound, and what a matrix says of itself is checked."""

import gzip
import io
import json
import pickle
import zipfile

import numpy as np
import pytest
from scipy import sparse

from ptebench.data import matrices
from ptebench.data.matrices import entries, read_npz
from ptebench.data.unpickle import read_pickle
from ptebench.errors import InputError
from ptebench.raw import lines as raw_lines
from ptebench.raw import packed


@pytest.fixture
def tight(monkeypatch):
    monkeypatch.setattr(packed, "FREE", 1 << 20)
    monkeypatch.setattr(matrices, "FREE", 1 << 20)


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
