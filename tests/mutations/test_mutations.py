"""No file breaks a reader: there is a result, or an InputError that names the file; `make fuzz` looks for longer."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.mutations.cases import READERS, kept
from tests.mutations.mutations import mutated, steps


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_is_read(name, tmp_path):
    reader = READERS[name]
    assert reader.try_in(tmp_path, reader.files[reader.target]) is None


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused(name):
    reader = READERS[name]

    @settings(max_examples=12, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(steps(reader.binary))
    def attempt(drawn):
        with tempfile.TemporaryDirectory() as folder:
            reader.try_in(Path(folder), mutated(reader.files[reader.target], drawn))

    attempt()


@pytest.mark.parametrize(
    "name, path",
    [(name, path) for name in READERS for path in sorted(kept(name).glob("*"))],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_broke_a_reader_once_does_not_any_more(name, path, tmp_path):
    READERS[name].try_in(tmp_path, path.read_bytes())
