"""Decoding within the grammar, batches, and what happens where memory does not suffice."""

import re

import pytest
import torch
from ptebench.files import InputError
from ptebench.profiles.answers import kept, kept_of
from ptebench.profiles.embedded import frame_words, new_model, tokenizer_of
from ptebench.profiles.grammar import Grammar, Pieces, Words
from ptebench.profiles.parse import FIELDS, layout, repaired, strict
from ptebench.profiles.prompts import assemble
from ptebench.profiles.write import answered, batches, generate, write

WORDS = "camping chess baking sailing tent lantern trail stove board clock opening endgame oven dough".split()
SETTINGS = {"hidden": 32, "layers": 1, "heads": 2}


@pytest.fixture(scope="module")
def tokenizer():
    texts = [f"Roles: {a} fan; {b} fan\nInterests: {a}; {b}-{a}; {b}'s {a}_{b}" for a in WORDS for b in WORDS]
    texts += [layout({f: [f"{w} fan" for w in WORDS[:5]] for f in FIELDS["item"]}, "item")] * 20
    return tokenizer_of(texts, 500, 320)


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = new_model(tokenizer, SETTINGS, 320)
    with torch.no_grad():  # or it repeats the last token of the prompt
        for weights in model.model.layers.parameters():
            weights.mul_(8 if weights.dim() > 1 else 1)
    return model


