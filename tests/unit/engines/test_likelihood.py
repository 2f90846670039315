"""Likelihoods of given answers: equal to the obvious way, one by one, whatever the batch."""

from __future__ import annotations

import math
import random

import pytest
import torch
from tiny_models import tiny_llama, tiny_tokenizer

from forgetless.engines import AnswerLikelihood, TransformersEngine
from forgetless.engines import batches as batches_module
from forgetless.engines import likelihood as likelihood_module
from forgetless.engines.likelihood import Continued, likelihood_batches
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


def test_a_wide_vocabulary_makes_smaller_batches(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(likelihood_module, "LOGITS_PER_BATCH", 4 * 320)
    made = [Continued([1] * 5, [2] * width) for width in (1, 2, 4, 9, 1, 1)]
    batches = list(likelihood_batches(made, batch_tokens=10_000, vocabulary=320))
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    assert all(len(b) == 1 or len(b) * max(len(made[i].answer) for i in b) <= 4 for b in batches)
    assert batches_module.LOGITS_PER_BATCH == 1 << 27
    assert_same(engine().answer_likelihoods(pairs()[:8]), [one_by_one(*pair) for pair in pairs()[:8]])


def test_batches_keep_within_their_budget():
    rng = random.Random(0)
    made = [Continued([1] * rng.randint(1, 30), [2] * rng.randint(1, 9)) for _ in range(100)]
    batches = list(likelihood_batches(made, batch_tokens=90, vocabulary=10))
    assert sorted(i for batch in batches for i in batch) == list(range(100))
    for batch in batches:
        longest = max(len(made[i].context) for i in batch) + max(len(made[i].answer) for i in batch)
        assert len(batch) == 1 or len(batch) * longest <= 90


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
