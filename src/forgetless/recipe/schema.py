"""What a recipe may say: one pydantic model for each part of the YAML file.

A recipe is data. It validates alone, imports no torch, refuses what it does not know, and carries units in its
names (`margin_points`, `max_length_tokens`). Paths are resolved against the folder of the recipe file.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator


def _no_yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("`yes`, `no`, `true` and `false` are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_yes_or_no)]
Real = Annotated[float, BeforeValidator(_no_yes_or_no)]
Share = Annotated[Real, Field(gt=0.0, le=1.0)]
Files = Annotated[list[str], Field(min_length=1)]

DEFAULT_PATH = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


class Settings(BaseModel):
    """Base of every part: unknown keys are errors, and a number is finite and neither `yes` nor `no`.

    A number in quotes is that number, because YAML itself reads `2e-5` (no point) as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(Settings):
    """Which model to start from.

    `path` is a local folder or a hub id. `gguf_file` names a GGUF file inside it (a `path` that ends in `.gguf`
    works too). `adapter` is a PEFT adapter to merge over the base before anything else.
    """

    path: str
    gguf_file: str | None = None
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"


class RowTemplate(Settings):
    """A conversation written over the columns of a file: `{column}` is replaced by its value."""

    prompt: str
    completion: str
    system: str | None = None


class FileSettings(Settings):
    """Files, and how their records become rows."""

    files: Files
    format: Literal["auto", "jsonl", "json", "csv", "text"] = "auto"
    shape: Literal["auto", "messages", "alpaca", "prompt_completion", "template", "text"] = "auto"
    template: RowTemplate | None = None
    encoding: str = "utf-8"
    max_rows: Annotated[Whole, Field(ge=1)] | None = None
    max_rejected_percent: Annotated[Real, Field(ge=0.0, le=100.0)] = 1.0

    @model_validator(mode="after")
    def _template_goes_with_its_shape(self) -> FileSettings:
        if self.shape == "template" and self.template is None:
            raise ValueError("`shape: template` needs a `template:` with `prompt` and `completion`")
        if self.template is not None and self.shape not in ("auto", "template"):
            raise ValueError(f"`template:` is only read with `shape: template`, not with `shape: {self.shape}`")
        return self


class SourceSettings(FileSettings):
    """Training rows of one kind, and their share of all training tokens."""

    kind: Literal["domain", "general", "text"]
    share: Share


class ReplaySettings(Settings):
    """Rows answered by the base model itself, on which the tuned model is held to the base by KL.

    `prompts` is either `self` (the base writes the prompts too, from its own chat template) or one or more prompt
    files, of which only the prompts are used.
    """

    share: Share
    prompts: Literal["self"] | Annotated[list[FileSettings], Field(min_length=1)] = "self"
    rows: Annotated[Whole, Field(ge=1)] = 1000
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128
    max_prompt_tokens: Annotated[Whole, Field(ge=1)] = 256
    temperature: Annotated[Real, Field(ge=0.0)] = 1.0
    top_p: Annotated[Real, Field(gt=0.0, le=1.0)] = 1.0


class LoraSettings(Settings):
    """A low-rank adapter in place of full weights."""

    rank: Annotated[Whole, Field(ge=1)] = 16
    alpha: Annotated[Real, Field(gt=0.0)] = 32.0
    dropout: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.0
    target_modules: str | list[str] = "all-linear"


