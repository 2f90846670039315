"""Are the error rates of the verdicts what we claim? Simulated gates, judged by the functions that ship.

Every cell draws the answers of a base and a tuned model whose true drop is known, asks for the verdict, and counts.
Prints the table and writes bench/results/calibration.json.

    python bench/calibration.py                     # 10,000 gates a cell: hours, all cores
    python bench/calibration.py --quick --json -    # under a minute, to see that it runs
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import write_result

from forgetless.records import ItemResult, PathStep, Verdict
from forgetless.rundir import content_hash
from forgetless.verdicts import (
    FixedListAlarm,
    FreshItemsAlarm,
    SequentialJudge,
    certified_position,
    detectable_drop,
    judge,
    walk_outward,
)
from forgetless.verdicts.betting import BettingTest
from forgetless.verdicts.binary import lower_bound
from forgetless.verdicts.sequential import BETTING_SHARE

Floats = NDArray[np.float64]

ALPHA = 0.05
MARGIN = 0.02
BLOCKS = 12
GROUP_SIZES = (1, 2, 4, 8)
CAPABILITIES, CHECKPOINTS = 5, 20
RIGHT = 0.7
"""Share of right answers of the base where nothing changes."""


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    `kind` is what is counted: `gate` (verdicts on one capability), `coverage` (bounds that hold at all times), `power`
    (drops found at the printed detectable drop), `run` (alarms in whole runs), `path` (false certificates).
    `scores` says how answers are scored: `binary`, `graded` (a rare total failure among small gains, the case in which
    normal theory fails) or `grouped` (right or wrong, in groups that share their fate).
    """

    kind: str
    judge: str
    scores: str
    n: int
    discordance: float
    drop: float
    gates: int


@dataclass(frozen=True)
class Rates:
    """What was counted, as shares of all gates; `standard_error` is that of `failures`."""

    cell: Cell
    outcomes: dict[str, float]
    failures: float
    """Share of gates that went wrong: kept beyond the margin, dropped without a drop, a bound that missed."""
    standard_error: float
    claim: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few gates in few cells")
    parser.add_argument("--gates", type=int, help="gates a cell (10,000; with --quick 60)")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--json", help="write the figures there; `-` is standard output")
    arguments = parser.parse_args()
    gates = arguments.gates or (60 if arguments.quick else 10_000)
    with multiprocessing.Pool(arguments.processes) as pool:
        found = []
        for rates in pool.imap(simulate, list(cells(gates, quick=arguments.quick))):
            found.append(rates)
            print(line(rates), file=sys.stderr if arguments.json == "-" else sys.stdout, flush=True)
    summary = summarise(found)
    if arguments.json == "-":
        print(json.dumps(summary))
    elif arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(summary, file, indent=2)
    if not arguments.quick:
        write_result("calibration", summary, seed=0)


def cells(gates: int, *, quick: bool) -> Iterator[Cell]:
    """Every cell of the table."""
    sizes = (400,) if quick else (400, 1600)
    discordances = (0.05,) if quick else (0.02, 0.05, 0.10)
    drops = (0.0, MARGIN) if quick else (0.0, MARGIN / 2, MARGIN, 2 * MARGIN)
    for drop in drops:
        for n in sizes:
            for judged_by in ("fixed", "sequential", "hybrid"):
                for discordance in discordances:
                    yield Cell("gate", judged_by, "binary", n, discordance, drop, gates)
            for judged_by in ("fixed", "sequential"):
                yield Cell("gate", judged_by, "graded", n, 0.05, drop, gates)
                yield Cell("gate", judged_by, "grouped", n, 0.05, drop, gates)
    for drop in (0.0, MARGIN):
        for n in sizes:
            for judged_by in ("sequential", "hybrid"):
                yield Cell("coverage", judged_by, "binary", n, 0.05, drop, gates)
            yield Cell("coverage", "sequential", "graded", n, 0.05, drop, gates)
    for n in sizes:
        for discordance in discordances:
            yield Cell("power", "fixed", "binary", n, discordance, detectable(n, discordance), gates)
    for judged_by in ("fixed list", "fresh items"):
        yield Cell("run", judged_by, "binary", 200, 0.05, 0.0, gates)
    for discordance in (0.05,) if quick else (0.02, 0.05):
        yield Cell("path", "hybrid", "binary", 800, discordance, MARGIN, gates)


