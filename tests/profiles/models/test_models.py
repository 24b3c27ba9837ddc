"""Users' models: templates of reasoning models, GPT-2's layers, mixtures of experts."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from ptebench.files import InputError
from ptebench.profiles.decoding.generate import generate, text_of
from ptebench.profiles.embedded.model import tokenizer_of
from ptebench.profiles.evidence.prompts import assemble, messages
from ptebench.profiles.models.adapters import rounded, save_adapter
from ptebench.profiles.models.finetune import finetune
from ptebench.profiles.models.loading import load, load_tokenizer
from ptebench.profiles.models.templates import with_template
from ptebench.profiles.models.tokens import conversation_tokens, prompt_tokens, rows_of

PROFILE = "Roles: tent fan; board fan; oven fan\nInterests: tents; boards; ovens"
TURN = "{% for m in messages %}<|s|>{{ m.role }}\n"
EMPTY = "<think>\n\n</think>\n\n"
ASK = "{% if add_generation_prompt %}<|s|>assistant\n"
TEMPLATES = {
    "plain": TURN + "{{ m.content }}<|e|>\n{% endfor %}" + ASK + "{% endif %}",
    "hybrid": TURN
    + "{% if m.role == 'assistant' and loop.last %}" + EMPTY + "{% endif %}{{ m.content }}<|e|>\n{% endfor %}" + ASK
    + "{% if enable_thinking is defined and not enable_thinking %}" + EMPTY + "{% endif %}{% endif %}",
    "thoughts opened": TURN
    + "{{ m.content.split('</think>')[-1] }}<|e|>\n{% endfor %}" + ASK + "<think>\n{% endif %}",
    "thoughts opened and shown": TURN
    + "{% if m.role == 'assistant' and loop.last %}" + EMPTY + "{% endif %}{{ m.content }}<|e|>\n{% endfor %}" + ASK
    + "<think>\n{% endif %}",
    "on its own line": TURN
    + "{% if m.role == 'assistant' %}<think></think>\n{% endif %}{{ m.content }}<|e|>\n{% endfor %}" + ASK
    + "{% endif %}\n",
    "channels": TURN
    + "{% if m.role == 'assistant' %}<|channel|>final<|message|>{% endif %}{{ m.content }}<|e|>\n{% endfor %}" + ASK
    + "{% endif %}",
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer():
    texts = [assemble("Summarise what they like", ["a tent", "a board"], "user"), PROFILE] * 20
    return tokenizer_of(texts, 500, 384)


@pytest.mark.parametrize("arguments", [{}, {"enable_thinking": False}, {"enable_thinking": True}], ids=str)
@pytest.mark.parametrize("name", TEMPLATES)
def test_prompts_end_where_answers_begin_and_nothing_is_thought(tokenizer, name, arguments):
    if arguments and name != "hybrid":
        tokenizer.chat_template = TEMPLATES[name]
        with pytest.raises(InputError, match="'template_arguments': its chat template does not read 'enable_thinking'"):
            with_template(tokenizer, arguments, "m")
        return
    tokenizer.chat_template = TEMPLATES[name]
    with_template(tokenizer, arguments, "m")
    said = {"role": "assistant", "content": PROFILE}
    turns = [*messages("What do they like?"), said, *messages("This one?"), {"role": "assistant", "content": "yes"}]
    prompt = prompt_tokens("What do they like?", tokenizer)
    for count, answers in ((2, [PROFILE]), (4, [PROFILE, "yes"])):
        ids, labels = conversation_tokens(turns[:count], tokenizer)
        assert ids[: len(prompt)] == prompt and set(labels[: len(prompt)]) == {-100}
        learnt = tokenizer.decode([token for token in labels if token != -100])
        assert [text.strip() for text in learnt.split("<|e|>")] == [*answers, ""]
    text = tokenizer.decode(ids)
    assert text.count("<think>") == text.count("</think>") == (0 if name in ("plain", "channels") else 2)


def test_a_mark_of_the_template_in_a_title_is_text(tokenizer):
    tokenizer.chat_template = TEMPLATES["plain"].replace("<|e|>", tokenizer.eos_token)
    with_template(tokenizer, {}, "m")
    asked = f"- Say {tokenizer.eos_token}<|assistant|> it is good | news"
    ids = prompt_tokens(asked, tokenizer)
    plain = prompt_tokens("- Say it is good | news", tokenizer)
    for mark in (tokenizer.eos_token, "<|assistant|>"):
        control = tokenizer.convert_tokens_to_ids(mark)
        assert ids.count(control) == plain.count(control) == (mark == tokenizer.eos_token)
    assert "Say <|end| ><|assistant| > it is good" in tokenizer.decode(ids)


def test_a_prompt_does_not_depend_on_the_day(tokenizer):
    tokenizer.chat_template = (
        "{{ 'Today: ' + strftime_now('%d %b %Y') + ' ' + strftime_now('%Y-%m-%d') }}" + TEMPLATES["plain"]
    )
    with_template(tokenizer, {}, "m")
    assert "Today: 1 Jan 2025 2025-01-1" in tokenizer.decode(prompt_tokens("What do they like?", tokenizer))


def test_an_answer_ends_as_the_template_ends_a_turn(tokenizer):
    tokenizer.chat_template = TEMPLATES["plain"]  # whose turns end with a mark that is not the end of a text
    with_template(tokenizer, {}, "m")
    (row,) = rows_of([("What do they like?", PROFILE)], tokenizer, 384)
    assert tokenizer.decode(row.ids[row.start :]).strip() == PROFILE + "<|e|>"
    evidence = assemble("Summarise what they like", ["a tent", "a board"] * 40, "user")
    (row,) = rows_of([(evidence, PROFILE)], tokenizer, 200)
    assert len(row.ids) <= 200 and PROFILE in tokenizer.decode(row.ids[row.start :])


def test_a_template_that_refuses_says_why(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('a system turn comes first') }}"
    with pytest.raises(InputError, match="refuses a question and its answer .a system turn comes first."):
        with_template(tokenizer, {}, "m")


def test_marks_of_thoughts_stay_where_they_are_special(tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["[THINK]", "[/THINK]", "[SEP]"]})
    thought, plain = (tokenizer(text)["input_ids"] for text in (f"[THINK]hm[/THINK]{PROFILE}", f"[SEP]{PROFILE}"))
    assert text_of(thought, tokenizer) == f"[THINK]hm[/THINK]{PROFILE}" and text_of(plain, tokenizer) == PROFILE


SMALL = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64,
    "max_position_embeddings": 1024,
}  # fmt: skip
MIXTURE = SMALL | {"moe_intermediate_size": 32, "num_experts": 2, "num_local_experts": 2, "num_experts_per_tok": 1}
ROUTED = MIXTURE | {"n_routed_experts": 4, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1}
LATENT = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
KINDS = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 1024},
    "qwen3_moe": MIXTURE | {"head_dim": 16},
    "mixtral": MIXTURE,
    "olmoe": MIXTURE,
    "deepseek_v3": ROUTED | LATENT,
    "glm4_moe": ROUTED | {"head_dim": 16},
    "ernie4_5_moe": MIXTURE | {"moe_num_experts": 2, "moe_k": 1, "head_dim": 16},
    "openai-gpt": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 1024},
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
}
LORA = {"rank": 2, "alpha": 4, "dropout": 0.05}


def model_of(kind, tokenizer, folder):
    """Save a model of one architecture with random weights."""
    torch.manual_seed(0)
    ends = {"bos_token_id": 0, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), **ends, **KINDS[kind])
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.chat_template = TEMPLATES["plain"].replace("<|e|>", tokenizer.eos_token)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("openai-gpt", "mamba")])
def test_adapters_are_trained_saved_and_continued(tokenizer, tmp_path, kind, monkeypatch):
    torch.set_num_threads(1)
    source, file = model_of(kind, tokenizer, tmp_path / "model"), tmp_path / "adapter/adapter_model.safetensors"
    prompt = assemble("Summarise what they like", ["a tent", "a board"], "user")
    rows = [{"prompt": messages(prompt), "completion": [{"role": "assistant", "content": PROFILE}]}] * 4
    model, tokens = load(source, None, 384, None, LORA, True)
    settings = {"batch_size": 2, "epochs": 1, "learning_rate": 0.01}
    assert len(finetune(model, tokens, rows, settings, 384, 0, tmp_path / "scratch")) == 2
    save_adapter(model, file, file.with_name("adapter_config.json"))
    assert json.loads(file.with_name("adapter_config.json").read_text())["r"] == 2
    # to the digit, which bfloat16 is not
    monkeypatch.setattr("ptebench.profiles.models.loading.gemm_precision", lambda device: torch.float32)
    ((answer,), *more) = (
        generate(load(source, None, 384, file, LORA, trainable)[0], tokens, [prompt], 8, 8)
        for trainable in (True, False)
    )
    assert more == [[answer]], "merged or not, it writes the same"
    other = AutoModelForCausalLM.from_pretrained(source)
    with torch.no_grad():
        other.get_input_embeddings().weight.add_(1)
    other.save_pretrained(source)
    with pytest.raises(InputError, match="an adapter of another base model"):
        load(source, None, 384, file, LORA, True)


def test_a_small_update_of_all_weights_survives_fewer_digits():
    values = torch.full((400, 400), 1 + 2**-12)  # a sixteenth of the way from 1 to the next number
    found = rounded(values, torch.bfloat16, torch.Generator().manual_seed(0)).float()
    assert set(found.unique().tolist()) == {1.0, 1 + 2**-7}
    assert found.mean().item() == pytest.approx(1 + 2**-12, abs=2**-14)
    assert (values.bfloat16() == 1).all(), "to the nearest it would be lost"
    exact = torch.randn(50, generator=torch.Generator().manual_seed(0)).bfloat16().float()
    assert torch.equal(rounded(exact, torch.bfloat16, torch.Generator().manual_seed(0)).float(), exact)


@pytest.mark.parametrize("kind", ["openai-gpt", "mamba"])
def test_models_that_cannot_write_are_refused_when_they_are_loaded(tokenizer, tmp_path, kind):
    source = model_of(kind, tokenizer, tmp_path)
    assert load_tokenizer(source)
    with pytest.raises(InputError, match="has no cache to read prompts into; choose another"):
        load(source, None, 384, None, LORA, True)
