"""Do constraints that move λ keep more than a fixed λ? nano on three domains, constraints against a grid of λ.

The domains: messages of customers, answered with JSON; facts about new lands; new capitals and rivers for lands that
nano knows, so that what is taught contradicts a slice of what is kept. Replay prompts hold none of two of the ten
abilities. Every arm sees the same domain rows, starts from the same base and is measured at its last step, on fresh
items. For each arm the domain score, the change of the worst ability, and the runs that end with every ability inside
its margin are printed. With constraints the base also writes prompts for the abilities that the given ones leave
uncovered; one more arm has these rows too, and a λ that stays. The constraints' arm is compared

- with each fixed λ, pair by pair of domain and seed;
- by domain, with the fixed λ that turned out best there, and with the one that is best on the other two domains. Best
  is the highest domain score among those that keep the worst ability within its margin in the mean over seeds; where
  none does, the one whose worst ability falls least;
- with itself: of the runs in which a look saw an ability outside its margin, how many had it inside at the next look.

Intervals are 95 % by Student's t over pairs. Every arm is kept when it is done, and not run again with the same recipe.

    python bench/constraints.py                                        # three domains, five seeds: 105 runs
    python bench/constraints.py --domains intents --seeds 2 --grid 4 8 # some of them
    python bench/constraints.py --quick                                # one domain, one seed, few items
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from nano_arms import MODEL, as_records, kept, moves_in, train_under_looks, write_records
from results import write_result
from scipy import stats

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

FILLED = "filled"
"""What the arm's name ends with that is no choice of λ."""

MARGIN = 0.02
"""What each ability may fall."""

_OUTSIDE = MARGIN + 1e-9
"""Four items of two hundred are the margin, and not beyond it."""

TRAINED = ("What is the {what} of {land}?", "Name the {what} of {land}.", "Tell me the {what} of {land}.")
HELD_OUT = ("{what} of {land}?", "Which {what} has {land}?", "I ask for the {what} of {land}.")
NEW_NAMES = ("Bral", "Dwen", "Fosk", "Glim", "Hurn", "Jalt", "Kref", "Lomb", "Mard", "Nilt", "Orsk", "Pund", "Quel",
             "Rusk", "Stam", "Trel", "Ulda", "Vorn", "Wisk", "Yeld")  # fmt: skip
ENDINGS = {"capital": "ton", "river": "wash", "animal": "fox", "colour": "ish"}


@dataclass(frozen=True)
class Arm:
    """λ, whether it moves, and whether a λ that stays has the rows that constraints would have."""

    weight: float
    moving: bool = False
    filled: bool = False


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
    parser.add_argument("--domains", nargs="+", choices=list(DOMAINS), default=list(DOMAINS), metavar="DOMAIN")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--grid", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0, 16.0], help="fixed λ")
    parser.add_argument("--start", type=float, default=4.0, help="λ that the constraints' arm starts from")
    parser.add_argument("--folder", type=Path, default=Path("runs") / "bench-constraints", help="keeps what is done")
    asked = parser.parse_args()
    sizes, domains, seeds, grid, start = WHOLE, asked.domains, asked.seeds, asked.grid, asked.start
    if asked.quick:
        sizes, domains, seeds, grid, start = QUICK, ["contradictions"], 1, [2.0], 2.0
    name = "constraints_quick" if asked.quick else "constraints"
    os.environ["FORGETLESS_CACHE"] = str(asked.folder / name / "cache")
    arms = {f"constraints from λ = {start:g}": Arm(start, moving=True)} | {f"λ = {w:g}": Arm(w) for w in grid}
    arms[f"λ = {start:g}, {FILLED}"] = Arm(start, filled=True)
    figures: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for domain, seed in itertools.product(domains, range(seeds)):
        for told, arm in arms.items():
            figures[told].append(run(asked.folder / name, domain, arm, seed, sizes))
    found = summary(figures)
    print("\n".join(tables(figures, found)))
    write_result(name, {"sizes": vars(sizes), "arms": figures} | found, seed=0)


