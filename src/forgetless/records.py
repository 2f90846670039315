"""The nouns that stages hand each other.

Frozen, slotted dataclasses without behaviour beyond what follows from their own fields. They import nothing from
the rest of the package and no heavy library, so every room can speak in them. `to_json` and `from_json` turn any
of them into plain JSON data and back; a missing number is `None`, never 0 and never NaN.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["system", "user", "assistant", "tool"]
T = typing.TypeVar("T")
StreamKind = Literal["domain", "general", "replay", "text"]
Outcome = Literal["kept", "dropped", "undecided", "absent", "gained", "not_gained"]
Part = Literal["dev", "test"]
Target = Literal["population", "list"]

_IF_SET: Final = {"if_set": True}
"""Marks a field that JSON data leaves out while it has its default, so that hashes from before it came stay as they
were."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the assistant makes. `arguments` is a JSON object, as text; `id` is what a result may refer to."""

    name: str
    arguments: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. A conversation is nothing but its messages, so nothing of it is lost on the way.

    Attributes:
        role: Who speaks.
        content: What is said; empty where the assistant only calls tools.
        trained: Whether the loss covers this turn; only ever true for the assistant's turns.
        reasoning: The thoughts before what the assistant says.
        tool_calls: The calls that the assistant makes.
        tool_call_id: The call that this result of a tool answers.
        name: The tool that this result comes from.
        tools: Definitions of the tools that may be called, each a JSON object as text. They hold for the whole
            conversation, whichever message carries them; `sources` gives them to the first.
        enable_thinking: Whether answers from here on are to be thought out, for templates that know the switch; `None`
            leaves it to the recipe and the template.
        brief: A short answer is asked for: without thoughts, where the template can be told so and nothing else is
            said.
        raw_text: No turn at all: text for the model to continue as it stands, outside its chat template.
        verbatim: With `raw_text`: a given answer follows the text as both stand, without a space put between them.
    """

    role: Role
    content: str
    trained: bool = False
    reasoning: str = field(default="", metadata=_IF_SET)
    tool_calls: tuple[ToolCall, ...] = field(default=(), metadata=_IF_SET)
    tool_call_id: str = field(default="", metadata=_IF_SET)
    name: str = field(default="", metadata=_IF_SET)
    tools: tuple[str, ...] = field(default=(), metadata=_IF_SET)
    enable_thinking: bool | None = field(default=None, metadata=_IF_SET)
    brief: bool = field(default=False, metadata=_IF_SET)
    raw_text: bool = field(default=False, metadata=_IF_SET)
    verbatim: bool = field(default=False, metadata=_IF_SET)


@dataclass(frozen=True, slots=True)
class Row:
    """One training row: a conversation, or raw text when `messages` is empty.

    `id` is stable across runs (a hash of the content), `source` is the name of the source in the recipe, and
    `origin` says where the row stands in its file (`path:line`; see `sources.Record`).
    """

    id: str
    source: str
    messages: tuple[Message, ...] = ()
    text: str | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a task.

    `target` is the reference answer (for a multiple choice, the text of the right choice). `group` is the
    statistical unit: items that share a passage or template share a group; the default is the item itself.
    """

    id: str
    messages: tuple[Message, ...]
    target: str = ""
    choices: tuple[str, ...] = ()
    group: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class ItemResult:
    """One model's answer to one item.

    `score` is in [0, 1]; `None` means that no score could be had. `note` says how the score came about, where the
    answer alone does not show it.
    """

    item_id: str
    score: float | None
    output: str = ""
    group: str = ""
    subject: str = ""
    note: str = field(default="", metadata=_IF_SET)


@dataclass(frozen=True, slots=True)
class ScoreSheet:
    """All results of one model on one task.

    `key` addresses the sheet by content: a hash of the model's weights, the task with its items, and the engine's
    settings. Two sheets with the same key hold the same numbers, so the base is measured once.
    """

    key: str
    task: str
    model_hash: str
    results: tuple[ItemResult, ...]

    @property
    def mean(self) -> float | None:
        """Mean score over the items that have one, or `None` when there are none."""
        scores = [r.score for r in self.results if r.score is not None and not math.isnan(r.score)]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True, slots=True)
