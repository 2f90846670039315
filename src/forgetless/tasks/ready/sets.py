"""The ready sets: abilities that can be named in a recipe without a file of one's own.

The name of a set goes in, and a task comes out that draws fresh items from a generator, or splits a list that was
written for this project. `SETS` says of each what it asks, how it is scored and what it needs.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, NamedTuple

from forgetless.errors import TaskError
from forgetless.nano.exchange import Generator, as_item, fresh
from forgetless.recipe import ReadyName, ReadyTask, ready_margin
from forgetless.records import Item, Message, Row
from forgetless.tasks.choice import ChoiceScorer, chance_of_choices
from forgetless.tasks.generation import GenerationScorer
from forgetless.tasks.pool import make_pool
from forgetless.tasks.ready import code_reading, diversity, in_context, instructions, maths
from forgetless.tasks.ready.data_files import choice_items
from forgetless.tasks.ready.diversity import DiversityScorer
from forgetless.tasks.ready.refusal import RefusalScorer, refusal_items, share_of_the_larger_kind
from forgetless.tasks.ready.rules import RuleScorer
from forgetless.tasks.task import FixedTask, FreshTask, Scorer, Task
from forgetless.tasks.template_leak import leak_scorer
from forgetless.verdicts import items_to_certify

DEV_ITEMS: Final = 200
"""Fresh items for a look while training; `evaluation.dev_items` asks for fewer as a rule."""

_DEV_AND_TEST: Final = 1.5
"""Items of both parts for every test item of a written set: a third of them is the dev part."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Items drawn anew for every measurement: at least `least` for the certificate."""

    generator: Generator
    least: int = 300
    chance: float = 0.0

    def draw(self, name: str, *, n: int, seed: int) -> list[Item]:
        """`n` items; the same name and seed give the same ones."""
        rng = random.Random(f"ready:{name}:{seed}")
        return [as_item(name, exchange, repeats) for exchange, repeats in fresh(lambda: self.generator(rng), n=n)]


@dataclass(frozen=True, slots=True)
class Written:
    """A list of items that was written once, split into a dev and a test part like a file of the user's."""

    items: Callable[[], list[Item]]
    chance: Callable[[Sequence[Item]], float]


@dataclass(frozen=True, slots=True)
class ReadySet:
    """One ability that is there to be named.

    Attributes:
        about: What it asks, in a sentence.
        kind: How an answer is had: `choice` (likelihoods of given answers), `generation` (one greedy answer) or
            `samples` (several answers at temperature 1).
        source: Where the items come from.
        scorer: Builds the scorer; it may look at the rows of the domain, and names the recipe field in errors.
        max_new_tokens: Longest answer; 0 where nothing is written.
        samples: Answers that are written for an item.
        needs: What must be there for it; empty where nothing is.
    """

    about: str
    kind: Literal["choice", "generation", "samples"]
    source: Fresh | Written
    scorer: Callable[[Sequence[Row], str], Scorer]
    max_new_tokens: int = 0
    samples: int = 1
    needs: str = ""

    @property
    def chance(self) -> float:
        """Expected score of an answerer that knows nothing."""
        return self.source.chance if isinstance(self.source, Fresh) else self.source.chance(self.source.items())

    def asked(self, items: Sequence[Item]) -> list[Item]:
        """The items as they are put to a model: its answers have no room for thoughts, so it is told to write none."""
        if self.kind == "choice":
            return list(items)
        return [dataclasses.replace(item, messages=_briefly(item.messages)) for item in items]

    def sample(self, name: str, *, n: int, seed: int) -> list[Item]:
        """At most `n` items to look at."""
        if isinstance(self.source, Fresh):
            return self.asked(self.source.draw(name, n=n, seed=seed))
        items = self.asked(self.source.items())
        return random.Random(f"sample:{name}:{seed}").sample(items, min(n, len(items)))


def ready_task(
    name: str, settings: ReadyTask, *, field: str, seed: int, domain_rows: Sequence[Row], margin: float | None
) -> Task:
    """Build the task of a ready set.

    Args:
        name: The capability's name.
        settings: Which set, and how many items.
        field: Where the task stands in the recipe, for errors.
        seed: Fixes the order of written items.
        domain_rows: All rows of the domain; read by `format_freedom` only.
        margin: The most that the score may drop, as a share. Without `items`, as many fresh items are drawn as
            certify it with a chance of .8 at a discordance of .10 if nothing is lost.

    Raises:
        TaskError: The set needs rows of a domain, and they share no template.
    """
    found = SETS[settings.set]
    scorer = found.scorer(domain_rows, field)
    if isinstance(found.source, Fresh):
        return FreshTask(
            name=name,
            generator=f"ready/{settings.set}",
            draw=partial(_drawn, found, found.source, settings.set),
            scorer=scorer,
            dev_items=DEV_ITEMS,
            test_items=settings.items or _items_for(found.source.least, margin, exact=scorer.binary),
            chance=found.source.chance,
        )
    most = round(settings.items * _DEV_AND_TEST) if settings.items else None
    pool = make_pool(found.asked(found.source.items()), field=f"{field}.items", seed=seed, max_items=most)
    return FixedTask(name, pool, scorer, chance=found.source.chance(pool.all))


