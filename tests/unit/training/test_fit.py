"""Runs from end to end on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from forgetless.errors import NonFiniteLossError, RecipeError, RunFolderError
from forgetless.recipe import TrainingSettings
from forgetless.training import checkpoint_model, fit, latest_resumable
from training_kit import SETTINGS, blended, fit_arguments, loaded, tiny_model, weights, with_lora

PROBE = torch.tensor([[5, 9, 20, 33, 7]])


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=PROBE).logits


@pytest.mark.parametrize("settings", [SETTINGS, with_lora(SETTINGS)], ids=["full", "lora"])
def test_a_run_evaluates_logs_saves_and_leaves_the_base_alone(settings: TrainingSettings, tmp_path: Path) -> None:
    looks, logs, bar, live = [], [], [], {}

    def on_evaluate(model: PreTrainedModel, step: int, tokens: int) -> None:
        looks.append((step, tokens))
        model.eval()
        live[step] = logits(model)

    base = loaded()
    before = logits(base.model)
    result = fit(
        base,
        blended(("domain", "replay")),
        **fit_arguments(
            settings,
            tmp_path,
            every_steps=5,
            on_evaluate=on_evaluate,
            on_log=logs.append,
            on_step=lambda *done: bar.append(done),
        ),
    )
    assert result.steps == 12
    assert result.stopped is None
    assert [step for step, _ in looks] == [5, 10, 12]
    assert looks[-1][1] == result.tokens == logs[-1]["tokens"]
    assert bar == [(step, 12) for step in range(1, 13)]
    assert [line["step"] for line in logs] == [5, 10, 12]
    expected = {"loss", "ce", "kl", "entropy", "learning_rate", "grad_norm", "tokens_domain", "tokens_replay"}
    assert expected <= logs[0].keys()
    assert logs[-1]["ce"] < logs[0]["ce"]
    assert torch.equal(logits(base.model), before)
    for step in (5, 12):
        saved = checkpoint_model(base, tmp_path, step, settings)
        assert type(saved) is type(base.model)
        torch.testing.assert_close(logits(saved), live[step], rtol=1e-5, atol=1e-6)
    assert torch.equal(logits(checkpoint_model(base, tmp_path, 0, settings)), before)
    assert not torch.equal(live[5], before)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path))
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "it/s" not in captured.err


def test_resuming_does_not_warn_of_weights_that_are_tied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    arguments = fit_arguments(SETTINGS, tmp_path, every_steps=5)
    with pytest.raises(KeyboardInterrupt):
        fit(loaded(), blended(), **arguments, on_step=stop)
    warned: list[str] = []
    monkeypatch.setattr("transformers.trainer.logger.warning", lambda text, *rest: warned.append(text))
    resumed = fit(loaded(), blended(), **{**arguments, "resume": latest_resumable(tmp_path)})
    assert resumed.steps == 12
    assert warned == []


def test_a_reason_stops_the_run_after_its_checkpoint(tmp_path: Path) -> None:
    arguments = fit_arguments(SETTINGS, tmp_path, on_evaluate=lambda model, step, tokens: "sorting dropped")
    result = fit(loaded(), blended(), **arguments)
    assert (result.steps, result.stopped) == (4, "sorting dropped")
    again = fit(loaded(), blended(), **{**arguments, "resume": latest_resumable(tmp_path)})
    assert (again.steps, again.stopped, again.tokens) == (4, "sorting dropped", result.tokens)


def test_a_finished_run_is_not_trained_on(tmp_path: Path) -> None:
    arguments = fit_arguments(SETTINGS, tmp_path)
    first = fit(loaded(), blended(), **arguments)
    looks: list[int] = []
    arguments["on_evaluate"] = lambda model, step, tokens: looks.append(step)
    again = fit(loaded(), blended(), **{**arguments, "resume": latest_resumable(tmp_path)})
    assert (again.steps, again.tokens) == (first.steps, first.tokens)
    assert looks == []


def test_a_run_that_pauses_and_goes_on_is_one_that_never_paused(tmp_path: Path) -> None:
    """The schedule is that of the whole run from the first step, and no look or step is done twice."""
    settings = with_lora(SETTINGS)
    whole, parts = ({"logs": [], "looks": []} for _ in range(2))  # type: ignore[var-annotated]

    def arguments(told: dict[str, list[Any]], name: str) -> dict[str, Any]:
        def look(model: PreTrainedModel, step: int, tokens: int) -> None:
            told["looks"].append((step, tokens))

        return fit_arguments(settings, tmp_path / name, on_log=told["logs"].append, on_evaluate=look)

    end = fit(loaded(), blended(settings=settings), **arguments(whole, "whole"))
    for until, reached in ((4, 4), (8, 8), (8, 8), (None, 12), (8, 12)):
        last = latest_resumable(tmp_path / "parts")
        done = fit(loaded(), blended(settings=settings), **arguments(parts, "parts"), resume=last, until=until)
        assert (done.steps, done.stopped) == (reached, None)
    assert parts == whole
    assert done.tokens == end.tokens
    found, expected = (weights(tmp_path / name / "step-12") for name in ("parts", "whole"))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_the_reference_is_asked_without_dropout(tmp_path: Path) -> None:
    """Dropout would hold the model to a base that answers otherwise every time; afterwards it is as it was."""
    base = loaded(tiny_model(attention_dropout=0.5).train())
    of_the_base, modes = set(base.model.modules()), set()

    def note(module: torch.nn.Module, inputs: Any) -> None:
        if module in of_the_base:  # the model that is trained is a copy, hooks and all
            modes.add(module.training)

    for module in of_the_base:
        module.register_forward_pre_hook(note)
    settings = SETTINGS.model_copy(update={"steps": 1})
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path))
    assert modes == {False}
    assert base.model.training


def test_an_error_in_an_evaluation_ends_the_run_and_resuming_logs_as_if_it_had_not(tmp_path: Path) -> None:
    """The trainer's epoch is another after resuming, for the stream has none: it stays out of the log."""
    logs: dict[str, list[dict[str, Any]]] = {"whole": [], "broken": []}
    fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path / "whole", on_log=logs["whole"].append))

    def fails_at_8(model: PreTrainedModel, step: int, tokens: int) -> None:
        if step == 8:
            raise ZeroDivisionError("in the middle of an evaluation")

    arguments = fit_arguments(SETTINGS, tmp_path / "broken", on_log=logs["broken"].append)
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        fit(loaded(), blended(), **{**arguments, "on_evaluate": fails_at_8})
    assert [line["step"] for line in logs["broken"]] == [4]
    last = latest_resumable(tmp_path / "broken")
    assert last is not None
    assert last.step == 4
    fit(loaded(), blended(), **arguments, resume=last)
    assert logs["broken"] == logs["whole"]
    assert not any("epoch" in line for line in logs["whole"])


