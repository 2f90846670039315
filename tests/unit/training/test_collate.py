"""Bins to batches: what is predicted, what is held, and that documents do not see each other."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forgetless.tokens import Encoded
from forgetless.training.collate import Collator
from training_kit import documents, tiny_model

DOMAIN, REPLAY = 0, 1
HELD = (documents(9, seed=1), documents(9, seed=2))


def collator(**changes: object) -> Collator:
    arguments = {"documents": HELD, "kinds": ("domain", "replay"), "pad_id": 0, **changes}
    return Collator(**arguments)  # type: ignore[arg-type]


def test_rows_restart_positions_and_mask_the_first_token_of_each_document() -> None:
    held = ((Encoded([5, 6, 7], [5, 6, 7], "a", "s"), Encoded([8, 9], [-100, 9], "b", "s")), ())
    batch = collator(documents=held)([[(0, 0), (0, 1)], [(0, 1)]])
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 9], [8, 9, 0, 0, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1], [0, 1, 0, 1, 2]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100, 9], [-100, 9, -100, -100, -100]]
    assert batch["stream_ids"].tolist() == [[0, 0, 0, 0, 0], [0, 0, -1, -1, -1]]
    assert not batch["kl_mask"].any()
    assert "reference_input_ids" not in batch
    assert "attention_mask" not in batch


@pytest.mark.parametrize(("kl_tokens", "mask"), [("answer", [0, 0, 1, 1]), ("all", [0, 1, 1, 1])])
def test_replay_rows_are_held_and_not_learned(kl_tokens: str, mask: list[int]) -> None:
    held = ((), (Encoded([5, 6, 7, 8], [-100, -100, 7, 8], "a", "s"),))
    batch = collator(documents=held, kl_tokens=kl_tokens)([[(REPLAY, 0)]])
    assert batch["kl_mask"].int().tolist() == [mask]
    assert batch["labels"].tolist() == [[-100] * 4]
    assert batch["reference_input_ids"].tolist() == [[5, 6, 7, 8]]


def test_domain_rows_are_held_besides_being_learned_where_that_is_asked_for() -> None:
    held = ((Encoded([5, 6, 7], [-100, 6, 7], "a", "s"),), (Encoded([8, 9], [-100, 9], "b", "s"),))
    batch = collator(documents=held, held=("domain",))([[(DOMAIN, 0), (REPLAY, 0)]])
    assert batch["kl_mask"].int().tolist() == [[0, 1, 1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100, -100]]
    assert batch["reference_input_ids"].tolist() == [[5, 6, 7]]


def test_the_whole_text_of_raw_text_replay_is_held_but_for_its_first_token() -> None:
    held = ((), (Encoded([5, 6, 7], [5, 6, 7], "a", "s"),))
    assert collator(documents=held)([[(REPLAY, 0)]])["kl_mask"].tolist() == [[False, True, True]]


bins = st.lists(
    st.lists(st.tuples(st.sampled_from([DOMAIN, REPLAY]), st.integers(0, 8)), max_size=5), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(bins=bins, layout=st.sampled_from(["packed", "alone", "flat"]), kl_tokens=st.sampled_from(["answer", "all"]))
def test_nothing_is_lost_and_reference_tokens_are_the_held_tokens(
    bins: list[list[tuple[int, int]]], layout: str, kl_tokens: str
) -> None:
    batch = collator(layout=layout, kl_tokens=kl_tokens)(bins)
    drawn = [document for b in bins for document in b]
    real = batch["stream_ids"] >= 0
    assert batch["input_ids"][real].tolist() == [i for s, d in drawn for i in HELD[s][d].input_ids]
    labelled = sum(sum(x != -100 for x in HELD[s][d].labels[1:]) for s, d in drawn if s == DOMAIN)
    assert int((batch["labels"] != -100).sum()) == labelled
    if any(s == REPLAY for s, _ in drawn):
        held, asked = batch["kl_mask"], batch["reference_mask"]
        assert batch["input_ids"][held].tolist() == batch["reference_input_ids"][asked].tolist()
        assert batch["position_ids"][held].tolist() == batch["reference_position_ids"][asked].tolist()
        assert not held[:, 0].any()
        assert not asked[:, 0].any()
    if layout == "flat":
        assert batch["input_ids"].shape[0] == 1
        assert real.all() or not drawn
        assert not any(s == REPLAY for s, _ in drawn) or batch["reference_input_ids"].shape[0] == 1


def test_an_empty_share_of_a_batch_is_padding() -> None:
    batch = collator()([])
    assert batch["input_ids"].shape == (1, 2)
    assert (batch["labels"] == -100).all()


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("layout", ["packed", "flat"])
def test_packed_documents_have_the_hidden_states_they_have_alone(attention: str, layout: str) -> None:
    model = tiny_model()
    model.set_attn_implementation(attention)
    two_rows = [[(0, 0), (1, 1), (0, 2)], [(1, 3), (0, 4)]]
    batch = collator(layout=layout)(two_rows)
    packed = model(input_ids=batch["input_ids"], position_ids=batch["position_ids"], use_cache=False).logits.detach()
    rows = two_rows if layout == "packed" else [[document for row in two_rows for document in row]]
    for row, packed_row in zip(rows, packed, strict=True):
        start = 0
        for stream, index in row:
            ids = torch.tensor([HELD[stream][index].input_ids])
            alone = model(input_ids=ids).logits[0].detach()
            torch.testing.assert_close(packed_row[start : start + ids.shape[1]], alone, rtol=1e-5, atol=1e-5)
            start += ids.shape[1]


def test_reference_rows_stay_as_short_as_the_batch_and_hold_replay_only() -> None:
    batch = collator()([[(0, 0), (1, 0)], [(0, 1), (1, 1)], [(1, 2)]])
    lengths = [len(HELD[REPLAY][i].input_ids) for i in range(3)]
    assert batch["reference_input_ids"].shape[1] <= batch["input_ids"].shape[1]
    assert batch["reference_input_ids"].numel() < batch["input_ids"].numel()
    assert int(np.sum(lengths)) <= batch["reference_input_ids"].numel()
