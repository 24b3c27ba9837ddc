"""Lists from elsewhere: what they rank, what is refused of them, and which policies let it pass."""

import polars as pl
import pytest
import torch

from ptebench.config.read import resolve
from ptebench.files import VOCABULARY, InputError
from ptebench.recommenders.evaluation import rank
from ptebench.recommenders.model import build, restore
from ptebench.recommenders.representation import Catalogue
from ptebench.recommenders.sampling import Ragged
from ptebench.recommenders.split import Events

USERS, ITEMS = 6, 30


def ragged(rows):
    lengths = torch.tensor([0, *map(len, rows)])
    return Ragged(torch.tensor([item for row in rows for item in row], dtype=torch.int64), lengths.cumsum(0))


@pytest.fixture
def events():
    """Return an event a user: histories of three items, a target that is new."""
    histories = [[user, user + 7, user + 14] for user in range(1, USERS + 1)]
    targets = [[user + 20] for user in range(1, USERS + 1)]
    numbers = torch.arange(USERS)
    return Events("full", numbers, numbers + 1, ragged(histories), ragged(targets), None)


@pytest.fixture
def words(tmp_path):
    """Return a vocabulary whose raw ids are unlike the dense ones."""
    rows = [
        (side, n, f"{side[0]}{100 - n}")
        for side, most in (("user", USERS), ("item", ITEMS))
        for n in range(1, most + 1)
    ]
    pl.DataFrame(rows, schema=VOCABULARY, orient="row").write_parquet(tmp_path / "vocabulary.parquet")
    return tmp_path / "vocabulary.parquet"


def cell(**keys):
    raw = {"backbones": {"theirs": {"kind": "external", "file": "x", **keys}}, "representations": {"id": {}}}
    return {"backbone": resolve(raw, "test")["backbones"]["theirs"], "representation": {"kind": "id"}, "seed": 0}


def ranks(file, words, events, remove_seen=True, **keys):
    """Return the ranks of the targets and the notes, by lists that a train job read and a rank job takes back."""
    counts = torch.zeros(ITEMS + 1, dtype=torch.int64), torch.zeros(USERS + 1, dtype=torch.int64)
    catalogue = Catalogue(USERS, ITEMS, 0, *counts, lists=(file, words))
    trained, _ = build(cell(**keys), catalogue)
    trained.fit(None)
    backbone, representation, _ = restore(cell(**keys), catalogue, None, trained.state_dict())
    result = [
        rank(backbone, representation, part, remove_seen)[0].tolist()
        for part in ([events] if isinstance(events, Events) else events)
    ]
    return (result[0] if isinstance(events, Events) else result), backbone.notes["lists"]


def whole_lists(scores, ids="raw", **columns):
    """Return the rows of lists of all items by scores (USERS, ITEMS + 1)."""
    rows = [(user, item, float(scores[user - 1, item])) for user in range(1, USERS + 1) for item in range(1, ITEMS + 1)]
    users, items = ["", ""] if ids == "dense" else ["u", "i"]
    name = (lambda letter, n: str(n)) if ids == "dense" else (lambda letter, n: f"{letter}{100 - n}")
    return pl.DataFrame(
        [(name(users, u), name(items, i), s) for u, i, s in rows], orient="row", schema=["user_id", "item_id", "score"]
    )


def expected(scores, events, remove_seen):
    class Plain:
        items = ITEMS

        def scores(self, histories, users):
            return scores[users - 1].clone()

    return rank(Plain(), None, events, remove_seen)[0].tolist()


@pytest.mark.parametrize("ids", ["raw", "dense"])
@pytest.mark.parametrize("remove_seen", [True, False])
def test_scores_of_all_items_have_the_ranks_of_a_model_of_these_scores_ties_included(
    tmp_path, words, events, ids, remove_seen
):
    scores = torch.randint(0, 6, (USERS, ITEMS + 1)).double()  # many ties
    whole_lists(scores, ids).write_csv(tmp_path / "lists.csv")
    got, notes = ranks(tmp_path / "lists.csv", words, events, remove_seen, ids=ids)
    assert got == expected(scores, events, remove_seen)
    assert notes["full"] == {
        "events": 6,
        "without_list": 0,
        "short": 0,
        "rows": 180,
        "of_no_candidate": 18 if remove_seen else 0,
    }