class Judgements:
    """How far a judge of answers can be trusted, on one capability.

    Attributes:
        asked: Pairs of answers that it was asked about, in both orders; equal answers are not asked.
        disagreed: Those on which its two verdicts differ; they count as ties.
        unreadable: Those on which it gave no verdict in at least one order; they count as missing.
    """

    asked: int
    disagreed: int
    unreadable: int

    @property
    def disagreement(self) -> float | None:
        """Share of the pairs with two verdicts on which these differ."""
        read = self.asked - self.unreadable
        return self.disagreed / read if read else None


@dataclass(frozen=True, slots=True)
class SubjectEstimate:
    """Where a difference comes from: one subject of a task, as a diagnosis. Nothing is tested here.

    `base_score` and `tuned_score` are means over the `n` items that both models answered.
    """

    subject: str
    n: int
    base_score: float | None
    tuned_score: float | None
    losses: int
    gains: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the test says about one capability (or the domain).

    `estimate`, `lower` and `upper` are on the scale of the scores (a drop is negative): the mean paired difference
    tuned − base and its one-sided bounds at `alpha`. `interval` is the displayed two-sided (1 − alpha) interval.
    `base_score` and `tuned_score` are means over the judged items. `losses_beyond_guessing` and
    `gains_beyond_guessing` are the flips less those that guessing anew explains, where there is a score of chance.
    `noise` is how far the base may differ from itself, and `target` what the claim is about: the population that the
    items stand for, or this list of items and no other. Where the verdict was reached before its items ran out,
    `planned_n` is how many there were.
    """

    capability: str
    outcome: Outcome
    n: int
    alpha: float
    margin: float | None
    base_score: float | None = None
    tuned_score: float | None = None
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    interval: tuple[float, float] | None = None
    losses: int = 0
    gains: int = 0
    missing: int = 0
    measurable: bool = False
    beyond_margin: bool = False
    method: str = ""
    reason: str = ""
    judgements: Judgements | None = field(default=None, metadata=_IF_SET)
    losses_beyond_guessing: float | None = field(default=None, metadata=_IF_SET)
    gains_beyond_guessing: float | None = field(default=None, metadata=_IF_SET)
    noise: float = field(default=0.0, metadata=_IF_SET)
    target: Target = field(default="population", metadata=_IF_SET)
    subjects: tuple[SubjectEstimate, ...] = field(default=(), metadata=_IF_SET)
    planned_n: int | None = field(default=None, metadata=_IF_SET)


@dataclass(frozen=True, slots=True)
class Example:
    """One item as the base and the tuned model answered it, for a reader who wants to see what a number means."""

    capability: str
    prompt: str
    target: str = ""
    before: str = ""
    after: str = ""
    before_score: float | None = None
    after_score: float | None = None


@dataclass(frozen=True, slots=True)
class CompareResult:
    """Verdicts on two finished models; `domain` is `None` where no domain was measured.

    `notes` say what the verdicts rest on besides the two models, and `examples` show items whose score moved.
    """

    verdicts: tuple[Verdict, ...]
    domain: Verdict | None
    notes: tuple[str, ...] = ()
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class MixtureShare:
    """One line of the mixture table: what a source was asked to give and what it gave."""

    source: str
    kind: StreamKind
    rows: int
    asked: float
    realised: float | None
    tokens: int
    passes: float


@dataclass(frozen=True, slots=True)
class CapabilityScore:
    """One capability at one checkpoint on the dev part, as the guard saw it."""

    capability: str
    score: float | None
    base_score: float | None
    n: int
    estimate: float | None
    lower: float | None
    upper: float | None
    margin: float | None
    outcome: Outcome = "undecided"
    watch: bool = False
    alarm: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One look of the guard at one checkpoint."""

    step: int
    domain: CapabilityScore
    capabilities: tuple[CapabilityScore, ...]
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Adjustment:
    """One move of what holds a capability, after the look at `step`, and the measurement behind it.

    Attributes:
        capability: What is held.
        step: Optimiser steps done; the move holds from the next one.
        drop: Mean score of the base less that of the model on the dev part; `error` is its standard error.
        budget: The drop to aim at (rule 15).
        pressure: g, in [−1, 1]: how far the drop lies beyond the budget, noise taken off, as far as it counts by then.
        weight_before: λ of the KL that it asked until now of the replay rows that hold it; `weight` is what it asks
            from now on. Where the same rows hold several capabilities, the largest λ counts.
        share_before: Their share of all training tokens until now; `share` is the share from now on.
        own: Whether there are replay rows of its own kind; otherwise it is held by those that are like no capability.
    """

    capability: str
    step: int
    drop: float
    error: float
    budget: float
    pressure: float
    weight_before: float
    weight: float
    share_before: float
    share: float
    own: bool


