"""What does each option of training do? nano on the demo's domain: every option once, beside the same two arms.

The two are the demo's: `plain` trains on the domain rows alone, which is λ = 0; `forgetless` adds rows that nano
answered itself, held by KL with λ = 8 on all of their tokens. Every other arm is one of them with one thing changed, on
the same domain rows, seeds and items; as many domain rows come in a step of all arms.

    λ, direction, place     KL of another weight, turned around, on answers alone, on the domain's rows, on both
    reference               what the base says, asked in every step or written down as its k likeliest tokens
    weights                 the rules of `domain_weights`, alone and with KL. "by sum" divides the weighted
                            cross-entropy of a step by the sum of its weights, where the package divides by the count of
                            its tokens; of `stm`, whose weights are 0 and 1 and which counts no 0, both are the same.
                            `asft` goes with KL on answers, for which λ = 3 does what 8 does on all tokens
    rows                    constraints that move λ; prompts that nano writes itself; rehearsal, which trains the same
                            replay rows by cross-entropy, without KL
    freeze                  parts of the model that stay as they are

Prints and writes, arm by arm, the domain score, the mean and the worst change of the ten abilities against the base,
and paired 95 % intervals against both arms over the same items; the answers to one item are one group over the seeds.
Right and wrong answers stand in the file as bits, so an arm that is there is not trained again: a bench that was
stopped goes on where it was.

    python bench/ablation.py                      # every arm, three seeds: hours
    python bench/ablation.py --arms eaft "λ 1"    # these, and the two that they are compared with
    python bench/ablation.py --quick              # one seed, four arms, few items: minutes; writes nothing
    python bench/ablation.py --table              # the figures in bench/results as a table for the docs
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from nano_arms import (
    TASKS,
    Answers,
    Trained,
    answered_by_base,
    answers_of_base,
    as_records,
    changed,
    differences,
    in_points,
    line,
    means,
    run,
    write_records,
)
from results import FOLDER, write_result

from forgetless.losses import TokenSum, TokenWeights, cross_entropy_sum
from forgetless.models import load_model
from forgetless.nano.demo import EPOCHS, PROMPTS, write_demo
from forgetless.recipe import Recipe, parse_recipe
from forgetless.records import ItemResult

PLAIN, FORGETLESS = "plain", "forgetless"
LOOKS = 6
"""Of the guard, where constraints move λ by what it sees."""


class Arm(NamedTuple):
    """What is changed of one of the two arms: keys of `training:` and `replay:`, and what no key says."""

    of: str
    training: Mapping[str, Any] = MappingProxyType({})
    replay: Mapping[str, Any] = MappingProxyType({})
    constraints: bool = False
    rehearsal: bool = False
    by_sum: bool = False


def _weighted(rule: str, *, by_sum: bool) -> dict[str, Arm]:
    """A rule alone and with KL; `asft` stands for KL on the tokens that are learned, so on answers."""
    name, answers = f"{rule}{', by sum' if by_sum else ''}", ANSWERS if rule == "asft" else {}
    return {
        name: Arm(PLAIN, {"domain_weights": rule, "kl_tokens": "answer"}, by_sum=by_sum),
        f"{name}, KL": Arm(FORGETLESS, {"domain_weights": rule, **answers}, by_sum=by_sum),
    }


ANSWERS = {"kl_tokens": "answer", "kl_weight": 3.0}
ON_DOMAIN = {"domain_kl_weight": 1.0}
PARTS = {"embeddings": ["embeddings"], "low layers": ["layers 0-1"], "high layers": ["layers 2-3"]}

ARMS = {
    PLAIN: Arm(PLAIN),
    FORGETLESS: Arm(FORGETLESS),
    "λ 1": Arm(FORGETLESS, {"kl_weight": 1.0}),
    "λ 4": Arm(FORGETLESS, {"kl_weight": 4.0}),
    "reverse KL": Arm(FORGETLESS, {"kl_direction": "reverse"}),
    "KL on answers, λ 3": Arm(FORGETLESS, ANSWERS),
    "KL on the domain": Arm(PLAIN, ON_DOMAIN | {"kl_tokens": "answer"}),
    "KL on both": Arm(FORGETLESS, ON_DOMAIN),
    "KL on both, answers, λ 3": Arm(FORGETLESS, ON_DOMAIN | ANSWERS),
    **{f"cached, k {k}": Arm(FORGETLESS, {"kl_reference": "cached", "kl_top_k": k}) for k in (8, 32, 128)},
    **{
        name: arm
        for rule in ("eaft", "stm", "flow", "dft", "asft")
        for by_sum in (False, True)
        if not (by_sum and rule == "stm")
        for name, arm in _weighted(rule, by_sum=by_sum).items()
    },
    "constraints": Arm(FORGETLESS, constraints=True),
    "constraints from λ 4": Arm(FORGETLESS, {"kl_weight": 4.0}, constraints=True),
    "self-written prompts": Arm(FORGETLESS, replay={"prompts": "self"}),
    "rehearsal": Arm(FORGETLESS, rehearsal=True),
    **{f"plain, {part} frozen": Arm(PLAIN, {"freeze": names}) for part, names in PARTS.items()},
    **{f"{part} frozen": Arm(FORGETLESS, {"freeze": names}) for part, names in PARTS.items()},
}
QUICK = (PLAIN, FORGETLESS, "eaft, by sum", "rehearsal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), metavar="ARM", help="; ".join(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--items", type=int, default=400, help="of each ability, and of the domain")
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--replay-rows", type=int, default=PROMPTS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true", help="print what stands in bench/results, and train nothing")
    parser.add_argument("--name", help="of the file in bench/results (ablation; with --quick `-`, which writes none)")
    asked = parser.parse_args()
    name = asked.name or ("-" if asked.quick else "ablation")
    if asked.quick:
        asked.seeds, asked.items, asked.epochs, asked.replay_rows = asked.seeds[:1], min(asked.items, 100), 2, 600
    chosen = asked.arms or (QUICK if asked.quick else tuple(ARMS))
    settings = {"items": asked.items, "epochs": asked.epochs, "replay_rows": asked.replay_rows, "looks": LOOKS}
    figures = _kept(name) or {"settings": settings, "arms": {}}
    if asked.table:
        print("\n".join(table(figures)))
        return
    if figures["settings"] != settings:
        parser.error(f"bench/results/{name}.json has arms of {figures['settings']}; give other figures another --name")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FORGETLESS_CACHE"] = cache
        for so_far in measure(figures, dict.fromkeys((PLAIN, FORGETLESS, *chosen)), asked.seeds):
            if name != "-":
                write_result(name, so_far, seed=0)
    print("\n".join(table(figures)))


def measure(figures: dict[str, Any], names: Iterable[str], seeds: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The figures with one more arm, again and again, until all that are asked for are there."""
    settings = figures["settings"]
    if "base" not in figures:
        figures["base"] = packed(answers_of_base(settings["items"]))
    for name in names:
        found = figures["arms"].setdefault(name, {"seeds": {}})
        missing = [seed for seed in seeds if str(seed) not in found["seeds"]]
        for seed in missing:
            trained = train(ARMS[name], seed, settings)
            found["seeds"][str(seed)] = trained._asdict() | {"answers": packed(trained.answers)}
            yield figures
        if missing or "domain" not in found:
            judge(name, figures)
            print(line(name, found, sum(run["seconds"] for run in found["seeds"].values())), flush=True)
            yield figures


