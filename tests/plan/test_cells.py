"""Order of overrides, trials and rungs of halving, what a cell reads."""

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.reporting import Reporting
from tests.worlds import configuration

PLACE = {"dataset": "news", "protocol": "snapshot", "backbone": "biasmf", "representation": "pte"}
STUDY = "results/tuning/news/snapshot/biasmf/pte"


def at(**more):
    return Wildcards(fromdict=PLACE | more)


def tuned(**tuning):
    return Cells(configuration(tuning={"backbones": {"biasmf": {"learning_rate": [0.001, 0.01]}}, **tuning}))


def test_a_dataset_overrides_the_backbone_and_a_representation_there_overrides_the_dataset():
    overrides = {"news": {"biasmf": {"epochs": 7, "batch_size": 9}, "biasmf.pte": {"epochs": 3}}}
    backbone = Cells(configuration(overrides=overrides)).settings(at(seed="1"))["backbone"]
    assert (backbone["epochs"], backbone["batch_size"], backbone["dimension"]) == (3, 9, 32)
    other = Cells(configuration(overrides=overrides)).settings(at(representation="id", seed="1"))
    assert other["backbone"]["epochs"] == 7 and other["seed"] == 1


def test_a_trial_keeps_only_settings_off_the_tuned_axes_and_the_first_keeps_all():
    cells = tuned(budget=3)
    first, second = (cells.trial_settings(at(trial=str(k))) for k in (0, 1))
    assert "learning_rate" in first["backbone"] and "learning_rate" not in second["backbone"]
    assert second["backbone"]["epochs"] == first["backbone"]["epochs"] and second["trial"] == 1
    assert cells.trials(at()) == [f"{STUDY}/trial={k}/trial.json" for k in range(3)]


def test_a_rung_of_halving_waits_for_the_whole_rung_before_it():
    cells = tuned(budget=4, halving={"factor": 2, "rungs": 3})
    names = [
        f"{STUDY}/bracket=0/rung={rung}/place={k}/trial.json" for rung, n in ((0, 4), (1, 2), (2, 1)) for k in range(n)
    ]
    assert cells.trials(at()) == names
    assert cells.earlier_rung(at(bracket="0", rung="0")) == []
    assert cells.earlier_rung(at(bracket="0", rung="2")) == names[4:6]


def test_a_counter_has_no_epochs_to_halve():
    cells = tuned(budget=4, halving={"factor": 2, "rungs": 3}, backbones={"markov": {"decay": [0.4, 0.6]}})
    trials = cells.trials(at(backbone="markov", representation="id"))
    assert [path.rpartition("/markov/id/")[2] for path in trials] == [f"trial={k}/trial.json" for k in range(4)]


def test_a_column_that_a_file_of_lists_lacks_is_told_by_the_plan_where_the_file_is_there(tmp_path):
    theirs = {"kind": "external", "file": "{dataset}.{protocol}.tsv", "columns": {"item_id": "movie"}}
    tables = {"theirs": {
        "title": "Theirs", "datasets": ["news"], "protocols": ["snapshot"], "metrics": ["HR@10"],
        "rows": [{"backbones": ["theirs"], "representations": ["id"]}],
    }}  # fmt: skip
    cells = Cells(configuration(backbones={"theirs": theirs}, tables=tables, data_root=str(tmp_path)))
    cells.check_columns()  # it is not there
    (tmp_path / "news.snapshot.tsv").write_text("user_id\tmovies\trank\n")
    with pytest.raises(
        InputError, match=r"^backbones\.theirs\.columns: .* no column 'movie'; did you mean {item_id: movies}\?"
    ):
        cells.check_columns()
    for text in ("user_id\tmovie\trank\n", "event\tmovie\trank\n"):
        (tmp_path / "news.snapshot.tsv").write_text(text)
        cells.check_columns()


