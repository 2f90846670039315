"""Whatever kind of memory a model has, likelihoods are those of reading every row whole by itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
import torch
from tiny_models import tiny_llama
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MptConfig,
    MptForCausalLM,
    PreTrainedModel,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from forgetless import nano
from forgetless.engines import decoding as decoding_module
from forgetless.engines import likelihood as likelihood_module
from forgetless.engines import measuring
from forgetless.engines import running as running_module
from forgetless.engines.decoding import TokenChooser, continue_batch
from forgetless.engines.likelihood import Continued, Likelihood, likelihoods
from forgetless.engines.reuse import Reuse, reuse_of
from forgetless.models import load_folder
from forgetless.sampling import GREEDY

WINDOW = 16
SIZES = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def gemma3() -> PreTrainedModel:
    kinds = ["sliding_attention", "full_attention"]
    return Gemma3ForCausalLM(Gemma3TextConfig(**SIZES, layer_types=kinds, sliding_window=WINDOW))


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=96, n_embd=32, n_layer=2, n_head=4, initializer_range=0.3,
                                      bos_token_id=1, eos_token_id=2))  # fmt: skip


def mpt() -> PreTrainedModel:
    return MptForCausalLM(MptConfig(vocab_size=96, d_model=32, n_layers=2, n_heads=4, initializer_range=0.3))


def lfm2() -> PreTrainedModel:
    return Lfm2ForCausalLM(Lfm2Config(**SIZES, layer_types=["conv", "full_attention"], block_auto_adjust_ff_dim=False))


def mamba() -> PreTrainedModel:
    return MambaForCausalLM(MambaConfig(vocab_size=96, hidden_size=32, num_hidden_layers=2, state_size=4,
                                        initializer_range=0.3, pad_token_id=0, eos_token_id=2))  # fmt: skip


KINDS: dict[str, tuple[Callable[[], PreTrainedModel], Reuse]] = {
    "llama": (lambda: tiny_llama(3, vocab_size=96), Reuse(True, None)),
    "qwen3": (lambda: Qwen3ForCausalLM(Qwen3Config(**SIZES)), Reuse(True, None)),
    "gpt2": (gpt2, Reuse(True, None)),
    "gemma3": (gemma3, Reuse(True, WINDOW)),
    "mpt": (mpt, Reuse(True, 0)),
    "lfm2": (lfm2, Reuse(False, 0)),
    "mamba": (mamba, Reuse(False, 0)),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def tokens_read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many ids, padding included, each pass read; beginnings are shared however short they are."""
    passes: list[int] = []
    read = running_module.read

    def counted(model: PreTrainedModel, ids: torch.Tensor, **arguments: object) -> object:
        passes.append(ids.numel())
        return read(model, ids, **arguments)

    monkeypatch.setattr(running_module, "read", counted)
    monkeypatch.setattr(likelihood_module, "read", counted)
    monkeypatch.setattr(likelihood_module, "pass_tokens", lambda device: 4)
    return passes


def built(kind: str) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return KINDS[kind][0]().eval()


def few_shot(*, shown: int, most: int) -> list[Continued]:
    """Questions of two subjects behind what is shown of each, and one that stands alone; answers of several lengths."""
    rng = random.Random(1)

    def ids(n: int) -> list[int]:
        return [rng.randint(3, 95) for _ in range(n)]

    subjects = [ids(shown), ids(shown + 1)]
    contexts = [subjects[i % 2] + ids(rng.randint(1, most)) for i in range(9)] + [ids(most)]
    made = [Continued(context, ids(width)) for context in contexts for width in (1, 1, 2, 4)]
    rng.shuffle(made)
    return made


@torch.no_grad()
def one_by_one(model: PreTrainedModel, pairs: list[Continued]) -> list[Likelihood]:
    found = []
    for context, answer in pairs:
        logits = model(torch.tensor([[*context, *answer]])).logits[0, len(context) - 1 : -1].double()
        values = logits.log_softmax(-1).gather(-1, torch.tensor(answer)[:, None])
        found.append(Likelihood(values.sum().item(), logits.argmax(-1).tolist() == list(answer)))
    return found