@dataclass(frozen=True, slots=True)
class PathStep:
    """One tested candidate θ(a) = base + a·(tuned − base)."""

    a: float
    passed: bool
    verdicts: tuple[Verdict, ...]
    domain_dev_score: float | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was shown, on which files, and how the model was chosen.

    `verdicts` and `domain` speak of the saved and reloaded files in `model/`; `certified_a` is the
    position on the path with the best domain score (dev part) at which every capability was kept (0 is the base
    itself), and `certified_domain` its domain verdict. `looks` is this look's number at the same test items; where it
    is `strict`, `alpha` is what this look may spend, and what failed is not told.
    """

    model_hash: str
    base_hash: str
    certified: bool
    alpha: float
    looks: int
    chosen_step: int
    chosen_by: str
    domain: Verdict
    verdicts: tuple[Verdict, ...]
    path: tuple[PathStep, ...] = ()
    certified_a: float = 0.0
    certified_hash: str = ""
    certified_domain: Verdict | None = None
    certified_verdicts: tuple[Verdict, ...] = ()
    missing: tuple[str, ...] = ()
    item_seeds: dict[str, int] = field(default_factory=dict)
    strict: bool = field(default=False, metadata=_IF_SET)


def to_json(value: Any) -> Any:
    """Plain JSON data for a record, or for any nesting of records, lists and mappings.

    A float that is not finite becomes `None`: unknown stays unknown when it is read back.
    """
    if value is None or isinstance(value, (str, int)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [
            f for f in dataclasses.fields(value) if "if_set" not in f.metadata or getattr(value, f.name) != f.default
        ]
        return {f.name: to_json(getattr(value, f.name)) for f in fields}
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(kind: type[T], data: Any) -> T:
    """The record of type `kind` that `to_json` turned into `data`.

    Keys that the record does not know (written by a newer version, say) are passed over, at any depth; a field that is
    missing and has no default raises `TypeError`.
    """
    return typing.cast(T, _decode(kind, data))


def _decode(kind: Any, data: Any) -> Any:
    origin = typing.get_origin(kind)
    if data is None or kind is Any:
        return data
    if origin in (typing.Union, types.UnionType):
        inner = next(k for k in typing.get_args(kind) if k is not type(None))
        return _decode(inner, data)
    if origin is tuple:
        arguments = typing.get_args(kind)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_decode(arguments[0], v) for v in data)
        return tuple(_decode(k, v) for k, v in zip(arguments, data, strict=True))
    if origin is dict:
        return {k: _decode(typing.get_args(kind)[1], v) for k, v in data.items()}
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        return typing.cast(Any, kind)(**{name: _decode(hints[name], v) for name, v in data.items() if name in hints})
    return data


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Resolved once for each class, for it is slow and a score sheet holds thousands of records."""
    return typing.get_type_hints(kind)
