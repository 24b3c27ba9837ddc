import pytest

from ptebench.recommenders.training import train


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Return what trains a cell until it is killed in its third epoch, and returns the checkpoint that is left."""

    class Killed(BaseException):
        pass

    def kill(epoch, *rest):
        if epoch == 3:
            raise Killed

    def until_killed(cell, train_set, events, catalogue):
        checkpoint = tmp_path / "checkpoint.safetensors"
        with monkeypatch.context() as patched:
            patched.setattr("ptebench.checkpoints.CHECKPOINT_SECONDS", 0.0)
            patched.setattr("ptebench.recommenders.training._progress", kill)
            with pytest.raises(Killed):
                train(cell, train_set, events, catalogue, False, checkpoint, "same")
        return checkpoint

    return until_killed
