"""What a plan says: plain numbers, bytes and seconds, that a terminal, a JSON file and an event can show alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from forgetless.records import StreamKind, Target
from forgetless.tokens import Account

Work = Literal["replay", "noise", "training", "looks", "base_dev", "certificate", "base_test"]


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """One stream of the mixture: what its files hold and what it will give.

    Attributes:
        source: Its name, `replay` for the rows that the base answers.
        kind: What its rows are for.
        rows: Rows to train on.
        rejected: Records that could not be read as rows.
        duplicates: Rows or prompts that had come before.
        held_out: Rows that measure the domain.
        asked: Rows or prompts left out because an item asks the same.
        too_long: Rows longer than `training.max_length_tokens`, or prompts longer than `replay.max_prompt_tokens`.
        unusable: Rows or prompts that the chat template refuses, and rows with nothing to learn.
        cut_percent: Of replay answers, how many are cut at `replay.max_new_tokens`.
        asked_share: Its share of all tokens as the recipe has it.
        realised_share: Its share as the stream will give it.
        tokens: What it gives in the whole run.
        passes: How often it is gone through.
        account: What the chat template and the length made of its rows; `None` where they are not written yet.
    """

    source: str
    kind: StreamKind
    rows: int
    rejected: int
    duplicates: int
    held_out: int
    asked: int
    too_long: int
    unusable: int
    cut_percent: float | None
    asked_share: float
    realised_share: float
    tokens: int
    passes: float
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class CapabilityPlan:
    """What the items of one capability can show; shares are on the scale of the scores.

    Attributes:
        capability: Its name.
        fresh: Whether items are drawn anew at every look.
        dev_items: Items of a look.
        test_items: Items of the certificate.
        units: Units of evidence among the test items: items, or groups (rule 12).
        discordance: π as assumed (rule 20).
        margin: The most that it may drop.
        margin_given: Whether the recipe names the margin.
        detectable_drop: The least drop that will be called dropped with a chance of .8, Holm's correction paid (rule
            18); `None` where even losing everything would not show.
        certifiable_margin: The least margin at which it is called kept with a chance of .8 if nothing was lost, judged
            by itself (rule 19).
        certifiable_together: The same where all capabilities must be kept together.
        aim: What training may lose of it for the certificate still to be likely (rule 15).
        target: What its verdict is about (rule 11); on a whole list every margin can be told.
    """

    capability: str
    fresh: bool
    dev_items: int
    test_items: int
    units: int
    discordance: float
    margin: float
    margin_given: bool
    detectable_drop: float | None
    certifiable_margin: float
    certifiable_together: float
    aim: float
    target: Target = "population"


@dataclass(frozen=True, slots=True)
class DomainPlan:
    """Items by which the domain is measured, and the least gain that they would show with a chance of .8."""

    dev_items: int
    test_items: int
    detectable_gain: float | None


@dataclass(frozen=True, slots=True)
class Cadence:
    """When and how much the guard looks.

    `share` is the looks' part of the training time, 0.15 for 15 %; `within_budget` says whether it stays within
    `evaluation.budget_percent`.
    """

    every_steps: int
    dev_items: int
    looks: int
    share: float
    within_budget: bool
    every_steps_given: bool
    dev_items_given: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """One line of the bill.

    `kept` says that the results are there from an earlier run and cost nothing; `elsewhere` that an endpoint generates
    the tokens, in a time that nobody has measured, and that no seconds are counted.
    """

    work: Work
    seconds: float
    generated_tokens: int = 0
    kept: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """What a run takes at its fullest moment, and what there is for it, in bytes."""

    needed_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True)
class Speeds:
    """What was measured on the real model: seconds of an optimiser step; tokens per second of prompts read and of
    answers written in full batches (`None` where nothing is generated).
    """

    step_seconds: float
    timed_steps: int
    prompt_tokens_per_second: float | None
    answer_tokens_per_second: float | None
    device: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is known of a run before it trains.

    `epochs` is what the recipe says, and `steps` what follows. `seconds` is the sum of the bill. `chosen` says what the
    recipe left open, `notes` what was assumed, `warnings` what is likely to go wrong.
    """

    name: str
    epochs: float | None
    steps: int
    tokens: int
    tokens_per_step: int
    alpha: float
    budget_percent: float
    sources: tuple[SourcePlan, ...]
    capabilities: tuple[CapabilityPlan, ...]
    domain: DomainPlan
    cadence: Cadence
    bill: tuple[Cost, ...]
    seconds: float
    memory: Room
    disk: Room
    speeds: Speeds
    chosen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