def together(model: PreTrainedModel, pairs: list[Continued], *, batch_tokens: int = 8192) -> list[Likelihood]:
    found: dict[int, Likelihood] = {}
    with measuring(model):
        for batch in likelihoods(model, pairs, pad_id=0, batch_tokens=batch_tokens):
            found |= batch
    assert len(found) == len(pairs)
    return [found[i] for i in range(len(pairs))]


def assert_same(found: list[Likelihood], expected: list[Likelihood]) -> None:
    assert [f.greedy for f in found] == [e.greedy for e in expected]
    assert [f.log_likelihood for f in found] == pytest.approx([e.log_likelihood for e in expected], abs=2e-4)


def test_what_may_be_read_on_from(kind: str) -> None:
    assert reuse_of(built(kind)) == KINDS[kind][1]


@pytest.mark.parametrize("batch_tokens", [1, 150, 8192])
def test_likelihoods_are_those_of_whole_rows(kind: str, batch_tokens: int, tokens_read: list[int]) -> None:
    model, pairs = built(kind), few_shot(shown=20, most=12)
    assert_same(together(model, pairs, batch_tokens=batch_tokens), one_by_one(model, pairs))


@pytest.mark.parametrize(("kind", "shares"), [("llama", True), ("gemma3", False), ("mpt", False)])
def test_a_beginning_is_read_once_where_that_is_right(kind: str, shares: bool, tokens_read: list[int]) -> None:
    pairs = few_shot(shown=20, most=5)
    together(built(kind), pairs)
    contexts = {tuple(pair.context) for pair in pairs}
    assert (sum(tokens_read) < 0.75 * sum(map(len, contexts))) == shares


def test_within_its_window_a_sliding_model_shares_beginnings_too(
    tokens_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, pairs = built("gemma3"), few_shot(shown=8, most=3)
    assert_same(together(model, pairs), one_by_one(model, pairs))
    shared = sum(tokens_read)
    monkeypatch.setattr(likelihood_module, "reuse_of", lambda model: Reuse(True, 0))
    together(model, pairs)
    assert shared < 0.8 * (sum(tokens_read) - shared)


@torch.no_grad()
def greedy(model: PreTrainedModel, prompt: list[int], new: int) -> list[int]:
    ids = list(prompt)
    for _ in range(new):
        ids.append(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
    return ids[len(prompt) :]


@pytest.mark.parametrize(("kind", "shown", "shares"), [("llama", 20, True), ("gemma3", 6, True), ("gemma3", 20, False)])
def test_what_all_prompts_begin_with_is_read_once_before_they_are_continued(
    kind: str, shown: int, shares: bool, tokens_read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_module, "pass_tokens", lambda device: 4)
    rng = random.Random(2)
    opening = [rng.randint(3, 95) for _ in range(shown)]
    prompts = [opening + [rng.randint(3, 95) for _ in range(rng.randint(1, 5))] for _ in range(6)]
    model = built(kind)
    choose = TokenChooser(GREEDY, model.device)
    with measuring(model):
        found = continue_batch(model, prompts, room=[4] * 6, stops=(), pad_id=0, choose=choose)
    assert [one.ids for one in found] == [greedy(model, prompt, 4) for prompt in prompts]
    assert (tokens_read[0] == shown) == shares


def test_letters_need_no_pass_of_their_own(tokens_read: list[int]) -> None:
    context = list(range(3, 23))
    together(built("llama"), [Continued(context, [letter]) for letter in (30, 31, 32, 33)])
    assert tokens_read == [20]


def test_the_embedded_model_with_examples_in_its_prompts(tokens_read: list[int]) -> None:
    loaded = load_folder(nano.MODEL_PATH, dtype="float32", device="cpu")
    rows = nano.domain_rows(n=16, seed=0)
    shown = [i for row in rows[:4] for i in loaded.format.encode_plain(row.messages[0].content).ids]
    pairs = []
    for row in rows[4:]:
        context, answer = loaded.format.encode_answer(row.messages[:1], row.messages[1].content)
        pairs += [Continued(shown + context, answer), Continued(shown + context, answer[:1])]
    assert_same(together(loaded.model, pairs), one_by_one(loaded.model, pairs))
    assert sum(tokens_read) < 0.8 * sum(len(pair.context) + len(pair.answer) for pair in pairs[::2])
