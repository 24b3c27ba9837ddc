"""Code digests: what they follow and what they ignore; file contracts: what they refuse."""

import json

import polars as pl
import pytest
import torch

from ptebench import provenance
from ptebench.files import (
    GROUPS,
    InputError,
    atomic,
    check,
    read_embeddings,
    read_table,
    write_embeddings,
    write_table,
    write_tensors,
)
from ptebench.provenance import file_digest
from ptebench.records import check_digest, record_of, seal


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOTS", {"toy": tmp_path})
    folder = tmp_path / "toy"
    folder.mkdir()
    files = {
        "__init__": "",
        "top": '"""Doc."""\nfrom toy import middle\n\n\ndef f():\n    """What."""\n    return middle.x  # why\n',
        "middle": "from toy.deep import y\n\nx = y\n",
        "deep": "y = 1\n",
        "aside": "z = 1\n",
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)

    def digest(*modules, **changes):
        for name, text in changes.items():
            (folder / f"{name}.py").write_text(text)
        for cached in (provenance._parse, provenance.import_closure, provenance.code_digest):
            cached.cache_clear()
        return provenance.code_digest(*(modules or ("toy.top",)))

    return digest


def test_code_digest(project):
    first = project()
    assert provenance.import_closure("toy.top") == ("toy", "toy.deep", "toy.middle", "toy.top")
    same = 'from toy import middle\n\ndef f():\n    """Other words."""\n    return (middle.x)\n'
    assert project(top=same) == first, "docstrings, comments and layout do not count"
    assert project(aside="z = 2\n") == first, "a module outside the closure does not count"
    assert project(deep="y = 2\n") != first, "a module deep in the closure counts"
    assert project("toy.top", "toy.aside") != project(), "a module loaded by name is added by name"


@pytest.mark.parametrize("text, said", [
    ("x = 1\ndef f()\n    return 1\n", r"toy/top\.py: line 2: expected ':': def f\(\); mend the line or"),
    ("x = 1\n\0", r"toy/top\.py: .*null bytes"),
    ("from . import middle\n", r"toy/top\.py: line 1: a relative import, .* full name"),
    ("\nimport toy.midle\n", r"toy/top\.py: line 2: imports toy\.midle: no such file \(there is middle\.py\)"),
    ("from toy.gone import x\n", r"toy/top\.py: line 1: imports toy\.gone: no such file; mend its name"),
])  # fmt: skip
def test_a_module_that_no_job_could_load_is_refused_with_file_and_line(project, text, said):
    with pytest.raises(InputError, match=f"^{said}"):
        project(top=text)


def test_a_module_of_a_kind_that_is_not_there_is_named_as_a_file(project):
    project()
    with pytest.raises(InputError, match=r"^toy/midle\.py: no such file \(there is middle\.py\); jobs load it by its"):
        project("toy.midle")


def test_canonical_text_does_not_depend_on_key_order():
    assert provenance.canonical({"b": 1, "a": [1, 2]}) == provenance.canonical({"a": [1, 2], "b": 1})


def test_atomic_leaves_nothing_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), atomic(tmp_path / "x.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_contracts_name_the_column_and_the_row(tmp_path):
    good = pl.DataFrame({"event": [1], "group": ["a"]}, schema=GROUPS)
    write_table(good, tmp_path / "g.parquet", GROUPS)
    assert read_table(tmp_path / "g.parquet", GROUPS).equals(good)
    with pytest.raises(InputError, match="column 'group' is missing"):
        check(good.drop("group"), GROUPS, "here")
    with pytest.raises(InputError, match="column 'event' is Int64, expected Int32"):
        check(good.with_columns(pl.col("event").cast(pl.Int64)), GROUPS, "here")
    with pytest.raises(InputError, match="column 'group', row 1"):
        check(pl.DataFrame({"event": [1, 2], "group": ["a", None]}, schema=GROUPS), GROUPS, "here")
    (tmp_path / "g.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"g\.parquet: not readable as parquet"):
        read_table(tmp_path / "g.parquet", GROUPS)


def test_embeddings_refuse_what_is_not_finite(tmp_path):
    with pytest.raises(InputError, match="vector 1 is not finite"):
        write_embeddings([[0.0, 0.0], [1.0, float("nan")]], tmp_path / "v.safetensors", {})
    with pytest.raises(InputError, match="row 0"):
        write_embeddings([[1.0, 0.0]], tmp_path / "v.safetensors", {})
    write_embeddings([[0.0, 0.0], [1.0, 0.0]], tmp_path / "v.safetensors", {"text": "card"})
    with pytest.raises(InputError, match="with 3 rows"):
        read_embeddings(tmp_path / "v.safetensors", 3)


def test_vectors_of_other_ids_or_without_a_value_are_refused_as_they_are_read(tmp_path):
    path = tmp_path / "item.safetensors"
    write_tensors({"vectors": torch.tensor([[0.0, 0.0], [1.0, float("nan")]])}, path)
    with pytest.raises(InputError, match="item.safetensors: row 1 is not finite; delete the file"):
        read_embeddings(path, 2)
    with pytest.raises(InputError, match=r"with 3 rows \(padding and one per id\), and they are 2, of other ids"):
        read_embeddings(path, 3)


def test_a_record_above_a_file_names_it_by_its_place(tmp_path):
    """The adapters of both sides have one name, and one record beside the folder of both."""
    folder = tmp_path / "results/profiles/smollm2"
    for side in ("user", "item"):
        (folder / f"best/{side}").mkdir(parents=True)
        (folder / f"best/{side}/adapter.bin").write_text(side)
    files = {side: folder / f"best/{side}/adapter.bin" for side in ("user", "item")}
    outputs = {f"results/profiles/smollm2/best/{side}/adapter.bin": file_digest(p) for side, p in files.items()}
    record = folder / "convergence.provenance.json"
    record.write_text(json.dumps(seal({"outputs": outputs})))
    assert record_of(files["user"]) == record and check_digest(files["item"]) == outputs[next(reversed(outputs))]
    assert record_of(folder / "best/adapter.bin") is None and record_of(tmp_path / "adapter.bin") is None
    files["user"].write_text("item")  # the bytes of the other
    with pytest.raises(InputError, match="not the bytes that"):
        check_digest(files["user"])