def test_a_list_of_k_has_the_ranks_of_the_whole_up_to_k_and_all_else_is_tied_behind(tmp_path, words, events):
    scores = torch.randperm(USERS * (ITEMS + 1)).view(USERS, ITEMS + 1).double()
    whole_lists(scores).sort("user_id", "score", descending=[False, True]).group_by("user_id").head(12).write_csv(
        tmp_path / "lists.tsv", separator="\t"
    )
    got, _ = ranks(tmp_path / "lists.tsv", words, events, remove_seen=False, k=12)
    for one, whole in zip(got, expected(scores, events, False), strict=True):
        assert one == (whole if whole <= 12 else (13 + ITEMS) / 2)


def test_ranks_and_the_order_of_lines_say_what_scores_say(tmp_path, words, events):
    scores = torch.randperm(USERS * (ITEMS + 1)).view(USERS, ITEMS + 1).double()
    frame = whole_lists(scores).sort("user_id", "score", descending=[True, True])
    placed = frame.with_columns(rank=pl.int_range(1, pl.len() + 1).over("user_id")).drop("score")
    placed.sample(fraction=1, shuffle=True, seed=0).write_parquet(tmp_path / "ranks.parquet")
    frame.select("user_id", "item_id").write_ndjson(tmp_path / "order.jsonl")
    for name in ("ranks.parquet", "order.jsonl"):
        assert ranks(tmp_path / name, words, events)[0] == expected(scores, events, True)


@pytest.mark.parametrize(
    "name, form, columns",
    [
        ("run.txt", "{u} Q0 {i}   {r} {s} theirs", {"user_id": 1, "item_id": 3, "score": 5}),  # TREC
        ("recs.tsv", "{u}\t{i}\t{s}", {"user_id": 1, "item_id": 2, "score": 3}),  # Elliot
        ("own.csv", "{e},{i},{r}", {"event": 1, "item_id": 2, "rank": 3}),
    ],
)
def test_files_without_names_are_read_by_the_places_of_columns(tmp_path, words, events, name, form, columns):
    scores = torch.randperm(USERS * (ITEMS + 1)).view(USERS, ITEMS + 1).double()
    frame = whole_lists(scores).with_columns(rank=pl.col("score").rank(descending=True).over("user_id").cast(pl.Int64))
    lines = [
        form.format(u=u, i=i, s=s, r=r, e=100 - int(u[1:]) - 1) for u, i, s, r in frame.iter_rows()
    ]  # fmt: skip
    (tmp_path / name).write_text("\n".join(lines) + "\n")
    assert ranks(tmp_path / name, words, events, columns=columns)[0] == expected(scores, events, True)


ROWS = [(f"u{100 - u}", f"i{100 - i}", 31.0 - i) for u in range(1, USERS + 1) for i in range(1, ITEMS + 1)]


def test_recommendations_as_elliot_writes_them_are_read(tmp_path, words, events):
    """`recs/*.tsv`: user, item, score by tabs and without a head, a user's items together, scores as Python prints."""
    scores = torch.randperm(USERS * (ITEMS + 1)).view(USERS, ITEMS + 1).double() * 1e-7
    frame = whole_lists(scores).sort("user_id", "score", descending=[True, True]).group_by("user_id").head(12)
    path = tmp_path / "ItemKNN_nn=20_sim=cosine_it=5.tsv"
    path.write_text("".join(f"{user}\t{item}\t{score}\n" for user, item, score in frame.iter_rows()))
    assert "e-0" in path.read_text()  # small scores have an exponent
    columns = {"user_id": 1, "item_id": 2, "score": 3}
    got, notes = ranks(path, words, events, remove_seen=False, k=12, columns=columns)
    for one, whole in zip(got, expected(scores, events, False), strict=True):
        assert one == (whole if whole <= 12 else (13 + ITEMS) / 2)


