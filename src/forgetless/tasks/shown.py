"""An item as plain data for people to look at: its prompt as a model is asked it, and what is expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forgetless.records import Item, Message
from forgetless.tasks.task import Scorer

if TYPE_CHECKING:
    from forgetless.tokens import ChatFormat


def shown_item(scorer: Scorer | None, item: Item, format: ChatFormat | None = None) -> dict[str, Any]:
    """What a scorer asks of a model for one item.

    Args:
        scorer: Asks; without one the item is shown as it stands.
        item: One of its items.
        format: Writes prompts as its model reads them; otherwise turns are shown with their roles.

    Returns:
        `id`, `prompt` (several, where an item has several, below each other), `scored` (the answers whose likelihoods
        are asked for), `expected`, `choices` and `subject`.
    """
    from forgetless.engines import WitnessEngine

    witness = WitnessEngine()
    if scorer is None:
        witness.generate([item.messages], max_new_tokens=0)
    else:
        scorer.score(witness, [item])
    prompts = dict.fromkeys(_written(question.messages, format) for question in witness.questions)
    return {
        "id": item.id,
        "prompt": "\n\n".join(prompts),
        "scored": [question.given for question in witness.questions if question.given is not None],
        "expected": item.target,
        "choices": list(item.choices),
        "subject": item.subject,
    }


def _written(messages: Sequence[Message], format: ChatFormat | None) -> str:
    if format is not None:
        return format.render(messages, add_generation_prompt=True)
    if len(messages) == 1:
        return messages[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in messages)
