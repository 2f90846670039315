"""Answers from batches: the same as one by one and as `model.generate`, whatever the batch, padding or order."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import CHATML, tiny_llama, tiny_tokenizer
from transformers import GenerationConfig

from forgetless.engines import TransformersEngine
from forgetless.engines.batches import length_sorted_batches
from forgetless.engines.decoding import TokenChooser
from forgetless.errors import ModelError
from forgetless.records import Message
from forgetless.sampling import GREEDY, Sampling
from forgetless.tokens import ChatFormat

FORMAT = ChatFormat(tiny_tokenizer())
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "off", "hello", "you"]


def prompts(n: int = 30) -> list[tuple[Message, ...]]:
    rng = random.Random(0)
    return [(Message("user", " ".join(rng.choices(WORDS, k=rng.randint(1, 9)))),) for _ in range(n)]


def stopping_llama(**others: object):
    """A random model that also says the stop token now and then, so that rows end at different steps."""
    model = tiny_llama(4, tied=False, **others)
    with torch.no_grad():
        model.lm_head.weight[2] *= 2.5
    return model


MODEL = stopping_llama()


def engine(model=MODEL, *, batch_tokens: int = 8192, chat: ChatFormat = FORMAT) -> TransformersEngine:
    return TransformersEngine(model, chat, model_hash="m", batch_tokens=batch_tokens)


@torch.no_grad()
def by_generate(messages: tuple[Message, ...], max_new_tokens: int, model=MODEL) -> str:
    ids = torch.tensor([FORMAT.encode_prompt(messages)])
    greedy = GenerationConfig(max_new_tokens=max_new_tokens, do_sample=False, eos_token_id=2, pad_token_id=0)
    return FORMAT.decode(model.generate(ids, generation_config=greedy)[0, ids.shape[1] :].tolist())


def test_every_answer_is_that_of_generate():
    asked = prompts()
    answers = engine().generate(asked, max_new_tokens=12)
    assert answers == [by_generate(messages, 12) for messages in asked]
    lengths = {len(FORMAT.tokenizer(a, add_special_tokens=False)["input_ids"]) for a in answers}
    assert len(lengths) > 3, "the rows should end at different steps"


@pytest.mark.parametrize("batch_tokens", [1, 60, 300])
def test_the_batch_size_changes_nothing(batch_tokens: int):
    asked = prompts(12)
    assert engine(batch_tokens=batch_tokens).generate(asked, max_new_tokens=6) == engine().generate(
        asked, max_new_tokens=6
    )


def test_the_order_changes_nothing():
    asked = prompts()
    order = random.Random(1).sample(range(len(asked)), len(asked))
    straight = engine().generate(asked, max_new_tokens=6)
    assert engine().generate([asked[i] for i in order], max_new_tokens=6) == [straight[i] for i in order]


def test_a_pad_token_that_is_the_stop_token_confuses_nobody():
    chat = ChatFormat(tiny_tokenizer(pad_is_eos=True))
    assert chat.pad_id == 2
    asked = prompts(10)
    assert engine(chat=chat).generate(asked, max_new_tokens=8) == engine().generate(asked, max_new_tokens=8)


def test_the_models_own_sampling_settings_take_no_part():
    model = stopping_llama()
    model.generation_config = GenerationConfig(do_sample=True, temperature=9.0, max_length=3, eos_token_id=2)
    assert engine(model).generate(prompts(5), max_new_tokens=6) == engine().generate(prompts(5), max_new_tokens=6)


def test_the_models_own_stop_tokens_count():
    model = stopping_llama()
    free = engine(model).generate(prompts(3), max_new_tokens=6)
    first = FORMAT.tokenizer(free[0], add_special_tokens=False)["input_ids"][0]
    model.generation_config.eos_token_id = [2, first]
    assert engine(model).generate(prompts(3), max_new_tokens=6)[0] == ""


def test_a_forward_patched_by_a_trainer_is_not_what_is_measured():
    model = stopping_llama()
    model.forward = lambda *args, **kwargs: pytest.fail("the patched forward ran")
    assert engine(model).generate(prompts(3), max_new_tokens=4) == engine().generate(prompts(3), max_new_tokens=4)


def test_an_adapter_is_part_of_the_model():
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    model = get_peft_model(stopping_llama(), config).eval()
    expected = [by_generate(messages, 6, model.get_base_model()) for messages in prompts(6)]
    assert engine(model).generate(prompts(6), max_new_tokens=6) == expected
    assert expected != engine().generate(prompts(6), max_new_tokens=6)


def test_sampling_depends_on_the_seed_alone():
    asked = prompts(20)

    def draw(seed: int) -> list[str]:
        return engine().generate(asked, max_new_tokens=6, sampling=Sampling(1.0, 0.9, seed))

    first = draw(1)
    torch.rand(3)
    assert draw(1) == first
    assert draw(2) != first


def test_a_tiny_nucleus_is_greedy():
    asked = prompts(8)
    sampled = engine().generate(asked, max_new_tokens=6, sampling=Sampling(1.0, 1e-6))
    assert sampled == engine().generate(asked, max_new_tokens=6)


def test_draws_follow_the_nucleus_and_its_proportions():
    probabilities = torch.tensor([0.4, 0.3, 0.2, 0.1])
    choose = TokenChooser(Sampling(1.0, 0.65), torch.device("cpu"))
    counts = choose(probabilities.log().expand(20_000, 4)).bincount(minlength=4) / 20_000
    torch.testing.assert_close(counts, torch.tensor([4 / 7, 3 / 7, 0.0, 0.0]), atol=0.02, rtol=0)


def test_temperature_sharpens():
    probabilities = torch.tensor([0.6, 0.4])
    choose = TokenChooser(Sampling(0.5, 1.0), torch.device("cpu"))
    counts = choose(probabilities.log().expand(20_000, 2)).bincount(minlength=2) / 20_000
    assert counts[0].item() == pytest.approx(0.36 / 0.52, abs=0.02)


def test_answers_end_where_the_window_does():
    model = stopping_llama(window=40)
    with torch.no_grad():
        model.lm_head.weight[2] *= -1
    asked = prompts(6)
    answers = engine(model).generate(asked, max_new_tokens=100)
    free = engine(model).generate(asked, max_new_tokens=3)
    assert all(long.startswith(short) for long, short in zip(answers, free, strict=True))
    with pytest.raises(ModelError, match="reads at most 40"):
        engine(model).generate([(Message("user", "cat " * 60),)], max_new_tokens=3)
    with pytest.raises(ModelError, match="reads at most 40"):
        engine(model).continue_texts(["cat " * 60], max_new_tokens=3, sampling=GREEDY)


def test_progress_is_told_and_nothing_is_asked_for_nothing():
    told: list[tuple[int, int]] = []
    engine(batch_tokens=60).generate(prompts(7), max_new_tokens=3, progress=lambda done, n: told.append((done, n)))
    assert told[-1] == (7, 7)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert engine().generate([], max_new_tokens=3) == []


def test_batches_keep_within_their_budget_and_hold_everything_once():
    rng = random.Random(0)
    lengths = [rng.randint(1, 50) for _ in range(200)]
    batches = list(length_sorted_batches(lengths, batch_tokens=120, most_rows=7))
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 120 for b in batches)
    assert max(map(len, batches)) == 7


def test_settings_hash_tells_settings_apart():
    assert engine().settings_hash == engine().settings_hash
    assert engine().settings_hash != engine(batch_tokens=100).settings_hash
    assert engine().model_hash == "m"


def test_texts_are_continued_as_generate_would():
    texts = ["the cat", "hello there, how are", "the <|end|> mat"]
    written = engine().continue_texts(texts, max_new_tokens=6, sampling=GREEDY)
    greedy = GenerationConfig(max_new_tokens=6, do_sample=False, eos_token_id=2, pad_token_id=0)
    for text, continuation in zip(texts, written, strict=True):
        ids = torch.tensor([FORMAT.encode_plain(text).ids])
        with torch.no_grad():
            whole = MODEL.generate(ids, generation_config=greedy)[0].tolist()
        assert FORMAT.decode(whole) == text + continuation


def test_a_text_may_begin_with_nothing():
    chat = ChatFormat(tiny_tokenizer(None))
    drawn = engine(chat=chat).continue_texts([""] * 4, max_new_tokens=6, sampling=Sampling(1.0, 1.0, 3))
    again = engine(chat=chat).continue_texts([""] * 4, max_new_tokens=6, sampling=Sampling(1.0, 1.0, 3))
    assert drawn == again
    assert len(set(drawn)) > 1


def test_formats_that_think_or_take_arguments_have_settings_of_their_own():
    plain = engine().settings_hash
    greeting = ChatFormat(tiny_tokenizer("{{ greeting }}" + CHATML), arguments={"greeting": "a"})
    other = ChatFormat(tiny_tokenizer("{{ greeting }}" + CHATML), arguments={"greeting": "b"})
    assert len({plain, engine(chat=greeting).settings_hash, engine(chat=other).settings_hash}) == 3


def test_an_answer_goes_as_far_as_the_first_stop_text():
    asked = prompts()
    whole = engine().generate(asked, max_new_tokens=24)
    stops = ("ran", "mat", "")
    cut = engine().generate(asked, max_new_tokens=24, stop_texts=stops)
    assert cut == [text.partition("ran")[0].partition("mat")[0] for text in whole]
    assert cut != whole


def test_nothing_is_written_after_a_stop_text(monkeypatch: pytest.MonkeyPatch):
    asked = prompts()
    decoded: list[int] = []
    decode = FORMAT.decode_answers
    monkeypatch.setattr(
        FORMAT, "decode_answers", lambda p, ids: (decoded.append(sum(map(len, ids))), decode(p, ids))[1]
    )
    whole = engine().generate(asked, max_new_tokens=24)
    ((common, _),) = Counter("".join(whole)).most_common(1)
    engine().generate(asked, max_new_tokens=24, stop_texts=(common,))
    assert decoded[1] < 0.7 * decoded[0]
