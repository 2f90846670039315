"""`model:` and `training:`: what to start from, what is trained of it, and how."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from forgetless.recipe.names import AdapterStart, DomainWeights, ModelPart
from forgetless.recipe.settings import Real, Settings, Whole

_SET_BY_FORGETLESS = {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}

DEFAULT_TOP_K = 128
ASFT_KL_WEIGHT = 0.1


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


class LoraSettings(Settings):
    """A low-rank adapter in place of full weights.

    `rslora` scales it by alpha / √rank in place of alpha / rank (arXiv 2312.03732); `dora` trains the length of each
    row of a weight apart from its direction (arXiv 2402.09353). `target_modules` is `all-linear`, one or several names,
    or a regular expression over full names. The modules named in `modules_to_save` carry no
    adapter: they are trained whole, and stored with it. `keep_directions` is how many of the first singular directions
    of every adapted weight the adapter leaves alone, on both sides (OPLoRA, arXiv 2510.13003). With `init: null_space`
    it starts where the base's inputs have the least energy over replay rows (LoRA-Null, arXiv 2503.02659), and
    `freeze_a` trains the second of its two factors only, so that it reads there and nowhere else.
    """

    rank: Annotated[Whole, Field(ge=1)] = 16
    alpha: Annotated[Real, Field(gt=0.0)] = 32.0
    dropout: Annotated[Real, Field(ge=0.0, lt=1.0)] = 0.0
    target_modules: str | list[str] = "all-linear"
    modules_to_save: list[str] = []
    rslora: bool = False
    dora: bool = False
    init: AdapterStart = "default"
    freeze_a: bool = False
    keep_directions: Annotated[Whole, Field(ge=1)] | None = None

    @field_validator("target_modules", mode="before")
    @classmethod
    def _one_name_is_a_list_of_one(cls, value: object) -> object:
        # PEFT reads a text as an expression over full names, which a bare name never fits.
        return [value] if isinstance(value, str) and value != "all-linear" and value.isidentifier() else value

    @model_validator(mode="after")
    def _a_module_is_adapted_or_trained_whole(self) -> Self:
        for name in self.modules_to_save:
            if isinstance(self.target_modules, list) and name in self.target_modules:
                raise ValueError(f"`{name}` stands in `target_modules` and in `modules_to_save`; leave it out of one")
        return self


class TrainingSettings(Settings):
    """How the weights move.

    One optimiser step sees `batch_rows` packed rows of at most `max_length_tokens` each, `accumulate_batches`
    times. `long_rows` says what becomes of conversations that are longer: they are left out, or their prompts are
    cut at the left; and `long_texts` of raw texts: they are left out, or trained in pieces. `domain_weights` weighs
    the domain's tokens in the cross-entropy. `kl_weight` is λ in L = cross-entropy + λ · KL on the replay rows + μ
    · KL on the domain rows, and `domain_kl_weight` is μ; `kl_tokens` says whether the KL covers only the answers of
    these rows or their prompts as well, and `kl_direction` whether it is KL(base ‖ model), forward, or KL(model ‖
    base), reverse. With `kl_reference: cached` the base writes its `kl_top_k` likeliest tokens down before the
    first step. The length of the run is `steps`, or `epochs` over the domain rows. `lora` stands with `method:
    lora` and nowhere else; `freeze` names what full fine-tuning leaves alone. `output` says whether a LoRA run
    ships a whole model or the adapter.
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
    long_texts: Literal["reject", "split"] = "reject"
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
