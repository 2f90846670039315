"""Items of lm-evaluation-harness scored by its own code: requests, filters, metrics.

All items of a call become requests first, whatever task of a group they belong to, so that the engine sees them
together; then every answer goes back to the task that it belongs to.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lm_eval.api.instance import Instance
from lm_eval.api.samplers import ContextSampler

from forgetless.engines import random_states_kept
from forgetless.errors import TaskError
from forgetless.progress import Progress
from forgetless.records import Item, ItemResult
from forgetless.tasks.harness.items import Asked, Document, HarnessItem
from forgetless.tasks.harness.loading import FAULTS, quiet_harness
from forgetless.tasks.harness.metrics import Metric, as_score
from forgetless.tasks.harness.model import EngineLM
from forgetless.tasks.task import as_result

if TYPE_CHECKING:
    from forgetless.engines import Engine


class Prompting(NamedTuple):
    """How prompts are written; the harness' own names."""

    apply_chat_template: bool = False
    fewshot_as_multiturn: bool = False
    max_new_tokens: int | None = None


class _Given(ContextSampler):
    """Shows the examples that were drawn for an item."""

    def sample(self, n: int, *_: Any, **__: Any) -> Sequence[Document]:
        return self.df[:n]


@dataclass(frozen=True, slots=True)
class HarnessScorer:
    """Scores items by the metric of their task.

    Attributes:
        metrics: The metric of each task.
        prompting: How prompts are written.
        fingerprint: A hash of the tasks' definitions, their examples and how they are asked and scored.
        field: The task in the recipe, for errors.
    """

    metrics: Mapping[str, Metric]
    prompting: Prompting
    fingerprint: str
    field: str

    @property
    def binary(self) -> bool:
        """Whether every score is known to be 0 or 1."""
        return all(metric.binary for metric in self.metrics.values())

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item; missing where the engine could not answer.

        Raises:
            TaskError: The task's own code fails, or its metric is no score.
            ModelError: The model cannot be asked an item.
        """
        model = EngineLM(engine, progress=progress)
        with quiet_harness(), random_states_kept():
            requests = [self._requests(_asked(item), model) for item in items]
            _answer(model, [request for of_item in requests for request in of_item])
            return [self._result(item, of_item) for item, of_item in zip(items, requests, strict=True)]

    def _requests(self, asked: Asked, model: EngineLM) -> list[Instance]:
        task, document, examples = asked
        chat = self.prompting.apply_chat_template
        ways = {"apply_chat_template": chat, "chat_template": model.apply_chat_template if chat else None}
        task.sampler = _Given(examples)
        try:
            context = task.fewshot_context(
                doc=document,
                num_fewshot=len(examples),
                fewshot_as_multiturn=self.prompting.fewshot_as_multiturn,
                gen_prefix=task.doc_to_prefix(document),
                **ways,
            )
            made = task.construct_requests(
                doc=document, ctx=context, metadata=(task.task_name, 0, task.config.repeats), **ways
            )
        except FAULTS as error:
            raise self._failed(task.task_name, error) from error
        requests = made if isinstance(made, list) else [made]
        if self.prompting.max_new_tokens is not None:
            for request in requests:
                if request.request_type == "generate_until":
                    request.args[1]["max_gen_toks"] = self.prompting.max_new_tokens
        return requests

    def _result(self, item: Item, requests: Sequence[Instance]) -> ItemResult:
        task, document, _ = _asked(item)
        if any(map(_missing, (answer for request in requests for answer in request.resps))):
            return as_result(item, None)
        metric = self.metrics[task.task_name]
        try:
            next(f for f in task._filters if f.name == metric.filter).apply(requests)
            values = task.process_results(document, [request.filtered_resps[metric.filter] for request in requests])
        except FAULTS as error:
            raise self._failed(task.task_name, error) from error
        score = as_score(metric, values.get(metric.name), field=self.field)
        return as_result(item, score, _said(item, requests, metric))

    def _failed(self, name: str, error: Exception) -> TaskError:
        said = " ".join(str(error).split())
        return TaskError(
            field=f"{self.field}.name",
            value=name,
            rule=f"the task's own code fails: {type(error).__name__}: {said}",
            way_out="mend the task, or install what it needs",
        )


def _asked(item: Item) -> Asked:
    assert isinstance(item, HarnessItem)
    assert item.asked is not None
    return item.asked


def _answer(model: EngineLM, requests: Sequence[Instance]) -> None:
    """Ask everything of one kind at once, as often as it wants to be."""
    kinds: dict[str, list[Instance]] = defaultdict(list)
    for request in requests:
        kinds[request.request_type] += [request] * (request.repeats or 1)
    for kind, asked in kinds.items():
        for request, answer in zip(asked, getattr(model, kind)(asked), strict=True):
            request.resps.append(answer)


def _missing(answer: Any) -> bool:
    number = answer[0] if isinstance(answer, tuple) else answer
    return number is None or (isinstance(number, float) and math.isnan(number))


def _said(item: Item, requests: Sequence[Instance], metric: Metric) -> str:
    """What the model said, or which choice it finds likeliest in the metric's own way."""
    if not item.choices:
        first = requests[0].resps[0]
        return first if isinstance(first, str) else ""
    sizes = {"acc_norm": len, "acc_bytes": lambda text: len(text.encode("utf-8"))}
    size = sizes.get(metric.name, lambda text: 1)
    likely = [r.resps[0][0] / max(size(c), 1) for r, c in zip(requests, item.choices, strict=False)]
    return item.choices[likely.index(max(likely))]
