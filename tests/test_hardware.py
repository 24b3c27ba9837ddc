"""The precision of matrix products follows the hardware, and the record says which it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ptebench.hardware import gemm_precision, precisions
from ptebench.profiles.embedded import muon

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "able, expected",
    [({"avx2": True}, "float32"), ({"avx512_bf16": True}, "bfloat16"), ({"amx_bf16": True}, "bfloat16")],
)
def test_bfloat16_only_where_the_processor_multiplies_in_it(monkeypatch, able, expected):
    gemm_precision.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precisions()["cpu"] == expected
    assert gemm_precision("cpu", 32) == torch.float32, "narrow vectors are the same on every processor"
    gemm_precision.cache_clear()


JOB = """
from pathlib import Path
{more}
from ptebench.job import run
def main(job):
    job.outputs["made"].write_text("made")
run(main)
"""


@pytest.mark.parametrize("more, known", [("", False), ("import ptebench.hardware", True)])
def test_a_record_names_the_precision_where_the_job_chose_by_it(tmp_path, more, known):
    arguments = ["--spec", "{}", "--code", "c", "--output", "made", str(tmp_path / "made")]
    subprocess.run([sys.executable, "-c", JOB.format(more=more), *arguments], check=True, cwd=ROOT)
    record = json.loads((tmp_path / "made.provenance.json").read_text())
    assert record["precisions"] == (precisions() if known else None)


@pytest.mark.parametrize("shape", [(24, 16), (16, 24)])
def test_muon_steps_as_torchs_does_in_its_precision(monkeypatch, shape):
    monkeypatch.setattr(muon, "gemm_precision", lambda *_: torch.bfloat16)
    random = torch.Generator().manual_seed(0)
    ours = torch.nn.Parameter(torch.randn(shape, generator=random))
    theirs = torch.nn.Parameter(ours.detach().clone())
    pair = [(ours, muon.Muon([ours], lr=0.01))]
    pair += [(theirs, torch.optim.Muon([theirs], lr=0.01, adjust_lr_fn="match_rms_adamw"))]
    for _ in range(3):
        gradient = torch.randn(shape, generator=random)
        for weights, optimizer in pair:
            weights.grad = gradient.clone()
            optimizer.step()
    assert torch.equal(ours, theirs)
