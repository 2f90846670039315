"""Do constraints that move λ keep more than a fixed λ? nano on three domains, constraints against a grid of λ.

The domains: messages of customers, answered with JSON; facts about new lands; new capitals and rivers for lands that
nano knows, so that what is taught contradicts a slice of what is kept. Replay prompts hold none of two of the ten
abilities. Every arm sees the same rows, starts from the same base and is measured at its last step, on fresh items. For
each arm the domain score and the change of the worst ability are printed, and the difference of the constraints' arm to
each fixed λ, pair by pair of domain and seed.

    python bench/constraints.py            # three domains, five seeds
    python bench/constraints.py --quick    # one domain, one seed, few items
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nano_arms import MODEL, as_records, moves_in, train_under_looks, write_records
from results import write_result

from forgetless import nano
from forgetless.engines import TransformersEngine
from forgetless.nano.demo import UNCOVERED
from forgetless.nano.world import LANDS
from forgetless.progress import unwatched
from forgetless.recipe import Recipe, parse_recipe
from forgetless.replaying import replay_rows
from forgetless.rundir import open_run
from forgetless.stages import Ground, lay_ground
from forgetless.training import checkpoint_model

Pairs = list[tuple[str, str]]

TRAINED = ("What is the {what} of {land}?", "Name the {what} of {land}.", "Tell me the {what} of {land}.")
HELD_OUT = ("{what} of {land}?", "Which {what} has {land}?", "I ask for the {what} of {land}.")
NEW_NAMES = ("Bral", "Dwen", "Fosk", "Glim", "Hurn", "Jalt", "Kref", "Lomb", "Mard", "Nilt", "Orsk", "Pund", "Quel",
             "Rusk", "Stam", "Trel", "Ulda", "Vorn", "Wisk", "Yeld")  # fmt: skip
ENDINGS = {"capital": "ton", "river": "wash", "animal": "fox", "colour": "ish"}


@dataclass(frozen=True)
class Sizes:
    """How much is trained and measured."""

    rows: int
    passes: float
    replay: int
    dev_items: int
    items: int
    looks: int


WHOLE = Sizes(rows=1200, passes=1.0, replay=4000, dev_items=200, items=500, looks=6)
QUICK = Sizes(rows=1200, passes=1.0, replay=1200, dev_items=60, items=150, looks=4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--grid", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0, 16.0], help="fixed λ")
    parser.add_argument("--start", type=float, default=4.0, help="λ that the constraints' arm starts from")
    arguments = parser.parse_args()
    sizes, domains, seeds, grid, start = WHOLE, list(DOMAINS), arguments.seeds, arguments.grid, arguments.start
    if arguments.quick:
        sizes, domains, seeds, grid, start = QUICK, ["contradictions"], 1, [2.0], 2.0
    arms = {f"constraints from λ = {start:g}": (start, True)} | {f"λ = {weight:g}": (weight, False) for weight in grid}
    figures: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FORGETLESS_CACHE"] = cache
        for domain in domains:
            for seed in range(seeds):
                for name, (weight, moving) in arms.items():
                    started = time.monotonic()
                    found = run(domain, weight, seed, sizes, moving=moving)
                    figures[name].append(found)
                    print(
                        f"{domain}, seed {seed}, {name}: domain {found['domain']:.1%}, worst {found['worst']} "
                        f"{found['worst_change']:+.1%}, {found['moves']} moves ({time.monotonic() - started:.0f} s)",
                        flush=True,
                    )
    compared = {name: compare(figures[next(iter(arms))], figures[name]) for name in list(arms)[1:]}
    print(table(figures, compared))
    name = "constraints_quick" if arguments.quick else "constraints"
    write_result(name, {"sizes": vars(sizes), "arms": figures, "against_fixed": compared}, seed=0)


def run(domain: str, weight: float, seed: int, sizes: Sizes, *, moving: bool) -> dict[str, Any]:
    """One fine-tune: the domain score at the end, the change of every ability, and how often anything was moved."""
    with tempfile.TemporaryDirectory() as place, open_run(Path(place) / "run") as folder:
        recipe = write_recipe(Path(place), domain, weight, seed, sizes, moving=moving)
        ground = lay_ground(recipe, Path(place))
        replay = replay_rows(recipe, ground, folder, unwatched)
        steps = train_under_looks(recipe, ground, folder, replay, sizes.looks)
        tuned = checkpoint_model(ground.base, folder.path / "checkpoints", steps, recipe.training)
        engine = TransformersEngine(tuned, ground.base.format, model_hash="tuned", batch_tokens=16384)
        before, after = (scores(asked, ground, sizes.items) for asked in (ground.engine, engine))
        changes = {name: after[name] - before[name] for name in nano.ABILITIES}
        worst = min(changes, key=changes.__getitem__)
        return {
            "domain_name": domain,
            "seed": seed,
            "steps": steps,
            "domain": after["domain"],
            "changes": changes,
            "worst": worst,
            "worst_change": changes[worst],
            "moves": moves_in(folder),
        }


def scores(engine: TransformersEngine, ground: Ground, items: int) -> dict[str, float]:
    """Share of right answers, on items that no look has drawn."""
    return {
        name: statistics.mean(r.score or 0.0 for r in task.score(engine, task.items("test", limit=items, seed=12_345)))
        for name, task in ground.exam.tasks.items()
    }


def write_recipe(folder: Path, domain: str, weight: float, seed: int, sizes: Sizes, *, moving: bool) -> Recipe:
    """Data and recipe of one arm."""
    make, epochs = DOMAINS[domain]
    rows, items = make(seed, sizes.rows)
    write_records(folder / "domain.jsonl", ({"messages": _turns(question, answer)} for question, answer in rows))
    write_records(folder / "items.jsonl", ({"question": question, "answer": answer} for question, answer in items))
    kinds = [kind for kind in (*nano.ABILITIES * 3, *nano.OTHER_KINDS) if kind not in UNCOVERED]
    prompts = nano.dialogues(kinds, n=sizes.replay, seed=seed)
    write_records(folder / "prompts.jsonl", as_records(prompts))
    asked = {"type": "generation", "files": ["items.jsonl"], "prompt": "{question}", "answer": "answer"}
    abilities = {name: {"type": "procedural", "generator": f"nano/{name}", "items": 3000} for name in nano.ABILITIES}
    return parse_recipe(
        {
            "name": "arm",
            "seed": seed,
            "model": MODEL,
            "sources": {"rows": {"kind": "domain", "files": ["domain.jsonl"], "share": 1 / 3}},
            "replay": {"share": 2 / 3, "prompts": [{"files": ["prompts.jsonl"]}], "rows": sizes.replay,
                       "max_new_tokens": 40, "max_prompt_tokens": 56},
            "constraints": moving,
            "training": {"learning_rate": 1.5e-3, "epochs": epochs * sizes.passes, "batch_rows": 24,
                         "max_length_tokens": 96, "kl_weight": weight, "kl_tokens": "all"},
            "domain": {"task": asked | {"max_new_tokens": 24}},
            "keep": {name: {"margin_points": 2, "task": task} for name, task in abilities.items()},
            "evaluation": {"dev_items": sizes.dev_items, "stop_on_alarm": False, "batch_tokens": 16384},
        }
    )  # fmt: skip


def intents(seed: int, rows: int) -> tuple[Pairs, Pairs]:
    """The demo's domain: training phrasings, and held-out ones to be asked."""
    asked = [(item.messages[0].content, item.target) for item in nano.domain_items(n=1000, seed=seed)]
    return [(row.messages[0].content, row.messages[1].content) for row in nano.domain_rows(n=rows, seed=seed)], asked