def lists(*changes, rows=ROWS):
    """Return the text of a file of whole lists in which lines, of which 1 names the columns, are replaced."""
    text = ["user_id,item_id,score", *(f"{u},{i},{s}" for u, i, s in rows)]
    for line, new in changes:
        text[line - 1 : line] = [new] if new is not None else []
    return "\n".join(text) + "\n"


@pytest.mark.parametrize(
    "text, keys, said",
    [
        (lists((9, "u99,i92,nan")), {}, r"line 9: expected a finite number .* as score, found 'nan'; mend the line"),
        (lists((9, "u99,i92,-inf")), {}, r"line 9: expected a finite number"),
        (lists((9, "u99,i99,3")), {}, r"line 9: the item of line 2 again, in the same list; keep one"),
        (lists((9, "u99,B00,3")), {}, r"line 9: the dataset has no item 'B00' \(1 of 180 rows .* ids are as 'i99'.* unknown: drop"),
        (lists((9, "7,i92,3")), {}, r"line 9: the dataset has no user '7'"),
        (lists((9, ",i92,3")), {}, r"line 9: expected an id as user_id, found ''"),
        (lists((9, "u99,i92")), {}, r"line 9: expected 3 fields"),
        (lists((1, "who,item_id,score")), {}, r"no column says whose list it is, or which item; name it in columns"),
        (lists((1, "user_id,what,score")), {}, r"column .item_id. is missing; it has user_id, what, score"),
        (lists(rows=ROWS[:150]), {}, r"event 5 of user 'u94' \(ranking full\) has no list; 1 of 6 events are so; supply a list of each, or set missing: last"),
        (lists(rows=ROWS[:-25]), {}, r"event 5 of user 'u94' .* has 5 candidates among the 5 rows of its list, which begins in line 152, and fewer than k, 10; 1 of 6 events are so; supply longer lists, or set short: last"),
        (lists(), {"columns": {"event": "user_id"}}, r"line 2: expected the number of a test event as event, found 'u99'"),
        (lists(rows=[(u, "strange", s) for u, _, s in ROWS[:6]]), {"unknown": "drop"}, r"6 of 6 rows have such.*these look like lists of another dataset, or of other items$"),
        (lists(rows=[(f"x{u}", i, s) for u, i, s in ROWS[:6]]), {}, r"6 of 6 rows .*or of other users$"),
        (lists((1, "user_id,item_id,rank"), (9, "u99,i92,2.5")), {}, r"line 9: expected a whole number from 0 or 1 \(of scores the column is score\) as rank, found '2.5'"),
        (lists((1, "user_id;item_id;score")), {}, r"column 'item_id' is missing; its first line, user_id;item_id;score, has its fields separated by ';'; save it with commas"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_told_by_its_line(tmp_path, words, events, text, keys, said):
    (tmp_path / "lists.csv").write_text(text)
    with pytest.raises(InputError, match=rf"lists\.csv: .*{said}|lists\.csv: {said}"):
        ranks(tmp_path / "lists.csv", words, events, **keys)


def test_a_run_of_trec_without_places_is_told_to_give_them(tmp_path, words, events):
    (tmp_path / "lists.run").write_text("u99 Q0 i92 1 0.5 own\n")
    with pytest.raises(
        InputError, match=r"lists\.run: unknown format '\.run'.*columns: \{user_id: 1, item_id: 3, score: 5\}"
    ):
        ranks(tmp_path / "lists.run", words, events)


def test_declared_policies_tie_what_is_not_listed_last_and_drop_what_is_unknown(tmp_path, words, events):
    (tmp_path / "lists.csv").write_text(
        lists((9, "u99,B00,3"), rows=ROWS[:122])
    )  # two rows of the fifth user, none of the sixth
    policies = {"missing": "last", "short": "last", "unknown": "drop"}
    got, notes = ranks(tmp_path / "lists.csv", words, events, remove_seen=False, **policies)
    assert got[4] == (3 + ITEMS) / 2 and got[5] == (1 + ITEMS) / 2
    assert got[0] == 20  # the row of item 8 is gone, so that the target 21 stands one place better
    assert notes["full"] == {"events": 6, "without_list": 1, "short": 1, "rows": 121, "of_no_candidate": 0}


def test_rows_of_items_that_are_no_candidates_do_not_count_towards_k(tmp_path, words, events):
    rows = [row for row in ROWS if 31 - row[2] <= 10]  # items 1 to 10, of which each user has seen two
    (tmp_path / "lists.csv").write_text(lists(rows=rows))
    assert ranks(tmp_path / "lists.csv", words, events, remove_seen=False)[1]["full"]["of_no_candidate"] == 0
    with pytest.raises(InputError, match=r"has 8 candidates among the 10 rows"):
        ranks(tmp_path / "lists.csv", words, events, remove_seen=True)


def test_one_list_of_a_user_serves_events_of_one_history_alone(tmp_path, words, events):
    (tmp_path / "lists.csv").write_text(lists())
    among = torch.zeros(ITEMS + 1, dtype=torch.bool)
    among[15:] = True
    zero_shot = Events("zero_shot", events.event + USERS, events.users, events.histories, events.targets, among)
    (full, few), notes = ranks(tmp_path / "lists.csv", words, [events, zero_shot])
    assert list(notes) == ["full", "zero_shot"] and few[0] == 21 - 14 - 1 and full[0] == 21 - 3
    later = Events("window_2", events.event + USERS, events.users, events.targets, events.targets, None)
    with pytest.raises(InputError, match=r"user 'u99' has test events with different histories.* column `event`"):
        ranks(tmp_path / "lists.csv", words, [events, later])


def test_an_event_with_candidates_of_its_own_needs_no_more_than_these(tmp_path, words, events):
    own = torch.tensor([[user + 20, 25 + user % 3, 30] for user in range(1, USERS + 1)])
    few = Events("impression", events.event, events.users, events.histories, events.targets, own)
    rows = [row for row in ROWS if 31 - row[2] > 20]
    (tmp_path / "lists.csv").write_text(lists(rows=rows))
    got, notes = ranks(tmp_path / "lists.csv", words, few)
    assert got[0] == 1.0 and notes["impression"]["short"] == 0


def test_a_configuration_asks_for_nothing_beyond_the_lists_and_tunes_none():
    sections = {
        "datasets": {"d": {"source": "sequences", "sequences": "x"}}, "protocols": {"leave_one_out": {}},
        "representations": {"id": {}}, "backbones": {"theirs": {"kind": "external", "file": "{dataset}.csv", "k": 10}},
    }  # fmt: skip
    table = {"title": "T", "datasets": ["d"], "protocols": ["leave_one_out"], "rows": [{"backbones": ["theirs"]}]}
    resolve({**sections, "tables": {"t": table | {"metrics": ["NDCG@10"]}}}, "c")
    for changes, said in (
        ({"tables": {"t": table | {"metrics": ["NDCG@10", "HR@20"]}}}, r"tables\.t\.metrics: HR@20 asks for more than the 10"),
        ({"tuning": {"backbones": {"theirs": {"k": [5, 10]}}}}, r"its lists are from elsewhere, and are not tuned"),
        ({"backbones": {"theirs": {"kind": "external", "file": "{data}.csv"}}}, r"\{data\} is no place in a path"),
        ({"backbones": {"theirs": {"kind": "external", "file": "x", "columns": {"item_id": 2}}}}, "give the places of item_id and"),
        ({"backbones": {"theirs": {"kind": "external", "file": "x", "columns": {"item_id": 2, "user_id": "u"}}}}, "name all of them"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=said):
            resolve({**sections, **changes}, "c")