def run(kept_in: Path, domain: str, arm: Arm, seed: int, sizes: Sizes) -> dict[str, Any]:
    """One fine-tune: the domain score at the end, the change of every ability, every look, and what was moved."""
    with tempfile.TemporaryDirectory() as place:
        recipe = write_recipe(Path(place), domain, arm, seed, sizes)
        name = f"{domain}, seed {seed}, {'constraints from ' * arm.moving}λ = {arm.weight:g}, {sizes.looks} looks"

        def make() -> dict[str, Any]:
            return {"domain_name": domain, "seed": seed} | _run(Path(place), recipe, sizes)

        return kept(kept_in, name, recipe, make)


def _run(place: Path, recipe: Recipe, sizes: Sizes) -> dict[str, Any]:
    with open_run(place / "run") as folder:
        ground = lay_ground(recipe, place)
        replay = replay_rows(recipe, ground, folder, unwatched)
        steps = train_under_looks(recipe, ground, folder, replay, sizes.looks)
        tuned = checkpoint_model(ground.base, folder.path / "checkpoints", steps, recipe.training)
        engine = TransformersEngine(tuned, ground.base.format, model_hash="tuned", batch_tokens=16384)
        before, after = (scores(asked, ground, sizes.items) for asked in (ground.engine, engine))
        changes = {name: after[name] - before[name] for name in nano.ABILITIES}
        worst = min(changes, key=changes.__getitem__)
        looks = [
            {c["capability"]: c["estimate"] for c in event["capabilities"]}
            for event in folder.events()
            if event["event"] == "evaluation"
        ]
        return {
            "steps": steps,
            "domain": after["domain"],
            "changes": changes,
            "worst": worst,
            "worst_change": changes[worst],
            "looks": looks,
            "moves": moves_in(folder),
        }


def scores(engine: TransformersEngine, ground: Ground, items: int) -> dict[str, float]:
    """Share of right answers, on items that no look has drawn."""
    return {
        name: statistics.mean(r.score or 0.0 for r in task.score(engine, task.items("test", limit=items, seed=12_345)))
        for name, task in ground.exam.tasks.items()
    }


def write_recipe(folder: Path, domain: str, arm: Arm, seed: int, sizes: Sizes) -> Recipe:
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
                       "max_new_tokens": 40, "max_prompt_tokens": 56} | ({"coverage": "filled"} if arm.filled else {}),
            "constraints": arm.moving,
            "training": {"learning_rate": 1.5e-3, "epochs": epochs * sizes.passes, "batch_rows": 24,
                         "max_length_tokens": 96, "kl_weight": arm.weight, "kl_tokens": "all"},
            "domain": {"task": asked | {"max_new_tokens": 24}},
            "keep": {name: {"margin_points": 100 * MARGIN, "task": task} for name, task in abilities.items()},
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


# Figures


