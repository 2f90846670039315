"""Are the error rates of the verdicts what we claim? Simulated gates, judged by the functions that ship.

Every cell draws the answers of a base and a tuned model whose true drop is known, judges them, and counts. All gates of
a cell are judged at once: the shipped tests follow many sequences of answers in one array, and complete right-or-wrong
results depend on their counts alone. The first gates of every cell are judged a second time, item by item by `judge` or
`SequentialJudge`, and must come out the same. Figures are written to bench/results cell by cell, and a cell that stands
there with as many gates is not simulated again: a bench that was stopped goes on where it was.

    python bench/calibration.py                          # 10,000 gates a cell: most of an hour on one quiet core
    python bench/calibration.py --part path,gate/hybrid  # some of the cells
    python bench/calibration.py --quick --json -         # under a minute, to see that it runs
    python bench/calibration.py --table                  # the figures in bench/results as tables for the docs
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import FOLDER, write_result
from scipy import stats

from forgetless.records import ItemResult, PathStep, Verdict
from forgetless.rundir import content_hash
from forgetless.verdicts import (
    FixedListAlarm,
    FreshItemsAlarm,
    SequentialJudge,
    certified_position,
    detectable_drop,
    floor_items,
    holm,
    judge,
    walk_outward,
)
from forgetless.verdicts import binary as counts
from forgetless.verdicts.betting import BettingTest, bets_for, log_wealth
from forgetless.verdicts.sequential import BETTING_SHARE

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ALPHA = 0.05
MARGIN = 0.02
GROUP_SIZES = (1, 2, 4, 8)
CAPABILITIES, CHECKPOINTS = 5, 20
FALLEN = {"nothing dropped": 0, "two dropped": 2}
"""How many of the capabilities that are judged together have lost twice the margin."""
POSITIONS = (0.5, 0.7, 0.9, 1.0)
BOUNDARY = 0.7
"""Where on the path the drop reaches the margin."""
RIGHT = 0.7
"""Share of right answers of the base where nothing changes."""
CIRCUMSTANCES = {
    "near chance": (0.25 + 2 * MARGIN, 0.25, 0.0, 0.0),
    "noise": (RIGHT, 0.0, MARGIN / 4, 0.0),
    "missing": (RIGHT, 0.0, 0.0, 0.005),
}
"""Share of right answers of the base, chance, measured noise, and share of answers that have no score."""
SHOWN_PI = 0.05
"""Discordance of the gates whose practices are tabulated."""
CHECKED = 8
"""Gates of a cell that are judged item by item as well."""
_NUMBERS_AT_ONCE = 400_000


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    `kind` is what is counted: `gate` (verdicts on one capability), `coverage` (bounds that hold at all times), `power`
    (drops found at the printed detectable drop), `judged` (verdicts under the circumstances that `judge` names, item
    by item), `together` (several capabilities at once), `run` (alarms in whole runs), `path` (false certificates),
    `practice` (what other rules of decision say of the same gates).
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
    limit: float | None = None
    """What the claim allows; `None` where nothing is claimed."""


@dataclass(frozen=True)
class Gates:
    """Many gates at once: d has one row for each gate and one column for each unit.

    `weights` are those of groups, 0 beyond a gate's last group; `item_d` and `groups` are its items, for the gates that
    are judged item by item. `kinds` are all the differences that single items may bring, the usual one first.
    """

    d: Floats
    kinds: tuple[float, ...] = (0.0, -1.0, 1.0)
    weights: Floats | None = None
    item_d: Floats | None = None
    groups: NDArray[np.int64] | None = None

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """Units of each gate."""
        if self.groups is None:
            return np.full(len(self.d), self.d.shape[1])
        return self.groups[:, -1] + 1

    @cached_property
    def turns(self) -> Turns:
        """Where the wealth of a bet can turn, for gates of single items."""
        return Turns.of(self.d, np.array(self.kinds))


@dataclass(frozen=True)
class Turns:
    """Single items, told by the moments at which the wealth of a bet can have a peak.

    Most items bring the same difference, and the others come one by one. Between two of those wealth goes one way all
    along, so it is enough to look just before each of them, just after it, and at the end.
    """

    kinds: Floats
    """The different differences, the usual one first, shape (kinds,)."""
    counts: NDArray[np.int64]
    """How often each came up by then, shape (gates, moments, kinds)."""

    @classmethod
    def of(cls, d: Floats, kinds: Floats) -> Turns:
        gates, n = d.shape
        rows, places = np.nonzero(d != kinds[0])
        per_gate = np.bincount(rows, minlength=gates)
        first = np.concatenate([[0], np.cumsum(per_gate)[:-1]])
        column = 2 * (np.arange(len(rows)) - first[rows])
        seen = np.full((gates, 2 * int(per_gate.max(initial=0)) + 1), n)
        seen[rows, column], seen[rows, column + 1] = places, places + 1
        counts = np.zeros((*seen.shape, len(kinds)), dtype=np.int64)
        for k in range(1, len(kinds)):
            came = np.zeros(seen.shape, dtype=np.int64)
            here = d[rows, places] == kinds[k]
            came[rows[here], column[here] + 1] = 1
            counts[..., k] = np.cumsum(came, axis=1)
        counts[..., 0] = seen - counts.sum(axis=-1)
        return cls(kinds, counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few gates in few cells")
    parser.add_argument("--gates", type=int, help="gates a cell (10,000; with --quick 200)")
    parser.add_argument("--part", help=f"kinds of cells ({', '.join(KINDS)}) or `gate/hybrid`, with commas between")
    parser.add_argument("--json", help="write the figures there; `-` is standard output")
    parser.add_argument("--table", action="store_true", help="print what stands in bench/results, and simulate nothing")
    arguments = parser.parse_args()
    if arguments.table:
        print("\n".join(tables(_kept_cells())))
        return
    gates = arguments.gates or (200 if arguments.quick else 10_000)
    every = list(cells(gates, quick=arguments.quick))
    parts = set((arguments.part or ",".join(KINDS)).split(","))
    unknown = parts - {part for cell in every for part in parts_of(cell.kind, cell.judge)}
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    told = [] if arguments.quick else [row for row in _kept_cells() if any(_is_of(row, cell) for cell in every)]
    for cell in every:
        asked = parts & parts_of(cell.kind, cell.judge)
        same = [row for row in told if _is_of(row, cell)]
        if asked and not any(row["gates"] >= gates for row in same):
            found = simulate(cell)
            print(line(found), file=sys.stderr if arguments.json == "-" else sys.stdout, flush=True)
            told = [row for row in told if row not in same] + [_as_row(found)]
            if not arguments.quick:
                write_result("calibration", summarise(told), seed=0)
    if not arguments.quick and len(told) < len(_kept_cells()):
        write_result("calibration", summarise(told), seed=0)  # cells that are no longer asked for
    if arguments.json == "-":
        print(json.dumps(summarise(told)))
    elif arguments.json:
        Path(arguments.json).write_text(json.dumps(summarise(told), indent=2), encoding="utf-8")


def cells(gates: int, *, quick: bool) -> Iterator[Cell]:
    """Every cell of the table."""
    sizes = (400,) if quick else (400, 1600)
    grouped_sizes = (1600,)
    discordances = (0.05,) if quick else (0.02, 0.05, 0.10)
    drops = (0.0, MARGIN) if quick else (0.0, MARGIN / 2, MARGIN, 2 * MARGIN)
    for drop in drops:
        for n in sizes:
            for judged_by in ("fixed", "sequential", "hybrid"):
                for discordance in discordances:
                    yield Cell("gate", judged_by, "binary", n, discordance, drop, gates)
            for judged_by in ("fixed", "sequential"):
                yield Cell("gate", judged_by, "graded", n, 0.01, drop, gates)
        for n in grouped_sizes:
            for judged_by in ("fixed", "sequential"):
                yield Cell("gate", judged_by, "grouped", n, 0.05, drop, gates)
    for drop in (0.0, MARGIN):
        for n in sizes:
            for judged_by in ("sequential", "hybrid"):
                yield Cell("coverage", judged_by, "binary", n, 0.05, drop, gates)
            yield Cell("coverage", "sequential", "graded", n, 0.01, drop, gates)
        yield Cell("coverage", "sequential", "grouped", grouped_sizes[0], 0.05, drop, gates)
    for n in sizes:
        for discordance in discordances:
            yield Cell("power", "fixed", "binary", n, discordance, detectable(n, discordance), gates)
        for judged_by in ("fixed", "sequential"):
            yield Cell("power", judged_by, "graded", n, 0.01, detectable(n, 0.01, exact=False), gates)
    for n in grouped_sizes:
        for judged_by in ("fixed", "sequential"):
            drop = detectable(n // max(GROUP_SIZES), 0.05, exact=False)
            yield Cell("power", judged_by, "grouped", n, 0.05, drop, gates)
    for circumstance in CIRCUMSTANCES:
        for drop in (0.0, MARGIN):
            for n in sizes:
                yield Cell("judged", circumstance, "binary", n, 0.05, drop, gates)
    for fallen in FALLEN:
        for n in sizes:
            yield Cell("together", fallen, "binary", n, 0.05, 0.0, gates)
    for judged_by in ("fixed list", "fresh items"):
        yield Cell("run", judged_by, "binary", 200, 0.05, 0.0, gates)
    for discordance in (0.05,) if quick else (0.02, 0.05):
        yield Cell("path", "hybrid", "binary", 800, discordance, MARGIN, gates)
    for n in sizes:
        for discordance in (0.05,) if quick else (0.05, 0.10):
            for drop in (0.0, MARGIN, 2 * MARGIN):
                for practice in PRACTICES:
                    yield Cell("practice", practice, "binary", n, discordance, drop, gates)


def _is_of(row: dict[str, Any], cell: Cell) -> bool:
    """Whether a row of the results is of this cell, with however many gates."""
    return asdict(cell).items() <= (row | {"gates": cell.gates}).items()


def parts_of(kind: str, judged_by: str) -> set[str]:
    """The names by which `--part` asks for a cell."""
    return {kind, f"{kind}/{judged_by}"}


def simulate(cell: Cell) -> Rates:
    """Count one cell; its random numbers depend on the cell alone, and practices share those of their gate."""
    drawn = asdict(cell) | ({"judge": ""} if cell.kind == "practice" else {})
    return KINDS[cell.kind](cell, np.random.default_rng(int(content_hash(drawn)[:15], 16)))


# One kind of cell each


def gate(cell: Cell, rng: np.random.Generator) -> Rates:
    """Verdicts on one capability."""
    found = Counter[str]()
    checked = False
    for drawn in chunks(cell, rng):
        outcomes = outcomes_of(cell, drawn)
        if not checked:
            _check(cell, drawn, outcomes, rng)
            checked = True
        found.update(outcomes)
    if cell.drop >= MARGIN:
        return rates(cell, found, found["kept"], "kept although the drop reaches the margin: at most α", ALPHA)
    if cell.drop == 0.0:
        return rates(cell, found, found["dropped"], "dropped although nothing dropped: at most α", ALPHA)
    return rates(cell, found, 0, "")


def coverage(cell: Cell, rng: np.random.Generator) -> Rates:
    """Whether a one-sided bound lies on the wrong side of the true difference at any time while sampling.

    A bound excludes the truth just when the bet against the truth has won, so the bets themselves are asked.
    """
    missed = Counter[str]()
    level = ALPHA * (BETTING_SHARE if cell.judge == "hybrid" else 1.0)
    for drawn in chunks(cell, rng):
        for side, sign in (("lower", 1.0), ("upper", -1.0)):
            miss = _bets(drawn, -sign * cell.drop, sign, level)[0].any(axis=1)
            if cell.judge == "hybrid":
                exact = (1 - BETTING_SHARE) * ALPHA
                ends = by_counts(sign * drawn.d, lambda b, c, n, alpha=exact: exact_lower(b, c, n, alpha))
                miss |= ends > -sign * cell.drop + 1e-12
            missed[side] += int(miss.sum())
    return rates(cell, missed, max(missed.values()), "a bound misses the truth at any time: at most α a side", ALPHA)


def power(cell: Cell, rng: np.random.Generator) -> Rates:
    """Drops that are shown when the true drop is the one that the plan prints as detectable."""
    shown = Counter[str]()
    for drawn in chunks(cell, rng):
        if cell.scores == "binary":
            found = by_counts(drawn.d, drop_p) <= ALPHA
        else:
            won = _bets(drawn, 0.0, -1.0)[0]
            found = won[:, -1] if cell.judge == "fixed" else won.any(axis=1)
        shown.update({"shown": int(found.sum()), "not shown": int((~found).sum())})
    return rates(cell, shown, shown["not shown"], "the printed detectable drop is not shown: at most 20 %", 0.2)


def judged(cell: Cell, rng: np.random.Generator) -> Rates:
    """Complete right-or-wrong results as `judge` sees them, near chance, beyond noise or with answers missing."""
    found = Counter[str]()
    right, chance, noise, missing = CIRCUMSTANCES[cell.judge]
    for _ in range(cell.gates):
        turned = cell.discordance / 2
        base = rng.random(cell.n) < right
        turns = rng.random(cell.n)
        tuned = np.where(
            base, turns >= (turned + cell.drop / 2) / right, turns < (turned - cell.drop / 2) / (1 - right)
        )
        before, after = (items(scores.astype(float), None) for scores in (base, tuned))
        for i in np.flatnonzero(rng.random(cell.n) < missing):
            after[i] = replace(after[i], score=None)
        verdict = judge(before, after, capability="c", margin=MARGIN, alpha=ALPHA, chance=chance, noise=noise)
        found[verdict.outcome] += 1
    if cell.drop >= MARGIN:
        return rates(cell, found, found["kept"], "kept although the drop reaches the margin: at most α", ALPHA)
    return rates(cell, found, found["dropped"], "dropped although nothing dropped: at most α", ALPHA)


def together(cell: Cell, rng: np.random.Generator) -> Rates:
    """Five capabilities judged at once, of which some have lost twice the margin: is any other called dropped?"""
    called = Counter[str]()
    fallen = FALLEN[cell.judge]
    cells = [replace(cell, drop=2 * MARGIN)] * fallen + [cell] * (CAPABILITIES - fallen)
    for drawn in zip(*(chunks(each, rng) for each in cells), strict=True):
        p = np.column_stack([by_counts(one.d, drop_p) for one in drawn])
        said = np.array([holm(row, ALPHA) for row in p])
        wrong = said[:, fallen:].any(axis=1)
        called.update({"any false": int(wrong.sum()), "none false": int((~wrong).sum())})
    claim = "any of several capabilities called dropped although it lost nothing: at most α"
    return rates(cell, called, called["any false"], claim, ALPHA)


def run(cell: Cell, rng: np.random.Generator) -> Rates:
    """Whole runs of 5 capabilities and 20 checkpoints in which nothing drops: any alarm is a false one."""
    names = [f"c{i}" for i in range(CAPABILITIES)]
    fixed = cell.judge == "fixed list"
    alarmed = Counter[str]()
    for _ in range(cell.gates):
        alarm = (FixedListAlarm if fixed else FreshItemsAlarm)(
            dict.fromkeys(names, MARGIN), planned=CHECKPOINTS, alpha=ALPHA
        )
        d = flips(cell, rng, (CHECKPOINTS, CAPABILITIES, cell.n))
        if fixed:
            # Half of the items answer as they did at the checkpoint before.
            stays = rng.random(d.shape, dtype=np.float32) < 0.5
            for k in range(1, CHECKPOINTS):
                d[k] = np.where(stays[k], d[k - 1], d[k])
        raised = [reading.alarm for at in d for reading in alarm.update(dict(zip(names, at, strict=True))).values()]
        alarmed["alarm" if any(raised) else "quiet"] += 1
    return rates(cell, alarmed, alarmed["alarm"], "any false alarm in a run: at most α", ALPHA)


def path(cell: Cell, rng: np.random.Generator) -> Rates:
    """Walks out from the base along which one of five capabilities loses the margin at a = 0.7, and more beyond."""
    certified = Counter[str]()
    hurt = np.array([cell.drop / BOUNDARY, 0.0, 0.0, 0.0, 0.0])[:, None]
    each = max(1, _NUMBERS_AT_ONCE // (cell.n * CAPABILITIES * 6))
    for start in range(0, cell.gates, each):
        gates = min(each, cell.gates - start)
        # Items flip one after another along the path: what is lost at a is lost beyond it.
        base = rng.random((gates, CAPABILITIES, cell.n)) < RIGHT
        turns = rng.random(base.shape)
        noise = cell.discordance / 2

        def outcomes(a: float) -> NDArray[np.str_]:
            lost = base & (turns < (noise + hurt * a) / RIGHT)  # noqa: B023
            gained = ~base & (turns < noise / (1 - RIGHT))  # noqa: B023
            d = (gained.astype(np.float64) - lost).reshape(-1, cell.n)
            return np.array(outcomes_of(cell, Gates(d))).reshape(-1, CAPABILITIES)

        table = {a: outcomes(a) for a in POSITIONS}
        for i in range(gates):
            walked = walk_outward(lambda a: tuple(_said(o) for o in table[a][i]), positions=POSITIONS)  # noqa: B023
            steps: list[PathStep] = list(walked)
            certified["beyond" if certified_position(steps) >= BOUNDARY else "within"] += 1
    return rates(cell, certified, certified["beyond"], "certified at or beyond the boundary: at most α", ALPHA)


def practice(cell: Cell, rng: np.random.Generator) -> Rates:
    """What a published rule of decision says of complete right-or-wrong results."""
    says = Counter[str]()
    rule = PRACTICES[cell.judge]
    for drawn in chunks(cell, rng):
        base = np.where(drawn.d == 0, rng.random(drawn.d.shape) < RIGHT, drawn.d < 0).mean(axis=1)
        kept, dropped = rule(base, base + drawn.d.mean(axis=1), drawn)
        says.update(kept=int(kept.sum()), dropped=int(dropped.sum()), undecided=int((~kept & ~dropped).sum()))
    if cell.drop >= MARGIN:
        return rates(cell, says, says["kept"], "kept although the drop reaches the margin")
    return rates(cell, says, says["dropped"], "dropped although nothing dropped")


KINDS: dict[str, Callable[[Cell, np.random.Generator], Rates]] = {
    "gate": gate,
    "coverage": coverage,
    "power": power,
    "judged": judged,
    "together": together,
    "run": run,
    "path": path,
    "practice": practice,
}


# Rules of decision: kept and dropped, from the two models' scores


def _threshold(base: Floats, tuned: Floats, drawn: Gates) -> tuple[Bools, Bools]:
    """A fixed threshold on the difference of two means, as `--max-drop` of NeMo Evaluator's `nel compare`."""
    dropped = tuned - base < -0.01
    return ~dropped, dropped


