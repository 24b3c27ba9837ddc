"""What an embedding is learned from, and what reads it."""

import pytest
from snakemake.iocontainers import Wildcards

from ptebench.config.cells import saw_held_out
from ptebench.errors import InputError
from ptebench.plan.cells import Cells
from ptebench.plan.reporting import Reporting
from ptebench.plan.texts import Texts
from ptebench.plan.writing import Writing
from tests.worlds import configuration

PLACE = {"dataset": "news", "protocol": "snapshot"}
FOLDER = "results/embeddings/news/snapshot"
EMBEDDINGS = {"aligned": {"text": "embedded.kd"}, "cards": {"text": "card", "encoder": "lsa"}}
TABLE = {
    "title": "T", "datasets": ["news"], "protocols": ["snapshot"],
    "rows": [{"backbones": ["lightgcn"], "representations": ["pte", "frozen_card"]}],
}  # fmt: skip


def config(**changes):
    representations = {"pte": {"text": "aligned"}, "frozen_card": {"kind": "whitenrec", "text": "cards"}}
    return configuration(
        embeddings=EMBEDDINGS | changes, representations=representations, tables={"t": TABLE}
    )  # fmt: skip


def at(**more):
    return Wildcards(fromdict=PLACE | more)


def test_an_embedding_reads_its_text_and_the_training_half_of_the_split():
    files = Texts(config()).align_inputs(at(embedding="aligned"))
    assert {files[side] for side in ("item", "card", "user")} == {
        f"{FOLDER}/embedded.kd/minilm/item.safetensors", f"{FOLDER}/card/minilm/item.safetensors",
        f"{FOLDER}/embedded.kd/minilm/user.safetensors",
    }  # fmt: skip
    assert not any("test" in path for path in files.values())
    assert "user" not in Texts(config()).align_inputs(at(embedding="cards"))


def test_cells_read_an_embedding_by_its_name_and_users_where_it_has_them():
    cells = Cells(config())
    read = cells.text_inputs(at(backbone="lightgcn", representation="pte"))
    assert read == {side: f"{FOLDER}/aligned/{side}.safetensors" for side in ("item", "user")}
    read = cells.text_inputs(at(backbone="lightgcn", representation="frozen_card"))
    assert read == {"item": f"{FOLDER}/cards/item.safetensors"}


@pytest.mark.parametrize(
    "content, said",
    [
        ("id,txt\n1,a\n", r"^texts\.mine\.item_columns: .*mine\.csv has no column 'text'; it has id, txt; name one of them$"),
        ("sku,text\n1,a\n", r"^texts\.mine\.item: .*mine\.csv has none of item_id, id, uid; it has sku, text; name"),
    ],
)  # fmt: skip
def test_a_column_that_a_file_of_texts_lacks_is_told_by_the_plan(tmp_path, content, said):
    supplied = {"mine": {"item": "mine.csv", "saw": "nothing"}, "lines": {"item": "mine.jsonl", "saw": "nothing"}}
    plan = Texts(configuration(texts=supplied, data_root=str(tmp_path)))
    plan.check_columns()  # no file is there
    (tmp_path / "mine.jsonl").write_text('{"sku": 1}\n')  # any later line may have the column
    (tmp_path / "mine.csv").write_text(content)
    with pytest.raises(InputError, match=said):
        plan.check_columns()
    (tmp_path / "mine.csv").write_text("uid,text\n1,a\n")
    plan.check_columns()


def test_an_embedding_is_made_anew_by_its_own_settings_alone():
    def settings(**changes):
        return Texts(config(**changes)).align_settings(at(embedding="aligned"))

    text = {"text": "embedded.kd"}
    assert settings(aligned=text | {"align": {"window": 2}}) != settings(aligned=text | {"seed": 1}) != settings()
    assert settings(cards={"text": "card", "align": {"window": 2}}) == settings()


def test_an_encoder_that_learns_reads_the_texts_themselves():
    text = {"text": "embedded.kd", "align": {"encoder_layers": 2}}
    texts, place = Texts(config(aligned=text)), at(embedding="aligned")
    files, settings = texts.align_inputs(place), texts.align_settings(place)
    profiles = "results/profiles/news/snapshot/embedded/kd"
    assert {name: path for name, path in files.items() if name.startswith("texts.")} == {
        "texts.item": f"{profiles}/item.parquet", "texts.card": "results/data/news/items.parquet",
        "texts.user": f"{profiles}/user.parquet",
    }  # fmt: skip
    assert {name: (of["text"], of["side"]) for name, of in settings["texts"].items()} == {
        "item": ("embedded.kd", "item"), "card": ("card", "item"), "user": ("embedded.kd", "user"),
    }  # fmt: skip
    assert settings["texts"]["item"]["encoder"]["kind"] == "minilm"
    assert "texts" not in Texts(config()).align_settings(place)


def test_users_alone_are_read_beside_the_cards_of_items():
    made = config(aligned={"text": "embedded.kd", "items": False})
    made["representations"]["frozen_card"] |= {"text": "embedded.kd", "items": False, "card": True}
    files = Texts(made).align_inputs(at(embedding="aligned"))
    read = Cells(made).text_inputs(at(backbone="lightgcn", representation="frozen_card"))
    for of in (files, read):
        assert (of["item"], of["user"]) == (
            f"{FOLDER}/card/minilm/item.safetensors",
            f"{FOLDER}/embedded.kd/minilm/user.safetensors",
        )
        assert "card" not in of
    assert Reporting(made).metric_settings(at(backbone="lightgcn"))["cells"][-1]["text"] == "card, users by embedded.kd"