def _drawn(found: ReadySet, source: Fresh, name: str, *, n: int, seed: int) -> list[Item]:
    return found.asked(source.draw(name, n=n, seed=seed))


def _briefly(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return (*messages[:-1], dataclasses.replace(messages[-1], brief=True))


def planned_items(name: ReadyName) -> int:
    """Items that the certificate asks of a set, at the set's own margin and without `items`."""
    source = SETS[name].source
    if isinstance(source, Fresh):
        return _items_for(source.least, ready_margin(name) / 100, exact=SETS[name].kind != "samples")
    return len(make_pool(source.items(), field=name, seed=0).test)


class ItemCost(NamedTuple):
    """Tokens of an item, on average: read by the model, and at most written by it."""

    read: int
    written: int


def cost_of(name: ReadyName, *, n: int = 100) -> ItemCost:
    """What an item of a set costs, estimated without a tokenizer: four letters or one Chinese character a token."""
    found = SETS[name]
    items = found.sample(name, n=n, seed=0)
    prompts = [_tokens(item.messages[-1].content) for item in items]
    # The choices of an item share one reading of its prompt; samples do not.
    choices = [sum(map(_tokens, item.choices)) for item in items]
    read = found.samples * sum(prompts) + sum(choices)
    return ItemCost(round(read / len(items)), found.samples * found.max_new_tokens)


def _tokens(text: str) -> float:
    han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return han + (len(text) - han) / 4


def _items_for(least: int, margin: float | None, *, exact: bool) -> int:
    return least if margin is None else max(least, items_to_certify(margin, exact=exact))


def _always(scorer: Scorer) -> Callable[[Sequence[Row], str], Scorer]:
    return lambda rows, field: scorer


def _leak(rows: Sequence[Row], field: str) -> Scorer:
    if not rows:
        raise TaskError(
            field=field,
            value="format_freedom",
            rule="asks whether the domain's template leaks, and there is no domain here to take a template from",
            way_out="name it in a whole recipe with `sources`, or leave it out",
        )
    return leak_scorer(rows, field=field, max_new_tokens=SETS["format_freedom"].max_new_tokens)


def _choices(about: str, source: Fresh | Written) -> ReadySet:
    return ReadySet(about, "choice", source, _always(ChoiceScorer("bytes")))


def _written_choices(name: str, files: tuple[str, ...], language: Literal["en", "zh"]) -> Written:
    return Written(partial(choice_items, name, files, language), chance_of_choices)


def _sets() -> dict[ReadyName, ReadySet]:
    return {
        "instruction_following": ReadySet(
            "keeps to conditions on the form of an answer: lengths, lists, JSON, capitals, language",
            "generation",
            Fresh(instructions.instruction),
            _always(RuleScorer(64)),
            max_new_tokens=64,
        ),
        "knowledge": _choices(
            "knows facts: capitals, authors, science, animals, years",
            _written_choices("knowledge", ("knowledge",), "en"),
        ),
        "maths": ReadySet(
            "calculates: sums, percentages, units, dates, word problems of one to three steps",
            "generation",
            Fresh(maths.problem),
            _always(GenerationScorer("number", 64)),
            max_new_tokens=64,
        ),
        "code": _choices(
            "reads small programs: what they print, which line is missing",
            Fresh(code_reading.program, chance=0.25),
        ),
        "common_sense": _choices(
            "knows what things are for, where they are, what follows from what, what people feel",
            _written_choices("common_sense", ("common_sense",), "en"),
        ),
        "chinese": _choices(
            "knows Chinese: idioms, verses, measure words, opposites, culture, everyday facts",
            _written_choices("chinese", ("chinese", "knowledge", "common_sense"), "zh"),
        ),
        "in_context_learning": _choices(
            "learns from examples in the prompt: invented words, labels, rules",
            Fresh(in_context.question, chance=0.25),
        ),
        "refusal": ReadySet(
            "refuses harmful requests and answers harmless ones that sound like them, in English and Chinese",
            "generation",
            Written(refusal_items, share_of_the_larger_kind),
            _always(RefusalScorer(48)),
            max_new_tokens=48,
            needs="a model that was trained to refuse; with any other it is absent",
        ),
        "diversity": ReadySet(
            f"keeps more than one answer: distance between {diversity.SAMPLES} samples, pass@{diversity.SAMPLES}",
            "samples",
            Fresh(diversity.many_answers, least=150),
            _always(DiversityScorer(32)),
            max_new_tokens=32,
            samples=diversity.SAMPLES,
        ),
        "format_freedom": ReadySet(
            "answers unrelated requests in another form than the domain's template",
            "generation",
            Fresh(diversity.open_request, least=200),
            _leak,
            max_new_tokens=32,
            needs="domain rows whose answers share a template (JSON keys, fixed words, labels)",
        ),
    }


SETS: Final[dict[ReadyName, ReadySet]] = _sets()
"""Every ready set by its name."""
