"""Base, tuned model and the line between them: every engine answers for the model that its hash names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import TransformersEngine
from forgetless.errors import RunFolderError
from forgetless.guard import Frozen
from forgetless.models import LoadedModel, load_folder, read_back, save_model, weights_hash
from forgetless.records import Message

PAIRS = [((Message("user", "What is two and three?"),), answer) for answer in ("five", "a house")]


@pytest.fixture
def base(tmp_path: Path) -> LoadedModel:
    save_model(tiny_llama(1), tiny_tokenizer(), tmp_path / "base")
    return load_folder(tmp_path / "base", device="cpu")


def answers(engine: TransformersEngine) -> list[float]:
    return [found.log_likelihood for found in engine.answer_likelihoods(PAIRS)]


def test_engines_answer_for_what_they_are_named_after(base: LoadedModel, tmp_path: Path) -> None:
    tuned = tiny_llama(2)
    wanted = weights_hash(tuned)
    frozen = Frozen.save(base, lambda: tuned, tmp_path / "run" / "model", batch_tokens=512)
    assert weights_hash(frozen.tuned.model) == wanted
    before = answers(frozen.base_engine()), answers(frozen.tuned_engine())
    assert before[0] != before[1]
    halfway = frozen.between(0.5)
    middle, name = answers(halfway), halfway.model_hash
    assert middle not in before
    assert name != frozen.between(0.6).model_hash
    assert (answers(frozen.base_engine()), answers(frozen.tuned_engine())) == before
    saved = frozen.save_between(0.5, tmp_path / "run" / "certified")
    assert answers(saved) == middle
    assert (answers(frozen.base_engine()), answers(frozen.tuned_engine())) == before
    assert saved.model_hash == load_folder(tmp_path / "run" / "certified", device="cpu").hash
    assert frozen.tuned_engine().model_hash == load_folder(tmp_path / "run" / "model", device="cpu").hash


def test_what_leaves_the_memory_leaves_no_file(base: LoadedModel, tmp_path: Path) -> None:
    frozen = Frozen.save(base, lambda: tiny_llama(2), tmp_path / "run" / "model", batch_tokens=512)
    frozen.between(0.5)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]


def test_files_that_read_back_as_another_model_are_refused(
    base: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = Frozen.save(base, lambda: tiny_llama(2), tmp_path / "run" / "model", batch_tokens=512)

    def spoiled(base: LoadedModel, folder: Path) -> LoadedModel:
        read = read_back(base, folder)
        next(read.model.parameters()).data.mul_(1.001)
        return read

    monkeypatch.setattr("forgetless.guard.frozen.read_back", spoiled)
    with pytest.raises(RunFolderError, match=r"other weights than those that were judged at a = 0\.5"):
        frozen.save_between(0.5, tmp_path / "run" / "certified")