def _unpaired_z(base: Floats, tuned: Floats, drawn: Gates) -> tuple[Bools, Bools]:
    """The difference over two standard errors added in squares, as if the models had answered different items.

    As in `scripts/model_comparator.py` of lm-evaluation-harness, but one-sided.
    """
    n = drawn.d.shape[1]
    errors = np.sqrt((base * (1 - base) + tuned * (1 - tuned)) / (n - 1))
    dropped = (tuned - base) / errors < stats.norm.ppf(ALPHA)
    return ~dropped, dropped


def _effect_size(base: Floats, tuned: Floats, drawn: Gates) -> tuple[Bools, Bools]:
    """Cohen's h, called negligible below 0.2 (Cohen 1988, as in stikpetP)."""
    h = 2 * np.arcsin(np.sqrt(tuned)) - 2 * np.arcsin(np.sqrt(base))
    return h > -0.2, h <= -0.2


def _verdict(base: Floats, tuned: Floats, drawn: Gates) -> tuple[Bools, Bools]:
    """The verdicts of this package."""
    said = np.array(complete_binary(drawn.d))
    return said == "kept", said == "dropped"


PRACTICES: dict[str, Callable[[Floats, Floats, Gates], tuple[Bools, Bools]]] = {
    "verdict": _verdict,
    "threshold of 1 point": _threshold,
    "unpaired z-test": _unpaired_z,
    "effect size below 0.2": _effect_size,
}


