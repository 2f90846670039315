"""Does it matter where the update may go? nano on the demo's domain, trained with the update held in different places.

Arms: all weights; all but the embeddings; all but the low layers; LoRA; LoRA that leaves the first singular directions
of every weight alone (`keep_directions`); LoRA that starts where replay inputs have the least energy (`init:
null_space`), with both factors trained and with the first one frozen there (`freeze_a`). Each on the same domain rows
without a KL term and with one on replay rows. A start in the null space reads replay rows in both cases: without KL few
of them, which weigh nothing.

nano cannot write the domain's new tokens with frozen embeddings, so every LoRA arm trains them whole beside the adapter
unless `--bare` is given.

Prints the domain score, the mean and the worst change of the ten abilities against the base, and paired 95 % intervals
of every arm against the free one of its kind, over the same items; writes bench/results/where_updates_go.json. With
several seeds the answers to one item are one group; what another seed would have given is told by the seeds themselves.

    python bench/where_updates_go.py                    # seven arms, with KL and without, three seeds: hours
    python bench/where_updates_go.py --quick --name -   # one seed, no KL, four arms, few items: minutes
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from nano_arms import (
    MODEL,
    Answers,
    answers_of_base,
    as_records,
    changed,
    differences,
    in_points,
    line,
    mean,
    means,
    run,
    write_records,
)
from results import write_result

from forgetless import nano
from forgetless.recipe import Recipe, parse_recipe

KL_WEIGHT, NO_KL = 8.0, 1e-9
NULL_SPACE = {"init": "null_space"}


class Arm(NamedTuple):
    """What is trained, and the arm that it is compared with."""

    against: str
    freeze: tuple[str, ...] = ()
    lora: dict[str, Any] | None = None


ARMS = {
    "full": Arm("full"),
    "full, embeddings frozen": Arm("full", freeze=("embeddings",)),
    "full, low layers frozen": Arm("full", freeze=("layers 0-1",)),
    "lora": Arm("full", lora={}),
    "lora, directions kept": Arm("lora", lora={"keep_directions": 32}),
    "lora, null space": Arm("lora", lora=NULL_SPACE),
    "lora, null space, a frozen": Arm("lora", lora=NULL_SPACE | {"freeze_a": True}),
}
QUICK = ("lora", "lora, directions kept", "lora, null space", "lora, null space, a frozen")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", nargs="+", choices=list(ARMS), default=list(ARMS), metavar="ARM")
    parser.add_argument("--kl", choices=["without", "with", "both"], default="both")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--items", type=int, default=400, help="of each ability, and of the domain")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--rate", type=float, default=1.5e-3, help="learning rate of the full arms")
    parser.add_argument("--lora-rate", type=float, default=1.5e-3)
    parser.add_argument("--bare", action="store_true", help="leave the embeddings of the LoRA arms frozen")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--name", default="where_updates_go", help="of the file in bench/results; `-` writes none")
    asked = parser.parse_args()
    if asked.quick:
        asked.arms, asked.kl, asked.seeds, asked.items = QUICK, "without", [0], min(asked.items, 100)
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FORGETLESS_CACHE"] = cache
        figures = measure(asked)
    print("\n".join(table(figures)))
    if asked.name != "-":
        write_result(asked.name, {"settings": vars(asked), "arms": figures}, seed=0)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Train every arm for every seed, and judge it when the one that it is compared with is there."""
    before = answers_of_base(asked.items)
    told: dict[str, list[Answers]] = {}
    figures: dict[str, Any] = {"base": {name: mean(found) for name, found in before.items()}}
    for held in {"without": (False,), "with": (True,), "both": (False, True)}[asked.kl]:
        for name in asked.arms:
            arm, own, against = ARMS[name], named(name, held), named(ARMS[name].against, held)
            started = time.monotonic()
            told[own] = [train(arm, held, seed, asked) for seed in asked.seeds]
            figures[own] = changed(told[own], before)
            if against in told and against != own:
                figures[own] |= {"against": against} | differences(told[own], told[against])
            figures[own]["seconds"] = round(time.monotonic() - started, 1)
            print(line(own, figures[own], figures[own]["seconds"]), flush=True)
    return figures


def train(arm: Arm, held: bool, seed: int, asked: argparse.Namespace) -> Answers:
    """The answers of one trained model."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        return run(write_recipe(folder, arm, held, seed, asked), folder, items=asked.items).answers


def write_recipe(folder: Path, arm: Arm, held: bool, seed: int, asked: argparse.Namespace) -> Recipe:
    """Data and recipe of one run, in a folder; the domain rows of a seed are the same for every arm."""
    write_records(folder / "domain.jsonl", as_records(nano.domain_rows(n=1200, seed=seed)))
    replayed = held or (arm.lora or {}).get("init") == "null_space"
    training: dict[str, Any] = {
        "learning_rate": asked.rate if arm.lora is None else asked.lora_rate,
        "epochs": asked.epochs,
        "batch_rows": 16 if held else 8,
        "max_length_tokens": 96,
        "kl_weight": KL_WEIGHT if held else NO_KL if replayed else 0.0,
        "kl_tokens": "all",
        "freeze": list(arm.freeze),
    }
    if arm.lora is not None:
        whole = [] if asked.bare else ["embed_tokens"]
        training |= {"method": "lora", "lora": {"rank": 16, "modules_to_save": whole, **arm.lora}}
    share, replay_rows = (0.5, 1500) if held else (0.05, 200) if replayed else (0.0, 0)
    return parse_recipe(
        {
            "name": "where",
            "seed": seed,
            "model": MODEL,
            "sources": {"domain": {"kind": "domain", "files": ["domain.jsonl"], "share": 1.0 - share}},
            **({"replay": {"share": share, "rows": replay_rows, "max_new_tokens": 40, "max_prompt_tokens": 56}}
               if replayed else {}),
            "training": training,
        }
    )  # fmt: skip


def named(name: str, held: bool) -> str:
    return f"{name}, KL" if held else name


def table(figures: dict[str, Any]) -> list[str]:
    """Markdown, in points."""
    lines = [
        "| arm | domain | abilities, mean | worst | against | domain | abilities |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in figures.items():
        if name == "base":
            continue
        cells = [name, *(f"{100 * value:+.1f}" for value in means(found)), found.get("against", "")]
        cells += [in_points(found.get(f"{what}_difference")) for what in ("domain", "abilities")]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
