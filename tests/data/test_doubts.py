"""What joins silently wrong is told, and what is sound is not."""

import pytest

from ptebench.job import Job
from tests.data.readers import DEFAULTS, put
from workflow_scripts.interactions import main

FILMS = ["item_id,title", *(f"m{n},Film {n}" for n in range(10))]
PAIRS = ["user,movie,when", *(f"u{n},m{item},{9 * n + item}" for n in range(6) for item in range(n, n + 5))]


def notes(folder, capsys, items=FILMS, columns=None, **settings):
    """Return the notes of the job `interactions` on a table of six users and ten films."""
    inputs = {
        "interactions": [put(folder / "pairs.csv", "\n".join(PAIRS) + "\n")],
        "items": [put(folder / "items.csv", "\n".join(items) + "\n")],
    }
    (folder / "ml").mkdir()
    outputs = {name: folder / "ml" / f"{name}.parquet" for name in ("interactions", "items")}
    columns = columns or {"user_id": "user", "item_id": "movie", "timestamp": "when"}
    main(Job(DEFAULTS | {"source": "table", "columns": columns} | settings, inputs, outputs, code="", threads=1))
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]


def test_of_sound_files_nothing_is_told(tmp_path, capsys):
    assert notes(tmp_path, capsys, [*FILMS, FILMS[1]], users=6) == []


@pytest.mark.parametrize("lacking, told", [(1, False), (2, True)])
def test_items_without_a_card_are_told_from_a_fifth_on(tmp_path, capsys, lacking, told):
    found = notes(tmp_path, capsys, FILMS[: 11 - lacking])
    assert found == told * [
        "note: datasets.ml.items: 2 of 10 items have no card, such as 'm8'; 2 have no row in the items file: see "
        "whether user_id and item_id name each other's column, and whether both files write ids alike"
    ]


def test_users_in_the_column_of_items_are_told(tmp_path, capsys):
    columns = {"user_id": "movie", "item_id": "user"}
    (found,) = notes(tmp_path, capsys, [*FILMS, "u3,Another"], columns)
    assert "5 of 6 items have no card, such as 'u0'; 5 have no row" in found and "each other's column" in found


def test_rows_without_a_text_are_told_with_item_columns(tmp_path, capsys):
    (found,) = notes(tmp_path, capsys, [FILMS[0], *(line[:3] for line in FILMS[1:4]), *FILMS[4:]])
    assert "3 of 10 items have no card, such as 'm0'; 0 have no row" in found
    assert found.endswith("see whether item_columns name its columns of text")


def test_rows_of_one_item_that_differ_are_told_with_their_columns(tmp_path, capsys):
    columns = {"item_id": "movie", "title": "when"}
    assert notes(tmp_path, capsys, PAIRS, item_columns=columns) == [
        "note: datasets.ml.items: 8 items have several rows that differ in title, such as 'm1'; the first row of each "
        "counts: see whether item_columns name columns that say something of an item"
    ]


def test_fewer_users_than_asked_for_are_told(tmp_path, capsys):
    assert notes(tmp_path, capsys, users=20000, user_core=5) == [
        "note: datasets.ml.users: 20,000 are to be drawn, and 6 are left by the filters: all stay"
    ]
