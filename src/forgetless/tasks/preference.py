"""Which answer is better, the tuned model's or the base's? A win rate, as a judge sees it.

Records with a prompt go in. The base's answers are kept in its score sheet, each with a score of .5, for a model is
even with itself. A tuned model's answer is put beside the base's and a `judge` asked in both orders: 1 if it is
preferred in both, 0 if the base's is, .5 if neither is, if the orders disagree, and if the answers are the same, which
nobody is asked about. So the paired difference tuned − base lies in [−.5, .5], and a drop of 5 points is a win rate of
45 %, ties counted half. Where the judge gives no verdict the score is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.recipe import EndpointSettings, PreferenceTask
from forgetless.records import Item, ItemResult, Judgements, ScoreSheet
from forgetless.rundir import content_hash
from forgetless.tasks.generation import generate
from forgetless.tasks.items import make_item, read_questions
from forgetless.tasks.judge import Judge, Pair, Preferred
from forgetless.tasks.pool import make_pool
from forgetless.tasks.task import FixedTask, as_result, halves
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

EVEN: Final = 0.5
_SAME: Final = "judge: the same answer"
_DISAGREED: Final = "judge: its two orders disagree"
_UNREADABLE: Final = "judge: no verdict"
_AGREED: Final[dict[Preferred, tuple[float, str]]] = {
    "first": (0.0, "judge: the base's answer, in both orders"),
    "second": (1.0, "judge: this answer, in both orders"),
    "neither": (EVEN, "judge: neither, in both orders"),
}
_SWAPPED: Final[dict[Preferred, Preferred]] = {"first": "second", "second": "first", "neither": "neither"}


@dataclass(frozen=True, slots=True)
class PreferenceScorer:
    """Even for the base; for a model beside it, 1, .5 or 0 as the judge prefers its answer.

    Attributes:
        judge: Compares answers.
        max_new_tokens: The longest answer of the models that are judged.
        base: The base's answers, where a model is compared with them.
    """

    judge: Judge
    max_new_tokens: int
    base: ScoreSheet | None = None

    @property
    def binary(self) -> bool:
        """Never: there are ties."""
        return False

    @property
    def fingerprint(self) -> str:
        """A hash of the length allowed, and beside a base of its answers and the judge as well."""
        of_base = () if self.base is None else (self.base.key, self.judge.fingerprint)
        return content_hash("preference after thoughts", self.max_new_tokens, *of_base)

    def against(self, base: ScoreSheet) -> PreferenceScorer:
        """The scorer for a model beside the base."""
        return replace(self, base=base)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with the answer as the model wrote it and a note on the judgement.

        Raises:
            EndpointError: The judge gives no reply.
            ModelError: A request with its answers fills the judge's window.
        """
        if self.base is None:
            outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=progress)
            return [_even(item, output) for item, output in zip(items, outputs, strict=True)]
        writing, judging = halves(progress)
        outputs = generate(engine, items, max_new_tokens=self.max_new_tokens, progress=writing)
        before = {result.item_id: result for result in self.base.results}
        pairs = {
            item.id: Pair(item.messages, before[item.id].output, output)
            for item, output in zip(items, outputs, strict=True)
            if output is not None and before[item.id].score is not None
        }
        found = self._judged(pairs, judging)
        return [
            as_result(item, found[item.id][0], output or "", found[item.id][1])
            if item.id in found
            else as_result(item, None, output or "")
            for item, output in zip(items, outputs, strict=True)
        ]

    def _judged(self, pairs: Mapping[str, Pair], progress: Progress | None) -> dict[str, tuple[float | None, str]]:
        found: dict[str, tuple[float | None, str]] = {
            name: (EVEN, _SAME) for name, pair in pairs.items() if _said(pair.first) == _said(pair.second)
        }
        asked = {name: pair for name, pair in pairs.items() if name not in found}
        both = [*asked.values(), *(pair.swapped() for pair in asked.values())]
        preferred = self.judge.prefer(both, progress)
        straight, swapped = preferred[: len(asked)], preferred[len(asked) :]
        return found | {name: _score(*two) for name, *two in zip(asked, straight, swapped, strict=True)}


def _even(item: Item, output: str | None) -> ItemResult:
    return as_result(item, None) if output is None else as_result(item, EVEN, output)


def _said(output: str) -> str:
    return answer_of(output).strip()


def _score(straight: Preferred | None, swapped: Preferred | None) -> tuple[float | None, str]:
    """The tuned model's score from both orders; in the first order its answer is the second one."""
    if straight is None or swapped is None:
        return None, _UNREADABLE
    return _AGREED[straight] if _SWAPPED[swapped] == straight else (EVEN, _DISAGREED)


def judgements_in(results: Sequence[ItemResult]) -> Judgements | None:
    """How far the judge can be trusted that gave these results; `None` where no judge did."""
    notes = [result.note for result in results if result.note.startswith("judge: ")]
    if not notes:
        return None
    return Judgements(len(notes) - notes.count(_SAME), notes.count(_DISAGREED), notes.count(_UNREADABLE))


def preference_task(
    name: str,
    settings: PreferenceTask,
    *,
    folder: Path,
    field: str,
    seed: int,
    endpoints: Mapping[str, EndpointSettings],
) -> FixedTask:
    """Read the prompts, and find out whether the judge is there.

    Raises:
        DataError: A file or column cannot be read.
        EndpointError: There is no server, or it does not know the judging model.
        TaskError: The recipe has no endpoint of the judge's name.
    """
    items = [make_item(question, target="") for question in read_questions(settings, folder=folder, field=field)]
    pool = make_pool(items, field=field, seed=seed, max_items=settings.max_items)
    if settings.judge not in endpoints:
        raise TaskError(
            field=f"{field}.judge",
            value=settings.judge,
            rule=f"is none of the recipe's `endpoints`: {', '.join(endpoints) or '(none)'}",
            way_out="describe the judging model's server under `endpoints`, and name it here",
        )
    from forgetless.engines import connect_endpoint

    engine = connect_endpoint(endpoints[settings.judge], folder=folder, field=f"endpoints.{settings.judge}")
    return FixedTask(
        name, pool, PreferenceScorer(Judge(engine, settings.judge_max_new_tokens), settings.max_new_tokens)
    )