# Answers whose true drop is known


def chunks(cell: Cell, rng: np.random.Generator) -> Iterator[Gates]:
    """All gates of a cell, as many at a time as fit into a few megabytes."""
    each = max(CHECKED, _NUMBERS_AT_ONCE // (cell.n * 6))
    for start in range(0, cell.gates, each):
        gates = min(each, cell.gates - start)
        if cell.scores == "graded":
            yield graded(cell, rng, gates)
        elif cell.scores == "grouped":
            yield grouped(cell, rng, gates)
        else:
            yield Gates(flips(cell, rng, (gates, cell.n)))


def flips(cell: Cell, rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Differences −1, 0, 1 with mean −drop and mean square π (at least the drop)."""
    pi = max(cell.discordance, cell.drop)
    u = rng.random(shape)
    return (u > 1 - (pi - cell.drop) / 2).astype(np.float64) - (u < (pi + cell.drop) / 2)


def graded(cell: Cell, rng: np.random.Generator, gates: int) -> Gates:
    """Scores in [0, 1]: of a base of 0.8 a few items fail totally, one in a hundred at least, and the others gain."""
    failing = max(0.01, (cell.drop + 0.004) / 0.8)
    gain = (0.8 * failing - cell.drop) / (1 - failing)
    return Gates(np.where(rng.random((gates, cell.n)) < failing, -0.8, gain), kinds=(gain, -0.8))


def grouped(cell: Cell, rng: np.random.Generator, gates: int) -> Gates:
    """Right-or-wrong items in groups of 1 to 8; in half of the groups all members share one draw."""
    sizes = rng.choice(GROUP_SIZES, size=(gates, cell.n))
    ends = np.minimum(np.cumsum(sizes, axis=1), cell.n)
    units = np.argmax(ends >= cell.n, axis=1) + 1
    starts = np.concatenate([np.zeros((gates, 1), dtype=ends.dtype), ends[:, :-1]], axis=1)
    sizes = ends - starts
    most = int(units.max())
    index = np.zeros((gates, cell.n), dtype=np.int64)
    rows = np.arange(gates)[:, None]
    heads = np.zeros((gates, cell.n + 1), dtype=np.int64)
    np.add.at(heads, (rows.repeat(most, axis=1), ends[:, :most]), 1)
    index = np.minimum(np.cumsum(heads, axis=1)[:, : cell.n], units[:, None] - 1)
    shared = (rng.random((gates, cell.n)) < 0.5)[rows, index]
    item_d = np.where(shared, flips(cell, rng, (gates, cell.n))[rows, index], flips(cell, rng, (gates, cell.n)))
    sums = np.zeros((gates, most))
    np.add.at(sums, (rows, index), item_d)
    sizes = sizes[:, :most]
    return Gates(
        d=np.divide(sums, sizes, out=np.zeros_like(sums), where=sizes > 0),
        weights=sizes / max(GROUP_SIZES),
        item_d=item_d,
        groups=index,
    )


# Verdicts


def outcomes_of(cell: Cell, drawn: Gates) -> list[str]:
    """What the judge that the cell names says of every gate."""
    if cell.judge == "fixed":
        return complete_binary(drawn.d) if cell.scores == "binary" else complete_bets(drawn)
    return sequential(drawn, hybrid=cell.judge == "hybrid")


def complete_binary(d: Floats) -> list[str]:
    """Rule 9, from the counts: Tango's test with the gate for kept, the exact McNemar test for dropped."""
    losses, gains, n = (d < 0).sum(axis=1), (d > 0).sum(axis=1), d.shape[1]
    kept = counts.keeps(losses, gains, n, margin=MARGIN, alpha=ALPHA) & (n >= floor_items(MARGIN, ALPHA))
    return _words(kept, by_counts(d, drop_p) <= ALPHA)


def complete_bets(drawn: Gates) -> list[str]:
    """Rule 10, from the wealth after all units: a bound lies beyond a mean just when the bet against it has won."""
    kept, drop = (_bets(drawn, mean, sign)[0][:, -1] for mean, sign in ((-MARGIN, 1.0), (0.0, -1.0)))
    return _words(kept & (drawn.units >= floor_items(MARGIN, ALPHA)), drop)


def sequential(drawn: Gates, *, hybrid: bool) -> list[str]:
    """Rules 3 and 8: stop on kept, on a drop beyond the margin, or at the end, with one look at the counts."""
    alpha = ALPHA * (BETTING_SHARE if hybrid else 1.0)
    floor = floor_items(MARGIN, ALPHA)
    (kept, seen), (beyond, _), (drop, _) = (
        _bets(drawn, mean, sign, alpha) for mean, sign in ((-MARGIN, 1.0), (MARGIN, -1.0), (0.0, -1.0))
    )
    kept, beyond, drop = (np.logical_or.accumulate(won, axis=1) for won in (kept, beyond, drop))
    stops = (kept & (seen >= floor)) | (beyond & (seen >= 2))
    stopped = stops.any(axis=1)
    last = np.where(stopped, stops.argmax(axis=1), stops.shape[1] - 1)
    rows = np.arange(len(stops))
    is_kept = kept[rows, last] & (seen[rows, last] >= floor)
    is_dropped = drop[rows, last]
    if hybrid:
        rest, n = (1 - BETTING_SHARE) * ALPHA, drawn.d.shape[1]
        losses, gains = (drawn.d < 0).sum(axis=1), (drawn.d > 0).sum(axis=1)
        is_kept |= ~stopped & (n >= floor) & counts.keeps(losses, gains, n, margin=MARGIN, alpha=rest)
        is_dropped |= ~stopped & (by_counts(drawn.d, drop_p) <= rest)
    return _words(is_kept, is_dropped)


def by_counts(d: Floats, of: Callable[[int, int, int], float]) -> Floats:
    """A figure of every gate that its losses and gains decide, computed once for equal counts."""
    pairs = np.column_stack([(d < 0).sum(axis=1), (d > 0).sum(axis=1)])
    kinds, index = np.unique(pairs, axis=0, return_inverse=True)
    return np.array([of(int(b), int(c), d.shape[1]) for b, c in kinds])[index.reshape(-1)]


@cache
def drop_p(losses: int, gains: int, n: int) -> float:
    return counts.drop_p_value(losses, gains, n)


@cache
def exact_lower(losses: int, gains: int, n: int, alpha: float) -> float:
    return counts.lower_bound(losses, gains, n, alpha=alpha)


@cache
def detectable(n: int, discordance: float, *, exact: bool = True) -> float:
    drop = detectable_drop(n, discordance, ALPHA, exact=exact)
    assert drop is not None
    return drop


def _bets(drawn: Gates, mean: float, sign: float, alpha: float = ALPHA) -> tuple[Bools, NDArray[np.int64]]:
    """Whether the bet against a mean (of the mirrored differences, for sign −1) has won at moments along every gate.

    Beside it, how many units have been seen by then.
    """
    if drawn.groups is None:
        turns = drawn.turns
        wealth = log_wealth(turns.counts, sign * turns.kinds, bets_for(MARGIN), mu0=mean)
        return wealth >= -math.log(alpha), turns.counts.sum(axis=-1)
    test = BettingTest(mean, alpha=alpha, margin=MARGIN)
    won: Bools = test.path(sign * drawn.d, drawn.weights) >= test.log_threshold
    return won, np.minimum(np.arange(1, drawn.d.shape[1] + 1), drawn.units[:, None])


def _words(kept: Bools, dropped: Bools) -> list[str]:
    return np.where(kept, "kept", np.where(dropped, "dropped", "undecided")).tolist()


def _said(outcome: str) -> Verdict:
    return Verdict("c", outcome, 0, ALPHA, MARGIN)  # type: ignore[arg-type]


# The same gates, item by item


def _check(cell: Cell, drawn: Gates, outcomes: Sequence[str], rng: np.random.Generator) -> None:
    """Judge the first gates as a run would, and compare."""
    for i in range(min(CHECKED, len(outcomes))):
        d = drawn.d[i] if drawn.item_d is None else drawn.item_d[i]
        groups = None if drawn.groups is None else drawn.groups[i]
        if cell.scores == "graded":
            base = np.full(cell.n, 0.8)
        else:
            base = np.where(d == 0, rng.random(cell.n) < RIGHT, d < 0).astype(float)
        said = _judged(cell, base, base + d, groups).outcome
        assert said == outcomes[i], f"{cell}: gate {i} is {said} item by item, and {outcomes[i]} here"


def _judged(cell: Cell, base: Floats, tuned: Floats, groups: NDArray[np.int64] | None) -> Verdict:
    before, after = items(base, groups), items(tuned, groups)
    if cell.judge == "fixed":
        return judge(before, after, capability="c", margin=MARGIN, alpha=ALPHA)
    one = SequentialJudge(
        "c",
        margin=MARGIN,
        planned_n=cell.n if groups is None else int(groups[-1]) + 1,
        alpha=ALPHA,
        binary=cell.judge == "hybrid",
        largest_group=1 if groups is None else max(GROUP_SIZES),
    )
    ends = [cell.n] if groups is not None else [cell.n * (k + 1) // 4 for k in range(4)]
    for start, end in zip([0, *ends], ends, strict=False):
        if one.update(before[start:end], after[start:end]):
            break
    return one.finish()


def items(scores: Floats, groups: NDArray[np.int64] | None) -> list[ItemResult]:
    """Scores as item results."""
    names = [""] * len(scores) if groups is None else [f"g{group}" for group in groups]
    named = enumerate(zip(np.clip(scores, 0.0, 1.0), names, strict=True))
    return [ItemResult(f"i{i}", float(score), group=name) for i, (score, name) in named]


# The table


def rates(cell: Cell, found: Counter[str], failures: int, claim: str, limit: float | None = None) -> Rates:
    share = failures / cell.gates
    error = math.sqrt(max(share * (1 - share), 1 / cell.gates) / cell.gates)
    return Rates(cell, {k: v / cell.gates for k, v in sorted(found.items())}, share, error, claim, limit)


def line(found: Rates) -> str:
    cell = found.cell
    shown = ", ".join(f"{name} {share:.4f}" for name, share in found.outcomes.items())
    where = f"{cell.kind:8} {cell.judge:11} {cell.scores:7} n {cell.n:5} π {cell.discordance:.2f} drop {cell.drop:.4f}"
    return f"{where}: {shown}" + (f" | {found.claim}" if found.claim else "")


def summarise(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All cells, and the worst of each claim; `None` where no cell of the kind was simulated."""

    def worst(kind: str, *, dropped: bool | None = None) -> float | None:
        shares = [
            row["failures"]
            for row in told
            if row["kind"] == kind and row["claim"] and dropped in (None, row["drop"] == 0.0)
        ]
        return max(shares, default=None)

    def held(share: float | None) -> float | None:
        return None if share is None else 1 - share

    return {
        "cells": sorted(told, key=lambda row: list(KINDS).index(row["kind"])),
        "gates": min((row["gates"] for row in told), default=0),
        "worst_false_kept": worst("gate", dropped=False),
        "worst_false_dropped": worst("gate", dropped=True),
        "worst_coverage": held(worst("coverage")),
        "worst_false_dropped_together": worst("together"),
        "worst_run_alarm": worst("run"),
        "worst_path": worst("path"),
        "worst_power": held(worst("power")),
        "not_held": [row for row in told if not _holds(row)],
        "alpha": ALPHA,
        "margin": MARGIN,
    }


def tables(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Markdown of what the documentation prints."""
    figures = summarise(rows)
    yield f"{figures['gates']:,} gates a cell, α {ALPHA:g}, margin {100 * MARGIN:g} points\n"
    yield "| claim | cells | worst cell | allowed |\n|---|---|---|---|"
    for kind, dropped, name in (
        ("gate", False, "kept, though the true drop is the margin or twice it"),
        ("gate", True, "dropped, though nothing dropped"),
        ("coverage", None, "a bound misses the truth, at any time"),
        ("run", None, "any false alarm in a run of 5 abilities and 20 checkpoints"),
        (
            "judged",
            False,
            "near chance, with noise or with answers missing: kept, though the true drop is the margin",
        ),
        ("judged", True, "the same: dropped, though nothing dropped"),
        ("together", None, "any of 5 abilities called dropped that lost nothing, whether 2 others dropped or not"),
        ("path", None, "certified at or beyond the margin"),
        ("power", None, "the printed detectable drop is not shown"),
    ):
        ours = [r for r in rows if r["kind"] == kind and r["claim"] and dropped in (None, r["drop"] == 0.0)]
        if ours:
            worst = max(ours, key=lambda row: row["failures"])
            where = f"{worst['judge']}, {worst['scores']}, n {worst['n']:,}, π {worst['discordance']:g}"
            yield f"| {name} | {len(ours)} | {_percent(worst)} ({where}) | {100 * worst['limit']:g} % |"
    yield "\n| rule | n | dropped, at no drop | kept, at 2 points lost | kept, at 4 points lost |"
    yield "|---|---|---|---|---|"
    shown = {
        (r["n"], r["judge"], r["drop"]): r for r in rows if r["kind"] == "practice" and r["discordance"] == SHOWN_PI
    }
    for n, rule in dict.fromkeys((n, rule) for n, rule, _ in shown):
        shares = [_percent(shown[n, rule, drop]) for drop in (0.0, MARGIN, 2 * MARGIN)]
        yield f"| {rule} | {n:,} | {' | '.join(shares)} |"


def _percent(row: dict[str, Any]) -> str:
    return f"{100 * row['failures']:.1f} %"


def _holds(row: dict[str, Any]) -> bool:
    """Whether a claim stands within three standard errors of what was counted."""
    return row["limit"] is None or row["failures"] <= row["limit"] + 3 * row["standard_error"]


def _as_row(found: Rates) -> dict[str, Any]:
    told = asdict(found)
    return told.pop("cell") | told


def _kept_cells() -> list[dict[str, Any]]:
    path = FOLDER / "calibration.json"
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["figures"]["cells"]
    return rows


if __name__ == "__main__":
    main()
