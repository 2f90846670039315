"""`sources:`, `replay:`, `mixture:` and `endpoints:`: what is read, answered and mixed."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from forgetless.recipe.settings import Files, Real, Settings, Share, Whole

_HUB_KEYS = ("subset", "split", "revision")


def _only_a_split(split: str) -> str:
    if not re.fullmatch(r"\w+([.-]\w+)*(\[\d*:\d*\])?", split):
        raise ValueError(
            "a split is a name such as `train`, which may be cut to rows counted from its beginning, as in "
            "`train[:5000]` or `train[100:200]`"
        )
    return split


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
    split: Annotated[str, AfterValidator(_only_a_split)] | None = None
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
    """Training rows of one kind, and their share of all training tokens.

    Rows that are nearly the same as an earlier one are counted, and with `near_duplicates: drop` left out.
    """

    kind: Literal["domain", "general", "text"]
    share: Share
    near_duplicates: Literal["keep", "drop"] = "keep"

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

    `prompts` is `self` (the base writes the prompts too, from its own chat template), or a list of files and hub
    datasets, of which only the prompts are used. With `self` in that list the base writes as many as are missing from
    `rows`. With `raw_text`, and always without a chat template, the base
    continues raw text: the beginnings of the texts there, or with `self` nothing but the beginning of a document.
    `endpoint` names one of the recipe's `endpoints`, which serves the base and answers in its place.

    `coverage` says how self-written prompts are chosen: `as_written`; `filled`, where the base also writes prompts for
    the kept abilities that they, or given ones, leave uncovered; or `balanced`, filled and chosen so that kinds which
    it writes seldom are not drowned by common ones.
    """

    share: Share
    prompts: Literal["self"] | Annotated[list[Literal["self"] | FileSettings], Field(min_length=1)] = "self"
    coverage: Literal["as_written", "filled", "balanced"] | None = None
    raw_text: bool = False
    endpoint: str | None = None
    rows: Annotated[Whole, Field(ge=1)] = 1000
    max_new_tokens: Annotated[Whole, Field(ge=1)] = 128
    max_prompt_tokens: Annotated[Whole, Field(ge=1)] = 256
    temperature: Annotated[Real, Field(ge=0.0)] = 1.0
    top_p: Annotated[Real, Field(gt=0.0, le=1.0)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _own_prompts_cover_what_is_kept(cls, data: object) -> object:
        if not isinstance(data, dict) or data.get("coverage") is not None or data.get("raw_text"):
            return data
        prompts = data.get("prompts", "self")
        own = prompts == "self" or (isinstance(prompts, list) and "self" in prompts)
        return data | {"coverage": "filled"} if own else data

    @model_validator(mode="after")
    def _coverage_is_that_of_own_prompts(self) -> Self:
        if self.coverage in ("as_written", "balanced") and not self.writes_prompts:
            raise ValueError(
                f"`coverage: {self.coverage}` is about prompts that the base writes, and `prompts:` lists no `self`; "
                "only `filled` goes with given ones"
            )
        if self.coverage is not None and self.raw_text:
            raise ValueError("`coverage:` is about prompts, and with `raw_text: true` the base continues texts")
        return self

    @property
    def writes_prompts(self) -> bool:
        """Whether the base writes prompts."""
        return "self" in self.prompts

    @property
    def fills_holes(self) -> bool:
        """Whether the base writes prompts for what the others leave uncovered."""
        return self.coverage in ("filled", "balanced")

    @property
    def origin(self) -> Literal["self", "given", "both"]:
        """Who asks."""
        if not self.writes_prompts:
            return "given"
        return "both" if self.prompt_files else "self"

    @property
    def prompt_files(self) -> dict[str, FileSettings]:
        """The files and hub datasets with prompts, each by the field of the recipe that it stands in."""
        entries = enumerate(self.prompts if isinstance(self.prompts, list) else ())
        return {f"replay.prompts.{i}": entry for i, entry in entries if isinstance(entry, FileSettings)}


class MixtureSettings(Settings):
    """How sources are drawn: no row besides the domain's is used more than `repetition_cap` times."""

    repetition_cap: Annotated[Whole, Field(ge=1)] = 8
