"""Decoding within the grammar, batches, and what happens where memory does not suffice."""

import json
import re

import pytest
import torch
import transformers

from ptebench.files import InputError
from ptebench.profiles.decoding.generate import batches, generate
from ptebench.profiles.decoding.grammar import Answer, Pieces, Words, closed
from ptebench.profiles.embedded.lessons import frame_words
from ptebench.profiles.embedded.model import new_model, tokenizer_of
from ptebench.profiles.evidence.prompts import assemble
from ptebench.profiles.models.tokens import prompt_tokens
from ptebench.profiles.schema.fields import FIELDS, layout, strict
from ptebench.profiles.schema.parse import repaired
from ptebench.profiles.writing.answer_files import answers_file, open_answers
from ptebench.profiles.writing.answers import answered, write

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


def answers_of(tokenizer, side: str, words: list, limit: int, scores) -> list[list[int]]:
    """Return the answers that scores() prefer within the grammar, each with its end mark."""
    pieces, ends = Pieces(tokenizer), [tokenizer.eos_token_id]
    rules, found = [Answer(pieces, side, limit, ends, own) for own in words], []
    for _ in range(limit):
        within = scores().masked_fill(closed(rules, len(tokenizer)), -torch.inf)
        found.append(within.argmax(1).tolist())
        for rule, token in zip(rules, found[-1]):
            rule.take(token)
    for row in (rows := [list(tokens) for tokens in zip(*found)]):
        assert tokenizer.eos_token_id in row, tokenizer.decode(row)
        del row[row.index(tokenizer.eos_token_id) + 1 :]
    return rows


def texts_of(tokenizer, side: str, words: list, limit: int) -> list[str]:
    """Return what random scores write within the grammar."""
    random, shape = torch.Generator().manual_seed(1), (len(words), len(tokenizer))
    rows = answers_of(tokenizer, side, words, limit, lambda: torch.randn(shape, generator=random))
    return [tokenizer.decode(row[:-1]) for row in rows]


@pytest.mark.parametrize("side, limit", [("user", 24), ("user", 48), ("item", 40), ("item", 80)])
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_whatever_the_model_thinks_the_answer_is_a_strict_profile(tokenizer, side, limit, scale):
    """Random scores, and scores that always prefer the same tokens."""
    random, rows = torch.Generator().manual_seed(1), 40
    favourite = 5 * torch.randn(rows, len(tokenizer), generator=random)
    scores = lambda: favourite + scale * 5 * torch.randn(favourite.shape, generator=random)  # noqa: E731
    for row in answers_of(tokenizer, side, [None] * rows, limit, scores):
        text = tokenizer.decode(row[:-1])
        assert strict(text, side), text


@pytest.mark.parametrize("side, limit", [("user", 48), ("item", 80)])
def test_phrases_are_made_of_words_of_the_evidence(tokenizer, side, limit):
    """Whatever the model thinks; words such as `fan` stand behind others alone, none twice in a phrase."""
    own, frame = {*WORDS, "sailing_trail", "tent's"}, {"fan", "follower"}
    words = [Words(Pieces(tokenizer), own, frame)] * 40
    phrases = [
        p.split() for text in texts_of(tokenizer, side, words, limit) for of in strict(text, side).values() for p in of
    ]
    assert all(p[0] in own and own | frame >= set(p) and len(set(p)) == len(p) for p in phrases)
    assert set().union(*phrases) >= own | {"fan"}, "nothing of the evidence is out of reach"


@pytest.mark.parametrize("own", [set(), {"chess"}, {"chess", "tents and poles", "42", "oven"}], ids=len)
@pytest.mark.parametrize("side, limit", [("user", 24), ("user", 48), ("item", 40)])
def test_where_words_run_out_any_may_stand(tokenizer, side, limit, own):
    words = [Words(Pieces(tokenizer), own, {"fan"})] * 40
    for text in texts_of(tokenizer, side, words, limit):
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
    left = iter(wanted)

    def insisting():
        return torch.nn.functional.one_hot(torch.tensor([next(left, 0)]), len(tokenizer)).float()

    assert answers_of(tokenizer, "user", [None], 60, insisting) == [wanted]


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


