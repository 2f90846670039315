"""What a recipe may say: one pydantic model for each part of the YAML file.

A recipe is data. It validates alone, imports no torch, refuses what it does not know, and carries units in its
names (`margin_points`, `max_length_tokens`). Paths are resolved against the folder of the recipe file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    field_validator,
    model_validator,
)

from forgetless.recipe.combinations import refuse_combinations
from forgetless.recipe.mix import write_out_mix
from forgetless.recipe.names import AdapterStart, DomainWeights, ModelPart
from forgetless.recipe.ready import ReadyName, ready_margin, write_out


def _no_yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("`yes`, `no`, `true` and `false` are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_yes_or_no)]
Real = Annotated[float, BeforeValidator(_no_yes_or_no)]
Share = Annotated[Real, Field(gt=0.0, le=1.0)]
Files = Annotated[list[str], Field(min_length=1)]

_SET_BY_FORGETLESS = {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}
_HUB_KEYS = ("subset", "split", "revision")

DEFAULT_TOP_K = 128
ASFT_KL_WEIGHT = 0.1
DEFAULT_PATH = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


class Settings(BaseModel):
    """Base of every part: unknown keys are errors, and a number is finite and neither `yes` nor `no`.

    A number in quotes is that number, because YAML itself reads `2e-5` (no point) as text.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSettings(Settings):
    """Which model to start from.

    `path` is a local folder or a hub id. `gguf_file` names a GGUF file inside it (a `path` that ends in `.gguf`
    works too). `adapter` is a PEFT adapter to merge over the base before anything else. `template` is a Jinja file, or
    the name of a chat template that TRL ships, to use in place of the model's own; `chat_template_kwargs` are names
    that the template reads, and their values. With `quantization: nf4` the linear layers are held in 4 bits, and the
    base that is to be kept is the model as quantised.
    """

    path: str
    gguf_file: str | None = None
    adapter: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    template: str | None = None
    chat_template_kwargs: dict[str, Any] = {}
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    device: str = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    quantization: Literal["nf4"] | None = None

    @field_validator("chat_template_kwargs")
    @classmethod
    def _the_conversation_is_not_a_setting(cls, names: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(_SET_BY_FORGETLESS.intersection(names))
        if taken:
            raise ValueError(f"`{taken[0]}` comes from the data, row by row, and cannot be set for all")
        return names


class RowTemplate(Settings):
    """A conversation written over the columns of a file: `{column}` is replaced by its value.

    Rows to train on need a `completion`; the base answers replay prompts itself.
    """

    prompt: str
    completion: str | None = None
    system: str | None = None


class RecordSettings(Settings):
    """Where records stand: in files, or in one split of a dataset on the Hugging Face hub.

    `files` are names, folders or glob patterns. `hub` is `owner/name`, or a local folder in the hub's layout; `split`
    may be cut to rows, as in `train[:1000]`. `columns` names the columns of a CSV file without a header line.
    `encoding: auto` detects UTF-8, UTF-16 with a byte order mark and GB18030.
    """

    files: Files | None = None
    hub: str | None = None
    subset: str | None = None
    split: Annotated[str, Field(pattern=r"^\w+([.-]\w+)*(\[\d*:\d*\])?$")] | None = None
    revision: str | None = None
    format: Literal["auto", "jsonl", "json", "csv", "parquet", "text"] = "auto"
    columns: Annotated[list[str], Field(min_length=1)] | None = None
    encoding: str = "auto"

    @model_validator(mode="before")
    @classmethod
    def _a_hub_dataset_has_a_split(cls, data: object) -> object:
        if isinstance(data, dict) and data.get("hub") is not None and data.get("split") is None:
            return data | {"split": "train"}
        return data

    @model_validator(mode="after")
    def _records_stand_in_one_place(self) -> Self:
        if (self.files is None) == (self.hub is None):
            raise ValueError("records come from `files:` or from `hub:`, one of the two")
        place, others = ("hub", ("format", "columns", "encoding")) if self.hub is not None else ("files", _HUB_KEYS)
        for name in others:
            if getattr(self, name) != RecordSettings.model_fields[name].default:
                raise ValueError(f"`{name}:` is not read with `{place}:`")
        return self


class FileSettings(RecordSettings):
    """Records, and how they become rows."""

    shape: Literal["auto", "messages", "alpaca", "prompt_completion", "template", "text"] = "auto"
    template: RowTemplate | None = None
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

    @model_validator(mode="after")
    def _a_template_has_an_answer_to_train_on(self) -> Self:
        if self.template is not None and self.template.completion is None:
            raise ValueError("`template:` needs a `completion`, for that is what is trained")
        return self


def _only_an_address(url: str) -> str:
    parts = urlsplit(url)
    try:
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        whole = False
    if not whole:
        raise ValueError("`url` is the address of a server up to `/v1`, such as `http://localhost:8000/v1`")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("`url` holds no names, keys or questions; a key is named under `api_key_env`")
    return url.rstrip("/")


class EndpointSettings(Settings):
    """A server that answers for a model over an OpenAI-compatible interface.

    `model` is the name by which the server knows the model, and `tokenizer` the folder, GGUF file or hub id of that
    model's own tokenizer and chat template. `revision` is the user's word for what is served: with it, scores are kept
    for other runs. `api_key_env` names the environment variable that holds the key; the key itself stands nowhere.
    """

    url: Annotated[str, AfterValidator(_only_an_address)]
    model: Annotated[str, Field(min_length=1)]
    tokenizer: str | None = None
    revision: Annotated[str, Field(min_length=1)] | None = None
    api_key_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    concurrency: Annotated[Whole, Field(ge=1, le=1024)] = 16
    timeout_seconds: Annotated[Real, Field(gt=0.0)] = 300.0
    retries: Annotated[Whole, Field(ge=0)] = 6


class ReplaySettings(Settings):
    """Rows answered by the base model itself, on which the tuned model is held to the base by KL.

    `prompts` is either `self` (the base writes the prompts too, from its own chat template) or one or more files or
    hub datasets, of which only the prompts are used. With `raw_text`, and always without a chat template, the base
    continues raw text: the beginnings of the texts there, or with `self` nothing but the beginning of a document.
    `endpoint` names one of the recipe's `endpoints`, which serves the base and answers in its place.
    """

    share: Share
    prompts: Literal["self"] | Annotated[list[FileSettings], Field(min_length=1)] = "self"
    raw_text: bool = False
    endpoint: str | None = None
    rows: Annotated[Whole, Field(ge=1)] = 1000
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128
    max_prompt_tokens: Annotated[Whole, Field(ge=1)] = 256
    temperature: Annotated[Real, Field(ge=0.0)] = 1.0
    top_p: Annotated[Real, Field(gt=0.0, le=1.0)] = 1.0


class LoraSettings(Settings):
    """A low-rank adapter in place of full weights.

    `rslora` scales it by alpha / √rank in place of alpha / rank (arXiv 2312.03732); `dora` trains the length of each
    row of a weight apart from its direction (arXiv 2402.09353). The modules named in `modules_to_save` carry no
    adapter: they are trained whole, and stored with it.
    """

    rank: Annotated[Whole, Field(ge=1)] = 16
    alpha: Annotated[Real, Field(gt=0.0)] = 32.0
    dropout: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.0
    target_modules: str | list[str] = "all-linear"
    modules_to_save: list[str] = []
    rslora: bool = False
    dora: bool = False
    init: AdapterStart = "default"

    @model_validator(mode="after")
    def _a_module_is_adapted_or_trained_whole(self) -> Self:
        for name in self.modules_to_save:
            if isinstance(self.target_modules, list) and name in self.target_modules:
                raise ValueError(f"`{name}` stands in `target_modules` and in `modules_to_save`; leave it out of one")
        return self


class TrainingSettings(Settings):
    """How the weights move.

    One optimiser step sees `batch_rows` packed rows of at most `max_length_tokens` each, `accumulate_batches`
    times. `long_rows` says what becomes of rows that are longer: they are left out, or their prompts are cut at the
    left. `domain_weights` weighs the domain's tokens in the cross-entropy. `kl_weight` is λ in L = cross-entropy +
    λ · KL on the replay rows + μ · KL on the domain rows, and `domain_kl_weight` is μ; `kl_tokens` says whether the
    KL covers only the answers of these rows or their prompts as well, and `kl_direction` whether it is KL(base ‖
    model), forward, or KL(model ‖ base), reverse. With `kl_reference: cached` the base writes its `kl_top_k`
    likeliest tokens down before the first step. The length of the run is `steps`, or `epochs` over the domain rows.
    `lora` stands with `method: lora` and nowhere else; `freeze` names what full fine-tuning leaves alone. `output`
    says whether a LoRA run ships a whole model or the adapter.
    """

    method: Literal["full", "lora"] = "full"
    lora: LoraSettings | None = None
    freeze: list[ModelPart] = []
    output: Literal["merged", "adapter"] = "merged"
    learning_rate: Annotated[Real, Field(gt=0.0)] = 2e-5
    steps: Annotated[Whole, Field(ge=1)] | None = None
    epochs: Annotated[Real, Field(gt=0.0)] | None = None
    batch_rows: Annotated[Whole, Field(ge=1)] = 8
    accumulate_batches: Annotated[Whole, Field(ge=1)] = 1
    max_length_tokens: Annotated[Whole, Field(ge=8)] = 512
    long_rows: Literal["reject", "cut_prompt"] = "reject"
    domain_weights: DomainWeights = "none"
    kl_weight: Annotated[Real, Field(ge=0.0)] = 1.0
    domain_kl_weight: Annotated[Real, Field(ge=0.0)] = 0.0
    kl_tokens: Literal["answer", "all"] = "answer"
    kl_direction: Literal["forward", "reverse"] = "forward"
    kl_reference: Literal["live", "cached"] = "live"
    kl_top_k: Annotated[Whole, Field(ge=1)] | None = None
    warmup_steps: Annotated[Whole, Field(ge=0)] = 10
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[Real, Field(ge=0.0)] = 0.0
    max_gradient_norm: Annotated[Real, Field(gt=0.0)] = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    gradient_checkpointing: bool = False

    @model_validator(mode="before")
    @classmethod
    def _what_is_not_said_has_defaults(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        if data.get("method") == "lora" and data.get("lora") is None:
            data = data | {"lora": {}}
        if data.get("steps") is None and data.get("epochs") is None:
            data = data | {"epochs": 1.0}
        if data.get("kl_reference") == "cached" and data.get("kl_top_k") is None:
            data = data | {"kl_top_k": DEFAULT_TOP_K}
        if data.get("domain_weights") == "asft" and data.get("domain_kl_weight") is None:
            data = data | {"domain_kl_weight": ASFT_KL_WEIGHT}
        return data

    @model_validator(mode="after")
    def _a_run_has_one_length(self) -> Self:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("the length of a run is `steps:` or `epochs:`, not both")
        return self

    @model_validator(mode="after")
    def _asft_is_what_it_was_published_as(self) -> Self:
        if self.domain_weights != "asft":
            return self
        others = {
            "domain_kl_weight: 0": self.domain_kl_weight == 0.0,
            "kl_tokens: all": self.kl_tokens == "all",
            "kl_direction: reverse": self.kl_direction == "reverse",
        }
        for other, chosen in others.items():
            if chosen:
                raise ValueError(
                    "`domain_weights: asft` is `dft` with KL(base ‖ model) on the tokens that are learned, not with "
                    f"`{other}`; set `domain_weights: dft` for anything else"
                )
        return self

    @model_validator(mode="after")
    def _only_what_is_cached_is_cut(self) -> Self:
        if self.kl_top_k is not None and self.kl_reference == "live":
            raise ValueError("`kl_top_k:` is read with `kl_reference: cached`; a live reference gives all tokens")
        return self

    @model_validator(mode="after")
    def _an_adapter_goes_with_its_method(self) -> Self:
        if self.method == "full" and self.lora is not None:
            raise ValueError("`lora:` is read with `method: lora` only; with `method: full` all weights are trained")
        if self.method == "full" and self.output == "adapter":
            raise ValueError("`output: adapter` goes with `method: lora`; full fine-tuning leaves a whole model")
        if self.method == "lora" and self.freeze:
            raise ValueError("`freeze:` goes with `method: full`; under an adapter every weight of the base is frozen")
        return self


class MixtureSettings(Settings):
    """How sources are drawn: no row besides the domain's is used more than `repetition_cap` times."""

    repetition_cap: Annotated[Whole, Field(ge=1)] = 8


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
    the same test items spend α / (r(r + 1)) and tell nothing of what failed.
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
    team's mixture, and the domain has the rest.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    output: str = "runs"
    model: ModelSettings
    sources: Annotated[dict[str, SourceSettings], Field(min_length=1)]
    replay: ReplaySettings | None = None
    mixture: MixtureSettings = MixtureSettings()
    training: TrainingSettings = TrainingSettings()
    domain: DomainSettings = DomainSettings(task=HeldOutTask(type="held_out"))
    ship: Literal["best", "certified", "fail"] = "best"

    @model_validator(mode="before")
    @classmethod
    def _a_mix_is_written_out(cls, data: object) -> object:
        return write_out_mix(data)

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
    def _parts_fit_each_other(self) -> Recipe:
        refuse_combinations(self.model, self.training, self.evaluation, self.replay)
        return self