def simulate(cell: Cell) -> Rates:
    """Count one cell; its random numbers depend on the cell alone."""
    rng = np.random.default_rng(int(content_hash(asdict(cell))[:15], 16))
    return KINDS[cell.kind](cell, rng)


# One kind of cell each


def gate(cell: Cell, rng: np.random.Generator) -> Rates:
    """Verdicts on one capability."""
    outcomes = Counter(verdict_of(cell, *answers(cell, rng)).outcome for _ in range(cell.gates))
    if cell.drop >= MARGIN:
        return rates(cell, outcomes, outcomes["kept"], "kept although the drop reaches the margin: at most α")
    if cell.drop == 0.0:
        return rates(cell, outcomes, outcomes["dropped"], "dropped although nothing dropped: at most α")
    return rates(cell, outcomes, 0, "")


def coverage(cell: Cell, rng: np.random.Generator) -> Rates:
    """Whether a one-sided bound lies on the wrong side of the true difference at any time while sampling.

    A bound excludes the truth just when the bet against the truth has won, so the bets themselves are asked.
    """
    missed = Counter[str]()
    level = ALPHA * (BETTING_SHARE if cell.judge == "hybrid" else 1.0)
    for _ in range(cell.gates):
        base, tuned, _ = answers(cell, rng)
        d = tuned - base
        for side, sign in (("lower", 1.0), ("upper", -1.0)):
            bet = BettingTest(-sign * cell.drop, alpha=level, margin=MARGIN)
            bet.update(sign * d)
            miss = bet.rejected
            if cell.judge == "hybrid" and not miss:
                losses, gains = int(np.sum(sign * d < 0)), int(np.sum(sign * d > 0))
                miss = exact_lower(losses, gains, cell.n, (1 - BETTING_SHARE) * ALPHA) > -sign * cell.drop + 1e-12
            missed[side] += miss
    return rates(cell, missed, max(missed.values()), "a bound misses the truth at any time: at most α a side")


def power(cell: Cell, rng: np.random.Generator) -> Rates:
    """Drops that are shown when the true drop is the one that the plan prints as detectable."""
    shown = Counter[str]()
    for _ in range(cell.gates):
        verdict = verdict_of(cell, *answers(cell, rng))
        shown["shown" if verdict.measurable else "not shown"] += 1
    return rates(cell, shown, shown["not shown"], "the printed detectable drop is not shown: at most 20 %")


def run(cell: Cell, rng: np.random.Generator) -> Rates:
    """Whole runs of 5 capabilities and 20 checkpoints in which nothing drops: any alarm is a false one."""
    names = [f"c{i}" for i in range(CAPABILITIES)]
    fixed = cell.judge == "fixed list"
    alarmed = Counter[str]()
    for _ in range(cell.gates):
        alarm = (FixedListAlarm if fixed else FreshItemsAlarm)(names, planned=CHECKPOINTS, alpha=ALPHA)
        d = {name: flips(cell, rng) for name in names}
        raised = False
        for _ in range(CHECKPOINTS):
            # On a fixed list half of the items answer as they did at the checkpoint before.
            fresh = {name: flips(cell, rng) for name in names}
            stays = rng.random((CAPABILITIES, cell.n)) < (0.5 if fixed else 0.0)
            d = {name: np.where(stay, d[name], fresh[name]) for name, stay in zip(names, stays, strict=True)}
            raised |= any(reading.alarm for reading in alarm.update(d).values())
        alarmed["alarm" if raised else "quiet"] += 1
    return rates(cell, alarmed, alarmed["alarm"], "any false alarm in a run: at most α")