def summary(figures: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """The constraints' arm, the first of all, against every fixed λ, the best ones, and its own looks."""
    moving, *staying = figures
    fixed = [name for name in staying if not name.endswith(FILLED)]
    domains = list(dict.fromkeys(one["domain_name"] for one in figures[moving]))
    by_domain = {}
    for domain in domains:
        others = [other for other in domains if other != domain]
        chosen = {"in_hindsight": best(figures, fixed, [domain])}
        if others:
            chosen["tuned_on_the_others"] = best(figures, fixed, others)
        by_domain[domain] = {
            how: {"arm": arm} | compare(of(figures[moving], [domain]), of(figures[arm], [domain]))
            for how, arm in chosen.items()
        }
    tuned = [(d, found["tuned_on_the_others"]["arm"]) for d, found in by_domain.items() if len(domains) > 1]
    pairs = [pair for d, arm in tuned for pair in zip(of(figures[moving], [d]), of(figures[arm], [d]), strict=True)]
    return {
        "against_fixed": {arm: compare(figures[moving], figures[arm]) for arm in staying},
        "by_domain": by_domain,
        "against_tuned": compare(*map(list, zip(*pairs, strict=True))) if pairs else None,
        "returns": {arm: returns(runs)._asdict() for arm, runs in figures.items()},
    }


def of(runs: Sequence[dict[str, Any]], domains: Collection[str]) -> list[dict[str, Any]]:
    """The runs on some domains."""
    return [one for one in runs if one["domain_name"] in domains]


def best(figures: dict[str, list[dict[str, Any]]], arms: Sequence[str], domains: Sequence[str]) -> str:
    """The arm with the highest domain score among those that keep every worst ability; else the one that keeps most."""
    means = {
        arm: [
            tuple(statistics.mean(one[key] for one in of(figures[arm], [domain])) for key in ("worst_change", "domain"))
            for domain in domains
        ]
        for arm in arms
    }
    least = {arm: min(worst for worst, _ in found) for arm, found in means.items()}
    inside = [arm for arm in arms if least[arm] >= -MARGIN]
    if not inside:
        return max(arms, key=least.__getitem__)
    return max(inside, key=lambda arm: statistics.mean(score for _, score in means[arm]))


class Returns(NamedTuple):
    """Runs in which a look, but for the last, saw an ability outside its margin, and those that had it inside at once.

    A run counts as returned if every ability that it saw outside was inside at the look after. `times` and `mended`
    count every look at every ability by itself.
    """

    left: int
    returned: int
    times: int
    mended: int


def returns(runs: Sequence[dict[str, Any]]) -> Returns:
    """How often what was pushed out of its margin came back within one interval."""
    left = returned = times = mended = 0
    for one in runs:
        out = [
            after[name] >= -_OUTSIDE
            for before, after in itertools.pairwise(one["looks"])
            for name in before
            if before[name] < -_OUTSIDE
        ]
        left += bool(out)
        returned += bool(out) and all(out)
        times += len(out)
        mended += sum(out)
    return Returns(left, returned, times, mended)


def compare(one: Sequence[dict[str, Any]], other: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One arm less another, pair by pair."""
    found: dict[str, Any] = {"pairs": len(one)}
    for key in ("domain", "worst_change"):
        differences = [a[key] - b[key] for a, b in zip(one, other, strict=True)]
        mean, interval = statistics.mean(differences), None
        if len(differences) > 1:
            error = statistics.stdev(differences) / math.sqrt(len(differences))
            reach = float(stats.t.ppf(0.975, len(differences) - 1)) * error
            interval = [mean - reach, mean + reach]
        better = sum(difference > 0.0 for difference in differences)
        found[key] = {"mean": mean, "interval": interval, "better": better}
    return found


def tables(figures: dict[str, list[dict[str, Any]]], found: dict[str, Any]) -> Iterator[str]:
    """Means over domains and seeds, and the paired differences, as Markdown."""
    yield (
        "| arm | domain | worst ability | inside at the end | constraints better by: domain | worst ability "
        "| came back at once |"
    )
    yield "|---|---|---|---|---|---|---|"
    for name, runs in figures.items():
        means = [f"{statistics.mean(run[key] for run in runs):.1%}" for key in ("domain", "worst_change")]
        inside = f"{sum(run['worst_change'] >= -_OUTSIDE for run in runs)} of {len(runs)}"
        back = found["returns"][name]
        cells = [name, *means, inside, *_paired(found["against_fixed"].get(name))]
        cells.append(f"{back['returned']} of {back['left']} ({back['mended']} of {back['times']} single falls)")
        yield f"| {' | '.join(cells)} |"
    yield ""
    yield "| constraints against | λ | domain | worst ability |"
    yield "|---|---|---|---|"
    for domain, chosen in found["by_domain"].items():
        for how, against in chosen.items():
            yield f"| {domain}, {how.replace('_', ' ')} | {against['arm']} | {' | '.join(_paired(against))} |"
    if found["against_tuned"]:
        yield f"| all, tuned on the others | | {' | '.join(_paired(found['against_tuned']))} |"


def _paired(against: dict[str, Any] | None) -> list[str]:
    if against is None:
        return ["", ""]
    cells = []
    for key in ("domain", "worst_change"):
        one = against[key]
        interval = " ({:+.1f} to {:+.1f})".format(*(100 * x for x in one["interval"])) if one["interval"] else ""
        cells.append(f"{100 * one['mean']:+.1f}{interval} points, {one['better']} of {against['pairs']}")
    return cells


def _turns(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


if __name__ == "__main__":
    main()