class TrainingSettings(Settings):
    """How the weights move.

    One optimiser step sees `batch_rows` packed rows of at most `max_length_tokens` each, `accumulate_batches`
    times. `kl_weight` is λ in L = cross-entropy + λ · KL(base ‖ model) on the replay rows; `kl_tokens` says
    whether the KL covers only the answers of a replay row or its prompt as well. The length of the run is `steps`,
    or `epochs` over the domain rows. `lora` stands with `method: lora` and nowhere else.
    """

    method: Literal["full", "lora"] = "full"
    lora: LoraSettings | None = None
    learning_rate: Annotated[Real, Field(gt=0.0)] = 2e-5
    steps: Annotated[Whole, Field(ge=1)] | None = None
    epochs: Annotated[Real, Field(gt=0.0)] = 1.0
    batch_rows: Annotated[Whole, Field(ge=1)] = 8
    accumulate_batches: Annotated[Whole, Field(ge=1)] = 1
    max_length_tokens: Annotated[Whole, Field(ge=8)] = 512
    kl_weight: Annotated[Real, Field(ge=0.0)] = 1.0
    kl_tokens: Literal["answer", "all"] = "answer"
    warmup_steps: Annotated[Whole, Field(ge=0)] = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[Real, Field(ge=0.0)] = 0.0
    max_gradient_norm: Annotated[Real, Field(gt=0.0)] = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False

    @model_validator(mode="before")
    @classmethod
    def _lora_has_defaults(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("method") == "lora" and data.get("lora") is None:
            return data | {"lora": {}}
        return data

    @model_validator(mode="after")
    def _an_adapter_goes_with_its_method(self) -> Self:
        if self.method == "full" and self.lora is not None:
            raise ValueError("`lora:` is read with `method: lora` only; with `method: full` all weights are trained")
        return self


class MixtureSettings(Settings):
    """How sources are drawn: no row besides the domain's is used more than `repetition_cap` times."""

    repetition_cap: Annotated[Whole, Field(ge=1)] = 8


class ItemFiles(Settings):
    """Files of items; templates are written over their columns, as in `template`."""

    files: Files
    format: Literal["auto", "jsonl", "json", "csv", "text"] = "auto"
    columns: list[str] | None = None
    encoding: str = "utf-8"
    max_items: Annotated[Whole, Field(ge=1)] | None = None
    prompt: str
    system: str | None = None
    group: str | None = None
    subject: str | None = None


class ChoiceTask(ItemFiles):
    """Multiple choice by likelihood.

    `choices` is the column that holds a list, or a list of templates; `answer` the column that holds the index
    (from 0), the letter, or the text of the right one. `normalise: bytes` divides each log-likelihood by the
    choice's length.
    """

    type: Literal["choice"]
    choices: str | list[str]
    answer: str
    normalise: Literal["none", "bytes"] = "none"


class GenerationTask(ItemFiles):
    """Greedy generation, matched against a reference.

    `pattern` is used by `match: regex` (its first group, or the whole match, is compared with the answer) and, with
    `match: number`, nowhere. `match: json` compares parsed values.
    """

    type: Literal["generation"]
    answer: str
    match: Literal["exact", "number", "regex", "json"] = "exact"
    pattern: str | None = None
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128

    @model_validator(mode="after")
    def _pattern_goes_with_regex(self) -> GenerationTask:
        if (self.match == "regex") != (self.pattern is not None):
            raise ValueError("`pattern:` is needed with `match: regex`, and read by nothing else")
        return self


class AnswerProbabilityTask(ItemFiles):
    """How likely the reference answer is: 2 to the power of minus its bits per byte, in (0, 1].

    `answer` is a template. With `choices`, it is the column of the right choice instead, as in a `choice` task, and
    the reference is that choice's text.
    """

    type: Literal["answer_probability"]
    answer: str
    choices: str | list[str] | None = None


class TemplateLeakTask(ItemFiles):
    """Share of unrelated prompts *not* answered in the domain's own template, which is induced from its answers."""

    type: Literal["template_leak"]
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 32


class HeldOutTask(Settings):
    """The domain measured on its own rows: a share of them is held out of training by a hash of their content."""

    type: Literal["held_out"]
    percent: Annotated[Real, Field(gt=0.0, le=50.0)] = 10.0
    score: Literal["exact", "number", "json", "answer_probability"] = "answer_probability"
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128
    max_items: Annotated[Whole, Field(ge=1)] | None = None


class ProceduralTask(Settings):
    """Fresh items from a generator at every evaluation, answered greedily and matched exactly (`nano/sorting`)."""

    type: Literal["procedural"]
    generator: str
    items: Annotated[Whole, Field(ge=2)] = 3000
    dev_items: Annotated[Whole, Field(ge=2)] = 200
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 16


TaskSettings = Annotated[
    ChoiceTask | GenerationTask | AnswerProbabilityTask | TemplateLeakTask | HeldOutTask | ProceduralTask,
    Field(discriminator="type"),
]


class DomainSettings(Settings):
    """How the domain is measured."""

    task: TaskSettings


class CapabilitySettings(Settings):
    """An ability to keep: a task, and the most that its score may drop, in points (hundredths of the score).

    Without `margin_points` it is the smallest margin that the task's items can certify.
    """

    task: TaskSettings
    margin_points: Annotated[Real, Field(gt=0.0, lt=100.0)] | None = None


class EvaluationSettings(Settings):
    """When and how strictly to measure.

    The guard looks every `every_steps` optimiser steps at up to `dev_items` items of the dev part of each task. What
    is not given of the two, the plan chooses, so that the looks take at most `budget_percent` of the training time.
    `path` lists the positions between base and tuned model that the certificate tests outward.
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

    @model_validator(mode="after")
    def _path_walks_outward_to_the_tuned_model(self) -> EvaluationSettings:
        if sorted(set(self.path)) != self.path or self.path[-1:] != [1.0]:
            raise ValueError(
                "`path:` must rise and end at 1, for it walks from the base (0) out to the tuned model (1)"
            )
        return self


class Questions(Settings):
    """What a model is asked: the part that a recipe for training and one for comparing share."""

    seed: Annotated[Whole, Field(ge=0)] = 0
    keep: dict[str, CapabilitySettings] = {}
    evaluation: EvaluationSettings = EvaluationSettings()

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
    """The whole recipe."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    output: str = "runs"
    model: ModelSettings
    sources: Annotated[dict[str, SourceSettings], Field(min_length=1)]
    replay: ReplaySettings | None = None
    mixture: MixtureSettings = MixtureSettings()
    training: TrainingSettings = TrainingSettings()
    domain: DomainSettings = DomainSettings(task=HeldOutTask(type="held_out"))
    ship: Literal["best", "certified", "fail"] = "best"

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
        if "replay" in self.sources:
            raise ValueError("`sources.replay` is taken: the rows that the base answers are set under `replay:`")
        if not any(s.kind == "domain" for s in self.sources.values()):
            raise ValueError("at least one source must have `kind: domain`")
        return self

    @model_validator(mode="after")
    def _replay_is_for_the_kl(self) -> Recipe:
        if self.replay is not None and self.training.kl_weight == 0.0:
            raise ValueError("`replay` rows carry the KL term and nothing else; with `kl_weight: 0` leave `replay` out")
        return self