def test_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by TRL's trainer, which tells of itself wherever it is not told to be offline, nor by anything else."""
    from trl.trainer import base_trainer

    sent = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *args, **kwargs: sent.append(kwargs))
    fit(loaded(), blended(), **fit_arguments(SETTINGS.model_copy(update={"steps": 1}), tmp_path))
    assert sent == []


def test_kl_holds_the_model_to_the_base(tmp_path: Path) -> None:
    distance = {}
    for weight in (0.0, 30.0):
        settings = SETTINGS.model_copy(update={"kl_weight": weight, "kl_tokens": "all", "steps": 30})
        mixed = blended(settings=settings)
        fit(loaded(), mixed, **fit_arguments(settings, tmp_path / str(weight), every_steps=30))
        model = checkpoint_model(loaded(), tmp_path / str(weight), 30, settings)
        base, total = tiny_model(), 0.0
        for document in mixed.documents[1]:
            ids = torch.tensor([document.input_ids])
            with torch.no_grad():
                p, q = (torch.log_softmax(m(input_ids=ids).logits, -1) for m in (model, base))
            total += float((q.exp() * (q - p)).sum())
        distance[weight] = total
    assert distance[30.0] < 0.3 * distance[0.0]


@pytest.mark.parametrize("kl_weight", [0.0, 0.7])
def test_a_loss_that_is_not_a_number_stops_before_the_update(kl_weight: float, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"kl_weight": kl_weight})
    held: dict[str, Any] = {}

    def poison(model: PreTrainedModel, step: int, tokens: int) -> None:
        model.get_input_embeddings().weight.data[:, 0] = float("inf")
        held.update(model=model, weights={n: p.detach().clone() for n, p in model.named_parameters()})

    with pytest.raises(NonFiniteLossError, match="step 5"):
        fit(loaded(), blended(), **fit_arguments(settings, tmp_path, on_evaluate=poison))
    assert all(torch.equal(p, held["weights"][n]) for n, p in held["model"].named_parameters())


def test_a_gradient_that_is_not_a_number_stops_before_the_update(tmp_path: Path) -> None:
    held: dict[str, Any] = {}

    def poison(model: PreTrainedModel, step: int, tokens: int) -> None:
        model.model.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
        held.update(model=model, weights={n: p.detach().clone() for n, p in model.named_parameters()})

    with pytest.raises(NonFiniteLossError, match="gradient of step 5"):
        fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path, on_evaluate=poison))
    assert all(torch.equal(p, held["weights"][n]) for n, p in held["model"].named_parameters())


def test_a_new_run_refuses_an_old_runs_checkpoints(tmp_path: Path) -> None:
    fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path))
    with pytest.raises(RunFolderError):
        fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path))


def test_other_data_are_refused_on_resuming(tmp_path: Path) -> None:
    fit(loaded(), blended(), **fit_arguments(SETTINGS, tmp_path))
    with pytest.raises(RunFolderError):
        fit(loaded(), blended(seed=4), **fit_arguments(SETTINGS, tmp_path, resume=latest_resumable(tmp_path)))


@pytest.mark.parametrize(("targets", "rule"), [(["nowhere"], "q_proj"), (["lm_head"], "head")])
def test_adapter_targets_that_do_not_fit_are_named(targets: list[str], rule: str, tmp_path: Path) -> None:
    settings = with_lora(SETTINGS)
    settings = settings.model_copy(update={"lora": settings.lora.model_copy(update={"target_modules": targets})})
    with pytest.raises(RecipeError, match=rule):
        fit(loaded(tiny_model(tie_word_embeddings=False)), blended(), **fit_arguments(settings, tmp_path))


def test_bfloat16_keeps_float32_weights(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"precision": "bfloat16", "steps": 4})
    base = loaded(tiny_model().to(torch.bfloat16))
    logs: list[dict[str, Any]] = []
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path, on_log=logs.append))
    assert all(tensor.dtype == torch.float32 for tensor in weights(tmp_path / "step-4").values())
    assert checkpoint_model(base, tmp_path, 4, settings).dtype == torch.bfloat16
    assert 0.0 <= logs[-1]["kl"] < 0.05


def test_checkpoints_of_an_adapter_do_not_ask_the_hub_for_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr("peft.utils.save_and_load.check_file_exists_on_hf_hub", lambda *a, **k: asked.append(a))
    settings = with_lora(SETTINGS).model_copy(update={"steps": 2})
    base = loaded()
    base.model.name_or_path = "someone/base"
    fit(base, blended(settings=settings), **fit_arguments(settings, tmp_path, every_steps=1))
    config = json.loads((tmp_path / "step-2" / "adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "someone/base"
    assert asked == []
