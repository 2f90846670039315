"""Chat templates by file and by name, and models without one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import CHATML, tiny_llama, tiny_tokenizer

from forgetless.errors import ModelError
from forgetless.models import load_folder, load_model, save_model
from forgetless.models.templates import named_template, shipped_templates
from forgetless.recipe import ModelSettings


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "base"
    save_model(tiny_llama(), tiny_tokenizer(None), folder)
    return folder


def test_a_file_is_read_from_the_folder_of_the_recipe(tmp_path: Path):
    (tmp_path / "own.jinja").write_text("{{ messages }} é", encoding="utf-8")
    assert named_template("own.jinja", folder=tmp_path) == "{{ messages }} é"
    (tmp_path / "own.jinja").write_bytes(b"\xff")
    with pytest.raises(ModelError, match="cannot be read as text"):
        named_template("own.jinja", folder=tmp_path)


def test_a_shipped_template_has_a_name(tmp_path: Path):
    assert "<|im_start|>" in named_template("qwen3", folder=tmp_path)
    assert {"llama3", "gemma", "gptoss", "qwen2_5"} <= set(shipped_templates())


@pytest.mark.parametrize(
    ("name", "hint"), [("qwen33", "did you mean `qwen3`?"), ("xyz", "the shipped ones are cohere")]
)
def test_neither_file_nor_name(tmp_path: Path, name: str, hint: str):
    with pytest.raises(ModelError, match="neither a file nor the name") as caught:
        named_template(name, folder=tmp_path)
    assert hint in caught.value.way_out


def test_a_base_model_loads_without_a_template_and_with_one(base: Path, tmp_path: Path):
    assert load_folder(base, device="cpu").format.template is None
    (tmp_path / "own.jinja").write_text(CHATML)
    settings = ModelSettings(path=str(base), device="cpu", template="own.jinja")
    loaded = load_model(settings, folder=tmp_path)
    assert loaded.format.template == CHATML
    save_model(loaded.model, loaded.format.tokenizer, tmp_path / "saved")
    assert load_folder(tmp_path / "saved", device="cpu").format.template == CHATML


def test_arguments_of_the_template_are_given_to_a_saved_model_again(base: Path, tmp_path: Path):
    (tmp_path / "own.jinja").write_text("{{ greeting }}" + CHATML)
    asked = {"template": "own.jinja", "chat_template_kwargs": {"greeting": "hello"}}
    loaded = load_model(ModelSettings(path=str(base), device="cpu", **asked), folder=tmp_path)
    save_model(loaded.model, loaded.format.tokenizer, tmp_path / "saved")
    again = load_folder(tmp_path / "saved", device="cpu", template_arguments=loaded.format.arguments)
    assert again.format.arguments == {"greeting": "hello"}
    assert again.hash == loaded.hash
