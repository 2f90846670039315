"""Whether a run fits: into memory and onto the disk, at its fullest moments."""

from __future__ import annotations

from pathlib import Path

from forgetless.errors import ResourceError
from forgetless.models import free_memory_bytes, held_bytes
from forgetless.planning.cadence import MOST_LOOKS
from forgetless.planning.measured import Measured
from forgetless.planning.nouns import Room
from forgetless.recipe import Recipe
from forgetless.rundir import folder_bytes, free_bytes
from forgetless.stages import Ground
from forgetless.synthesis import continues_texts
from forgetless.training import certifying_bytes, least_memory_bytes, predicted_bytes, reference_bytes


def refuse_hopeless(recipe: Recipe, ground: Ground, *, output: Path) -> None:
    """Refuse what cannot fit whatever is measured: weights alone, and one checkpoint.

    Raises:
        ResourceError: There is not enough memory or disk.
    """
    device = ground.base.model.device
    least = least_memory_bytes(ground.base.model, recipe.training)
    check_memory(Room(least + held_bytes(device), free_memory_bytes(device) + held_bytes(device)), recipe, ground)
    check_disk(disk_room(recipe, ground, looks=1, output=output), output)


def memory_room(recipe: Recipe, ground: Ground, measured: Measured) -> Room:
    """Memory at the fullest moment: a training step, a look between two steps, or certifying."""
    device, trial = ground.base.model.device, measured.trial
    needed = max(
        trial.peak_bytes,
        trial.resident_bytes + measured.asking_bytes,
        measured.base_bytes + certifying_bytes(ground.base.model, recipe.training) + measured.asking_bytes,
    )
    return Room(needed, free_memory_bytes(device) + held_bytes(device))


def check_memory(room: Room, recipe: Recipe, ground: Ground) -> None:
    """Raises `ResourceError` where memory is short."""
    if room.needed_bytes <= room.available_bytes:
        return
    lean = {"full": ", train with `method: lora`", "lora": ", ship an adapter (`training.output: adapter`)"}
    less = "" if recipe.training.output == "adapter" else lean[recipe.training.method]
    raise ResourceError(
        field="training",
        value=f"{_gigabytes(room.needed_bytes)} of memory at its fullest",
        rule=f"there are {_gigabytes(room.available_bytes)} for it on `{ground.base.model.device}`",
        way_out=f"lower `training.batch_rows` or `evaluation.batch_tokens`{less}, or start from a smaller model",
    )


def disk_room(recipe: Recipe, ground: Ground, *, looks: int, output: Path) -> Room:
    """Bytes on the disk at the fullest moment of a run that takes so many looks, the cache folder's included."""
    base, training = ground.base.model, recipe.training
    texts = recipe.replay is not None and continues_texts(recipe.replay, ground.base.format)
    cached = reference_bytes(base, training, recipe.replay, texts=texts)
    walked = recipe.evaluation.path != [1.0]
    written = predicted_bytes(base, training, evaluations=looks, points_between=walked)
    return Room(written + cached, free_bytes(output))


def check_disk(room: Room, output: Path) -> None:
    """Raises `ResourceError` where the disk is short."""
    if room.needed_bytes <= room.available_bytes:
        return
    raise ResourceError(
        field="output",
        value=output,
        rule=f"the run will write about {_gigabytes(room.needed_bytes)} and the disk has "
        f"{_gigabytes(room.available_bytes)} free",
        way_out="free some space, raise `evaluation.every_steps`, or train with `method: lora`",
    )


def check_rest(needed_bytes: int, run: Path) -> None:
    """Raises `ResourceError` where the disk is short of what a run has yet to write."""
    check_disk(Room(max(0, needed_bytes - folder_bytes(run)), free_bytes(run)), run)


def looks_with_room(recipe: Recipe, ground: Ground, *, output: Path) -> int:
    """The most looks whose checkpoints fit onto the disk, at least one."""

    def fits(looks: int) -> bool:
        room = disk_room(recipe, ground, looks=looks, output=output)
        return room.needed_bytes <= room.available_bytes

    return max((looks for looks in range(1, MOST_LOOKS + 1) if fits(looks)), default=1)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
