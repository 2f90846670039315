"""Loading: what comes back, and what every misnamed or incomplete model is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import CHATML, tiny_llama, tiny_tokenizer

from forgetless.errors import ModelError
from forgetless.models import load_folder, load_format, load_model, save_model, stop_ids_of, write_adapter
from forgetless.recipe import ModelSettings


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(tiny_llama(), tiny_tokenizer(), folder)
    return folder


@pytest.fixture
def broken(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "broken"))


def settings(path: object, **others: object) -> ModelSettings:
    return ModelSettings.model_validate({"path": str(path), "device": "cpu", **others})


def test_a_folder_comes_back_ready_to_be_asked(saved: Path):
    loaded = load_model(settings("tiny"), folder=saved.parent)
    assert not loaded.model.training
    assert loaded.model.dtype == torch.float32
    assert loaded.format.template is not None
    assert loaded.name == "tiny"
    assert loaded.hash == load_folder(saved, device="cpu").hash


def test_the_number_format_can_be_chosen(saved: Path):
    assert load_folder(saved, dtype="bfloat16", device="cpu").model.dtype == torch.bfloat16


def test_what_ends_a_turn_is_saved_where_servers_look_for_it(saved: Path, tmp_path: Path):
    (tmp_path / "other.jinja").write_text(CHATML.replace("<|end|>", "<|pad|>"))
    loaded = load_model(settings(saved, template="other.jinja"), folder=tmp_path)
    save_model(loaded.model, loaded.format.tokenizer, tmp_path / "tuned")
    told = json.loads((tmp_path / "tuned" / "generation_config.json").read_text())["eos_token_id"]
    assert set(loaded.format.stop_ids) <= set(told)
    assert 0 in told


def test_an_adapter_is_merged(saved: Path, tmp_path: Path):
    peft_model = get_peft_model(tiny_llama(), LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    write_adapter(peft_model, tmp_path / "adapter")
    loaded = load_model(settings(saved, adapter="adapter"), folder=tmp_path)
    ids = torch.tensor([[5, 9, 40]])
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(ids).logits, peft_model.eval()(ids).logits, atol=1e-4, rtol=1e-4)
    assert type(loaded.model).__name__ == "LlamaForCausalLM"
    assert loaded.hash != load_folder(saved, device="cpu").hash


def complaint(asked: ModelSettings, folder: Path = Path()) -> str:
    with pytest.raises(ModelError) as caught:
        load_model(asked, folder=folder)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    assert error.way_out
    return str(error)


def test_a_missing_folder(tmp_path: Path):
    assert "there is no such folder" in complaint(settings("./nowhere"), tmp_path)
    assert "there is no such folder" in complaint(settings("/no/such/model"), tmp_path)


def test_a_hub_id_while_the_hub_is_off(tmp_path: Path):
    message = complaint(settings("nobody/no-such-model"), tmp_path)
    assert "neither a folder here nor in the local cache" in message
    assert "HF_HUB_OFFLINE" in message
    assert len(message) < 400


def test_a_folder_without_config(broken: Path):
    (broken / "config.json").unlink()
    assert "no `config.json`" in complaint(settings(broken))


def test_a_folder_without_tokenizer(broken: Path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (broken / name).unlink()
    assert "no tokenizer" in complaint(settings(broken))


def test_a_folder_without_weights(broken: Path):
    (broken / "model.safetensors").unlink()
    assert "model.path" in complaint(settings(broken))


def test_weights_that_are_cut_off(broken: Path):
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "model.path" in complaint(settings(broken))


def test_weights_that_are_incomplete_are_not_filled_with_noise(broken: Path):
    config = json.loads((broken / "config.json").read_text())
    config["num_hidden_layers"] = 3
    (broken / "config.json").write_text(json.dumps(config))
    assert "weights are missing" in complaint(settings(broken))


def test_a_tokenizer_that_is_too_large(tmp_path: Path):
    save_model(tiny_llama(vocab_size=300), tiny_tokenizer(), tmp_path / "small")
    assert "the model knows only 300" in complaint(settings("small"), tmp_path)


def test_adapters_in_the_wrong_place(saved: Path, tmp_path: Path):
    adapted = get_peft_model(tiny_llama(), LoraConfig(r=2, target_modules=["q_proj"]))
    write_adapter(adapted, tmp_path / "adapter")
    assert "set `model.path` to its base model" in complaint(settings(tmp_path / "adapter"))
    assert "no `adapter_config.json`" in complaint(settings(saved, adapter=str(saved)))
    assert "this is a whole model" in complaint(settings(saved, adapter=str(saved)))
    assert "no such folder" in complaint(settings(saved, adapter="./gone"), tmp_path)


def test_an_adapter_of_another_model(saved: Path, tmp_path: Path):
    other = get_peft_model(tiny_llama(), LoraConfig(r=2, target_modules=["q_proj"]))
    write_adapter(other, tmp_path / "adapter")
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(config.read_text().replace('"r": 2', '"r": 4'))
    assert "model.adapter" in complaint(settings(saved, adapter="adapter"), tmp_path)


def test_gguf_files(broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert "no such folder" in complaint(settings("./gone/model.gguf"), tmp_path)
    assert "no such file" in complaint(settings(broken, gguf_file="model.gguf"))
    (broken / "model.gguf").write_bytes(b"no gguf")
    (broken / "config.json").unlink()
    assert "set `model.gguf_file` to one of: model.gguf" in complaint(settings(broken))
    assert "model.path" in complaint(settings(broken / "model.gguf"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "needs the package `gguf`" in complaint(settings(broken / "model.gguf"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_devices_that_are_not_there(saved: Path):
    assert "no device" in complaint(settings(saved).model_copy(update={"device": "quantum"}))
    assert "CUDA_VISIBLE_DEVICES=99" in complaint(settings(saved).model_copy(update={"device": "cuda:99"}))
    assert "no CUDA device" in complaint(settings(saved).model_copy(update={"device": "cuda"}))
    assert "`cpu` or `cuda`" in complaint(settings(saved).model_copy(update={"device": "meta"}))


def test_pickled_weights_are_not_read(broken: Path):
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    assert "pickles" in complaint(settings(broken))


def test_a_file_is_no_model(saved: Path):
    assert "a model is a folder" in complaint(settings(saved / "config.json"))


def test_a_chat_format_comes_without_the_model_and_with_all_its_stop_tokens(broken: Path):
    (broken / "model.safetensors").unlink()
    whole = load_format(str(broken), folder=broken, field="tokenizer")
    assert whole.format.template is not None
    assert whole.stop_ids == frozenset(whole.format.stop_ids) == {2}
    config = json.loads((broken / "generation_config.json").read_text("utf-8"))
    (broken / "generation_config.json").write_text(json.dumps(config | {"eos_token_id": [2, 7]}), "utf-8")
    assert load_format("broken", folder=broken.parent, field="tokenizer").stop_ids == {2, 7}
    (broken / "generation_config.json").unlink()
    config = json.loads((broken / "config.json").read_text("utf-8"))
    (broken / "config.json").write_text(json.dumps(config | {"eos_token_id": 9}), "utf-8")
    assert load_format("broken", folder=broken.parent, field="tokenizer").stop_ids == {2, 9}
    (broken / "config.json").unlink()
    assert load_format("broken", folder=broken.parent, field="tokenizer").stop_ids == {2}
    assert stop_ids_of(None) == frozenset()


def test_a_chat_format_that_cannot_be_used_names_its_own_place(tmp_path: Path):
    tiny_tokenizer("silent").save_pretrained(tmp_path / "silent")
    for path in ("silent", "./nowhere"):
        with pytest.raises(ModelError) as caught:
            load_format(path, folder=tmp_path, field="endpoints.fast.tokenizer")
        assert caught.value.field == "endpoints.fast.tokenizer"


def test_a_chat_format_may_lack_a_template_or_be_given_one(tmp_path: Path):
    tiny_tokenizer(None).save_pretrained(tmp_path / "bare")
    place = {"folder": tmp_path, "field": "endpoints.fast.tokenizer"}
    assert load_format("bare", **place).format.template is None
    (tmp_path / "chat.jinja").write_text(CHATML, "utf-8")
    assert load_format("bare", **place, template="chat.jinja").format.template == CHATML
    with pytest.raises(ModelError) as caught:
        load_format("bare", **place, template="chat.jinja", arguments={"effort": "low"})
    assert caught.value.field == "model.chat_template_kwargs.effort"
