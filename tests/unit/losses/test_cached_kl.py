"""The KL from written-down predictions against full logits in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.losses import TokenSum, TopK, cached_kl_sum, kl_sum, top_k

N, H, V = 23, 8, 31


def tensors(seed: int = 0, n: int = N, dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"hidden": (n, H), "weight": (V, H), "bias": (V,)}
    shapes |= {"reference_hidden": (n, H + 3), "reference_weight": (V, H + 3), "reference_bias": (V,)}
    drawn = {name: torch.randn(*shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    return {name: tensor.to(dtype).requires_grad_(not name.startswith("ref")) for name, tensor in drawn.items()}


def log_softmax(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, cap: float | None) -> torch.Tensor:
    logits = hidden @ weight.T + bias
    return torch.log_softmax(logits if cap is None else cap * torch.tanh(logits / cap), -1)


def model_of(t: dict[str, torch.Tensor], cap: float | None) -> torch.Tensor:
    return log_softmax(t["hidden"], t["weight"], t["bias"], cap)


def reference_of(t: dict[str, torch.Tensor], cap: float | None) -> torch.Tensor:
    return log_softmax(t["reference_hidden"], t["reference_weight"], t["reference_bias"], cap)


def in_buckets(t: dict[str, torch.Tensor], k: int, cap: float | None) -> torch.Tensor:
    """The divergence token by token, with the outcomes beside the top k added up."""
    total = torch.zeros((), dtype=torch.float64)
    for p, q in zip(model_of(t, cap).exp(), reference_of(t, cap).exp(), strict=True):
        order = q.argsort(descending=True)
        for part in [*order[:k].split(1), *([order[k:]] if k < V else [])]:
            total = total + q[part].sum() * (q[part].sum().log() - p[part].sum().log())
    return total


def cached(t: dict[str, torch.Tensor], k: int, cap: float | None, chunk: int) -> TokenSum:
    known = top_k(
        t["reference_hidden"], t["reference_weight"], k, bias=t["reference_bias"], softcap=cap, chunk=max(1, chunk - 2)
    )
    return cached_kl_sum(t["hidden"], t["weight"], known, bias=t["bias"], softcap=cap, chunk=chunk)


def gradients(t: dict[str, torch.Tensor], loss: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(0.7 * loss, [t["hidden"], t["weight"], t["bias"]])


@pytest.mark.parametrize("k", [1, 5, V - 1, V])
@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_sum_and_gradients_equal_full_logits(k: int, cap: float | None, chunk: int) -> None:
    t = tensors()
    found, expected = cached(t, k, cap, chunk), in_buckets(t, k, cap)
    assert found.tokens == N
    torch.testing.assert_close(found.total, expected, rtol=1e-10, atol=1e-10)
    for got, want in zip(gradients(t, found.total), gradients(t, expected), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-10)


def test_with_all_tokens_it_is_the_whole_divergence() -> None:
    t = tensors()
    found = cached(t, V, None, 7).total
    whole = kl_sum(
        t["hidden"], t["reference_hidden"], t["weight"], t["reference_weight"], bias=t["bias"],
        reference_bias=t["reference_bias"],
    ).total  # fmt: skip
    torch.testing.assert_close(found, whole, rtol=1e-12, atol=1e-12)
    for got, want in zip(gradients(t, found), gradients(t, whole), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


def test_gradcheck() -> None:
    t = tensors(n=4)
    known = top_k(t["reference_hidden"], t["reference_weight"], 6)

    def loss(hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return cached_kl_sum(hidden, weight, known, bias=bias, softcap=2.0, chunk=3).total

    assert torch.autograd.gradcheck(loss, [t["hidden"], t["weight"], t["bias"]])


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, V - 1), scale=st.floats(0.1, 30.0))
def test_more_tokens_never_say_less_and_none_says_too_much(seed: int, k: int, scale: float) -> None:
    t = tensors(seed)
    t["hidden"] = (t["hidden"] * scale).detach()
    fewer, more, whole = (float(cached(t, kept, None, 8).total.detach()) for kept in (k, k + 1, V))
    assert -1e-9 < fewer <= more + 1e-9 <= whole + 2e-9
    own = top_k(t["hidden"], t["weight"], k, bias=t["bias"])
    assert abs(float(cached_kl_sum(t["hidden"], t["weight"], own, bias=t["bias"]).total.detach())) < 1e-9


def test_float32_stays_close_to_float64_where_the_reference_is_nearly_sure() -> None:
    exact, single = tensors(), tensors(dtype=torch.float32)
    for t in (exact, single):
        t["reference_hidden"] = t["reference_hidden"] * 6
    found, expected = cached(single, 3, None, 5), in_buckets(exact, 3, None)
    torch.testing.assert_close(found.total.double(), expected, rtol=1e-5, atol=1e-5)
    for got, want in zip(gradients(single, found.total), gradients(exact, expected), strict=True):
        torch.testing.assert_close(got.double(), want, rtol=1e-4, atol=1e-4)


def test_a_tail_without_mass_weighs_nothing() -> None:
    t = tensors(n=3)
    known = TopK(torch.zeros(3, 1, dtype=torch.long), torch.zeros(3, 1), torch.full((3,), -torch.inf))
    found = cached_kl_sum(t["hidden"], t["weight"], known)
    assert torch.isfinite(found.total)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(found.total, [t["hidden"], t["weight"]]))


def test_no_tokens_give_a_differentiable_zero() -> None:
    t = tensors(n=0)
    known = TopK(torch.zeros(0, 4, dtype=torch.long), torch.zeros(0, 4), torch.zeros(0))
    found = cached_kl_sum(t["hidden"], t["weight"], known, bias=t["bias"])
    assert (found.tokens, float(found.total.detach())) == (0, 0.0)
    assert all(float(g.abs().sum()) == 0.0 for g in gradients(t, found.total))


def test_what_does_not_fit_is_refused() -> None:
    t = tensors()
    known = top_k(t["reference_hidden"], t["reference_weight"], 4)
    with pytest.raises(ValueError, match="differ in tokens"):
        cached_kl_sum(t["hidden"][1:], t["weight"], known)
    for k in (0, V + 1):
        with pytest.raises(ValueError, match=f"got {k}"):
            top_k(t["reference_hidden"], t["reference_weight"], k)


def test_logits_of_all_tokens_never_exist() -> None:
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for tensor in torch.utils._pytree.tree_leaves(out):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return out

    t = tensors(n=500)
    with Watch():
        cached(t, 6, None, 16).total.backward()
    assert largest < 500 * V / 2
