"""What do prompts that the base writes hold, and what helps abilities that no prompt covers? nano on the demo's domain.

Arms on the same domain rows, for every seed:

    plain              the domain alone
    as written         nothing but prompts that nano writes itself, as they come
    filled             the same, with the holes filled: the default
    balanced           the same with `coverage: balanced`
    blind              given replay prompts that hold none of three abilities
    blind, and self    the same prompts, and as many that nano writes itself
    blind, domain KL   the same prompts, and KL on the domain's rows
    blind, low frozen  the same prompts, and embeddings and the lower layers as they were

All are measured at their last step, on the same fresh items. Prints the domain score and how far it is from plain's,
the change of every ability, and the mean drop of the three abilities as a part of what plain loses of them, with 95 %
intervals of a bootstrap over seeds and, within them, items; with one seed over items only. Writes
bench/results/coverage.json.

Every arm of every seed is kept when it is done, and not run again with the same recipe.

    python bench/coverage.py                                  # five seeds: about an hour and a half on two cores
    python bench/coverage.py --seeds 2 --arms filled blind    # some of them, and plain
    python bench/coverage.py --quick                          # one seed, few rows and items
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from bootstrap import Floats, changes, in_points, told
from nano_arms import as_records, kept, write_records
from results import write_result

from forgetless import nano
from forgetless.engines import Engine, TransformersEngine
from forgetless.guard import Exam
from forgetless.nano import demo
from forgetless.progress import unwatched
from forgetless.recipe import Recipe, parse_recipe
from forgetless.replaying import replay_rows
from forgetless.rundir import open_run
from forgetless.stages import Ground, lay_ground
from forgetless.training import blend, fit

Scores = dict[str, list[float]]
"""Of the items of every ability, and of the domain."""

BLIND: Final = (*demo.UNCOVERED, "counting")
"""Abilities that the given prompts leave out."""

GIVEN: Final = {"files": ["prompts.jsonl"]}


class Arm(NamedTuple):
    """What the recipe says of replay, none for no replay, and what it says of training beside the demo's settings."""

    replay: dict[str, Any] | None
    training: Mapping[str, Any] = MappingProxyType({})


ARMS: Final[dict[str, Arm]] = {
    "plain": Arm(None),
    "as written": Arm({"prompts": "self", "coverage": "as_written"}),
    "filled": Arm({"prompts": "self"}),
    "balanced": Arm({"prompts": "self", "coverage": "balanced"}),
    "blind": Arm({"prompts": [GIVEN]}),
    "blind, and self": Arm({"prompts": [GIVEN, "self"]}),
    "blind, domain KL": Arm({"prompts": [GIVEN]}, {"domain_kl_weight": 1.0}),
    "blind, low frozen": Arm({"prompts": [GIVEN]}, {"freeze": ["embeddings", "layers 0-1"]}),
}

