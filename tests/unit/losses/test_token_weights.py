"""Weighted cross-entropy against the formula on full logits in float64."""

from __future__ import annotations

import math

import pytest
import torch

from forgetless.losses import cross_entropy_each, cross_entropy_sum, entropy_weights, probability_weights

N, H = 23, 8


def tensors(vocabulary: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    shapes = {"hidden": (N, H), "weight": (vocabulary, H), "bias": (vocabulary,)}
    drawn = {n: torch.randn(*s, generator=generator, dtype=torch.float64).requires_grad_() for n, s in shapes.items()}
    return drawn | {"labels": torch.randint(0, vocabulary, (N,), generator=generator)}


def logits_of(t: dict[str, torch.Tensor], cap: float | None) -> torch.Tensor:
    logits = t["hidden"] @ t["weight"].T + t["bias"]
    return logits if cap is None else cap * torch.tanh(logits / cap)


def written_out(t: dict[str, torch.Tensor], rule: str, cap: float | None) -> torch.Tensor:
    """Token by token, as the papers have it."""
    total = torch.zeros((), dtype=torch.float64)
    for token, (logits, label) in enumerate(zip(logits_of(t, cap), t["labels"], strict=True)):
        p = torch.softmax(logits, -1)
        if rule == "eaft":
            likeliest = p.detach().sort(descending=True).values[:20]
            likeliest = likeliest / likeliest.sum()
            w = sum(-float(x) * math.log(float(x)) for x in likeliest) / math.log(len(likeliest))
        else:
            w = float(p[label].detach()) if rule == "dft" else 0.1 * token
        total = total - w * p[label].log()
    return total


@pytest.mark.parametrize("rule", ["eaft", "dft", "given"])
@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize(("chunk", "vocabulary"), [(1, 31), (7, 31), (1000, 31), (7, 12)])
def test_sum_and_gradients_are_those_of_the_formula(rule: str, cap: float | None, chunk: int, vocabulary: int) -> None:
    t = tensors(vocabulary)
    given = 0.1 * torch.arange(N)
    by_student = {"eaft": entropy_weights, "dft": probability_weights}

    def weigh(log_probabilities: torch.Tensor, own: torch.Tensor, rows: slice) -> torch.Tensor:
        return by_student[rule](log_probabilities, own) if rule in by_student else given[rows]

    found = cross_entropy_sum(
        t["hidden"], t["weight"], t["labels"], weigh=weigh, bias=t["bias"], softcap=cap, chunk=chunk
    )
    expected = written_out(t, rule, cap)
    plain = torch.nn.functional.cross_entropy(logits_of(t, cap), t["labels"], reduction="none").detach()
    torch.testing.assert_close(found.total, expected, rtol=1e-6, atol=1e-6)
    assert found.tokens == N
    assert found.plain is not None
    torch.testing.assert_close(found.plain, plain.sum(), rtol=1e-12, atol=1e-12)
    inputs = [t["hidden"], t["weight"], t["bias"]]
    for got, want in zip(torch.autograd.grad(found.total, inputs), torch.autograd.grad(expected, inputs), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)
    each = cross_entropy_each(t["hidden"], t["weight"], t["labels"], bias=t["bias"], softcap=cap, chunk=chunk)
    torch.testing.assert_close(each, plain, rtol=1e-12, atol=1e-12)


def test_weights_run_from_nothing_for_the_sure_to_all_for_the_clueless() -> None:
    sure, clueless = torch.zeros(1, 40), torch.zeros(1, 40)
    sure[0, 3] = 50.0
    for logits, weight in ((sure, 0.0), (clueless, 1.0)):
        found = entropy_weights(torch.log_softmax(logits, -1), torch.zeros(1))
        assert float(found) == pytest.approx(weight, abs=1e-6)


def test_without_weights_there_is_no_other_sum() -> None:
    t = tensors(31)
    assert cross_entropy_sum(t["hidden"], t["weight"], t["labels"]).plain is None
