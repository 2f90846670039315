"""A model out of memory, asked, and back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import tiny_llama

from forgetless.errors import RunFolderError
from forgetless.models import Aside, weights_hash


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_aside_it_answers_as_before_from_a_file_that_is_gone_afterwards(dtype: torch.dtype, tmp_path: Path) -> None:
    model = tiny_llama().to(dtype)
    before, ids = weights_hash(model), torch.arange(6).view(1, 6)
    answer = model(input_ids=ids).logits.detach()
    places = {weight.data_ptr() for weight in model.parameters()}
    with Aside(model, tmp_path) as aside:
        assert not places & {weight.data_ptr() for weight in model.parameters()}
        assert len({weight.untyped_storage().data_ptr() for weight in model.parameters()}) == 1
        assert torch.equal(model(input_ids=ids).logits, answer)
        with aside.back():
            assert weights_hash(model) == before
    assert len({weight.untyped_storage().data_ptr() for weight in model.parameters()}) > 1
    assert weights_hash(model) == before
    assert torch.equal(model(input_ids=ids).logits, answer)
    assert list(tmp_path.iterdir()) == []


def test_it_comes_back_after_an_error(tmp_path: Path) -> None:
    model = tiny_llama()
    before = weights_hash(model)
    with pytest.raises(KeyError), Aside(model, tmp_path):
        raise KeyError
    assert weights_hash(model) == before
    assert len({weight.untyped_storage().data_ptr() for weight in model.parameters()}) > 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = tiny_llama()
    before = weights_hash(model)
    with pytest.raises(RunFolderError), Aside(model, tmp_path / "file"):
        pass
    assert weights_hash(model) == before


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_on_a_gpu_it_goes_to_the_host_and_comes_back_for_a_question(tmp_path: Path) -> None:
    model = tiny_llama().cuda()
    before = weights_hash(model)
    with Aside(model, tmp_path) as aside:
        assert model.device.type == "cpu"
        with aside.back():
            assert model.device.type == "cuda"
        assert model.device.type == "cpu"
    assert model.device.type == "cuda"
    assert weights_hash(model) == before
