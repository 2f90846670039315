"""`task:`: how an ability is asked for and scored, one settings class for each `type`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from forgetless.recipe.data import RecordSettings
from forgetless.recipe.ready import ReadyName
from forgetless.recipe.settings import Real, Settings, Whole


class ItemFiles(RecordSettings):
    """Records of items; templates are written over their columns, as in `template`.

    With `raw_text` the prompt is text for the model to continue, outside its chat template.
    """

    max_items: Annotated[Whole, Field(ge=1)] | None = None
    prompt: str
    raw_text: bool = False
    system: str | None = None
    group: str | None = None
    subject: str | None = None

    @model_validator(mode="after")
    def _raw_text_has_no_turns(self) -> Self:
        if self.raw_text and self.system is not None:
            raise ValueError("`system` is a turn of the chat template, and `raw_text: true` goes without one")
        return self


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
    """Greedy generation, matched against a reference by what stands after the thoughts.

    `pattern` is used by `match: regex` (its first group, or the whole match, is compared with the answer) and, with
    `match: number`, nowhere. `match: json` compares parsed values. `thinking` sets the template's `enable_thinking`
    for this task; without it the model settings and the template decide.
    """

    type: Literal["generation"]
    answer: str
    match: Literal["exact", "number", "regex", "json"] = "exact"
    pattern: str | None = None
    thinking: bool | None = None
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128

    @model_validator(mode="after")
    def _pattern_goes_with_regex(self) -> GenerationTask:
        if (self.match == "regex") != (self.pattern is not None):
            raise ValueError("`pattern:` is needed with `match: regex`, and read by nothing else")
        if self.raw_text and self.thinking is not None:
            raise ValueError("`thinking` is a switch of the chat template, and `raw_text: true` goes without one")
        return self


class PythonTask(ItemFiles):
    """Programs to write: the code in a greedy answer is run with tests, in a sandbox.

    `start` is a template of the program's beginning that the answer may continue, and `tests` a column or template of
    code that is run after it. `entry_point` is the column that names what is to be written; with it, tests define
    `check`, which is called with it, as in HumanEval. `timeout_seconds` is computing time. Nothing is run unless
    `allow_code_execution` says so.
    """

    type: Literal["python"]
    tests: str
    start: str = ""
    entry_point: str | None = None
    allow_code_execution: bool = False
    timeout_seconds: Annotated[Real, Field(gt=0.0, le=600.0)] = 10.0
    memory_mib: Annotated[Whole, Field(ge=128)] = 1024
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 512

    @model_validator(mode="after")
    def _running_code_is_asked_for(self) -> Self:
        if not self.allow_code_execution:
            raise ValueError(
                "`type: python` runs code that a model wrote, in a sandbox; say that you want this by "
                "`allow_code_execution: true`"
            )
        return self


class PreferenceTask(ItemFiles):
    """Which of two greedy answers is better, the tuned model's or the base's, as a judge sees it in both orders.

    `judge` names one of the recipe's `endpoints`.
    """

    type: Literal["preference"]
    judge: str
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 512
    judge_max_new_tokens: Annotated[Whole, Field(ge=1)] = 512


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

    @model_validator(mode="after")
    def _a_length_goes_with_an_answer(self) -> Self:
        default = HeldOutTask.model_fields["max_new_tokens"].default
        if self.score == "answer_probability" and self.max_new_tokens != default:
            raise ValueError("`max_new_tokens:` is not read with `score: answer_probability`, which writes no answer")
        return self


class ProceduralTask(Settings):
    """Fresh items from a generator at every evaluation, answered greedily and matched exactly (`nano/sorting`).

    An evaluation draws `evaluation.dev_items` of them, or `dev_items` where that is less.
    """

    type: Literal["procedural"]
    generator: str
    items: Annotated[Whole, Field(ge=2)] = 3000
    dev_items: Annotated[Whole, Field(ge=2)] | None = None
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 16


class ReadyTask(Settings):
    """One of the sets of items that come with forgetless; `forgetless tasks list` shows them.

    `items` is how many the certificate asks: of a generated set, otherwise as many as the margin needs; of a written
    one at most so many, otherwise all of its test part.
    """

    type: Literal["ready"]
    set: ReadyName
    items: Annotated[Whole, Field(ge=2)] | None = None


class LmEvalTask(Settings):
    """A task, group or tag of lm-evaluation-harness by its name, asked and scored as the harness does it.

    `include_path` is a folder with task files of one's own. `metric` is one of the task's metrics, or
    `metric,filter`. `num_fewshot` says how many examples the prompt shows; otherwise the task does. Prompts are raw
    text unless `apply_chat_template` is set; then examples are turns of their own, unless `fewshot_as_multiturn` is
    false. `max_new_tokens` takes the place of the task's own limit.
    """

    type: Literal["lm_eval"]
    name: Annotated[str, Field(min_length=1)]
    include_path: str | None = None
    metric: Annotated[str, Field(min_length=1)] | None = None
    num_fewshot: Annotated[Whole, Field(ge=0)] | None = None
    apply_chat_template: bool = False
    fewshot_as_multiturn: bool | None = None
    max_new_tokens: Annotated[Whole, Field(ge=1)] | None = None
    max_items: Annotated[Whole, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _turns_go_with_a_template(self) -> Self:
        if self.fewshot_as_multiturn and not self.apply_chat_template:
            raise ValueError("`fewshot_as_multiturn` is about turns, and needs `apply_chat_template: true`")
        return self


class ReasoningGymTask(Settings):
    """Fresh items from a generator of reasoning-gym at every evaluation, scored by its own verifier.

    `config` holds settings of the generator. What is scored is the answer inside `<answer>` tags where the model writes
    them, as a `system` turn may ask it to, and otherwise all that it says after its thoughts.
    """

    type: Literal["reasoning_gym"]
    name: Annotated[str, Field(min_length=1)]
    config: dict[str, Any] = {}
    system: str | None = None
    items: Annotated[Whole, Field(ge=2)] = 1000
    dev_items: Annotated[Whole, Field(ge=2)] | None = None
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 256

    @field_validator("config")
    @classmethod
    def _draws_are_no_setting(cls, config: dict[str, Any]) -> dict[str, Any]:
        taken = sorted({"seed", "size"}.intersection(config))
        if taken:
            raise ValueError(f"`{taken[0]}` is set by every evaluation, and cannot be set for all")
        return config


TaskSettings = Annotated[
    ChoiceTask
    | GenerationTask
    | PythonTask
    | PreferenceTask
    | AnswerProbabilityTask
    | TemplateLeakTask
    | HeldOutTask
    | ProceduralTask
    | ReadyTask
    | LmEvalTask
    | ReasoningGymTask,
    Field(discriminator="type"),
]


class Measured(Settings):
    """What a task measures. `{lm_eval: mmlu}` is short for `{type: lm_eval, name: mmlu}`; so with `reasoning_gym`."""

    task: TaskSettings

    @field_validator("task", mode="before")
    @classmethod
    def _short_forms_are_written_out(cls, task: Any) -> Any:
        if isinstance(task, dict) and "type" not in task and "name" not in task:
            for kind in ("lm_eval", "reasoning_gym"):
                if kind in task:
                    return {"type": kind, "name": task[kind]} | {k: v for k, v in task.items() if k != kind}
        return task