def test_profiles_behind_an_embedding_are_written_and_named_in_tables():
    files = Writing(config()).profiles()
    assert files == [f"results/profiles/news/snapshot/embedded/kd/{side}.parquet" for side in ("item", "user")]
    described = Reporting(config()).metric_settings(at(backbone="lightgcn"))["cells"]
    assert [cell["text"] for cell in described][::2] == ["aligned, users", "cards"]


def test_a_supplied_text_without_items_has_cards_in_their_place():
    texts = {"gpt": {"user": "u.jsonl", "saw": "nothing"}}
    made = configuration(texts=texts, representations={"pte": {"text": "gpt"}}, embeddings={"e": {"text": "gpt"}}, tables={"t": {
        **TABLE, "rows": [{"backbones": ["lightgcn"], "representations": ["pte"]}],
    }})  # fmt: skip
    read = Cells(made).text_inputs(at(backbone="lightgcn", representation="pte"))
    assert read == {
        "item": f"{FOLDER}/card/minilm/item.safetensors", "user": f"{FOLDER}/gpt/minilm/user.safetensors",
    }  # fmt: skip
    files = Texts(made).align_inputs(at(embedding="e"))
    assert files["user"] == read["user"] and files["item"] == read["item"] and "card" not in files
    assert Writing(made).profiles() == []
    with pytest.raises(InputError, match=r"texts\.gpt\.user: .*u\.jsonl: no such file"):
        Texts(made).inputs(at(text="gpt", encoder="minilm", side="user"))


@pytest.mark.parametrize("saw, protocol, held_out", [
    ("all", {"kind": "snapshot", "cut": None}, True),
    ("training", {"kind": "snapshot", "cut": None}, False),
    ("training", {"kind": "snapshot", "cut": "2024-05-31"}, True),
    ("training", {"kind": "leave_one_out"}, True),
    ("training", {"kind": "cold_start_user", "given": True}, False),
    ("training", {"kind": "cold_start_user", "given": False}, True),
    ("nothing", {"kind": "leave_one_out"}, False),
    ({"protocol": "p"}, {"kind": "leave_one_out"}, False),
    ({"protocol": "p"}, {"kind": "cold_start_user", "given": True}, False),
    ({"protocol": "q"}, {"kind": "cold_start_user", "given": True}, True),
    ({"protocol": "q"}, {"kind": "leave_one_out"}, True),
])  # fmt: skip
def test_a_writer_saw_held_out_items_on_all_but_its_own_split(saw, protocol, held_out):
    assert saw_held_out(saw, "p", protocol) == held_out


@pytest.mark.parametrize("saw, marked", [
    ("all", True), ("training", True), ("nothing", False), ({"protocol": "snapshot"}, False),
    ({"protocol": "cold_start_user"}, True),
])  # fmt: skip
def test_a_table_says_which_texts_saw_held_out_items(saw, marked):
    texts = {"gpt": {"user": "u.jsonl", "saw": saw}}
    table = TABLE | {"allow_leaks": True, "rows": [{"backbones": ["lightgcn"], "representations": ["pte"]}]}
    made = configuration(texts=texts, representations={"pte": {"text": "gpt"}}, tables={"t": table})
    described = Reporting(made).metric_settings(at(backbone="lightgcn"))["cells"]
    assert described[0]["text"] == "card, users by gpt" + "; saw held-out items" * marked


def test_the_histories_that_a_writer_saw_are_compared_where_they_are_to_be_those_of_the_split():
    def read(protocol, **more):
        texts = Texts(configuration(texts={"gpt": {"item": __file__, "saw": {"protocol": protocol} | more}}))
        place = at(text="gpt", encoder="minilm", side="item")
        return texts.settings(place).get("histories"), texts.inputs(place).get("histories")

    assert read("snapshot", histories="a" * 64) == ("a" * 64, "results/splits/news/snapshot/histories.parquet")
    assert read("snapshot") == read("cold_start_user", histories="a" * 64) == (None, None)


def test_lsa_of_users_alone_is_fitted_on_the_cards_that_stand_for_their_items():
    def fit(**files):
        made = configuration(texts={"gpt": files | {"saw": "nothing"}})
        return Texts(made).inputs(at(text="gpt", encoder="lsa", side="user"))["fit"]

    assert fit(user=__file__) == "results/data/news/items.parquet"
    assert fit(user=__file__, item=__file__).endswith("test_texts.py")


def test_a_table_reads_which_owners_the_supplied_texts_of_its_rows_lack():
    texts = {
        "gpt": {"user": "u.jsonl", "saw": "nothing", "partial": True},
        "own": {"item": "i.jsonl", "saw": "nothing"},
    }
    table = TABLE | {"rows": [{"backbones": ["lightgcn"], "representations": ["pte", "card", "own"]}]}
    representations = {"pte": {"text": "e"}, "card": {}, "own": {"kind": "pte", "text": "own"}}
    made = configuration(
        texts=texts, embeddings={"e": {"text": "gpt"}}, representations=representations, tables={"t": table}
    )
    place = Wildcards(fromdict={"table": "t"})
    reporting = Reporting(made)
    assert reporting.table_settings(place)["texts"] == [
        ("news", "snapshot", "gpt", "user"), ("news", "snapshot", "own", "item"),
    ]  # fmt: skip
    assert reporting.table_inputs(place)["texts"] == [
        f"{FOLDER}/{name}.safetensors" for name in ("gpt/minilm/user", "own/minilm/item")
    ]
    assert Texts(made).settings(at(text="gpt", encoder="minilm", side="user"))["partial"] is True
    assert "partial" not in Texts(made).settings(at(text="own", encoder="minilm", side="item"))
    made["tables"]["t"]["rows"][0]["representations"] = ["card"]
    assert "texts" not in Reporting(made).table_settings(place).keys() | Reporting(made).table_inputs(place).keys()
