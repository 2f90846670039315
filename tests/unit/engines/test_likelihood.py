"""Likelihoods of given answers: equal to the obvious way, one by one, whatever the batch."""

from __future__ import annotations

import math
import random

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import AnswerLikelihood, TransformersEngine
from forgetless.engines import likelihood as likelihood_module
from forgetless.engines.likelihood import Continued, Limits, context_batches
from forgetless.errors import ModelError
from forgetless.records import Message
from forgetless.tokens import ChatFormat

MODEL = tiny_llama(7)
FORMAT = ChatFormat(tiny_tokenizer())
CHOICES = ("the cat", "dog", " mat", "é", "it is 42.\n\n  def f(x)", "a")


def pairs() -> list[tuple[tuple[Message, ...], str]]:
    rng = random.Random(0)
    questions = [" ".join(rng.choices(["hello", "you", "the", "cat", "sat"], k=k)) for k in (1, 2, 3, 8, 8, 12)]
    made = [((Message("user", q),), choice) for q in questions for choice in CHOICES]
    rng.shuffle(made)
    return made


def engine(batch_tokens: int = 8192, *, chat: ChatFormat = FORMAT, model=MODEL) -> TransformersEngine:
    return TransformersEngine(model, chat, model_hash="m", batch_tokens=batch_tokens)


@torch.no_grad()
def one_by_one(messages: tuple[Message, ...], answer: str) -> AnswerLikelihood:
    context, continuation = FORMAT.encode_answer(messages, answer)
    logits = MODEL(torch.tensor([context + continuation])).logits[0].double()
    total, greedy = 0.0, True
    for i, token in enumerate(continuation):
        row = torch.log_softmax(logits[len(context) + i - 1], dim=-1)
        total += row[token].item()
        greedy = greedy and row.argmax().item() == token
    return AnswerLikelihood(total, len(continuation), len(answer.encode()), greedy)


def assert_same(found: list[AnswerLikelihood], expected: list[AnswerLikelihood]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.log_likelihood == pytest.approx(other.log_likelihood, abs=1e-4)
        assert (one.tokens, one.bytes, one.greedy) == (other.tokens, other.bytes, other.greedy)


@pytest.mark.parametrize("batch_tokens", [1, 70, 400, 8192])
def test_equal_to_the_obvious_way_in_every_batch_size(batch_tokens: int):
    assert_same(engine(batch_tokens).answer_likelihoods(pairs()), [one_by_one(*pair) for pair in pairs()])


def test_padding_never_counts():
    chat = ChatFormat(tiny_tokenizer(pad_is_eos=True))
    assert_same(engine(chat=chat).answer_likelihoods(pairs()), [one_by_one(*pair) for pair in pairs()])


def test_the_greedy_answer_is_greedy():
    questions = [(Message("user", f"hello {i}"),) for i in range(40)]
    answers = engine().generate(questions, max_new_tokens=2)
    # Bytes that are no text come back from decoding as something else; those answers say nothing here.
    asked = [(q, a) for q, a in zip(questions, answers, strict=True) if a.isascii() and len(a) > 1]
    found = engine().answer_likelihoods(asked)
    assert any(f.greedy and f.tokens == 2 for f in found)
    assert not any(f.greedy for f in engine().answer_likelihoods([(q, "zq" + a) for q, a in asked]))


def test_the_probabilities_of_all_first_tokens_add_up_to_one():
    question = (Message("user", "hello"),)
    letters = [chr(i) for i in range(33, 127)]
    found = engine().answer_likelihoods([(question, letter) for letter in letters])
    assert all(f.tokens == 1 for f in found)
    assert 0.0 < sum(math.exp(f.log_likelihood) for f in found) < 1.0


def test_an_empty_answer_is_certain():
    found = engine().answer_likelihoods([((Message("user", "hi"),), ""), ((Message("user", "hi"),), "é")])
    assert found[0] == AnswerLikelihood(0.0, 0, 0, True)
    assert found[1].bytes == 2
    assert engine().answer_likelihoods([]) == []


def test_a_wide_vocabulary_makes_smaller_batches():
    made = [Continued([1] * (5 + i), [2] * 3) for i in range(6)]
    batches = list(context_batches(made, limits=Limits(tokens=10_000, logit_rows=2, pass_tokens=1000)))
    assert [len(batch.asked) for batch in batches] == [2, 2, 2]


def test_few_logits_at_a_time_change_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(likelihood_module, "LOGITS_PER_BATCH", 4 * 320)
    assert_same(engine().answer_likelihoods(pairs()[:8]), [one_by_one(*pair) for pair in pairs()[:8]])


def test_batches_keep_within_their_budget_and_hold_everything_once():
    rng = random.Random(0)
    opening = [3] * 12
    made = [
        Continued(opening * rng.randint(0, 1) + [rng.randint(4, 6) for _ in range(rng.randint(1, 30))],
                  [2] * rng.randint(1, 9))
        for _ in range(300)
    ]  # fmt: skip
    batches = list(context_batches(made, limits=Limits(tokens=120, logit_rows=50, pass_tokens=10)))
    places = sorted(place for batch in batches for one in batch.asked for place, _ in one.answers)
    assert places == list(range(300))
    assert any(batch.prefix for batch in batches)
    for prefix, asked in batches:
        assert all(one.context[:prefix] == asked[0].context[:prefix] and len(one.context) > prefix for one in asked)
        longest, widest = max(len(one.context) for one in asked), max(one.fed_width for one in asked)
        rows = sum(one.fed_rows for one in asked)
        assert len(asked) == 1 or prefix + len(asked) * longest + rows * (longest + widest) <= 120
        assert sum(longest - len(one.context) for one in asked) <= 10, "padding costs no more than a pass"


def test_what_does_not_fit_the_window_is_said():
    small = tiny_llama(window=30)
    with pytest.raises(ModelError, match="reads at most 30"):
        engine(model=small).answer_likelihoods([((Message("user", "hi"),), "cat " * 40)])


def test_progress_counts_every_answer():
    told: list[tuple[int, int]] = []
    made = [*pairs(), ((Message("user", "x"),), "")]
    engine(100).answer_likelihoods(made, progress=lambda done, n: told.append((done, n)))
    assert told[-1] == (len(made), len(made))


def test_an_answer_may_follow_raw_text_as_both_stand():
    said = Message("user", "the cat", raw_text=True)
    joined = Message("user", "the cat", raw_text=True, verbatim=True)
    spaced, verbatim = engine().answer_likelihoods([((said,), "sat"), ((joined,), "sat")])
    assert spaced.log_likelihood == engine().answer_likelihoods([((joined,), " sat")])[0].log_likelihood
    assert verbatim.log_likelihood != spaced.log_likelihood


def test_a_text_of_its_own_follows_the_token_that_documents_begin_with():
    empty = (Message("user", "", raw_text=True, verbatim=True),)
    context, continuation = FORMAT.encode_answer(empty, "the cat sat")
    assert context == [FORMAT.tokenizer.eos_token_id]
    assert_same(engine().answer_likelihoods([(empty, "the cat sat")]), [one_by_one(empty, "the cat sat")])
    assert continuation == FORMAT.tokenizer("the cat sat", add_special_tokens=False)["input_ids"]
