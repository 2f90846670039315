"""A folder with data and a recipe for nano, as a user would have it, and a run in it that may be killed.

`python nano_world.py FOLDER EVENT COUNT` runs the recipe there and kills the process at the COUNT-th event of a kind.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import forgetless as fl
from forgetless import nano
from forgetless.pipeline import TrainResult
from forgetless.records import Row
from forgetless.rundir import atomic_write, hash_folder, read_events

METHODS: dict[str, dict[str, Any]] = {
    "full": {"method": "full"},
    "lora": {"method": "lora", "lora": {"rank": 4, "dropout": 0.1}},
    "adapter": {
        "method": "lora",
        "lora": {
            "rank": 4,
            "rslora": True,
            "modules_to_save": ["norm"],
            "init": "null_space",
            "keep_directions": 8,
        },
        "output": "adapter",
    },
}
LEAK = {"type": "template_leak", "files": ["questions.txt"], "prompt": "{text}", "max_new_tokens": 4}


@dataclass(frozen=True)
class World:
    """What a run left, and what it told of."""

    folder: Path
    result: TrainResult

    @property
    def run(self) -> Path:
        return self.result.folder

    @property
    def story(self) -> list[dict[str, Any]]:
        """What happened, without the clock, the pauses and the cache, and of the plan only what no clock decides."""
        told = [e for e in read_events(self.run) if e["event"] != "resumed"]
        timeless = ("event", "steps", "sources", "capabilities")
        told = [{k: e[k] for k in timeless} if e["event"] == "plan" else e for e in told]
        return [{k: v for k, v in e.items() if k not in ("time", "seconds", "from_cache")} for e in told]

    def json(self, name: str) -> Any:
        return json.loads((self.run / name).read_text("utf-8"))


class KilledError(Exception):
    """What ends a run in the middle of an event, in the place of a kill."""


def build_world(folder: Path, *, method: str, prompts: int = 80) -> Path:
    """Write sixty domain rows, prompts, questions and a recipe of twelve steps; returns the recipe."""
    _write_rows(folder / "domain.jsonl", nano.domain_rows(n=60, seed=0))
    _write_rows(folder / "prompts.jsonl", nano.dialogues(nano.ABILITIES, n=prompts, seed=0))
    questions = nano.dialogues(nano.OTHER_KINDS, n=24, seed=1)
    atomic_write(folder / "questions.txt", "\n\n".join(row.messages[0].content for row in questions))
    path = folder / "recipe.yaml"
    atomic_write(path, yaml.safe_dump(_recipe(method), sort_keys=False))
    return path


def build_pressed_world(folder: Path, *, method: str, items: int = 60, top_k: int | None = None) -> Path:
    """A world whose looks move weights and shares: abilities fall at once, and margins are so small that it shows."""
    path = build_world(folder, method=method, prompts=160)
    settings = yaml.safe_load(path.read_text("utf-8")) | {"constraints": True}
    settings["training"] |= {"learning_rate": 5e-3 if method == "full" else 3e-2, "kl_weight": 0.5}
    if top_k is not None:
        settings["training"] |= {"kl_reference": "cached", "kl_top_k": top_k}
    settings["replay"]["rows"] = 160
    settings["evaluation"] |= {"dev_items": items, "check_items": 2}
    settings["keep"] = {
        name: {"margin_points": 2, "task": {"type": "procedural", "generator": f"nano/{name}", "items": items,
                                            "max_new_tokens": 10}}
        for name in ("sorting", "facts")
    }  # fmt: skip
    atomic_write(path, yaml.safe_dump(settings, sort_keys=False))
    return path


def run_world(folder: Path, *, resume: bool = False, on_event: Callable[[dict[str, Any]], None] | None = None) -> Any:
    """Run the recipe of a world, with a cache that no other world sees."""
    os.environ["FORGETLESS_CACHE"] = str(folder / "cache")
    return fl.train(fl.load_recipe(folder / "recipe.yaml"), folder=folder, resume=resume, on_event=on_event)


def uninterrupted(folder: Path, method: str) -> World:
    """A new world's run, from its beginning to its end."""
    build_world(folder, method=method)
    return World(folder, run_world(folder))


def assert_the_same(resumed: World, whole: World) -> None:
    """Two runs have the same weights, verdicts and story, to the bit."""
    assert resumed.result.certificate.model_hash == whole.result.certificate.model_hash
    assert hash_folder(resumed.run / "model") == hash_folder(whole.run / "model")
    assert resumed.json("certificate.json") == whole.json("certificate.json")
    assert resumed.story == whole.story
    assert resumed.result.tokens == whole.result.tokens


def at_event(kind: str, count: int, do: Callable[[], None]) -> Callable[[dict[str, Any]], None]:
    """Something to be done at the `count`-th event of a kind."""
    seen: list[str] = []

    def on_event(event: dict[str, Any]) -> None:
        seen.append(event["event"])
        if event["event"] == kind and seen.count(kind) == count:
            do()

    return on_event


def fall() -> None:
    """End the run by an exception."""
    raise KilledError


def _recipe(method: str) -> dict[str, Any]:
    return {
        "name": "small",
        "seed": 3,
        "model": {"path": str(nano.MODEL_PATH), "dtype": "float32", "device": "cpu"},
        "sources": {"messages": {"kind": "domain", "files": ["domain.jsonl"], "share": 0.5}},
        "replay": {
            "share": 0.5,
            "prompts": [{"files": ["prompts.jsonl"]}],
            "rows": 80,
            "max_new_tokens": 6,
            "max_prompt_tokens": 60,
        },
        "training": {
            **METHODS[method],
            "steps": 12,
            "batch_rows": 2,
            "max_length_tokens": 96,
            "learning_rate": 1e-3,
            "warmup_steps": 2,
        },
        "domain": {"task": {"type": "held_out", "percent": 30, "max_items": 16}},
        "keep": {
            "sorting": {"margin_points": 50, "task": _ability("sorting")},
            "english": {"margin_points": 50, "task": _ability("english")},
            "format": {"margin_points": 50, "task": LEAK},
        },
        "evaluation": {"every_steps": 4, "dev_items": 8, "stop_on_alarm": False, "path": [0.5, 1.0]},
    }


def _ability(name: str) -> dict[str, Any]:
    return {"type": "procedural", "generator": f"nano/{name}", "items": 40, "dev_items": 8, "max_new_tokens": 4}


def _write_rows(path: Path, rows: Iterable[Row]) -> None:
    lines = ({"messages": [{"role": m.role, "content": m.content} for m in row.messages]} for row in rows)
    atomic_write(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


if __name__ == "__main__":
    world, event, count = sys.argv[1:]
    run_world(Path(world), on_event=at_event(event, int(count), lambda: os.kill(os.getpid(), signal.SIGKILL)))