def prompts(side, count, longest=30):
    """Return prompts of very different lengths."""
    return [assemble("Task", WORDS[: 1 + k % 14] * (1 + k % (longest // 10)), side) for k in range(count)]


@pytest.mark.parametrize("side, limit", [("user", 24), ("user", 48), ("item", 40), ("item", 80)])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_whatever_the_model_thinks_the_answer_is_a_strict_profile(tokenizer, side, limit, scale):
    """Random scores, and scores that always prefer the same tokens."""
    random, rows, ends = torch.Generator().manual_seed(1), 40, [tokenizer.eos_token_id]
    favourite = 5 * torch.randn(rows, len(tokenizer), generator=random)
    rule = Grammar(Pieces(tokenizer), side, [None] * rows, limit, ends)
    ids = torch.zeros(rows, 1, dtype=torch.long)
    for _ in range(limit):
        scores = rule(ids, favourite + scale * 5 * torch.randn(favourite.shape, generator=random))
        ids = torch.cat([ids, scores.argmax(1, keepdim=True)], 1)
    for row in ids[:, 1:].tolist():
        assert tokenizer.eos_token_id in row, tokenizer.decode(row)
        text = tokenizer.decode(row[: row.index(tokenizer.eos_token_id)])
        assert strict(text, side), text


def answers_of(rule, tokenizer, rows: int, limit: int) -> list[str]:
    """Return what random scores write under a rule."""
    random, ids = torch.Generator().manual_seed(1), torch.zeros(rows, 1, dtype=torch.long)
    for _ in range(limit):
        scores = rule(ids, torch.randn(rows, len(tokenizer), generator=random))
        ids = torch.cat([ids, scores.argmax(1, keepdim=True)], 1)
    return [tokenizer.decode(row[: row.index(tokenizer.eos_token_id)]) for row in ids[:, 1:].tolist()]


@pytest.mark.parametrize("side, limit", [("user", 48), ("item", 80)])
def test_phrases_are_made_of_words_of_the_evidence(tokenizer, side, limit):
    """Whatever the model thinks; words such as `fan` stand behind others alone, none twice in a phrase."""
    own, frame = {*WORDS, "sailing_trail", "tent's"}, {"fan", "follower"}
    rule = Grammar(
        Pieces(tokenizer), side, [Words(Pieces(tokenizer), own, frame)] * 40, limit, [tokenizer.eos_token_id]
    )
    phrases = [
        p.split() for text in answers_of(rule, tokenizer, 40, limit) for of in strict(text, side).values() for p in of
    ]
    assert all(p[0] in own and own | frame >= set(p) and len(set(p)) == len(p) for p in phrases)
    assert set().union(*phrases) >= own | {"fan"}, "nothing of the evidence is out of reach"


@pytest.mark.parametrize("own", [set(), {"chess"}, {"chess", "tents and poles", "42", "oven"}], ids=len)
@pytest.mark.parametrize("side, limit", [("user", 24), ("user", 48), ("item", 40)])
def test_where_words_run_out_any_may_stand(tokenizer, side, limit, own):
    words = [Words(Pieces(tokenizer), own, {"fan"})] * 40
    rule = Grammar(Pieces(tokenizer), side, words, limit, [tokenizer.eos_token_id])
    for text in answers_of(rule, tokenizer, 40, limit):
        fields = strict(text, side)
        assert fields, text
        for phrases in fields.values():
            first = {p.split()[0] for p in phrases}
            assert "chess" in first or "chess" not in own, text


def test_frame_words_are_what_answers_add_to_their_evidence():
    prompts = [assemble("Summarise", ["oven dough | liked by chess fan"], "user")] * 200
    answers = ["Roles: oven fan; dough follower; chess stove\nInterests: oven; dough; stove oven"] * 200
    answers[0] = answers[0].replace("Interests: oven", "Interests: follower")
    assert frame_words(list(zip(prompts, answers))) == ["follower"], "fan is evidence, stove begins phrases"


def test_what_the_model_prefers_is_kept_where_it_is_a_profile(tokenizer):
    """The mask closes no token of a strict profile: one that the model insists on comes out unchanged."""
    text = "Roles: camping fan; tent's fan; chess fan\nInterests: board-clock; oven; sailing_trail dough"
    wanted = [*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]
    rule, ids = (
        Grammar(Pieces(tokenizer), "user", [None], 60, [tokenizer.eos_token_id]),
        torch.zeros(1, 1, dtype=torch.long),
    )
    for token in wanted:
        scores = torch.zeros(1, len(tokenizer))
        scores[0, token] = 1
        ids = torch.cat([ids, rule(ids, scores).argmax(1, keepdim=True)], 1)
    assert ids[0, 1:].tolist() == wanted


def test_batches_hold_every_row_once_and_a_width_depends_on_the_row_alone():
    lengths = [1, 64, 65, 200, 64, 3]
    found = batches(lengths, 2)
    assert sorted(r for rows, _ in found for r in rows) == list(range(6))
    assert {int(r): w for rows, w in found for r in rows} == {0: 64, 1: 64, 2: 128, 3: 256, 4: 64, 5: 64}
    assert [w for _, w in found] == sorted((w for _, w in found), reverse=True) and max(len(r) for r, _ in found) == 2


def test_an_answer_does_not_depend_on_what_is_written_with_it(tokenizer, model):
    texts = prompts("user", 30)
    together = generate(model, tokenizer, texts, 24, 16)
    assert len({tuple(a) for a in together}) > 1
    assert generate(model, tokenizer, texts[::-1], 24, 16)[::-1] == together
    assert generate(model, tokenizer, texts[7:9], 24, 16) == together[7:9]
    assert generate(model, tokenizer, texts, 24, 8) == together


def out_of_memory_beyond(model, monkeypatch, rows):
    sizes, whole = [], model.generate

    def narrow(input_ids, **rest):
        sizes.append(len(input_ids))
        if len(input_ids) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return whole(input_ids=input_ids, **rest)

    monkeypatch.setattr(model, "generate", narrow)
    return sizes


def test_too_little_memory_halves_the_batch_once_and_says_so(tokenizer, model, monkeypatch):
    texts, said = prompts("user", 40), []
    expected = generate(model, tokenizer, texts, 8, 16)
    sizes = out_of_memory_beyond(model, monkeypatch, 8)
    assert generate(model, tokenizer, texts, 8, 16, say=said.append) == expected
    assert sum(s > 8 for s in sizes) == 1 and max(sizes[sizes.index(16) + 1 :]) <= 8
    assert [s for s in said if "out of memory" in s] == [s for s in said if re.search("with 16 .* on with 8$", s)]
    assert sum("out of memory" in s for s in said) == 1


def test_too_little_memory_for_half_a_batch_is_an_error_with_the_mend(tokenizer, model, monkeypatch):
    out_of_memory_beyond(model, monkeypatch, 4)
    with pytest.raises(InputError, match="write_batch"):
        generate(model, tokenizer, prompts("user", 40), 8, 16, say=lambda _: None)


def test_other_errors_of_torch_are_not_taken_for_want_of_memory(tokenizer, model, monkeypatch):
    def broken(**_):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(model, "generate", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        generate(model, tokenizer, prompts("user", 2), 8, 16)


@pytest.mark.parametrize("source", ["embedded", "some/hub-model"])
def test_a_model_that_cannot_keep_to_the_schema_writes_within_the_grammar(tokenizer, model, source):
    spec = {"new_tokens": {"user": 24}, "write_batch": 8, "context": 320, "model": source}
    texts = prompts("user", 10)
    frame, record = write(model, tokenizer, list(range(1, 11)), texts, "user", spec, {"writer": "kd"}, lambda _: None)
    assert all(strict(t, "user") for t in frame["text"]) and record["parsed"] == record["strict"] == 10
    assert set(frame["generation"].str.json_path_match("$.decoding")) == {"greedy, within the grammar"}
    rewritten = {k: v for k, v in record.items() if k.startswith("rewritten")}
    assert sum(rewritten.values()) == (0 if source == "embedded" else 10) and record["tokens_per_second"] > 0
    free = tokenizer.batch_decode(generate(model, tokenizer, texts, 24, 8), skip_special_tokens=True)
    assert not any(repaired(t.strip(), "user")[0] for t in free)


def counted(model, monkeypatch):
    asked, whole = [], model.generate
    monkeypatch.setattr(model, "generate", lambda **k: asked.append(len(k["input_ids"])) or whole(**k))
    return asked


def test_what_is_kept_is_not_written_again_and_changes_no_byte(tokenizer, model, monkeypatch, tmp_path):
    spec = {"new_tokens": {"user": 24}, "write_batch": 8, "context": 320, "model": "embedded"}
    texts, file = prompts("user", 20), tmp_path / "answers.jsonl"

    def written(texts):
        with kept(file) as (answers, keep):
            ids = list(range(1, 1 + len(texts)))
            return write(model, tokenizer, ids, texts, "user", spec, {}, lambda _: None, known=answers, keep=keep)

    whole, _ = write(model, tokenizer, list(range(1, 21)), texts, "user", spec, {}, lambda _: None)
    written(texts[:19])
    asked = counted(model, monkeypatch)
    frame, record = written(texts)  # a new user costs one prompt
    assert frame.equals(whole) and record["kept"] == 19 and record["written"] == 1 and len(asked) == 1
    frame, record = written(texts)
    assert frame.equals(whole) and record["written"] == 0 and len(asked) == 1 and record["tokens_per_second"] is None


def test_a_job_that_dies_keeps_what_was_written(tokenizer, model, monkeypatch, tmp_path):
    spec = {"new_tokens": {"user": 24}, "write_batch": 8, "context": 320, "model": "embedded"}
    texts, whole, batches = prompts("user", 30), model.generate, []

    def dying(**rest):
        batches.append(1)
        if len(batches) == 3:
            raise RuntimeError("killed")
        return whole(**rest)

    monkeypatch.setattr(model, "generate", dying)
    with pytest.raises(RuntimeError, match="killed"), kept(tmp_path / "a.jsonl") as (answers, keep):
        answered(model, tokenizer, texts, "user", spec, answers, keep, lambda _: None)
    with kept(tmp_path / "a.jsonl") as (answers, keep):
        _, counts = answered(model, tokenizer, texts, "user", spec, answers, keep, lambda _: None)
    assert counts["kept"] >= 2 and counts["kept"] + counts["written"] == len(set(texts))


def test_answers_of_another_maker_are_not_taken(tmp_path):
    (tmp_path / "item.0000.answers.jsonl").write_text("")
    former = kept_of(tmp_path / "user.parquet", "a" * 64)
    former.write_text("")
    assert kept_of(tmp_path / "user.parquet", "a" * 64) == former and former.exists()
    assert kept_of(tmp_path / "user.parquet", "b" * 64) != former and not former.exists()
    assert (tmp_path / "item.0000.answers.jsonl").exists()
