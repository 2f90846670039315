"""Measures nano: greedy answers to fresh items of every ability, exact match.

A model and a tokenizer go in, the share of right answers per ability comes out. Used while nano is pretrained and for
the figures on its model card.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from forgetless import nano
from forgetless.records import Item

LONGEST_ANSWER = 24


@torch.no_grad()
def greedy_answers(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, items: Sequence[Item], *, batch_size: int = 256
) -> list[str]:
    """The model's greedy answer to each item, in the order of the items; prompts are batched by length."""
    prompts = tokenizer.apply_chat_template(
        [[{"role": m.role, "content": m.content} for m in item.messages] for item in items],
        add_generation_prompt=True,
        tokenize=False,
    )
    encoded = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    order = sorted(range(len(items)), key=lambda i: len(encoded[i]))
    answers = [""] * len(items)
    model.eval()
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = tokenizer.pad({"input_ids": [encoded[i] for i in chosen]}, padding_side="left", return_tensors="pt")
        written = model.generate(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            max_new_tokens=LONGEST_ANSWER,
            do_sample=False,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )[:, batch["input_ids"].shape[1] :]
        for i, text in zip(chosen, tokenizer.batch_decode(written, skip_special_tokens=True), strict=True):
            answers[i] = text
    return answers


def ability_scores(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, n: int, seed: int
) -> dict[str, float]:
    """Share of right answers of `n` fresh items per ability, and of the demo domain."""
    tasks = {name: nano.ability_items(name, n=n, seed=seed) for name in nano.ABILITIES}
    tasks["domain"] = nano.domain_items(n=n, seed=seed)
    items = [item for task in tasks.values() for item in task]
    right = iter([a == item.target for a, item in zip(greedy_answers(model, tokenizer, items), items, strict=True)])
    return {name: sum(next(right) for _ in task) / len(task) for name, task in tasks.items()}
