"""Runs that are killed, in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path

import torch

from forgetless.recipe import TrainingSettings
from forgetless.training import fit, latest_resumable
from forgetless.training.trainer import RetentionTrainer
from training_kit import SETTINGS, blended, fit_arguments, loaded, with_lora

KILLED = 77
KINDS = ("domain", "replay", "text")


def settings_of(method: str) -> TrainingSettings:
    settings = SETTINGS.model_copy(update={"accumulate_batches": 2})
    if method == "cached":
        settings = settings.model_copy(update={"kl_reference": "cached", "kl_top_k": 8})
    if method == "confined":
        return with_lora(settings, keep_directions=3, init="null_space")
    return with_lora(settings) if method == "lora" else settings


def run(method: str, output: Path, *, die_after_steps: int | None = None, die_saving: int | None = None) -> None:
    """One run, resumed if it can be; ends the process at a step, or in the middle of saving the checkpoint of one."""
    torch.set_num_threads(1)
    os.environ["FORGETLESS_CACHE"] = str(output / "cache")
    settings = settings_of(method)
    mixed = blended(KINDS, settings=settings)
    looks: list[int] = []
    resume = latest_resumable(output)
    if resume is not None:
        looks.extend(resume.extra["looks"])

    def on_step(done: int, total: int) -> None:
        if done == die_after_steps:
            os._exit(KILLED)

    def on_evaluate(model: torch.nn.Module, step: int, tokens: int) -> None:
        looks.append(step)
        torch.rand(step)  # a measurement may draw numbers; a resumed run draws on as if it had
        if step == 4:
            mixed.stream.set_shares({"domain": 0.2, "replay": 0.5, "text": 0.3})

    if die_saving is not None:

        def half_saved(trainer: RetentionTrainer, folder: str) -> None:
            if trainer.state.global_step == die_saving:
                os._exit(KILLED)
            torch.save(trainer.optimizer.state_dict(), os.path.join(folder, "optimizer.pt"))
            torch.save(trainer.lr_scheduler.state_dict(), os.path.join(folder, "scheduler.pt"))

        RetentionTrainer._save_optimizer_and_scheduler = half_saved  # type: ignore[method-assign]
    fit(
        loaded(),
        mixed,
        **fit_arguments(
            settings,
            output,
            on_evaluate=on_evaluate,
            on_step=on_step,
            extra_state=lambda: {"looks": list(looks)},
            resume=resume,
        ),
    )


def run_rank(rank: int, processes: int, port: int, output: Path) -> None:
    """One process of a distributed run."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(processes),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    run("full", output)


def start(function: object, *arguments: object, **options: object) -> multiprocessing.process.BaseProcess:
    """A child that has the heavy imports already."""
    # The server that children are forked from does not take over `sys.path` on all versions of Python.
    here = Path(__file__).parent
    known = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(here), str(here.parents[1]), *filter(None, known)]))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["child"])
    process = context.Process(target=function, args=arguments, kwargs=options)  # type: ignore[arg-type]
    process.start()
    return process


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
