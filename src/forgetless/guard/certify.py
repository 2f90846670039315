"""The certificate: what is shown about the saved files, on items that nothing before has touched.

Everything is frozen when this room is entered: the checkpoint is chosen, saved and loaded again. The test part (or
fresh items, seeded by a hash of the frozen models) is then measured for the base and the tuned model, whole or, with
`stop_early`, as far as each verdict takes. Candidates θ(a) = base + a·(tuned − base) are tested from the smallest a
outward, stopping at the first failure (rule 16). The base itself, a = 0, is certified by construction.

Rule 17. In a strict recipe this look spends its share of α alone, and of what failed it tells nothing but that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from forgetless.engines import Engine
from forgetless.guard.compare import Comparer, draw_test_items, fresh_seeds
from forgetless.guard.exam import Exam
from forgetless.guard.frozen import Frozen
from forgetless.guard.in_turn import judge_in_turn
from forgetless.guard.ledger import level_of_look, record_looks
from forgetless.guard.two_models import Items, TwoModels
from forgetless.guard.watch import Choice
from forgetless.progress import Progresses, unwatched
from forgetless.recipe import EvaluationSettings
from forgetless.records import Certificate, Example, Item, PathStep, ScoreSheet, Verdict, to_json
from forgetless.rundir import RunFolder, ScoreStore
from forgetless.tasks import Task, against, measure
from forgetless.verdicts import certified_position, stands, walk_outward

_SEALED = "not certified; a strict look tells no more of what failed"


class Certifier:
    """Tests frozen models on the test part.

    Args:
        exam: The domain's task and what to keep.
        settings: Level, path and sizes.
        run: The run folder; each tested step is an event.
        base_scores: Where the base's score sheets are kept between runs.
        discordance: Mean squared differences on the dev part by capability, which size the informed bets.
        seed: Fixes the order of fixed items; the seed of fresh ones depends on the models as well.
        recipe_hash: Enters the seed of fresh items.
        noises: How far the base may differ from itself, where measured (rule 6).
        progress: Told how far the measurements have come.
    """

    def __init__(
        self,
        exam: Exam,
        *,
        settings: EvaluationSettings,
        run: RunFolder,
        base_scores: ScoreStore,
        discordance: Mapping[str, float],
        seed: int,
        recipe_hash: str,
        noises: Mapping[str, float] = MappingProxyType({}),
        progress: Progresses = unwatched,
    ) -> None:
        self.exam = exam
        self.settings = settings
        self.run = run
        self.base_scores = base_scores
        self.discordance = discordance
        self.seed = seed
        self.recipe_hash = recipe_hash
        self.noises = noises
        self.progress = progress
        self.alpha = settings.alpha
        self._drawn: dict[str, Items] = {}

    def certify(self, frozen: Frozen, choice: Choice) -> Certificate:
        """Measure, judge, walk the path, save what passed, and say what is shown."""
        items = self._draw(frozen)
        looks = record_looks(self.exam.tasks.values(), base_hash=frozen.base.hash, model_hash=frozen.tuned.hash)
        self.alpha = level_of_look(self.settings, looks)
        comparer = self._comparer(frozen.base_engine(), frozen.tuned_engine(), self.run.scores)
        verdicts = comparer.judge(self.exam.capabilities, items, discordance=self.discordance, noises=self.noises)
        domain = comparer.judge_domain(self.exam.domain, items["domain"])
        steps = tuple(self._walk(frozen, items, verdicts))
        dev = self._dev_domain()
        base_dev_score = self._base(frozen.base_engine(), self.exam.domain, dev).mean
        certified = certified_position(steps, base_dev_score=base_dev_score)
        certificate = Certificate(
            model_hash=frozen.tuned.hash,
            base_hash=frozen.base.hash,
            certified=any(step.passed and step.a == 1.0 for step in steps),
            alpha=self.alpha,
            looks=looks,
            chosen_step=choice.step,
            chosen_by=choice.reason,
            domain=domain,
            verdicts=verdicts,
            path=steps,
            certified_a=certified,
            certified_verdicts=next((step.verdicts for step in steps if step.a == certified), ()),
            missing=tuple(_missing(verdicts, steps)),
            item_seeds=self._seeds(frozen),
            strict=self.settings.strict,
        )
        certificate = self._save_certified(frozen, certificate, items["domain"])
        return sealed(certificate) if self._is_sealed(certificate.certified) else certificate

    def examples(self, frozen: Frozen, certificate: Certificate) -> list[Example]:
        """Answers before and after, for the domain and every capability that gives text; none where they are sealed."""
        if self._is_sealed(certificate.certified):
            return []
        comparer = self._comparer(frozen.base_engine(), frozen.tuned_engine(), self.run.scores)
        return comparer.examples(self.exam.tasks, self._draw(frozen))

    def _walk(self, frozen: Frozen, items: Items, tuned: tuple[Verdict, ...]) -> Iterator[PathStep]:
        order = sorted(self.exam.capabilities, key=lambda c: -self.discordance.get(c.name, 0.0))

        def engine(a: float) -> Engine:
            return frozen.tuned_engine() if a == 1.0 else frozen.between(a)

        def test(a: float) -> tuple[Verdict, ...]:
            if a == 1.0:
                return tuned
            models = TwoModels(frozen.base_engine(), engine(a), self.base_scores, self.run.scores)
            return judge_in_turn(models, order, items, alpha=self.alpha, discordance=self.discordance,
                                 noises=self.noises, progress=self.progress, title=f"a = {a:g}",
                                 until_failure=True)  # fmt: skip

        def domain_dev_score(a: float) -> float | None:
            dev = self._dev_domain()
            before = self._base(frozen.base_engine(), self.exam.domain, dev)
            return self._tuned(engine(a), self.exam.domain, dev, before).mean

        for step in walk_outward(test, positions=self.settings.path, domain_dev_score=domain_dev_score):
            self.run.append_event("path", **to_json(_sealed_step(step) if self._is_sealed(step.passed) else step))
            yield step

    def _save_certified(self, frozen: Frozen, certificate: Certificate, items: Sequence[Item]) -> Certificate:
        """Where the certified candidate is neither base nor tuned model, save it; judge the domain on the files."""
        a = certificate.certified_a
        if a == 1.0:
            return dataclasses.replace(
                certificate, certified_hash=certificate.model_hash, certified_domain=certificate.domain
            )
        base = frozen.base_engine()
        if a == 0.0:
            engine, scores = base, self.base_scores
        else:
            engine, scores = frozen.save_between(a, self.run.path / "certified"), self.run.scores
        domain = self._comparer(base, engine, scores).judge_domain(self.exam.domain, items)
        return dataclasses.replace(certificate, certified_hash=engine.model_hash, certified_domain=domain)

    def _comparer(self, base: Engine, tuned: Engine, scores: ScoreStore) -> Comparer:
        return Comparer(base, tuned, base_scores=self.base_scores, scores=scores, alpha=self.alpha,
                        stop_early=self.settings.stop_early, progress=self.progress)  # fmt: skip

    def _is_sealed(self, passed: bool) -> bool:
        return self.settings.strict and not passed

    def _dev_domain(self) -> tuple[Item, ...]:
        return self.exam.domain.items("dev", limit=self.settings.dev_items, seed=self.seed)

    def _base(self, engine: Engine, task: Task, items: Sequence[Item]) -> ScoreSheet:
        return measure(engine, task, items, store=self.base_scores)

    def _tuned(self, engine: Engine, task: Task, items: Sequence[Item], base: ScoreSheet) -> ScoreSheet:
        return measure(engine, against(task, base), items, store=self.run.scores)

    def _draw(self, frozen: Frozen) -> Items:
        model = frozen.tuned.hash
        if model not in self._drawn:
            self._drawn[model] = draw_test_items(
                self.exam.tasks, limit=self.settings.test_items, seed=self.seed, fresh_seeds=self._seeds(frozen)
            )
        return self._drawn[model]

    def _seeds(self, frozen: Frozen) -> dict[str, int]:
        """Fresh items are drawn from a hash of what is frozen, so nobody can have prepared for them (rule 17)."""
        return fresh_seeds(self.exam.tasks, frozen.base.hash, frozen.tuned.hash, self.recipe_hash)


def sealed(certificate: Certificate) -> Certificate:
    """Rule 17. A failed strict look: what passed on the path stays, and nothing is told of what failed.

    Whoever learnt by how much a model failed could tune the next one to these very items.
    """
    hidden = tuple(
        Verdict(v.capability, "undecided", 0, v.alpha, v.margin, reason=_SEALED, target=v.target)
        for v in certificate.verdicts
    )
    return dataclasses.replace(
        certificate,
        verdicts=hidden,
        domain=Verdict("domain", "not_gained", 0, certificate.alpha, None, reason=_SEALED),
        certified_domain=certificate.certified_domain if certificate.certified_a > 0.0 else None,
        path=tuple(step if step.passed else _sealed_step(step) for step in certificate.path),
        missing=(_SEALED,),
    )


def _sealed_step(step: PathStep) -> PathStep:
    return PathStep(step.a, step.passed, ())


def _missing(verdicts: Sequence[Verdict], steps: Sequence[PathStep]) -> Iterator[str]:
    for verdict in verdicts:
        if verdict.outcome in ("dropped", "undecided"):
            yield f"{verdict.capability}: {verdict.outcome}" + (f" ({verdict.reason})" if verdict.reason else "")
        elif not stands(verdict):
            yield f"{verdict.capability}: not shown to be there, and yet seen to drop"
    if all(verdict.outcome == "absent" for verdict in verdicts):
        yield "the base has none of these abilities, so there is nothing that could be kept"
    elif steps and not steps[-1].passed and steps[-1].a < 1.0:
        failed = ", ".join(v.capability for v in steps[-1].verdicts if not stands(v))
        yield f"the walk out from the base stopped at a = {steps[-1].a:g}: {failed} not kept"
