"""What must hold of logged answers, whatever they are."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.samples.compare import compare_samples

scores = st.none() | st.sampled_from([0.0, 1.0])


def line(i: int, score: float | None) -> str:
    return json.dumps(
        {"doc_id": i, "doc_hash": f"d{i}", "prompt_hash": f"p{i}", "filter": "none", "metrics": ["acc"], "acc": score,
         "arguments": {"gen_args_0": {"arg_0": f"question {i}", "arg_1": {"until": []}}}, "resps": [[f"answer {i}"]],
         "filtered_resps": [f"answer {i}"], "target": "x"}
    )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(scores, scores), min_size=3, max_size=40), st.randoms(use_true_random=False))
def test_swapping_the_models_mirrors_the_estimate_and_order_means_nothing(pairs, random):
    pairs = [*pairs, (1.0, 0.0), (0.0, 1.0)]
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, f"{name}.jsonl") for name in ("base", "tuned")]
        for file, column in zip(files, zip(*pairs, strict=True), strict=True):
            lines = [line(i, score) for i, score in enumerate(column)]
            random.shuffle(lines)
            file.write_text("\n".join(lines) + "\n")
        (there,) = compare_samples(*files, margin_points=20).verdicts
        (back,) = compare_samples(*reversed(files), margin_points=20).verdicts
    assert there.estimate == pytest.approx(-back.estimate)
    assert (there.losses, there.gains) == (back.gains, back.losses)
    both = [(b, t) for b, t in pairs if b is not None and t is not None]
    assert there.estimate == pytest.approx(sum(t - b for b, t in both) / len(both))
    assert there.missing == sum(b is not None and t is None for b, t in pairs)
    if there.missing == back.missing == 0 and there.n == back.n:
        assert there.interval == pytest.approx((-back.interval[1], -back.interval[0]), abs=1e-9)