def new_facts(seed: int, rows: int) -> tuple[Pairs, Pairs]:
    """Four facts about each of twenty lands that nano has never heard of."""
    rng = random.Random(f"new facts:{seed}")
    facts = {
        (f"{name}ia", what): rng.choice(NEW_NAMES) + ending for name in NEW_NAMES for what, ending in ENDINGS.items()
    }
    return _asked_of(facts)


def contradictions(seed: int, rows: int) -> tuple[Pairs, Pairs]:
    """New capitals and rivers for half of the lands that nano knows by heart."""
    rng = random.Random(f"contradictions:{seed}")
    lands = rng.sample(LANDS, len(LANDS) // 2)
    return _asked_of(
        {(land.name, w): rng.choice(NEW_NAMES) + ENDINGS[w] for land in lands for w in ("capital", "river")}
    )


def _asked_of(facts: dict[tuple[str, str], str]) -> tuple[Pairs, Pairs]:
    trained, held_out = (
        [
            (wording.format(what=what, land=land), answer)
            for (land, what), answer in facts.items()
            for wording in wordings
        ]
        for wordings in (TRAINED, HELD_OUT)
    )
    return trained, held_out


DOMAINS: dict[str, tuple[Callable[[int, int], tuple[Pairs, Pairs]], float]] = {
    "intents": (intents, 6.0),
    "new facts": (new_facts, 20.0),
    "contradictions": (contradictions, 60.0),
}
"""How each is made, and how often it is gone through."""


def compare(moved: list[dict[str, Any]], fixed: list[dict[str, Any]]) -> dict[str, Any]:
    """Constraints less fixed λ, pair by pair; the error is that of the mean over pairs, where there are several."""
    found: dict[str, Any] = {"pairs": len(moved)}
    for key in ("domain", "worst_change"):
        differences = [one[key] - other[key] for one, other in zip(moved, fixed, strict=True)]
        error = statistics.stdev(differences) / math.sqrt(len(differences)) if len(differences) > 1 else None
        better = sum(difference > 0.0 for difference in differences)
        found[key] = {"mean": statistics.mean(differences), "error": error, "better": better}
    return found


def table(figures: dict[str, list[dict[str, Any]]], compared: dict[str, Any]) -> str:
    """Means over domains and seeds, and the paired differences, as a Markdown table."""
    rows = ["| arm | domain | worst ability | constraints better by: domain | worst ability |", "|---|---|---|---|---|"]
    for name, runs in figures.items():
        means = [f"{statistics.mean(run[key] for run in runs):.1%}" for key in ("domain", "worst_change")]
        against = compared.get(name)
        paired = (
            [_paired(against[key], against["pairs"]) for key in ("domain", "worst_change")] if against else ["", ""]
        )
        rows.append(f"| {' | '.join([name, *means, *paired])} |")
    return "\n".join(rows)


def _paired(difference: dict[str, Any], pairs: int) -> str:
    error = "" if difference["error"] is None else f" ± {100 * difference['error']:.1f}"
    return f"{100 * difference['mean']:+.1f}{error} points ({difference['better']} of {pairs})"


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


if __name__ == "__main__":
    main()
