"""What can be told about a model from outside."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from forgetless import nano
from forgetless.errors import ModelError
from forgetless.models import look_at_model
from forgetless.models.look import _of_gguf, _parameters_in_name


def test_a_folder_tells_size_window_and_template() -> None:
    look = look_at_model(str(nano.MODEL_PATH), folder=Path(), field="--model")
    assert (look.parameters, look.window) == (803_968, 256)
    assert look.format is not None
    assert look.format.template


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", 500_000_000),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", 135_000_000),
        ("org/model-7b", 7_000_000_000),
        ("org/Mistral-v0.3", None),
        ("gpt2", None),
    ],
)
def test_a_name_may_tell_the_size(name: str, size: int | None) -> None:
    assert _parameters_in_name(name) == size


def test_a_hub_id_that_cannot_be_reached_is_known_by_its_name_alone() -> None:
    look = look_at_model("nobody/no-such-model-3B", folder=Path(), field="--model")
    assert (look.parameters, look.window, look.format) == (3_000_000_000, None, None)


def test_a_gguf_file_tells_size_and_window(tmp_path: Path) -> None:
    from gguf import GGUFWriter

    writer = GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_context_length(512)
    writer.add_tensor("token_embd.weight", np.zeros((4, 8), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert _of_gguf(tmp_path / "m.gguf") == (32, 512)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    def complaint(path: Path | str) -> str:
        with pytest.raises(ModelError) as caught:
            look_at_model(str(path), folder=Path(), field="--model")
        return str(caught.value)

    assert "`--model`" in complaint("./nowhere")
    (tmp_path / "m.gguf").write_bytes(b"no gguf")
    assert "no readable GGUF" in complaint(tmp_path / "m.gguf")
    copy = tmp_path / "copy"
    shutil.copytree(nano.MODEL_PATH, copy)
    (copy / "chat_template.jinja").unlink()
    assert "no chat template" in complaint(copy)
    (copy / "model.safetensors").write_bytes(b"cut short")
    assert "weights cannot be read" in complaint(copy)