def judge(name: str, figures: dict[str, Any]) -> None:
    """Put what an arm's answers say beside them: against the base, and against the two arms over the same seeds."""
    items, arms = figures["settings"]["items"], figures["arms"]
    own = arms[name]["seeds"]
    runs = [unpacked(run["answers"], items) for run in own.values()]
    arms[name] |= changed(runs, unpacked(figures["base"], items))
    for other in (PLAIN, FORGETLESS):
        if other != name and own.keys() <= arms.get(other, {"seeds": {}})["seeds"].keys():
            against = [unpacked(arms[other]["seeds"][seed]["answers"], items) for seed in own]
            arms[name][f"against_{other}"] = differences(runs, against)


def train(arm: Arm, seed: int, settings: dict[str, Any]) -> Trained:
    """One model of an arm."""
    with tempfile.TemporaryDirectory() as place, divided_by_sum() if arm.by_sum else contextlib.nullcontext():
        folder = Path(place)
        return run(write_recipe(folder, arm, seed, settings), folder, items=settings["items"], looks=LOOKS)


def write_recipe(folder: Path, arm: Arm, seed: int, settings: dict[str, Any]) -> Recipe:
    """The demo's data and recipe, with what the arm changes."""
    recipe = write_demo(folder, seed=seed)[arm.of].model_dump(exclude_defaults=True)
    recipe["training"] |= {"epochs": settings["epochs"]} | arm.training
    recipe["constraints"] = arm.constraints
    if arm.of == FORGETLESS:
        recipe["replay"] |= {"rows": settings["replay_rows"]} | arm.replay
    return parse_recipe(rehearsed(recipe, folder) if arm.rehearsal else recipe)


