"""Jobs start fast: a script imports no package that it does not use."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ptebench.recommenders.optimizer import AdamW

ROOT = Path(__file__).resolve().parents[1]
LEARNING = {"torch", "transformers", "peft", "trl", "sentence_transformers"}
COUNTING = {"scipy", "sklearn", "pandas", "matplotlib"}
COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}
UNUSED = {
    **dict.fromkeys(("metrics", "table", "references", "statistics_table", "choose_trial", "interactions"),
                    LEARNING | COUNTING),
    "choose_round": LEARNING | {"scipy", "sklearn", "pandas"},
    "describe": LEARNING | {"scipy", "sklearn", "pandas"},
    "embed": LEARNING | COUNTING,
    "split": LEARNING | {"sklearn", "pandas", "matplotlib"},
    **dict.fromkeys(("rank", "train", "trial", "rung"), LEARNING - {"torch"} | COUNTING | COMPILER),
    **dict.fromkeys(("tune_round", "probe_round"), LEARNING | COUNTING),  # where rounds have ended
}  # fmt: skip


@pytest.mark.parametrize("script", UNUSED)
def test_a_job_imports_nothing_that_it_does_not_use(script):
    code = f"import sys, workflow_scripts.{script}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not UNUSED[script] & {*done.stdout.split()}


def test_minilm_imports_no_library_of_sentences():
    code = """
import sys
from ptebench.encoders import encode
encode(["a text"], {"kind": "minilm", "precision": "float32", "max_tokens": 256})
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not (LEARNING - {"torch"} | COUNTING | COMPILER) & {*done.stdout.split()}


def test_a_step_of_training_imports_no_compiler():
    code = """
import sys, torch
from ptebench.recommenders.optimizer import AdamW
weight = torch.ones(2, requires_grad=True)
optimizer = AdamW([weight], fused=True)
optimizer.zero_grad()
weight.sum().backward()
optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not COMPILER & {*done.stdout.split()}


def test_the_optimizer_is_torchs_own_to_the_bit():
    weights = [torch.linspace(-1, 1, 9).requires_grad_() for _ in range(2)]
    optimizers = [kind([weight], lr=0.1, fused=True) for kind, weight in zip((AdamW, torch.optim.AdamW), weights)]
    for _ in range(5):
        for weight, optimizer in zip(weights, optimizers):
            optimizer.zero_grad()
            (weight**3).sum().backward()
            optimizer.step()
    assert torch.equal(*weights)
