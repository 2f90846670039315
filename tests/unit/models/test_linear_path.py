"""The line from base to tuned model: exact at its ends, straight between them, and harmless to both."""

from __future__ import annotations

import copy
import errno
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_llama
from torch import nn

from forgetless.errors import ModelError, RunFolderError
from forgetless.models import LinearPath, weights_hash

BASE, TUNED = tiny_llama(1), tiny_llama(2)
IDS = torch.tensor([[5, 9, 40, 77, 3]])


def line(base: nn.Module, tuned: nn.Module) -> LinearPath:
    return LinearPath(base, tuned, Path(tempfile.gettempdir()))


def test_the_ends_are_the_models_bit_for_bit():
    hashes = weights_hash(BASE), weights_hash(TUNED)
    path = line(BASE, TUNED)
    path.at(0.3)
    assert weights_hash(path.at(0.0)) == hashes[0]
    assert weights_hash(path.at(1.0)) == hashes[1]
    assert (weights_hash(BASE), weights_hash(TUNED)) == hashes


def test_one_module_is_moved_along():
    path = line(BASE, TUNED)
    point = path.at(0.5)
    assert path.at(0.7) is point
    assert point is not BASE
    assert point is not TUNED
    assert not point.training


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 1.0))
def test_between_them_every_tensor_lies_on_the_line(a: float):
    point = line(BASE, TUNED).at(a).state_dict()
    for name, base in BASE.state_dict().items():
        expected = base.double() + a * (TUNED.state_dict()[name].double() - base.double())
        torch.testing.assert_close(point[name].double(), expected, atol=1e-6, rtol=1e-6)


def test_half_precision_is_computed_in_float32_and_rounded_once():
    base, tuned = copy.deepcopy(BASE).to(torch.bfloat16), copy.deepcopy(TUNED).to(torch.bfloat16)
    path = line(base, tuned)
    left, right = base.lm_head.weight.float(), tuned.lm_head.weight.float()
    assert torch.equal(path.at(0.3).lm_head.weight, (left + 0.3 * (right - left)).to(torch.bfloat16))
    assert weights_hash(path.at(0.0)) == weights_hash(base)


def test_tied_weights_stay_tied_and_move_once():
    point = line(BASE, TUNED).at(0.5)
    assert point.lm_head.weight is point.model.embed_tokens.weight
    expected = (BASE.lm_head.weight + TUNED.lm_head.weight) / 2
    torch.testing.assert_close(point.lm_head.weight, expected)


def test_the_third_model_stands_in_the_memory_that_the_tuned_one_leaves():
    tuned = copy.deepcopy(TUNED)
    places = {weight.data_ptr() for weight in tuned.parameters()}
    with torch.no_grad():
        before = tuned(IDS).logits
    point = line(BASE, tuned).at(0.5)
    assert {weight.data_ptr() for weight in point.parameters()} == places
    moved = {weight.data_ptr() for weight in tuned.parameters() if weight.dim() > 1}
    assert moved
    assert not places & moved
    with torch.no_grad():
        assert torch.equal(tuned(IDS).logits, before)


def test_a_full_disk_is_told(monkeypatch: pytest.MonkeyPatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(RunFolderError, match="disk is full"):
        line(BASE, copy.deepcopy(TUNED))


def test_what_did_not_move_is_shared_with_the_tuned_model():
    tuned = copy.deepcopy(BASE)
    with torch.no_grad():
        tuned.model.layers[0].mlp.up_proj.weight.add_(1.0)
    point = line(BASE, tuned).at(0.5)
    assert point.model.layers[1].mlp.up_proj.weight is tuned.model.layers[1].mlp.up_proj.weight
    assert point.lm_head.weight is tuned.lm_head.weight
    assert point.model.layers[0].mlp.up_proj.weight is not tuned.model.layers[0].mlp.up_proj.weight


class _Counting(nn.Module):
    def __init__(self, value: float, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2,), value))
        self.register_buffer("count", torch.tensor(count))
        self.register_buffer("scale", torch.tensor(value))


def test_integer_buffers_are_left_alone():
    point = line(_Counting(0.0, 3), _Counting(1.0, 8)).at(0.5)
    assert point.count.item() == 8
    assert point.scale.item() == 0.5
    assert point.weight.tolist() == [0.5, 0.5]


def test_a_zero_and_its_negative_are_two_numbers():
    path = line(_Counting(-0.0, 1), _Counting(0.0, 1))
    assert torch.signbit(path.at(0.0).weight).all()
    assert not torch.signbit(path.at(1.0).weight).any()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (tiny_llama(vocab_size=300), r"is \(320, 32\)|is \(300, 32\)|in the tuned model"),
        (tiny_llama(tied=False), "one model only"),
        (tiny_llama().to(torch.bfloat16), "bfloat16"),
        (_Counting(0.0, 1), "_Counting"),
    ],
)
def test_models_that_do_not_match_are_refused(other: nn.Module, said: str):
    with pytest.raises(ModelError, match=said):
        line(BASE, other)


@pytest.mark.parametrize("a", [-0.1, 1.1, float("nan")])
def test_points_outside_the_line_are_refused(a: float):
    with pytest.raises(ValueError, match="lies in"):
        line(BASE, TUNED).at(a)