def path(cell: Cell, rng: np.random.Generator) -> Rates:
    """Walks out from the base along which one of five capabilities loses the margin at a = 0.7, and more beyond."""
    certified = Counter[str]()
    for _ in range(cell.gates):
        base = (rng.random((CAPABILITIES, cell.n)) < RIGHT).astype(float)
        # Items flip one after another along the path: what is lost at a is lost beyond it.
        turns = rng.random((CAPABILITIES, cell.n))
        hurt = np.array([cell.drop / 0.7, 0.0, 0.0, 0.0, 0.0])[:, None]
        noise = cell.discordance / 2

        def test(a: float) -> tuple[Verdict, ...]:
            lost = turns < (noise + hurt * a) / RIGHT  # noqa: B023
            gained = turns < noise / (1 - RIGHT)  # noqa: B023
            tuned = np.where(base == 1, 1.0 - lost, 1.0 * gained)  # noqa: B023
            return tuple(sequential(b, t, cell.judge) for b, t in zip(base, tuned, strict=True))  # noqa: B023

        steps: list[PathStep] = list(walk_outward(test, positions=(0.5, 0.7, 0.9, 1.0)))
        certified["beyond" if certified_position(steps) >= 0.7 else "within"] += 1
    return rates(cell, certified, certified["beyond"], "certified at or beyond the boundary: at most α")


KINDS: dict[str, Callable[[Cell, np.random.Generator], Rates]] = {
    "gate": gate,
    "coverage": coverage,
    "power": power,
    "run": run,
    "path": path,
}


# Answers whose true drop is known


def answers(cell: Cell, rng: np.random.Generator) -> tuple[Floats, Floats, tuple[int, ...] | None]:
    """Scores of base and tuned model, each [n], and the group of every item where there are groups."""
    if cell.scores == "graded":
        return *graded(cell, rng), None
    if cell.scores == "grouped":
        groups = np.repeat(np.arange(cell.n), rng.choice(GROUP_SIZES, size=cell.n))[: cell.n]
        # The members of a group share one draw in half of the groups and are drawn alone in the others.
        shared = rng.random(cell.n)[groups] < 0.5
        d = np.where(shared, flips(cell, rng)[groups], flips(cell, rng))
        return *scores_of(d, rng), tuple(groups.tolist())
    return *scores_of(flips(cell, rng), rng), None


def flips(cell: Cell, rng: np.random.Generator) -> Floats:
    """Differences −1, 0, 1 with mean −drop and mean square π (at least the drop)."""
    pi = max(cell.discordance, cell.drop)
    u = rng.random(cell.n)
    return np.where(u < (pi + cell.drop) / 2, -1.0, np.where(u > 1 - (pi - cell.drop) / 2, 1.0, 0.0))


