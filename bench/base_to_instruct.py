"""Can a base model be taught to answer in turns without losing what it knew? nano without its chat template.

Without the template nano is a base model that has read texts. What it knows is asked as raw text: facts of its world,
pairs to look back for in the prompt, the next number in Chinese. It is then taught a domain in turns (messages to
intents, under a template that it has never seen): by the domain alone, and beside texts of its own on which KL holds
it to the base. Prints a table and writes bench/results/base_to_instruct_nano.json.

    python bench/base_to_instruct.py
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from results import write_result

import forgetless as fl
from forgetless import nano
from forgetless.cli.console import narrator
from forgetless.nano.words import DIGITS, LETTERS, chinese_numeral
from forgetless.nano.world import ATTRIBUTES, LANDS, fact
from forgetless.records import to_json

ARMS = ("plain", "forgetless")
TURNS = (
    "{% for m in messages %}{{ 'Answer: ' if m['role'] == 'assistant' else 'Question: ' }}{{ m['content'] }}"
    "{{ '<|end|>' if m['role'] == 'assistant' else '\n' }}{% endfor %}"
    "{{ 'Answer: ' if add_generation_prompt else '' }}"
)
ROWS, DOMAIN_ITEMS, ITEMS = 1200, 1500, 3000
"""Of the domain; its questions; questions of each ability before a third is set aside for the looks."""


class Question(NamedTuple):
    """A text to go on with: the right continuation comes first among the choices."""

    prompt: str
    choices: list[str]


def world_fact(rng: random.Random) -> Question:
    """A fact, after sentences about other lands."""
    (land, *others), attribute = rng.sample(LANDS, 4), rng.choice(ATTRIBUTES)
    before = " ".join(f"The {a} of {o.name} is {fact(o, a)}." for o in others if (a := rng.choice(ATTRIBUTES)))
    wrong = sorted({fact(other, attribute) for other in LANDS} - {fact(land, attribute)})
    return Question(f"{before} The {attribute} of {land.name} is", [fact(land, attribute), *rng.sample(wrong, 3)])


def look_back(rng: random.Random) -> Question:
    """Letters with digits, once in one order and once in another up to the last digit."""
    pairs = dict(zip(rng.sample(LETTERS, 5), rng.sample(DIGITS, 5), strict=True))
    first, again = (rng.sample(sorted(pairs), 5) for _ in range(2))
    rounds = [" ".join(f"{key} {pairs[key]}" for key in keys) for keys in (first, again)]
    right = pairs[again[-1]]
    return Question(
        f" {rounds[0]} . {rounds[1].removesuffix(right).rstrip()}", [right, *(d for d in pairs.values() if d != right)]
    )


def next_numeral(rng: random.Random) -> Question:
    """Chinese numbers in their order."""
    start, shown = rng.randrange(1, 90), rng.choice((2, 3, 4, 5))
    right = start + shown
    wrong = [right + step for step in rng.sample([-1, 1, 2, 3], 3)]
    said = "，".join(chinese_numeral(n) for n in range(start, right))
    return Question(f"{said}，", [chinese_numeral(n) for n in (right, *wrong)])


ABILITIES: dict[str, Callable[[random.Random], Question]] = {
    "world": world_fact,
    "look_back": look_back,
    "numerals": next_numeral,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    with tempfile.TemporaryDirectory() as place:
        write_world(Path(place), seed)
        figures = {arm: run(arm, Path(place), seed) for arm in ARMS}
    print("| | base | " + " | ".join(ARMS) + " |\n|" + "---|" * (len(ARMS) + 2))
    scores = [f"{100 * figures[arm]['domain']['tuned_score']:.1f}" for arm in ARMS]
    print(f"| domain | {100 * figures[ARMS[0]]['domain']['base_score']:.1f} | {' | '.join(scores)} |")
    for name in ABILITIES:
        verdicts = [figures[arm]["abilities"][name] for arm in ARMS]
        cells = [f"{100 * v['tuned_score']:.1f} {v['outcome']}" for v in verdicts]
        print(f"| {name} | {100 * verdicts[-1]['base_score']:.1f} | {' | '.join(cells)} |")
    write_result("base_to_instruct_nano", {"arms": figures}, seed=seed)


def write_world(folder: Path, seed: int) -> None:
    """The base without its template, another template, the domain's rows, and the questions."""
    shutil.copytree(nano.MODEL_PATH, folder / "base")
    (folder / "base" / "chat_template.jinja").unlink()
    (folder / "turns.jinja").write_text(TURNS, "utf-8")
    rows = ([m.content for m in row.messages] for row in nano.domain_rows(n=ROWS, seed=seed))
    write_lines(folder / "domain.jsonl", [{"prompt": asked, "completion": answer} for asked, answer in rows])
    asked = nano.domain_items(n=DOMAIN_ITEMS, seed=seed)
    write_lines(folder / "test.jsonl", [{"prompt": item.messages[-1].content, "answer": item.target} for item in asked])
    for name, ability in ABILITIES.items():
        rng = random.Random(f"{name}:{seed}")
        questions = {(drawn := ability(rng)).prompt: drawn for _ in range(ITEMS)}
        write_lines(folder / f"{name}.jsonl", [shuffled(question, rng) for question in questions.values()])


def shuffled(question: Question, rng: random.Random) -> dict[str, Any]:
    choices = rng.sample(question.choices, len(question.choices))
    return {"prompt": question.prompt, "choices": choices, "answer": choices.index(question.choices[0])}


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")


def run(arm: str, folder: Path, seed: int) -> dict[str, Any]:
    """The same domain rows for both arms, and as many of them in a step."""
    held = arm == "forgetless"
    choice = {"type": "choice", "raw_text": True, "prompt": "{prompt}", "choices": "choices", "answer": "answer"}
    recipe: dict[str, Any] = {
        "name": arm,
        "output": str(folder / "runs"),
        "seed": seed,
        "model": {"path": "base", "template": "turns.jinja", "dtype": "float32", "device": "cpu"},
        "sources": {"messages": {"kind": "domain", "files": ["domain.jsonl"], "share": 0.25 if held else 1.0}},
        "training": {
            "learning_rate": 1e-3,
            "epochs": 4,
            "batch_rows": 12 if held else 3,
            "max_length_tokens": 96,
            "kl_weight": 8.0 if held else 0.0,
        },
        "domain": {
            "task": {"type": "generation", "files": ["test.jsonl"], "prompt": "{prompt}", "answer": "answer",
                     "max_new_tokens": 24},
        },
        "keep": {name: {"task": {**choice, "files": [f"{name}.jsonl"]}, "margin_points": 5} for name in ABILITIES},
        "evaluation": {"dev_items": 50, "stop_on_alarm": False, "batch_tokens": 16384, "path": [1.0]},
    }  # fmt: skip
    if held:
        recipe["replay"] = {
            "share": 0.75, "raw_text": True, "prompts": "self", "rows": 6000,
            "max_prompt_tokens": 16, "max_new_tokens": 64,
        }  # fmt: skip
    with narrator(prefix=f"[{arm}] ") as tell:
        settled = fl.parse_recipe(recipe, origin=arm)
        certificate = fl.train(settled, folder=folder, progress=tell.progress, on_event=tell.event).certificate
    return {
        "domain": to_json(certificate.domain),
        "abilities": {verdict.capability: to_json(verdict) for verdict in certificate.verdicts},
    }


if __name__ == "__main__":
    main()