COMMON = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "max_position_embeddings": 512,
}  # fmt: skip
ARCHITECTURES = {
    "windows beside full attention": transformers.Gemma3TextConfig(
        **COMMON, sliding_window=32, layer_types=["sliding_attention", "full_attention", "sliding_attention"]
    ),
    "distances in place of positions": transformers.MptConfig(d_model=32, n_heads=4, n_layers=2, max_seq_len=512),
    "a recurrent state": transformers.Qwen3NextConfig(
        **COMMON, layer_types=["linear_attention", "full_attention", "linear_attention"], linear_num_key_heads=2,
        linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=8, num_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=16,
    ),
    "penalties of its own": transformers.Qwen2Config(**COMMON),
}  # fmt: skip


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_answers_are_those_of_generate_one_by_one(tokenizer, kind):
    """Whatever the architecture; rows end at different tokens, by several end marks."""
    config = ARCHITECTURES[kind]
    config.vocab_size, config.pad_token_id, config.eos_token_id = len(tokenizer), 0, tokenizer.eos_token_id
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_((20 if kind.startswith("distances") else 2) if weights.dim() > 1 else 1)
    own = {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2} if kind == "penalties of its own" else {}
    ends = list(range(tokenizer.eos_token_id, 80))
    model.generation_config.update(**own, bos_token_id=None, pad_token_id=0, eos_token_id=ends)
    texts, expected = prompts("user", 20), []
    for text in texts:
        ids = torch.tensor([prompt_tokens(text, tokenizer)])
        found = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
        tokens = found[0, ids.shape[1] :].tolist()
        expected.append(tokens[: next((k for k, t in enumerate(tokens) if t in ends), 20)])
    assert len(set(map(tuple, expected))) > 3 and len(set(map(len, expected))) > 1
    assert generate(model, tokenizer, texts, 20, 16) == expected
    assert generate(model, tokenizer, texts[::-1], 20, 8)[::-1] == expected


def test_a_model_without_a_cache_is_refused(tokenizer):
    config = transformers.RwkvConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2)
    with pytest.raises(InputError, match="RwkvForCausalLM has no cache"):
        generate(transformers.AutoModelForCausalLM.from_config(config), tokenizer, prompts("user", 2), 8, 8)


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
    assert all(strict(t, "user") for t in frame["text"])
    assert record["parsed"] == 0 and record["within the grammar"] == 10 and "strict" not in record
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
        with open_answers(file) as (answers, keep):
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
    with pytest.raises(RuntimeError, match="killed"), open_answers(tmp_path / "a.jsonl") as (answers, keep):
        answered(model, tokenizer, texts, "user", spec, answers, keep, lambda _: None)
    with open_answers(tmp_path / "a.jsonl") as (answers, keep):
        _, counts = answered(model, tokenizer, texts, "user", spec, answers, keep, lambda _: None)
    assert counts["kept"] >= 2 and counts["kept"] + counts["written"] == len(set(texts))


def test_an_answer_that_is_not_as_it_was_kept_is_written_again(tokenizer, model, tmp_path, capsys):
    spec = {"new_tokens": {"user": 24}, "write_batch": 8, "context": 320, "model": "embedded"}
    texts, file = prompts("user", 4), tmp_path / "answers.jsonl"

    def replies():
        with open_answers(file) as (answers, keep):
            return answered(model, tokenizer, texts, "user", spec, answers, keep, lambda _: None)

    whole, counts = replies()
    assert counts["written"] == 4
    first, second, *rest = file.read_bytes().splitlines(True)
    changed = json.loads(first)
    changed["text"] += "s"
    earlier = json.loads(second)
    del earlier["digest"]
    file.write_bytes(b"".join([*(json.dumps(row).encode() + b"\n" for row in (changed, earlier)), *rest]))
    assert "damaged" not in capsys.readouterr().out
    again, counts = replies()
    assert again == whole and counts["written"] == 2 and counts["kept"] == 2
    assert f"{file}: damaged" in (said := capsys.readouterr().out) and "2 lines" in said


def test_any_flipped_bit_of_a_kept_answer_is_seen(tmp_path):
    file = tmp_path / "answers.jsonl"
    with open_answers(file) as (_, keep):
        keep("k", {"text": "ü A", "tokens": 7, "model": None})
    whole = file.read_bytes()
    for place in range(len(whole) - 1):  # the last one ends the line
        for bit in range(8):
            file.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            with open_answers(file) as (answers, _):
                assert answers in ({}, {"k": {"text": "ü A", "tokens": 7, "model": None}}), (place, bit)


def test_answers_of_another_maker_are_not_taken(tmp_path):
    (tmp_path / "item.0000.answers.jsonl").write_text("")
    former = answers_file(tmp_path / "user.parquet", "a" * 64)
    former.write_text("")
    assert answers_file(tmp_path / "user.parquet", "a" * 64) == former and former.exists()
    assert answers_file(tmp_path / "user.parquet", "b" * 64) != former and not former.exists()
    assert (tmp_path / "item.0000.answers.jsonl").exists()
