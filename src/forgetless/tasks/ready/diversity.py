"""Is there more than one answer left in the model? Several samples at temperature 1 to every question.

Open requests and calculations go in. An open request scores the mean distance between two of its samples: 0 if all are
the same, 1 if no two share a word (in Chinese, two characters in a row). A calculation scores 1 if any of its samples
is right, pass@k; a model that has become sure of one answer keeps its pass@1 and loses this. Beside the samples every
output says how many were distinct, or how many were right (Chen et al. 2021, arXiv 2107.03374). Of a sample only what
stands after its thoughts counts.
"""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from forgetless.nano.exchange import Exchange
from forgetless.progress import Progress
from forgetless.records import Item, ItemResult
from forgetless.rundir import content_hash
from forgetless.sampling import Sampling
from forgetless.sources import SPACELESS
from forgetless.tasks.matching import same_number
from forgetless.tasks.ready.data_files import read_data
from forgetless.tasks.ready.maths import problem
from forgetless.tasks.task import as_result
from forgetless.thoughts import answer_of

if TYPE_CHECKING:
    from forgetless.engines import Engine

SAMPLES: Final = 6
"""Samples for every question."""

_WORD: Final = re.compile(f"[{SPACELESS}]+|[^\\W_{SPACELESS}]+")
_SPACELESS: Final = re.compile(f"[{SPACELESS}]")
_SEED: Final = 0
_REVISION: Final = 2
"""Raised when samples may be scored otherwise than before: scores of the base are kept between versions."""


@dataclass(frozen=True, slots=True)
class DiversityScorer:
    """Distance between samples of an open request; pass@k of a calculation (an item with a target)."""

    max_new_tokens: int
    samples: int = SAMPLES

    @property
    def binary(self) -> bool:
        """Never: a distance is a number between 0 and 1."""
        return False

    @property
    def fingerprint(self) -> str:
        """A hash of the way of scoring, the number of samples and the length allowed."""
        return content_hash("diversity", _REVISION, self.samples, self.max_new_tokens, _SEED)

    def score(self, engine: Engine, items: Sequence[Item], progress: Progress | None = None) -> list[ItemResult]:
        """One result for each item, with two of the samples as the model wrote them."""
        prompts = [item.messages for item in items for _ in range(self.samples)]
        # One seed for all models: what differs between two score sheets is then the model and not the draw.
        written = engine.generate(
            prompts,
            max_new_tokens=self.max_new_tokens,
            sampling=Sampling(temperature=1.0, seed=_SEED),
            progress=progress,
        )
        k = self.samples
        return [_result(item, written[i * k : (i + 1) * k]) for i, item in enumerate(items)]


def _result(item: Item, samples: Sequence[str]) -> ItemResult:
    answers = [answer_of(sample) for sample in samples]
    if item.target:
        right = sum(same_number(answer, item.target) for answer in answers)
        told = f"{right} of {len(samples)} right"
        return as_result(item, float(right > 0), _shown(told, samples))
    told = f"{len({_normalised(answer) for answer in answers})} of {len(samples)} distinct"
    return as_result(item, mean_distance(answers), _shown(told, samples))


def mean_distance(samples: Sequence[str]) -> float:
    """Mean over all pairs of samples of 1 − Jaccard's index of their words; 1 is wholly different."""
    words = [_words(sample) for sample in samples]
    distances = [_distance(one, two) for one, two in itertools.combinations(words, 2)]
    return sum(distances) / len(distances)


def _distance(one: frozenset[str], two: frozenset[str]) -> float:
    # Two empty answers are the same answer.
    return 1.0 - len(one & two) / len(one | two) if one | two else 0.0


def _words(text: str) -> frozenset[str]:
    """The words of a text; in languages without spaces every two characters in a row, and one that stands alone.

    Single characters recur in sentences that have nothing else in common.
    """
    words = _WORD.findall(_normalised(text))
    return frozenset(piece for word in words for piece in _pieces(word))


def _pieces(word: str) -> list[str]:
    if len(word) == 1 or not _SPACELESS.match(word):
        return [word]
    return [word[i : i + 2] for i in range(len(word) - 1)]


def _normalised(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(" .!?。！？\"'*")


def _shown(told: str, samples: Sequence[str]) -> str:
    return f"[{told}] {samples[0]} | {samples[-1]}"


def open_request(rng: random.Random) -> Exchange:
    """A request about a subject, as unlike any domain as can be; it has no right answer."""
    words = read_data("topics")[rng.choice(("en", "en", "zh"))]
    return Exchange("open", rng.choice(words["requests"]).format(rng.choice(words["topics"])), "")


def one_of_a_kind(rng: random.Random) -> Exchange:
    """A request for one of many things."""
    words = read_data("topics")[rng.choice(("en", "en", "zh"))]
    return Exchange("one_of_a_kind", words["one_of_kind"].format(rng.choice(words["kinds"])), "")


def many_answers(rng: random.Random) -> Exchange:
    """A question for the diversity of answers: a request, one of many things, or a calculation."""
    draw = rng.choice((open_request, open_request, one_of_a_kind, _calculation))
    return draw(rng)


def _calculation(rng: random.Random) -> Exchange:
    drawn = problem(rng)
    return Exchange("pass_at_k", drawn.question, drawn.answer)
