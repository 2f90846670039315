"""What a recipe may say: one pydantic model for each part of the YAML file.

A recipe is data. It validates alone, imports no torch, refuses what it does not know, and carries units in its
names (`margin_points`, `max_length_tokens`). Paths are resolved against the folder of the recipe file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from forgetless.recipe.combinations import refuse_combinations
from forgetless.recipe.data import EndpointSettings, MixtureSettings, ReplaySettings, SourceSettings
from forgetless.recipe.mix import write_out_mix
from forgetless.recipe.ready import ready_margin, write_out
from forgetless.recipe.settings import Real, Settings, Whole
from forgetless.recipe.tasks import HeldOutTask, Measured, ProceduralTask
from forgetless.recipe.training import ModelSettings, TrainingSettings

DEFAULT_PATH = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


class DomainSettings(Measured):
    """How the domain is measured."""


class CapabilitySettings(Measured):
    """An ability to keep: a task, and the most that its score may drop, in points (hundredths of the score).

    Without `margin_points` it is a ready set's own, and otherwise the smallest that the task's items can certify. With
    `target: list` the verdict is about the test items themselves, and not about the questions that they stand for.
    """

    margin_points: Annotated[Real, Field(gt=0.0, lt=100.0)] | None = None
    target: Literal["population", "list"] = "population"

    @model_validator(mode="before")
    @classmethod
    def _ready_sets_have_margins_of_their_own(cls, data: Any) -> Any:
        task = data.get("task") if isinstance(data, dict) else None
        if isinstance(task, dict) and task.get("type") == "ready" and data.get("margin_points") is None:
            return data | {"margin_points": ready_margin(str(task.get("set")))}
        return data

    @model_validator(mode="after")
    def _a_list_is_fixed_and_has_a_margin(self) -> Self:
        if self.target == "list" and isinstance(self.task, ProceduralTask):
            raise ValueError("`target: list` is about fixed items, and a procedural task draws others every time")
        if self.target == "list" and self.margin_points is None:
            raise ValueError("`target: list` needs `margin_points`: a list of any size can tell any margin")
        return self


class EvaluationSettings(Settings):
    """When and how strictly to measure.

    The guard looks every `every_steps` optimiser steps at up to `dev_items` items of the dev part of each task. What
    is not given of the two, the plan chooses, so that the looks take at most `budget_percent` of the training time.
    `path` lists the positions between base and tuned model that the certificate tests outward. `strict` lets look r at
    the same test items spend α / (r(r + 1)) and tell nothing of what failed. With `stop_early` verdicts on finished
    models ask no more test items than they take. With `constraints` a model in training is checked between the looks
    by how likely it finds the base's answers to `check_items` dev items of each task; 0 leaves the checks out.
    """

    alpha: Annotated[Real, Field(gt=0.0, le=0.2)] = 0.05
    budget_percent: Annotated[Real, Field(gt=0.0, le=100.0)] = 15.0
    every_steps: Annotated[Whole, Field(ge=1)] | None = None
    dev_items: Annotated[Whole, Field(ge=2)] | None = None
    test_items: Annotated[Whole, Field(ge=2)] | None = None
    patience_evaluations: Annotated[Whole, Field(ge=1)] | None = None
    stop_on_alarm: bool = True
    batch_tokens: Annotated[Whole, Field(ge=64)] = 8192
    path: list[Annotated[Real, Field(gt=0.0, le=1.0)]] = list(DEFAULT_PATH)
    strict: bool = False
    stop_early: bool = False
    check_items: Annotated[Whole, Field(ge=0)] = 16

    @model_validator(mode="after")
    def _path_walks_outward_to_the_tuned_model(self) -> EvaluationSettings:
        if sorted(set(self.path)) != self.path or self.path[-1:] != [1.0]:
            raise ValueError(
                "`path:` must rise and end at 1, for it walks from the base (0) out to the tuned model (1)"
            )
        return self


class Questions(Settings):
    """What models are asked, and where: the part that a recipe for training and one for comparing share.

    `folder` is the folder of the file that it was read from, which relative paths start from; without a file it is
    the working directory. `keep` may be a list of ready sets, and an entry may leave its task out: then its name says
    which set is meant.
    """

    _folder: Path = PrivateAttr(default_factory=Path)

    seed: Annotated[Whole, Field(ge=0)] = 0
    endpoints: dict[str, EndpointSettings] = {}
    keep: Annotated[dict[str, CapabilitySettings], BeforeValidator(write_out)] = {}
    evaluation: EvaluationSettings = EvaluationSettings()

    @property
    def folder(self) -> Path:
        """What relative paths are relative to."""
        return self._folder

    @model_validator(mode="after")
    def _the_domain_is_asked_elsewhere(self) -> Self:
        if "domain" in self.keep:
            raise ValueError("`keep.domain` is taken: the domain is measured under `domain:`")
        for name, capability in self.keep.items():
            if isinstance(capability.task, HeldOutTask):
                raise ValueError(f"`keep.{name}.task.type: held_out` is for `domain.task` only")
        return self


class ComparisonRecipe(Questions):
    """What to ask two finished models: the parts of a recipe that `compare` reads when there is no training."""

    domain: DomainSettings | None = None


class Recipe(Questions):
    """The whole recipe.

    With `mix: default` no share is written: general instructions, replay and a little raw text have those of a small
    team's mixture, and the domain has the rest. With `constraints: on` every look moves λ and the share of replay rows
    for each ability, by what it has lost.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    output: str = "runs"
    model: ModelSettings
    sources: Annotated[dict[str, SourceSettings], Field(min_length=1)]
    replay: ReplaySettings | None = None
    mixture: MixtureSettings = MixtureSettings()
    constraints: bool = False
    training: TrainingSettings = TrainingSettings()
    domain: DomainSettings = DomainSettings(task=HeldOutTask(type="held_out"))
    ship: Literal["best", "certified", "fail"] = "best"

    @model_validator(mode="before")
    @classmethod
    def _a_mix_is_written_out(cls, data: object) -> object:
        return write_out_mix(data)

    @model_validator(mode="before")
    @classmethod
    def _what_may_be_pressed_has_rows_of_its_own(cls, data: object) -> object:
        """With constraints given prompts are filled too: more rows of a kind can be had only where there are some."""
        replay = data.get("replay") if isinstance(data, dict) and data.get("constraints") else None
        if not isinstance(data, dict) or not isinstance(replay, dict):
            return data
        prompts = replay.get("prompts", "self")
        given = isinstance(prompts, list) and "self" not in prompts
        if not given or replay.get("raw_text") or replay.get("coverage") is not None:
            return data
        return data | {"replay": replay | {"coverage": "filled"}}

    @model_validator(mode="after")
    def _shares_are_shares_of_the_total(self) -> Recipe:
        total = sum(s.share for s in self.sources.values()) + (self.replay.share if self.replay else 0.0)
        if abs(total - 1.0) > 1e-6:
            raise ValueError(
                f"the shares of all sources and of `replay` are shares of the total and add up to {total:g}, not 1"
            )
        return self

    @model_validator(mode="after")
    def _sources_hold_a_domain(self) -> Recipe:
        for name in self.sources:
            if name.partition("/")[0] == "replay":
                raise ValueError(f"`sources.{name}` is taken: the rows that the base answers are set under `replay:`")
        if not any(s.kind == "domain" for s in self.sources.values()):
            raise ValueError("at least one source must have `kind: domain`")
        return self

    @model_validator(mode="after")
    def _replay_rows_can_be_trained_on(self) -> Recipe:
        longest = self.replay.max_prompt_tokens + self.replay.max_new_tokens if self.replay else 0
        if longest > self.training.max_length_tokens:
            raise ValueError(
                f"replay rows may have {longest} tokens (`replay.max_prompt_tokens` + `replay.max_new_tokens`), more "
                f"than `training.max_length_tokens: {self.training.max_length_tokens}` lets in"
            )
        return self

    @model_validator(mode="after")
    def _replay_asks_a_known_endpoint(self) -> Recipe:
        named = self.replay.endpoint if self.replay else None
        if named is not None and named not in self.endpoints:
            known = ", ".join(self.endpoints) or "(none)"
            raise ValueError(f"`replay.endpoint: {named}` is none of the recipe's `endpoints`: {known}")
        return self

    @model_validator(mode="after")
    def _replay_is_for_the_kl(self) -> Recipe:
        if self.replay is not None and self.training.kl_weight == 0.0:
            raise ValueError("`replay` rows carry the KL term and nothing else; with `kl_weight: 0` leave `replay` out")
        return self

    @model_validator(mode="after")
    def _constraints_move_what_holds(self) -> Recipe:
        if self.constraints and self.replay is None:
            raise ValueError("`constraints` move the KL on `replay` rows, and there are none; give `replay:`")
        return self

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Recipe:
        refuse_combinations(self.model, self.training, self.evaluation, self.replay)
        return self
