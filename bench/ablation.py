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
    LoRA                    an adapter, at the same learning rate, with the embeddings trained whole, since nano cannot
                            write the domain's new tokens without; one that leaves the first singular directions of
                            every weight alone (`keep_directions`); one that starts where replay inputs have the least
                            energy (`init: null_space`), with both factors trained and with the first one frozen there
                            (`freeze_a`). Without KL a start in the null space reads replay rows that weigh nothing

Prints and writes, arm by arm, the domain score, the mean and the worst change of the ten abilities against the base,
the mean change of the two that no replay prompt covers, and the differences to both arms, with 95 % intervals of a
bootstrap over seeds and, within them, items; that of the worst is of the lowest of ten, which a draw lowers further.
All arms of the first seed come first, then those of the second. Every run is kept when it is done, and not run again
with the same recipe.

    python bench/ablation.py                      # every arm, five seeds, a minute each: hours
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
from bootstrap import Floats, changes, in_points, told
from nano_arms import TASKS, Answers, answered_by_base, answers_of_base, as_records, kept, run, write_records
from results import FOLDER, write_result

from forgetless import nano
from forgetless.losses import TokenSum, TokenWeights, cross_entropy_sum
from forgetless.models import load_model
from forgetless.nano.demo import EPOCHS, LEARNING_RATE, PROMPTS, UNCOVERED, write_demo
from forgetless.recipe import Recipe, parse_recipe

PLAIN, FORGETLESS = "plain", "forgetless"
LOOKS = 6
"""Of the guard, where constraints move λ by what it sees."""

Scores = dict[str, Floats]
"""Of the items of every task: of the base, shape (items,), or of an arm, shape (seeds, items)."""


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
NO_WEIGHT = {"kl_weight": 1e-9, "learning_rate": LEARNING_RATE}
PARTS = {"embeddings": ["embeddings"], "low layers": ["layers 0-1"], "high layers": ["layers 2-3"]}
ADAPTERS: dict[str, dict[str, Any]] = {
    "LoRA": {},
    "LoRA, directions kept": {"keep_directions": 32},
    "LoRA, null space": {"init": "null_space"},
    "LoRA, null space, A frozen": {"init": "null_space", "freeze_a": True},
}


def _adapted(name: str) -> dict[str, Arm]:
    """An adapter alone and with KL; alone, a start in the null space needs replay rows as well."""
    lora = ADAPTERS[name]
    training = {"method": "lora", "lora": {"rank": 16, "modules_to_save": ["embed_tokens"], **lora}}
    alone = Arm(FORGETLESS, training | NO_WEIGHT) if "init" in lora else Arm(PLAIN, training)
    return {name: alone, f"{name}, KL": Arm(FORGETLESS, training)}


ARMS = {
    PLAIN: Arm(PLAIN),
    FORGETLESS: Arm(FORGETLESS),
    "rehearsal": Arm(FORGETLESS, rehearsal=True),
    "constraints": Arm(FORGETLESS, constraints=True),
    "λ 4": Arm(FORGETLESS, {"kl_weight": 4.0}),
    "constraints from λ 4": Arm(FORGETLESS, {"kl_weight": 4.0}, constraints=True),
    "self-written prompts": Arm(FORGETLESS, replay={"prompts": "self"}),
    "KL on answers, λ 3": Arm(FORGETLESS, ANSWERS),
    "KL on both": Arm(FORGETLESS, ON_DOMAIN),
    "KL on the domain": Arm(PLAIN, ON_DOMAIN | {"kl_tokens": "answer"}),
    **_adapted("LoRA"),
    **_adapted("LoRA, directions kept"),
    **_weighted("eaft", by_sum=True),
    **_weighted("stm", by_sum=False),
    "low layers frozen": Arm(FORGETLESS, {"freeze": PARTS["low layers"]}),
    "plain, low layers frozen": Arm(PLAIN, {"freeze": PARTS["low layers"]}),
    "cached, k 32": Arm(FORGETLESS, {"kl_reference": "cached", "kl_top_k": 32}),
    "reverse KL": Arm(FORGETLESS, {"kl_direction": "reverse"}),
    "λ 1": Arm(FORGETLESS, {"kl_weight": 1.0}),
    **_adapted("LoRA, null space"),
    **_adapted("LoRA, null space, A frozen"),
    **{name: arm for rule in ("flow", "dft", "asft") for name, arm in _weighted(rule, by_sum=True).items()},
    "KL on both, answers, λ 3": Arm(FORGETLESS, ON_DOMAIN | ANSWERS),
    **{f"cached, k {k}": Arm(FORGETLESS, {"kl_reference": "cached", "kl_top_k": k}) for k in (8, 128)},
    **{name: arm for rule in ("eaft", "flow", "dft", "asft") for name, arm in _weighted(rule, by_sum=False).items()},
    **{
        name: arm
        for part in ("embeddings", "high layers")
        for name, arm in {
            f"{part} frozen": Arm(FORGETLESS, {"freeze": PARTS[part]}),
            f"plain, {part} frozen": Arm(PLAIN, {"freeze": PARTS[part]}),
        }.items()
    },
}
"""What matters most comes first: a bench that is cut short has it."""