ITEM_SEED: Final = 54_321


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured."""

    name: str
    domain_rows: int
    epochs: int
    replay: int
    items: int


WHOLE = Sizes("coverage", domain_rows=demo.DOMAIN_ROWS, epochs=demo.EPOCHS, replay=demo.PROMPTS, items=500)
QUICK = Sizes("coverage_quick", domain_rows=demo.DOMAIN_ROWS, epochs=2, replay=600, items=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "bench-coverage", help="keeps what is done")
    arguments = parser.parse_args()
    sizes, seeds = (QUICK, 1) if arguments.quick else (WHOLE, arguments.seeds)
    arms = ["plain", *(arm for arm in ARMS if arm in arguments.arms and arm != "plain")]
    folder = arguments.folder / sizes.name
    os.environ["FORGETLESS_CACHE"] = str(folder / "cache")
    runs = [{arm: run(folder, arm, seed, sizes) for arm in arms} for seed in range(seeds)]
    figures = summary(runs)
    print(table(figures))
    holes = {arm: [run[arm]["holes"] for run in runs] for arm in arms}
    write_result(sizes.name, {"sizes": vars(sizes), "blind": BLIND, "holes": holes} | figures, seed=0)


def run(kept_in: Path, arm: str, seed: int, sizes: Sizes) -> dict[str, Any]:
    """Scores before and after one fine-tune, and the holes that its replay prompts had."""
    with tempfile.TemporaryDirectory() as place:
        recipe = write_recipe(Path(place), arm, seed, sizes)
        return kept(kept_in, f"seed {seed}, {arm}", recipe, lambda: _run(Path(place), recipe, sizes))


def _run(place: Path, recipe: Recipe, sizes: Sizes) -> dict[str, Any]:
    with open_run(place / "run") as folder:
        ground = lay_ground(recipe, place)
        replay = replay_rows(recipe, ground, folder, unwatched)
        after: Scores = {}

        def on_evaluate(model: Any, step: int, tokens: int) -> None:
            after.update(scores(engine_of(model, ground), ground.exam, sizes.items))

        fit(
            ground.base,
            blend(ground.rows, replay, ground.base.format, recipe=recipe),
            settings=recipe.training,
            output=place / "checkpoints",
            every_steps=100_000,
            on_evaluate=on_evaluate,
            seed=recipe.seed,
        )
        said = next((event for event in folder.events() if event["event"] == "replay"), {})
        before = scores(ground.engine, ground.exam, sizes.items)
    uncovered = [name for name, covered in said.get("covered", {}).items() if not covered]
    return {"before": before, "after": after, "holes": said.get("holes", {}), "uncovered": uncovered,
            "forms": said.get("forms")}  # fmt: skip


def engine_of(model: Any, ground: Ground) -> TransformersEngine:
    """Answers for the tuned model."""
    return TransformersEngine(model, ground.base.format, model_hash="tuned", batch_tokens=16384)


def scores(engine: Engine, exam: Exam, items: int) -> Scores:
    """The score of every item, the same ones for all arms and seeds."""
    return {
        name: [result.score or 0.0 for result in task.score(engine, task.items("test", limit=items, seed=ITEM_SEED))]
        for name, task in exam.tasks.items()
    }


def write_recipe(folder: Path, arm: str, seed: int, sizes: Sizes) -> Recipe:
    """Data and recipe of one arm."""
    write_records(folder / "domain.jsonl", as_records(nano.domain_rows(n=sizes.domain_rows, seed=seed)))
    kinds = [kind for kind in (*nano.ABILITIES * 3, *nano.OTHER_KINDS) if kind not in BLIND]
    given = sizes.replay // 2 if ARMS[arm].replay == {"prompts": [GIVEN, "self"]} else sizes.replay
    write_records(folder / "prompts.jsonl", as_records(nano.dialogues(kinds, n=given, seed=seed)))
    said = ARMS[arm]
    held = said.replay is not None
    shape = {"share": 1 - demo.HELD_DOMAIN_SHARE, "rows": sizes.replay, "max_new_tokens": 40, "max_prompt_tokens": 56}
    return parse_recipe(
        {
            "name": "arm",
            "seed": seed,
            "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
            "sources": {
                "rows": {"kind": "domain", "files": ["domain.jsonl"], "share": demo.HELD_DOMAIN_SHARE if held else 1.0}
            },
            **({"replay": shape | said.replay} if said.replay is not None else {}),
            "mixture": {"repetition_cap": 20},
            "training": {
                "learning_rate": demo.HELD_LEARNING_RATE if held else demo.LEARNING_RATE,
                "epochs": sizes.epochs,
                "batch_rows": demo.HELD_BATCH_ROWS if held else demo.BATCH_ROWS,
                "max_length_tokens": 96,
                "kl_weight": demo.HELD_KL_WEIGHT if held else 0.0,
                "kl_tokens": "all",
                **said.training,
            },
            "domain": {"task": task("domain")},
            "keep": {name: {"margin_points": 2, "task": task(name)} for name in nano.ABILITIES},
            "evaluation": {"batch_tokens": 16384},
        }
    )


def task(name: str) -> dict[str, Any]:
    """Fresh items of an ability, or of the domain."""
    return {"type": "procedural", "generator": f"nano/{name}", "items": 3000, "max_new_tokens": 24}


# Figures


def summary(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """For each arm every figure with its interval."""
    tasks = ("domain", *nano.ABILITIES)
    before = {name: np.array(runs[0]["plain"]["before"][name]) for name in tasks}
    changed = {
        arm: changes({name: np.array([run[arm]["after"][name] for run in runs]) for name in tasks}, before)
        for arm in runs[0]
    }
    return {
        "arms": {
            arm: {
                "domain": told(before["domain"].mean() + change["domain"]),
                "domain_beside_plain": told(change["domain"] - changed["plain"]["domain"]),
                "worst": told(np.min([change[name] for name in nano.ABILITIES], axis=0)),
                "changes": {name: told(change[name]) for name in nano.ABILITIES},
                "blind_part_of_plain": told(blind_part(change, changed["plain"])),
                "uncovered": [run[arm]["uncovered"] for run in runs],
            }
            for arm, change in changed.items()
        }
    }


def blind_part(own: Mapping[str, Floats], plain: Mapping[str, Floats]) -> Floats:
    """The mean drop of the abilities that the given prompts leave out, as a part of plain's."""
    lost, lost_by_plain = (-np.mean([change[name] for name in BLIND], axis=0) for change in (own, plain))
    return np.divide(lost, lost_by_plain, out=np.full_like(lost, np.nan), where=lost_by_plain != 0)


def table(figures: dict[str, Any]) -> str:
    """One column for each arm, as a Markdown table; changes in points."""
    arms = figures["arms"]
    rows = [f"| | {' | '.join(arms)} |", "|---" * (len(arms) + 1) + "|"]
    rows.append(line("**domain**, %", [arm["domain"] for arm in arms.values()], "{:.1f}"))
    rows.append(line("domain, beside plain", [arm["domain_beside_plain"] for arm in arms.values()], "{:+.1f}"))
    for name in nano.ABILITIES:
        found = [arm["changes"][name] for arm in arms.values()]
        rows.append(line(f"{name}{' *' * (name in BLIND)}", found, "{:+.1f}"))
    rows.append(line("worst ability", [arm["worst"] for arm in arms.values()], "{:+.1f}"))
    rows.append(line("mean drop of *, % of plain's", [a["blind_part_of_plain"] for a in arms.values()], "{:.1f}"))
    return "\n".join(rows)


def line(name: str, found: Sequence[dict[str, Any]], form: str) -> str:
    """A row of estimates with their intervals, in hundredths."""
    return f"| {name} | {' | '.join(in_points(one, form) for one in found)} |"


if __name__ == "__main__":
    main()