def rehearsed(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A recipe whose replay rows are a source like any other, trained by cross-entropy."""
    held = parse_recipe(recipe)
    rows = answered_by_base(held, load_model(held.model, folder=folder), folder)
    write_records(folder / "rehearsal.jsonl", as_records(rows))
    general = {"kind": "general", "files": ["rehearsal.jsonl"], "share": recipe.pop("replay")["share"]}
    return recipe | {
        "sources": recipe["sources"] | {"rehearsal": general},
        "training": recipe["training"] | {"kl_weight": 0.0},
    }


@contextlib.contextmanager
def divided_by_sum() -> Iterator[None]:
    """Within the block the weights of a step's labels have a mean of 1, which divides the loss by their sum.

    The arms that ask for it train on domain rows and replay alone, in one micro-batch: its labels are all the domain's.
    """

    def by_sum(hidden: torch.Tensor, *given: Any, weigh: TokenWeights | None = None, **others: Any) -> TokenSum:
        def scaled(log_probabilities: torch.Tensor, own: torch.Tensor, rows: slice) -> torch.Tensor:
            assert weigh is not None
            weights = weigh(log_probabilities, own, rows)
            return weights / weights.mean()

        whole = max(1, len(hidden))
        return cross_entropy_sum(hidden, *given, weigh=weigh and scaled, **others | {"chunk": whole})

    with mock.patch("forgetless.training.loss.cross_entropy_sum", by_sum):
        yield


# Answers as bits


def packed(answers: Answers) -> dict[str, str]:
    """For each task, which items were right: one bit each, as hexadecimal digits."""
    right = {name: [result.score == 1.0 for result in results] for name, results in answers.items()}
    return {name: np.packbits(bits).tobytes().hex() for name, bits in right.items()}


def unpacked(bits: dict[str, str], items: int) -> Answers:
    """Answers again; an item is known by its number."""
    arrays = {name: np.frombuffer(bytes.fromhex(bits[name]), np.uint8) for name in TASKS}
    return {
        name: [ItemResult(str(i), float(bit)) for i, bit in enumerate(np.unpackbits(array, count=items))]
        for name, array in arrays.items()
    }


def _kept(name: str) -> dict[str, Any] | None:
    path = FOLDER / f"{name}.json"
    if name == "-" or not path.exists():
        return None
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["figures"]
    return figures


# The table


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Markdown, in points; tokens in thousands, and seconds, of one run."""
    arms = {name: figures["arms"][name] for name in ARMS if "domain" in figures["arms"].get(name, {})}
    seeds = sorted({len(found["seeds"]) for found in arms.values()})
    told = " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))) if seeds else "none"
    yield f"Seeds: {told}; items a task: {figures['settings']['items']}.\n"
    yield (
        "| arm | domain | abilities, mean | worst | domain, less plain | abilities, less plain "
        "| domain, less forgetless | abilities, less forgetless | tokens, thousands | seconds |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for name, found in arms.items():
        domain, change, worst = means(found)
        cells = [name, f"{100 * domain:.1f}", f"{100 * change:+.1f}", f"{100 * worst:+.1f}"]
        for other in (PLAIN, FORGETLESS):
            pair = found.get(f"against_{other}", {})
            cells += [in_points(pair.get(f"{what}_difference")) for what in ("domain", "abilities")]
        runs = found["seeds"].values()
        cells += [f"{statistics.mean(run['tokens'] for run in runs) / 1000:.0f}"]
        cells += [f"{statistics.mean(run['seconds'] for run in runs):.0f}"]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
