"""Which raw files a dataset reads, and what is said of those that are missing."""

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.errors import InputError
from ptebench.plan.raw import Raw
from tests.worlds import configuration


def at(dataset):
    return Wildcards(fromdict={"dataset": dataset, "protocol": "snapshot"})


def raw(tmp_path, **settings):
    mine = {"source": "table", "interactions": "my log.csv", "columns": {"user_id": "u", "item_id": "i"}, **settings}
    return Raw(configuration(datasets={"mine": mine}, data_root=str(tmp_path)))


def test_a_missing_raw_file_is_named_with_what_is_known_of_it(tmp_path):
    plan = raw(tmp_path)
    with pytest.raises(InputError, match="my log.csv"):
        plan.raw_inputs(at("mine"))
    (tmp_path / "my log.csv").touch()
    assert plan.raw_inputs(at("mine")) == {"interactions_": str(tmp_path / "my log.csv")}


def test_a_column_that_a_raw_file_lacks_is_told_by_the_plan_where_the_file_is_there(tmp_path):
    plan = raw(tmp_path, items="texts.item", item_columns={"title": "titel"})
    plan.check_columns()  # neither file is there
    (tmp_path / "my log.csv").write_text("u,j\n1,2\n")
    with pytest.raises(InputError, match=r"^datasets\.mine\.columns: .*my log\.csv has no column 'i'; it has u, j$"):
        plan.check_columns()
    (tmp_path / "my log.csv").write_text("u;i\n1;2\n")
    with pytest.raises(
        InputError, match=r"^datasets\.mine\.columns: .*my log\.csv: its first line, u;i, has its fields"
    ):
        plan.check_columns()
    (tmp_path / "my log.csv").write_text("u,i\n1,2\n")
    (tmp_path / "texts.item").write_text("item_id:token\ttitle:token_seq\n")
    with pytest.raises(
        InputError, match=r"item_columns: .* no column 'titel'; did you mean {title: title}\? It has item_id, title$"
    ):
        plan.check_columns()
    for text in (b"", b"\xff\xfe"):  # the job says what is wrong with it
        (tmp_path / "my log.csv").write_bytes(text)
        (tmp_path / "texts.item").write_bytes(text)
        plan.check_columns()


def test_reading_depends_on_no_path_and_on_no_published_count(tmp_path):
    one, two = raw(tmp_path), raw(tmp_path, interactions="other.csv", published="pte-movies")
    assert one.reading_settings(at("mine")) == two.reading_settings(at("mine"))
    assert raw(tmp_path, user_core=5).reading_settings(at("mine")) != one.reading_settings(at("mine"))


def test_a_simulated_dataset_has_its_publishers_files_and_reader():
    plan = Raw(configuration())
    assert plan.raw_inputs(at("news")) == {
        "behaviors_": "results/data/news/raw/behaviors.tsv", "news_": "results/data/news/raw/news.tsv",
    }  # fmt: skip
    assert plan.reading_modules(at("news")) == ["ptebench.data.sources.mind"]
    assert plan.missing("news") == {}


def test_a_split_reads_impressions_only_where_the_protocol_ranks_them():
    plain, asked = Raw(configuration()), configuration()
    assert set(plain.split_inputs(at("news"))) == {"interactions"}
    asked["protocols"]["snapshot"]["impressions"] = True
    assert set(Raw(asked).split_inputs(at("news"))) == {"interactions", "impressions"}
