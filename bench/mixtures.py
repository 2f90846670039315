"""Which mixture keeps most? nano on the demo's domain, trained on the same domain rows within six mixtures.

General instructions are right answers to questions of nano's other kinds, none of them an ability that is measured;
replay is written by nano itself and held by KL; raw text is of the kinds that nano was pretrained on, trained by
cross-entropy. Prints a table and writes bench/results/mixtures.json: domain score, mean and worst change of the ten
abilities against the base, over seeds.

    python bench/mixtures.py
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from nano_arms import MODEL, Answers, answers_of_base, as_records, changed, line, run, write_records
from results import write_result

from forgetless import nano
from forgetless.recipe import Recipe, parse_recipe
from forgetless.recipe.mix import DEFAULT_SHARES

KINDS = ("general", "replay", "text")
MIXTURES = ((), ("general",), ("text",), ("replay",), ("replay", "general"), ("replay", "text"), KINDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--items", type=int, default=400, help="of each ability, and of the domain")
    arguments = parser.parse_args()
    before, figures = answers_of_base(arguments.items), {}
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FORGETLESS_CACHE"] = cache
        for kinds in MIXTURES:
            started = time.monotonic()
            runs = [train(kinds, seed, arguments.items) for seed in range(arguments.seeds)]
            name = " + ".join(("domain", *kinds))
            figures[name] = changed(runs, before)
            print(line(name, figures[name], time.monotonic() - started), flush=True)
    write_result("mixtures", {"shares": DEFAULT_SHARES, "items": arguments.items, "mixtures": figures}, seed=0)


def train(kinds: tuple[str, ...], seed: int, items: int) -> Answers:
    """The answers of one trained model."""
    with tempfile.TemporaryDirectory() as place:
        return run(write_recipe(Path(place), kinds, seed), Path(place), items=items).answers


def write_recipe(folder: Path, kinds: tuple[str, ...], seed: int) -> Recipe:
    """Data and recipe of one run, in a folder; the domain rows are the same for every mixture."""
    write_records(folder / "domain.jsonl", as_records(nano.domain_rows(n=1200, seed=seed)))
    write_records(folder / "general.jsonl", as_records(nano.dialogues(nano.OTHER_KINDS, n=1500, seed=seed)))
    write_records(folder / "text.jsonl", ({"text": row.text} for row in nano.texts(n=1500, seed=seed)))
    held = "replay" in kinds
    shares = {kind: DEFAULT_SHARES[kind] for kind in kinds}
    sources = {
        kind: {"kind": kind, "files": [f"{kind}.jsonl"], "share": shares.get(kind, 1 - sum(shares.values()))}
        for kind in ("domain", *kinds)
        if kind != "replay"
    }
    return parse_recipe(
        {
            "name": "mixture",
            "seed": seed,
            "model": MODEL,
            "sources": sources,
            **({"replay": {"share": shares["replay"], "rows": 1500, "max_new_tokens": 40, "max_prompt_tokens": 56}}
               if held else {}),
            "training": {
                "learning_rate": 1.5e-3,
                "epochs": 4,
                "batch_rows": 8,
                "max_length_tokens": 96,
                "kl_weight": 8.0 if held else 0.0,
                "kl_tokens": "all",
            },
        }
    )  # fmt: skip


if __name__ == "__main__":
    main()
