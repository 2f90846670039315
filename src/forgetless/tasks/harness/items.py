"""The documents of a task of lm-evaluation-harness in, items out, each with the examples that stand before it.

The examples of the prompt are drawn here, once, in the order of the documents and from the harness' own seed: so they
are those that it would show itself, and the same for every model and in every order of asking.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lm_eval.api.task import ConfigurableTask
from lm_eval.defaults import DEFAULT_OTHER_SEED

from forgetless.errors import TaskError
from forgetless.records import Item, Message
from forgetless.rundir import content_hash
from forgetless.tasks.items import question_group

Document = dict[str, Any]


class Asked(NamedTuple):
    """A document, its task, and the examples that its prompt shows."""

    task: ConfigurableTask
    document: Document
    examples: Sequence[Document]


@dataclass(frozen=True, slots=True)
class HarnessItem(Item):
    """An item with what its prompt and its score are made from; its message is the question alone."""

    asked: Asked | None = field(default=None, compare=False, repr=False)


def task_items(task: ConfigurableTask, *, subject: str, where: str) -> Iterator[HarnessItem]:
    """The items of one task, in the order of its documents.

    Args:
        task: With its number of examples set.
        subject: What the items are called in a group of tasks.
        where: The task in the recipe, for errors.

    Raises:
        TaskError: There are fewer examples than the prompt is to show.
    """
    shown = task.config.num_fewshot or 0
    same_split = shown > 0 and task.fewshot_cfg.split == task.config.test_split
    if shown and len(task.sampler.df) < shown + same_split:
        raise TaskError(
            field=f"{where}.num_fewshot",
            value=shown,
            rule=f"`{task.task_name}` has {len(task.sampler.df)} examples to show",
            way_out="lower it, or leave it out for the task's own number",
        )
    task.set_fewshot_seed(DEFAULT_OTHER_SEED)
    for document in task.eval_docs:
        examples = task.sampler.sample(n=shown, eval_doc=document if same_split else None) if shown else []
        choices, right = _answers(task, document)
        messages = (Message("user", _question(task, document, choices)),)
        yield HarnessItem(
            id=content_hash(task.task_name, document)[:16],
            messages=messages,
            target=right[0] if right else "",
            choices=choices,
            group=question_group(messages),
            subject=subject,
            asked=Asked(task, document, examples),
        )


def chance_of(item: HarnessItem) -> float:
    """Expected score of picking an answer at random; 0 where there is nothing to pick from."""
    if not item.choices or item.asked is None:
        return 0.0
    return len(_answers(item.asked.task, item.asked.document)[1]) / len(item.choices)


def _question(task: ConfigurableTask, document: Document, choices: Sequence[str]) -> str:
    text = task.doc_to_text(document)
    if isinstance(text, str) and text.strip():
        return text
    # Where the choices are whole sentences, or the whole text is scored, nothing is asked before them.
    return " / ".join(choices) or str(task.doc_to_target(document))


def _answers(task: ConfigurableTask, document: Document) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The choices, and those that are right; of a task without choices the reference answers."""
    target: Any = task.doc_to_target(document)
    if task.OUTPUT_TYPE != "multiple_choice":
        return (), tuple(map(str, target)) if isinstance(target, list) else (str(target),)
    choices = tuple(map(str, task.doc_to_choice(document)))
    gold = task.doc_to_text(document) if task.multiple_input else target
    places = gold if isinstance(gold, list) else [gold]
    return choices, tuple(p if isinstance(p, str) else choices[p] for p in places if _names_one(p, choices))


def _names_one(place: Any, choices: Sequence[str]) -> bool:
    return place in choices if isinstance(place, str) else isinstance(place, int) and 0 <= place < len(choices)