def scores_of(d: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Right and wrong answers with the differences `d`."""
    base = np.where(d == 0, rng.random(len(d)) < RIGHT, d < 0).astype(float)
    return base, base + d


def graded(cell: Cell, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Scores in [0, 1]: one item in a hundred may fail totally, the others gain a little, the mean is −drop."""
    base = np.full(cell.n, 0.8)
    failure = 0.01
    gain = (0.8 * failure - cell.drop) / (1 - failure)
    tuned = np.where(rng.random(cell.n) < failure, 0.0, 0.8 + gain)
    return base, tuned


# Verdicts


def verdict_of(cell: Cell, base: Floats, tuned: Floats, groups: tuple[int, ...] | None) -> Verdict:
    """The verdict of the judge that the cell names."""
    if cell.judge != "fixed":
        return sequential(base, tuned, cell.judge, groups)
    if cell.scores == "binary":
        d = tuned - base
        return counted_verdict(int(np.sum(d < 0)), int(np.sum(d > 0)), int(base.sum()), len(d))
    return judge(items(base, groups), items(tuned, groups), capability="c", margin=MARGIN, alpha=ALPHA)


@cache
def counted_verdict(losses: int, gains: int, right: int, n: int) -> Verdict:
    """The verdict on complete right-or-wrong results depends on these counts alone."""
    base = np.concatenate([np.ones(right), np.zeros(n - right)])
    tuned = base.copy()
    tuned[:losses] = 0.0
    tuned[right : right + gains] = 1.0
    return judge(items(base), items(tuned), capability="c", margin=MARGIN, alpha=ALPHA)


def sequential(base: Floats, tuned: Floats, judged_by: str, groups: tuple[int, ...] | None = None) -> Verdict:
    """The verdict of a sequential judge that is fed block by block, whole groups at a time."""
    units = len(base) if groups is None else len(set(groups))
    ends = block_ends(len(base), groups)
    one = SequentialJudge(
        "c",
        margin=MARGIN,
        planned_n=units,
        alpha=ALPHA,
        binary=judged_by == "hybrid",
        largest_group=1 if groups is None else max(GROUP_SIZES),
    )
    before, after = items(base, groups), items(tuned, groups)
    for start, end in zip([0, *ends], ends, strict=False):
        if one.update(before[start:end], after[start:end]):
            break
    return one.finish()


def block_ends(n: int, groups: tuple[int, ...] | None) -> list[int]:
    """Where the blocks end; a group is never cut."""
    if groups is None:
        return [n * (i + 1) // BLOCKS for i in range(BLOCKS)]
    starts = [i for i in range(1, n) if groups[i] != groups[i - 1]]
    return [*starts[:: max(len(starts) // BLOCKS, 1)], n]


def items(scores: Floats, groups: tuple[int, ...] | None = None) -> list[ItemResult]:
    """Scores as item results."""
    if groups is not None or np.any((scores != 0) & (scores != 1)):
        names = [""] * len(scores) if groups is None else [f"g{group}" for group in groups]
        named = enumerate(zip(scores, names, strict=True))
        return [ItemResult(f"i{i}", float(score), group=name) for i, (score, name) in named]
    return [item(i, bool(s)) for i, s in enumerate(scores)]


@cache
def item(index: int, right: bool) -> ItemResult:
    return ItemResult(f"i{index}", float(right))


@cache
def exact_lower(losses: int, gains: int, n: int, alpha: float) -> float:
    return lower_bound(losses, gains, n, alpha=alpha)


@cache
def detectable(n: int, discordance: float) -> float:
    drop = detectable_drop(n, discordance, ALPHA)
    assert drop is not None
    return drop


# The table


def rates(cell: Cell, counts: Counter[str], failures: int, claim: str) -> Rates:
    share = failures / cell.gates
    error = math.sqrt(max(share * (1 - share), 1 / cell.gates) / cell.gates)
    return Rates(cell, {k: v / cell.gates for k, v in sorted(counts.items())}, share, error, claim)


def line(found: Rates) -> str:
    cell = found.cell
    shown = ", ".join(f"{name} {share:.4f}" for name, share in found.outcomes.items())
    where = f"{cell.kind:8} {cell.judge:11} {cell.scores:7} n {cell.n:5} π {cell.discordance:.2f} drop {cell.drop:.4f}"
    return f"{where}: {shown}" + (f" | {found.claim}" if found.claim else "")


def summarise(found: Sequence[Rates]) -> dict[str, Any]:
    """All cells, and the worst of each claim."""

    def worst(kind: str, *, dropped: bool = False) -> float:
        return max(
            r.failures for r in found if r.cell.kind == kind and (kind != "gate" or dropped == (r.cell.drop == 0))
        )

    return {
        "cells": [asdict(r.cell) | {k: v for k, v in asdict(r).items() if k != "cell"} for r in found],
        "worst_false_kept": worst("gate"),
        "worst_false_dropped": worst("gate", dropped=True),
        "worst_coverage": 1 - worst("coverage"),
        "worst_run_alarm": worst("run"),
        "worst_path": worst("path"),
        "worst_power": 1 - worst("power"),
        "alpha": ALPHA,
    }


if __name__ == "__main__":
    main()
