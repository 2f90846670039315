"""What the items of every capability can show, before any are asked (rules 4, 15 and 18 to 20)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from forgetless.guard import Capability, Exam, judged_part, training_aim
from forgetless.planning.nouns import CapabilityPlan, DomainPlan
from forgetless.recipe import Recipe
from forgetless.verdicts import certifiable_margin, detectable_drop, floor_items, points


def plan_capabilities(recipe: Recipe, exam: Exam, *, dev_items: int, alpha: float) -> tuple[CapabilityPlan, ...]:
    """A line for every capability.

    Args:
        recipe: Sizes, and which margins the user wrote.
        exam: The capabilities.
        dev_items: The most dev items of a look.
        alpha: The one-sided level of the look that is planned.
    """
    return tuple(_capability(recipe, c, len(exam.capabilities), dev_items, alpha) for c in exam.capabilities)


def plan_domain(recipe: Recipe, exam: Exam, *, dev_items: int, alpha: float) -> DomainPlan:
    """The domain's items, and the gain that they can show: the test is that of a drop, turned round."""
    part = judged_part(exam.domain, limit=recipe.evaluation.test_items)
    gain = detectable_drop(part.bets, part.discordance, alpha, exact=part.exact)
    return DomainPlan(min(dev_items, exam.domain.size("dev")), part.items, gain)


def chosen_margins(capabilities: Sequence[CapabilityPlan]) -> Iterator[str]:
    """Which margins were chosen because the recipe names none."""
    together = f", all {len(capabilities)} together" if len(capabilities) > 1 else ""
    yield from _said_once(
        (
            c.capability,
            f"a margin of {points(c.margin)}, the smallest that {c.units:,} test items can certify{together}",
        )
        for c in capabilities
        if not c.margin_given
    )


def warnings_about(capabilities: Sequence[CapabilityPlan], *, alpha: float) -> Iterator[str]:
    """What to know of capabilities whose items are too few for their margins; `alpha` is the one-sided level."""
    warnings = ((c.capability, _warning(c, alpha=alpha, together=len(capabilities))) for c in capabilities)
    yield from _said_once((name, warning) for name, warning in warnings if warning is not None)


def _warning(c: CapabilityPlan, *, alpha: float, together: int) -> str | None:
    margin, floor = points(c.margin), floor_items(c.margin, alpha)
    if c.certifiable_together == 0.0:
        return None
    if c.units < floor:
        return (
            f"{c.units:,} test items can never certify a margin of {margin}, which needs at least {floor:,}; the "
            "verdict will be undecided at best"
        )
    if c.aim > 0.0 and c.certifiable_together <= c.margin:
        return None
    if together > 1 and c.certifiable_margin <= c.margin:
        return (
            f"each is likely to be kept if nothing is lost, but hardly all {together} abilities together: `forgetless "
            "plan` shows what their items certify together; widen the margins, or give more items"
        )
    alone = points(round(c.certifiable_margin, 3))
    among = f", {points(round(c.certifiable_together, 3))} with all {together} together" if together > 1 else ""
    return (
        f"likely to end undecided even if nothing is lost: {c.units:,} test items certify {alone}{among}, and the "
        f"margin is {margin}; widen it, or give more items"
    )


def _said_once(messages: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Messages with the names of all that they are about."""
    names: dict[str, list[str]] = {}
    for name, message in messages:
        names.setdefault(message, []).append(name)
    return (f"{', '.join(about)}: {message}" for message, about in names.items())


def _capability(recipe: Recipe, capability: Capability, together: int, dev_items: int, alpha: float) -> CapabilityPlan:
    task = capability.task
    part = judged_part(task, limit=recipe.evaluation.test_items)
    units, discordance, exact = part.units, part.discordance, part.exact
    if capability.target == "list" and part.items == task.size("test"):
        return CapabilityPlan(
            capability=capability.name,
            fresh=False,
            dev_items=min(dev_items, task.size("dev")),
            test_items=part.items,
            units=units,
            discordance=discordance,
            margin=capability.margin,
            margin_given=True,
            detectable_drop=capability.margin,
            certifiable_margin=0.0,
            certifiable_together=0.0,
            aim=capability.margin,
            target="list",
        )
    return CapabilityPlan(
        capability=capability.name,
        fresh=task.fresh,
        dev_items=min(dev_items, task.size("dev")),
        test_items=part.items,
        units=units,
        discordance=discordance,
        margin=capability.margin,
        margin_given=recipe.keep[capability.name].margin_points is not None,
        detectable_drop=detectable_drop(
            part.bets, discordance, alpha / together, exact=exact, margin=None if exact else capability.margin
        ),
        certifiable_margin=certifiable_margin(part.bets, discordance, alpha, exact=exact),
        certifiable_together=certifiable_margin(part.bets, discordance, alpha, jointly=together, exact=exact),
        aim=training_aim(capability, part, discordance=discordance, alpha=alpha, jointly=together),
        target=capability.target,
    )
