"""The plan: length of a run, expected tokens and passes, and the cap on repetition."""

from __future__ import annotations

import numpy as np
import pytest

from forgetless.errors import RecipeError
from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec, plan_mixture, realised_shares
from forgetless.recipe import MixtureSettings, TrainingSettings
from forgetless.records import StreamKind


def spec(name: str, share: float, rows: int, length: int = 64, kind: StreamKind = "domain") -> StreamSpec:
    return StreamSpec.known(name, kind, share, np.full(rows, length, dtype=np.int64), fingerprint=name)


def plan(*specs: StreamSpec, cap: int = 8, **training: object) -> MixturePlan:
    settings = TrainingSettings.model_validate({"batch_rows": 4, "max_length_tokens": 128, **training})
    return plan_mixture(specs, settings=MixtureSettings(repetition_cap=cap), training=settings)


DOMAIN, REPLAY = spec("domain", 0.8, 1000), spec("replay", 0.2, 100, kind="replay")


def test_epochs_count_passes_over_the_domain_and_a_share_is_of_the_total() -> None:
    planned = plan(DOMAIN, REPLAY, epochs=2)
    assert planned.tokens == 2 * 64_000 / 0.8
    assert (planned.tokens_per_step, planned.steps) == (512, 313)
    domain, replay = planned.shares
    assert (domain.tokens, domain.passes) == (128_000, 2.0)
    assert (replay.tokens, replay.passes) == (32_000, 5.0)
    assert (replay.asked, replay.realised, replay.rows, replay.kind) == (0.2, None, 100, "replay")


def test_steps_are_taken_as_given() -> None:
    planned = plan(DOMAIN, REPLAY, steps=10)
    assert (planned.steps, planned.tokens) == (10, 5120)
    assert [share.tokens for share in planned.shares] == [4096, 1024]


def test_accumulated_batches_are_one_step() -> None:
    planned = plan(DOMAIN, REPLAY, accumulate_batches=3)
    assert planned.tokens_per_step == 3 * 512
    assert planned.steps == np.ceil(80_000 / 1536)


def test_the_streams_of_replay_are_judged_as_the_one_that_the_recipe_names() -> None:
    parts = (spec("replay", 0.15, 75, kind="replay"), spec("replay/maths", 0.05, 25, kind="replay"))
    assert [share.passes for share in plan(DOMAIN, *parts, epochs=2).shares] == [2.0, 5.0, 5.0]
    told = []
    for replay in ((REPLAY,), parts):
        with pytest.raises(RecipeError) as refused:
            plan(DOMAIN, *replay, epochs=4)
        told.append(str(refused.value))
    assert told[0] == told[1]
    assert "replay.share" in told[0]


def test_several_domain_streams_are_one_domain() -> None:
    planned = plan(spec("a", 0.3, 100), spec("b", 0.3, 500), spec("g", 0.4, 10_000, kind="general"))
    assert planned.tokens == 600 * 64 / 0.6
    assert [share.passes for share in planned.shares[:2]] == [3.0, 0.6]


def test_room_that_packing_leaves_empty_makes_the_run_longer() -> None:
    # One document of 100 tokens to a bin of 128: the steps must be counted in tokens, not in bins.
    planned = plan(spec("domain", 1.0, 400, length=100))
    assert (planned.tokens_per_step, planned.steps) == (400, 100)


def test_a_planned_run_gives_the_passes_that_it_promised() -> None:
    lengths = np.random.default_rng(0).integers(5, 120, 500)
    specs = (StreamSpec.known("domain", "domain", 0.7, lengths, "d"), spec("general", 0.3, 300, kind="general"))
    planned = plan(*specs, epochs=3)
    stream = MixtureStream(specs, seed=5, bin_tokens=128, bins_per_batch=4)
    for _ in range(planned.steps):
        stream.next_batch()
    assert stream.passes()["domain"] == pytest.approx(3.0, rel=0.02)
    for share, line in zip(realised_shares(planned, stream), planned.shares, strict=True):
        assert share.realised == pytest.approx(line.asked, rel=0.01)
        assert share.passes == pytest.approx(line.passes, rel=0.02)
        assert share.tokens == stream.tokens()[share.source]
        assert share.asked == line.asked


def test_nothing_is_realised_before_the_first_batch() -> None:
    stream = MixtureStream((DOMAIN, REPLAY), seed=5, bin_tokens=128, bins_per_batch=4)
    assert [share.realised for share in realised_shares(plan(DOMAIN, REPLAY), stream)] == [None, None]


@pytest.mark.parametrize("training", [{"epochs": 4}, {"steps": 625}])
def test_repetition_beyond_the_cap_is_refused_with_numbers(training: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=r"used 10\.0 times, more than `mixture.repetition_cap: 8`") as caught:
        plan(DOMAIN, REPLAY, **training)
    assert caught.value.field == "replay.share"
    assert "about 125 rows" in caught.value.way_out
    with pytest.raises(RecipeError) as caught:
        plan(DOMAIN, spec("talk", 0.2, 100, kind="general"), **training)
    assert caught.value.field == "sources.talk.share"
    assert plan(DOMAIN, REPLAY, cap=10, **training).shares[1].passes == 10.0


@pytest.mark.parametrize("training", [{"epochs": 4}, {"steps": 625}, {"epochs": 30}])
def test_the_advised_share_is_accepted_and_not_timid(training: dict[str, object]) -> None:
    with pytest.raises(RecipeError) as caught:
        plan(DOMAIN, REPLAY, **training)
    advised = float(caught.value.way_out.split("at most ")[1].split(" ")[0])
    planned = plan(spec("domain", 1 - advised, 1000), spec("replay", advised, 100, kind="replay"), **training)
    assert 7.0 < planned.shares[1].passes <= 8.0


def test_the_domain_is_repeated_as_often_as_asked() -> None:
    assert plan(DOMAIN, spec("g", 0.2, 10_000, kind="general"), epochs=20).shares[0].passes == pytest.approx(20)


def test_a_mixture_without_a_domain_is_refused() -> None:
    with pytest.raises(RecipeError, match="kind: domain"):
        plan(spec("g", 1.0, 10, kind="general"))


def test_a_run_has_at_least_one_step() -> None:
    assert plan(spec("domain", 1.0, 1), epochs=0.01).steps == 1
