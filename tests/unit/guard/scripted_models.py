"""Models whose scores are a script, and tasks that only hand out numbered items: the guard without any inference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forgetless.guard import Capability, Exam
from forgetless.records import Item, ItemResult, Message, Part
from forgetless.rundir import content_hash

MARGIN = 0.1


@dataclass
class ScriptedModel:
    """Loses a share of the items of each task: the first of every ten, so the losses are spread over any block.

    `asked` records the id of every item that it was made to answer.
    """

    model_hash: str
    lost: Mapping[str, float] = field(default_factory=dict)
    settings_hash: str = "settings"
    asked: list[str] = field(default_factory=list)

    def score(self, task: str, item: Item) -> float:
        self.asked.append(item.id)
        place = int(item.id.rpartition("-")[2]) % 20
        return float(place >= 20 * self.lost.get(task, 0.0))


@dataclass(frozen=True)
class ListTask:
    """Numbered items; a fresh one numbers them anew for every seed."""

    name: str
    fresh: bool = False
    dev: int = 60
    test: int = 160
    chance: float = 0.0
    binary: bool = True
    group: str = ""
    called: str = ""
    """The name in its items' ids, where it is another one."""
    backwards: bool = False

    @property
    def fingerprint(self) -> str:
        return f"fingerprint of {self.name}"

    def size(self, part: Part) -> int:
        return self.dev if part == "dev" else self.test

    def items(self, part: Part, *, limit: int | None = None, seed: int = 0) -> tuple[Item, ...]:
        draw = content_hash(part, seed)[:6] if self.fresh else "fixed"
        order = reversed(range(self.size(part))) if self.backwards else range(self.size(part))
        names = [f"{self.called or self.name}-{part}-{draw}-{i}" for i in order][:limit]
        return tuple(Item(name, (Message("user", f"ask {name}"),), "yes", group=self.group) for name in names)

    def score(self, engine: Any, items: Sequence[Item], progress: Any = None) -> list[ItemResult]:
        scores = {item.id: engine.score(self.name, item) for item in items}
        return [
            ItemResult(item.id, scores[item.id], "yes" if scores[item.id] else "no", item.group or item.id)
            for item in items
        ]


@dataclass
class ScriptedFrozen:
    """What a certificate speaks of: `lost(a)` says what the model at `a` on the path has lost."""

    lost: Callable[[float], Mapping[str, float]]
    base_hash: str = "base"
    tuned_hash: str = "tuned"
    saved: list[tuple[float, Path]] = field(default_factory=list)
    models: dict[float, ScriptedModel] = field(default_factory=dict)

    @property
    def base(self) -> Any:
        return type("Loaded", (), {"hash": self.base_hash})

    @property
    def tuned(self) -> Any:
        return type("Loaded", (), {"hash": self.tuned_hash})

    def base_engine(self) -> ScriptedModel:
        return self._at(0.0, self.base_hash)

    def tuned_engine(self) -> ScriptedModel:
        return self._at(1.0, self.tuned_hash)

    def between(self, a: float) -> ScriptedModel:
        return self._at(a, f"{self.base_hash}-{a}-{self.tuned_hash}")

    def save_between(self, a: float, folder: Path) -> ScriptedModel:
        self.saved.append((a, folder))
        return ScriptedModel(f"saved at {a}", self.lost(a))

    @property
    def positions(self) -> list[float]:
        """Which positions were asked anything."""
        return sorted(a for a, model in self.models.items() if model.asked)

    @property
    def asked(self) -> set[str]:
        return {item for model in self.models.values() for item in model.asked}

    def _at(self, a: float, model_hash: str) -> ScriptedModel:
        return self.models.setdefault(a, ScriptedModel(model_hash, self.lost(a)))


def exam_of(*tasks: ListTask, domain: ListTask | None = None, margin: float = MARGIN) -> Exam:
    return Exam(domain or ListTask("domain"), tuple(Capability(t.name, t, margin) for t in tasks), ())
