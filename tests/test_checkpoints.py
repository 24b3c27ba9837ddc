"""A checkpoint that is not as it was written counts as none."""

import pytest
import torch

from ptebench.checkpoints import read_checkpoint, write_checkpoint

TENSORS = {
    "a": torch.arange(3, dtype=torch.float32), "b": torch.tensor(7), "c": torch.ones(2, 2, dtype=torch.bfloat16),
    "d": torch.zeros(0), "e": torch.tensor([True]),
}  # fmt: skip
STATE = {"best": float("-inf"), "curve": [{"loss": 0.1, "value": None}], "name": "ü"}


def test_what_was_written_is_read_by_the_same_job_alone(tmp_path, capsys):
    path = tmp_path / "checkpoint.safetensors"
    assert read_checkpoint(path, "same") is None
    write_checkpoint(TENSORS, path, "same", STATE)
    tensors, state = read_checkpoint(path, "same")
    assert state == STATE and tensors.keys() == TENSORS.keys()
    assert all(torch.equal(tensors[k], v) and tensors[k].dtype == v.dtype for k, v in TENSORS.items())
    assert read_checkpoint(path, "other") is None and not capsys.readouterr().out


def test_any_flipped_bit_is_seen(tmp_path, capsys):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(TENSORS, path, "same", STATE)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for bit in (0, 5):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
            assert read_checkpoint(path, "same") is None, f"byte {place} of {len(whole)}, bit {bit}"
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 2 * len(whole) and all("damaged" in line and str(path) in line for line in said)


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_a_short_file_is_seen(tmp_path, length):
    path = tmp_path / "checkpoint.safetensors"
    write_checkpoint(TENSORS, path, "same", STATE)
    path.write_bytes(path.read_bytes()[:length])
    assert read_checkpoint(path, "same") is None


def test_one_without_a_digest_is_of_an_earlier_version(tmp_path, capsys):
    from safetensors.torch import save_file

    path = tmp_path / "checkpoint.safetensors"
    save_file(TENSORS, path, {"state": '{"fingerprint": "same", "state": null}'})
    assert read_checkpoint(path, "same") is None and "earlier version" in capsys.readouterr().out
