"""The chunked losses against full logits in float64."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.losses import Direction, TokenSum, cached_kl_sum, cross_entropy_sum, kl_sum, top_k
from forgetless.losses.projection import tokens_at_once

N, H, V = 23, 8, 31
KINDS = ["nll", "kl", "reverse"]


def tensors(seed: int = 0, n: int = N, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    return {
        "hidden": draw(n, H),
        "weight": draw(V, H),
        "bias": draw(V),
        "reference_hidden": draw(n, H + 3),
        "reference_weight": draw(V, H + 3),
        "reference_bias": draw(V),
        "labels": torch.randint(0, V, (n,), generator=generator),
    }


def full_logits(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, cap: float | None) -> torch.Tensor:
    logits = hidden @ weight.T + bias
    return logits if cap is None else cap * torch.tanh(logits / cap)


def full_cross_entropy(t: dict[str, torch.Tensor], cap: float | None) -> torch.Tensor:
    return torch.nn.functional.cross_entropy(
        full_logits(t["hidden"], t["weight"], t["bias"], cap), t["labels"], reduction="sum"
    )


def full_kl(t: dict[str, torch.Tensor], cap: float | None, kind: str = "kl") -> torch.Tensor:
    p = torch.log_softmax(full_logits(t["hidden"], t["weight"], t["bias"], cap), -1)
    q = torch.log_softmax(full_logits(t["reference_hidden"], t["reference_weight"], t["reference_bias"], cap), -1)
    first, second = (q, p) if kind == "kl" else (p, q)
    return torch.nn.functional.kl_div(second, first, log_target=True, reduction="sum")


def full(t: dict[str, torch.Tensor], kind: str, cap: float | None) -> torch.Tensor:
    return full_cross_entropy(t, cap) if kind == "nll" else full_kl(t, cap, kind)


def chunked(t: dict[str, torch.Tensor], kind: str, cap: float | None, chunk: int) -> TokenSum:
    if kind == "nll":
        return cross_entropy_sum(t["hidden"], t["weight"], t["labels"], bias=t["bias"], softcap=cap, chunk=chunk)
    return kl_sum(
        t["hidden"],
        t["reference_hidden"],
        t["weight"],
        t["reference_weight"],
        bias=t["bias"],
        reference_bias=t["reference_bias"],
        direction="forward" if kind == "kl" else "reverse",
        softcap=cap,
        chunk=chunk,
    )


def gradients(t: dict[str, torch.Tensor], loss: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(0.7 * loss, [t["hidden"], t["weight"], t["bias"]])


def with_gradients(t: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        k: v if k == "labels" else v.clone().requires_grad_(k in ("hidden", "weight", "bias")) for k, v in t.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 7, N, 1000])
def test_sum_and_gradients_equal_full_logits(kind: str, cap: float | None, chunk: int) -> None:
    t = with_gradients(tensors())
    expected = full(t, kind, cap)
    found = chunked(t, kind, cap, chunk)
    assert found.tokens == N
    torch.testing.assert_close(found.total, expected, rtol=1e-12, atol=1e-12)
    for got, want in zip(gradients(t, found.total), gradients(t, expected), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays_close_to_float64(kind: str) -> None:
    exact, single = with_gradients(tensors()), with_gradients(tensors(dtype=torch.float32))
    expected = full(exact, kind, None)
    found = chunked(single, kind, None, 5)
    torch.testing.assert_close(found.total.double(), expected, rtol=1e-6, atol=1e-5)
    for got, want in zip(gradients(single, found.total), gradients(exact, expected), strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_inputs_give_float32_sums_and_bfloat16_gradients(kind: str) -> None:
    t = with_gradients(tensors(dtype=torch.bfloat16))
    exact = with_gradients({k: v.double() if v.is_floating_point() else v for k, v in t.items()})
    expected = full(exact, kind, None)
    found = chunked(t, kind, None, 5)
    assert found.total.dtype == torch.float32
    torch.testing.assert_close(found.total.double(), expected, rtol=2e-2, atol=1e-2)
    for got, want in zip(gradients(t, found.total), gradients(exact, expected), strict=True):
        assert got.dtype == torch.bfloat16
        torch.testing.assert_close(got.double(), want, rtol=5e-2, atol=1e-1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cap", [None, 2.0])
def test_gradcheck(kind: str, cap: float | None) -> None:
    t = tensors(n=5)

    def loss(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return chunked({**t, "hidden": hidden, "weight": weight, "bias": bias}, kind, cap, 2).total

    inputs = [t[k].clone().requires_grad_() for k in ("hidden", "weight", "bias")]
    assert torch.autograd.gradcheck(loss, inputs)


def test_entropy_is_the_models_and_carries_no_gradient() -> None:
    t = with_gradients(tensors())
    p = torch.log_softmax(full_logits(t["hidden"], t["weight"], t["bias"], None), -1)
    for kind in KINDS:
        found = chunked(t, kind, None, 4)
        torch.testing.assert_close(found.entropy, -(p.exp() * p).sum().detach())
        assert not found.entropy.requires_grad


def test_frozen_head_gets_no_gradient_and_hidden_states_do() -> None:
    t = tensors()
    hidden = t["hidden"].clone().requires_grad_()
    kl_sum(hidden, t["reference_hidden"], t["weight"], t["reference_weight"]).total.backward()
    assert hidden.grad is not None
    assert t["weight"].grad is None


def test_nothing_flows_into_the_reference() -> None:
    t = tensors()
    reference = t["reference_hidden"].clone().requires_grad_()
    found = kl_sum(t["hidden"].clone().requires_grad_(), reference, t["weight"], t["reference_weight"])
    found.total.backward()
    assert reference.grad is None


@pytest.mark.parametrize("k", [None, 5, V])
@pytest.mark.parametrize("direction", get_args(Direction))
def test_tokens_of_a_kl_may_weigh_more_or_less(direction: Direction, k: int | None) -> None:
    t = with_gradients(tensors())
    heads = (t["reference_hidden"], t["reference_weight"])

    def summed(rows: slice, weights: torch.Tensor | None, chunk: int) -> TokenSum:
        more = {"weights": weights, "bias": t["bias"], "chunk": chunk}
        if k is not None:
            known = top_k(heads[0][rows], heads[1], k)
            return cached_kl_sum(t["hidden"][rows], t["weight"], known, **more)  # type: ignore[arg-type]
        return kl_sum(t["hidden"][rows], heads[0][rows], t["weight"], heads[1], direction=direction, **more)  # type: ignore[arg-type]

    weights = torch.rand(N, generator=torch.Generator().manual_seed(1))
    found = summed(slice(None), weights, 7)
    alone = [summed(slice(row, row + 1), None, 7).total for row in range(N)]
    expected = sum(weight * total for weight, total in zip(weights.double(), alone, strict=True))
    assert found.tokens == N
    torch.testing.assert_close(found.total, expected)
    torch.testing.assert_close(found.each, torch.stack(alone).detach())
    torch.testing.assert_close(found.plain, torch.stack(alone).detach().sum())
    for got, want in zip(gradients(t, found.total), gradients(t, expected), strict=True):
        torch.testing.assert_close(got, want)
    plain, ones = summed(slice(None), None, 7), summed(slice(None), torch.ones(N), 7)
    assert all(torch.equal(*pair) for pair in zip(gradients(t, plain.total), gradients(t, ones.total), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_no_tokens_give_a_differentiable_zero(kind: str) -> None:
    t = with_gradients(tensors(n=0))
    found = chunked(t, kind, None, 4)
    assert found.tokens == 0
    assert float(found.total.detach()) == 0.0
    assert all(float(g.abs().sum()) == 0.0 for g in gradients(t, found.total))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), chunk=st.integers(1, 40), scale=st.floats(0.01, 30.0))
def test_kl_is_zero_on_itself_and_never_negative(seed: int, chunk: int, scale: float) -> None:
    t = tensors(seed)
    hidden, weight = t["hidden"] * scale, t["weight"]
    for direction in get_args(Direction):
        same = kl_sum(hidden, hidden, weight, weight, direction=direction, chunk=chunk)
        assert float(same.total) == 0.0
        reference = (t["reference_hidden"], weight, t["reference_weight"])
        other = kl_sum(hidden, *reference, direction=direction, chunk=chunk)
        assert float(other.total) > 0.0


def test_masked_labels_and_mismatched_models_are_refused() -> None:
    t = tensors()
    labels = t["labels"].clone()
    labels[3] = -100
    with pytest.raises(ValueError, match="-100"):
        cross_entropy_sum(t["hidden"], t["weight"], labels)
    with pytest.raises(ValueError, match="vocabulary"):
        kl_sum(t["hidden"], t["reference_hidden"], t["weight"], t["reference_weight"][:-1])


def test_logits_of_all_tokens_never_exist() -> None:
    """Peak memory, read from the allocations that the operators make: no tensor has N * V numbers."""
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in torch.utils._pytree.tree_leaves(out):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    t = with_gradients(tensors(n=500))
    with Watch():
        for kind in KINDS:
            chunked(t, kind, None, 16).total.backward()
    assert largest < 500 * V / 2


def test_of_a_wide_vocabulary_fewer_tokens_are_projected_at_a_time() -> None:
    assert [tokens_at_once(vocabulary) for vocabulary in (32, 65_536, 150_000, 1 << 26)] == [512, 512, 223, 1]
