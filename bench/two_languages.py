"""Does an English fine-tune cost a model its Chinese, and a Chinese one its English? nano, plain and with forgetless.

The English domain is the demo's (messages to intents), the Chinese one that of `recipes/chinese-tickets.yaml` (calls
to work orders). Each is trained twice on the same rows: the domain alone, and with replay that nano writes itself.
Prints a table and writes bench/results/two_languages.json.

    python scripts/chinese_tickets.py && python bench/two_languages.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import yaml
from results import write_result

import forgetless as fl
from forgetless import nano
from forgetless.cli.console import narrator
from forgetless.nano.demo import write_demo
from forgetless.records import to_json

ROOT = Path(__file__).parents[1]
ARMS = ("plain", "forgetless")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for language, recipe in (("english", english(folder, seed)), ("chinese", chinese(folder, seed))):
            for arm in ARMS:
                certificate = run(arm, language, recipe, folder)
                figures[f"{language}, {arm}"] = {
                    "domain": certificate.domain.tuned_score,
                    "abilities": {v.capability: to_json(v) for v in certificate.verdicts},
                }
    for name, found in figures.items():
        kept = ", ".join(
            f"{ability} {v['base_score']:.3f} to {v['tuned_score']:.3f} ({v['outcome']})"
            for ability, v in found["abilities"].items()
        )
        print(f"{name} domain: {found['domain']:.3f}; {kept}")
    write_result("two_languages", {"runs": figures}, seed=seed)


def english(folder: Path, seed: int) -> dict[str, Any]:
    """The demo's forgetless arm, with prompts that nano writes, and what the Chinese recipe keeps."""
    recipe = write_demo(folder / "english", prompts="self", seed=seed)["forgetless"].model_dump(exclude_defaults=True)
    recipe["sources"]["messages"]["files"] = [str(folder / "english" / "domain.jsonl")]
    recipe["keep"] = chinese(folder, seed)["keep"]
    return recipe


def chinese(folder: Path, seed: int) -> dict[str, Any]:
    """The recipe that ships."""
    recipe: dict[str, Any] = yaml.safe_load((ROOT / "recipes" / "chinese-tickets.yaml").read_text("utf-8"))
    data = ROOT / "data" / "chinese_tickets"
    recipe["sources"]["tickets"]["files"] = [str(data / "train.jsonl")]
    recipe["domain"]["task"]["files"] = [str(data / "test.jsonl")]
    return recipe | {"model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"}, "seed": seed}


def run(arm: str, language: str, recipe: dict[str, Any], folder: Path) -> fl.Certificate:
    """The recipe as it is, or its domain rows alone."""
    recipe = recipe | {"name": f"{language}-{arm}", "output": str(folder / "runs")}
    if arm == "plain":
        domain = {name: source | {"share": 1.0} for name, source in recipe["sources"].items()}
        share = next(iter(recipe["sources"].values()))["share"]
        # As many domain rows in a batch as the other arm has.
        training = recipe["training"] | {
            "kl_weight": 0.0,
            "batch_rows": round(recipe["training"]["batch_rows"] * share),
        }
        recipe = {k: v for k, v in recipe.items() if k != "replay"} | {"sources": domain, "training": training}
    recipe["evaluation"] = recipe["evaluation"] | {"stop_on_alarm": False, "path": [1.0]}
    with narrator(prefix=f"[{language}, {arm}] ") as tell:
        settled = fl.parse_recipe(recipe, origin=f"{language}-{arm}")
        return fl.train(settled, folder=folder, progress=tell.progress, on_event=tell.event).certificate


if __name__ == "__main__":
    main()