@pytest.mark.parametrize(
    "text, said",
    [
        ("user,item,rank\n", r"has no column 'user_id', 'item_id'; did you mean {user_id: user, item_id: item}\? It has user, item, rank"),
        ("user_id;item_id;rank\n", r"its first line, user_id;item_id;rank, has its fields separated by ';'; save it with commas"),
        ("u7,1002,2870\n", r"its first line, u7, 1002, 2870, looks like data; tell its columns by place, backbones\.theirs\.columns: {user_id: 1, item_id: 2, rank: 3}"),
    ],
)  # fmt: skip
def test_a_list_whose_columns_nobody_names_is_told_by_the_plan_what_to_name(tmp_path, text, said):
    tables = {"theirs": {
        "title": "Theirs", "datasets": ["news"], "protocols": ["snapshot"], "metrics": ["HR@10"],
        "rows": [{"backbones": ["theirs"], "representations": ["id"]}],
    }}  # fmt: skip
    theirs = {"kind": "external", "file": "lists.csv"}
    (tmp_path / "lists.csv").write_text(text)
    cells = Cells(configuration(backbones={"theirs": theirs}, tables=tables, data_root=str(tmp_path)))
    with pytest.raises(InputError, match=rf"^backbones\.theirs\.columns: .*lists\.csv:? {said}"):
        cells.check_columns()
    places = {"user_id": 1, "item_id": 2, "rank": 3}
    Cells(
        configuration(backbones={"theirs": theirs | {"columns": places}}, tables=tables, data_root=str(tmp_path))
    ).check_columns()


def test_a_tuned_cell_reads_its_study_and_others_do_not():
    assert tuned(budget=2).cell_inputs(at())["tuned"] == f"{STUDY}/best.json"
    assert "tuned" not in tuned(budget=2).cell_inputs(at(backbone="lightgcn"))


def test_a_representation_of_profiles_reads_both_sides():
    files = Cells(configuration()).text_inputs(at())
    assert files["item"] == "results/embeddings/news/snapshot/embedded.grpo/minilm/item.safetensors"
    assert files["user"] == "results/embeddings/news/snapshot/embedded.grpo/minilm/user.safetensors"
    assert Cells(configuration()).text_inputs(at(representation="id")) == {}


def test_a_table_reads_the_lists_whose_metrics_it_shows_with_an_interval():
    made = configuration(lists=10, diversity="minilm")
    place, split = Wildcards(fromdict={"table": "snapshot"}), "results/splits/news/snapshot"
    for metrics, names in (
        (["NDCG@10", "Coverage@10"], set()),
        (["NDCG@10", "Novelty@10"], {"lists"}),
        (["NDCG@10", "Diversity@10"], {"lists", "vectors"}),
    ):
        made["tables"]["snapshot"]["metrics"] = metrics
        files = Reporting(made).table_inputs(place)
        assert {"lists", "vectors"} & set(files) == names
        if names:
            assert [path.replace("lists", "ranks") for path in files["lists"]] == files["ranks"]
            assert files["train"] == [f"{split}/train.parquet"]
    assert files["vectors"] == ["results/embeddings/news/snapshot/card/minilm/item.safetensors"]


def test_a_table_reads_the_records_of_all_trials_of_its_tuned_rows():
    made = configuration(tuning={"budget": 2, "backbones": {"biasmf": {"learning_rate": [0.001, 0.01]}}})
    reporting, place = Reporting(made), Wildcards(fromdict={"table": "snapshot"})
    settings, files = reporting.table_settings(place), reporting.table_inputs(place)
    tuned = [method[2] == "biasmf" for method in settings["cells"]]
    assert any(tuned) and not all(tuned)
    assert settings["trials"] == [2 * is_tuned for is_tuned in tuned] and len(files["trials"]) == sum(
        settings["trials"]
    )
    assert all(path.endswith(("trial=0/provenance.json", "trial=1/provenance.json")) for path in files["trials"])
    assert len(files["records"]) == len(files["ranks"])
