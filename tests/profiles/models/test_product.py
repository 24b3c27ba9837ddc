"""Weights and adapter in one product: right in float64, and not rounded apart in bfloat16."""

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from ptebench.profiles.models.product import Product, one_product


def draws(*shapes, kind=torch.float64):
    random = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=random, dtype=kind) for shape in shapes]


def test_gradients_are_those_of_the_two_products():
    states, inner, weights, outer, bias = draws((2, 3, 8), (2, 3, 4), (5, 8), (5, 4), (5,))
    learns = [part.requires_grad_() for part in (states, inner, outer)]
    assert torch.autograd.gradcheck(lambda s, i, o: Product.apply(s, i, weights, o, bias), learns)
    expected = states @ weights.T + inner @ outer.T + bias
    torch.testing.assert_close(Product.apply(states, inner, weights, outer, bias), expected)


def test_a_small_adapter_counts_in_bfloat16():
    states, inner, weights, outer = draws((400, 64), (400, 4), (32, 64), (32, 4), kind=torch.bfloat16)
    outer *= 2**-10
    exact = inner.double() @ outer.double().T
    alone = torch.nn.functional.linear(states, weights)

    def recovered(output):
        """Return which share of the adapter's part is in the outputs."""
        return ((output - alone).double() * exact).sum().item() / exact.square().sum().item()

    assert abs(recovered(Product.apply(states, inner, weights, outer, None)) - 1) < 0.2
    assert recovered(alone + torch.nn.functional.linear(inner, outer)) < 0.5


def adapted(kind=torch.bfloat16, update=0.0):
    """Return a model with an adapter whose outer weights have moved by one step of AdamW."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).to(kind)
    model = get_peft_model(base, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.copy_(update * torch.sign(torch.randn(weights.shape)))
    return model.eval()


def likelihoods(model):
    ids = torch.randint(50, (8, 64), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return torch.log_softmax(model(ids).logits.double(), -1)


def test_a_first_step_changes_the_likelihoods_of_a_policy_in_bfloat16():
    before, after = adapted(), adapted(update=3e-5)
    exact = likelihoods(adapted(torch.float32, 3e-5)) - likelihoods(adapted(torch.float32))

    def share():
        """Return which share of the change is there."""
        return ((likelihoods(after) - likelihoods(before)) * exact).sum().item() / exact.square().sum().item()

    apart = share()
    with one_product(before), one_product(after):
        together = share()
    assert abs(together - 1) < 0.2 and abs(apart) < 0.2


def test_a_reference_is_the_base_or_the_second_adapter():
    model = adapted(update=0.1)
    with one_product(model):
        with model.disable_adapter():
            base = likelihoods(model)
        model.add_adapter("ref", model.peft_config["default"])
        now = likelihoods(model)
        model.base_model.set_adapter("ref")
        assert torch.equal(likelihoods(model), base) and not torch.equal(now, base), "a new adapter adds nothing"
    assert torch.equal(base, likelihoods(adapted()))


def test_layers_are_as_before_when_training_is_over():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    base = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes)).to(torch.bfloat16)
    model = get_peft_model(base, LoraConfig(r=2, target_modules="all-linear", task_type="CAUSAL_LM"))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.normal_()
    ids = torch.arange(20)[None]
    before = model(ids).logits
    with one_product(model):
        inside = model(ids).logits
    assert torch.equal(model(ids).logits, before) and not torch.equal(inside, before)
    torch.testing.assert_close(inside, before, rtol=0.1, atol=0.1)