COMPARED = ("domain", "abilities", "uncovered")
QUICK = (PLAIN, FORGETLESS, "eaft, by sum", "rehearsal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), metavar="ARM", help="; ".join(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--items", type=int, default=400, help="of each ability, and of the domain")
    parser.add_argument("--epochs", type=float, default=EPOCHS)
    parser.add_argument("--replay-rows", type=int, default=PROMPTS)
    parser.add_argument("--folder", type=Path, default=Path("runs") / "bench-ablation", help="keeps what is done")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--table", action="store_true", help="print what stands in bench/results, and train nothing")
    parser.add_argument("--name", default="ablation", help="of the file in bench/results; `-` writes none")
    asked = parser.parse_args()
    if asked.table:
        stored = json.loads((FOLDER / f"{asked.name}.json").read_text(encoding="utf-8"))
        print("\n".join(table(stored["figures"])))
        return
    with tempfile.TemporaryDirectory() as passing:
        if asked.quick:
            asked.seeds, asked.items, asked.epochs, asked.replay_rows = asked.seeds[:1], min(asked.items, 100), 2, 1500
            asked.folder, asked.name = Path(passing), "-"
        os.environ["FORGETLESS_CACHE"] = str(asked.folder / "cache")
        settings = {"items": asked.items, "epochs": asked.epochs, "replay_rows": asked.replay_rows, "looks": LOOKS}
        names = list(dict.fromkeys((PLAIN, FORGETLESS, *(asked.arms or (QUICK if asked.quick else ARMS)))))
        figures: dict[str, Any] = {}
        for figures in measure(names, asked.seeds, settings, asked.folder):
            if asked.name != "-":
                write_result(asked.name, figures, seed=0)
        print("\n".join(table(figures)))


def measure(
    names: Iterable[str], seeds: Iterable[int], settings: dict[str, Any], folder: Path
) -> Iterator[dict[str, Any]]:
    """The figures with one more run, again and again, until all that are asked for are there."""
    base = {name: found[0] for name, found in stacked([scores(answers_of_base(settings["items"]))]).items()}
    runs: dict[str, dict[int, dict[str, Any]]] = {}
    figures: dict[str, Any] = {"settings": settings, "arms": {}}
    for seed in seeds:
        for name in names:
            runs.setdefault(name, {})[seed] = train(name, seed, settings, folder)
            figures["arms"][name] = judged(name, runs, base)
            yield figures


def train(name: str, seed: int, settings: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One model of an arm: the score of every item, and what training took."""
    arm = ARMS[name]
    with tempfile.TemporaryDirectory() as place, divided_by_sum() if arm.by_sum else contextlib.nullcontext():
        data = Path(place)
        recipe = write_recipe(data, arm, seed, settings)

        def make() -> dict[str, Any]:
            trained = run(recipe, data, items=settings["items"], looks=LOOKS)
            return trained._asdict() | {"answers": scores(trained.answers)}

        return kept(folder, f"seed {seed}, {name}, {settings['items']} items", recipe, make)


def scores(answers: Answers) -> dict[str, list[float]]:
    """The score of every item, which come in the same order for all."""
    return {name: [result.score or 0.0 for result in results] for name, results in answers.items()}


def judged(name: str, runs: Mapping[str, Mapping[int, dict[str, Any]]], base: Scores) -> dict[str, Any]:
    """What an arm's runs say: against the base, and against the two arms where these have the same seeds."""
    own = runs[name]
    after = stacked([one["answers"] for one in own.values()])
    change = changes(after, base)
    found: dict[str, Any] = {
        "seeds": list(own),
        "domain": told(base["domain"].mean() + change["domain"]),
        "abilities": told(over(nano.ABILITIES, change)),
        "worst": told(np.min([change[ability] for ability in nano.ABILITIES], axis=0)),
        "uncovered": told(over(UNCOVERED, change)),
        "changes": {ability: told(change[ability]) for ability in nano.ABILITIES},
        "by_seed": {
            "domain": after["domain"].mean(axis=1).tolist(),
            "abilities": [
                statistics.mean(after[task][i].mean() - base[task].mean() for task in nano.ABILITIES)
                for i in range(len(own))
            ],
        },
        **{what: [one[what] for one in own.values()] for what in ("steps", "tokens", "seconds", "moves")},
    }
    for other in (PLAIN, FORGETLESS):
        if other != name and own.keys() <= runs.get(other, {}).keys():
            beside = changes(after, stacked([runs[other][seed]["answers"] for seed in own]))
            told_of = (beside["domain"], over(nano.ABILITIES, beside), over(UNCOVERED, beside))
            found[f"against_{other}"] = dict(zip(COMPARED, map(told, told_of), strict=True))
    return found


def stacked(answers: Sequence[Mapping[str, Sequence[float]]]) -> Scores:
    """By task, a row for each run."""
    return {task: np.array([one[task] for one in answers]) for task in TASKS}


def over(abilities: Iterable[str], change: Scores) -> Floats:
    """The mean of some abilities' changes, draw by draw."""
    return np.mean([change[ability] for ability in abilities], axis=0)


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


# The table


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Markdown, in points; differences to plain, tokens and seconds stand in the file."""
    arms = {name: figures["arms"][name] for name in ARMS if name in figures["arms"]}
    yield f"Items a task: {figures['settings']['items']}.\n"
    columns = ["arm", "seeds", "domain", "abilities, mean", "worst", "uncovered"]
    columns += [f"{what}, less {FORGETLESS}" for what in COMPARED[:2]]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for name, found in arms.items():
        cells = [name, str(len(found["seeds"])), in_points(found["domain"], "{:.1f}")]
        cells += [in_points(found[what]) for what in ("abilities", "worst", "uncovered")]
        cells += [in_points(found.get(f"against_{FORGETLESS}", {}).get(what)) for what in COMPARED[:2]]
        yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
