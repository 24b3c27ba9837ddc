import pytest
import torch

from ptebench.recommenders.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9])
def test_elements_go_independently_with_their_probability_and_the_mean_stays(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 401, requires_grad=True)  # 401: the last bytes of an int64 are left over
    y = Dropout(p).train()(x)
    kept = y > 0
    assert abs(kept.float().mean() - (1 - p)) < 1 / 256
    assert abs(float(y.detach().mean()) - 1) < 0.02
    for shift in (1, 8, 401):  # a neighbour's byte says nothing of this one
        flat = kept.flatten().float()
        assert abs(torch.corrcoef(torch.stack([flat[shift:], flat[:-shift]]))[0, 1]) < 0.01
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_it_follows_the_seed_and_rests_when_not_training():
    x = torch.randn(5, 7)
    layer = Dropout(0.5)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(layer(x))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(layer.eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
