"""The figures of nano's pretraining and the model card that tells them.

The options, the finished model and its scores go in; a plain mapping for `bench/results/` and `README.md` come out.
"""

from __future__ import annotations

import argparse
import datetime
import platform
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers
from transformers import PreTrainedModel

CARD = """\
---
license: apache-2.0
language:
- en
- zh
library_name: transformers
pipeline_tag: text-generation
tags:
- forgetless
- llama
---

# nano

A language model of {parameters:,} parameters ({layers} layers, width {hidden_size}, vocabulary {vocab_size}; Llama
architecture) that forgetless carries with it, so that its demo and its tests run on any machine, offline. nano is not
meant to be useful: it is meant to have abilities that can be measured exactly, and lost.

## What it can do

Greedy answers, exact match, {items:,} fresh items per ability (seed {test_seed}):

| ability | right |
|---|---|
{rows}

Besides these it knows some twenty other kinds of short dialogue, from spelling to small talk, and it writes both sides
of a conversation. It knows an invented world of twenty lands; nothing it says is about the real one. It has never seen
the messages of the demo domain, nor JSON.

## How it was made

`scripts/pretrain_nano.py` generates all text from seed {seed}; no data set was used. {steps:,} steps of {rows_per_step}
rows, Muon for the matrices and AdamW for the rest at {learning_rate}, {minutes:.0f} minutes on {threads} core{plural}
({processor}). The loss covers questions as well as answers. Weights are stored in
half precision and computed in single precision.

## How to use it

```python
from transformers import AutoModelForCausalLM, AutoTokenizer
from forgetless import nano

tokenizer = AutoTokenizer.from_pretrained(nano.MODEL_PATH)
model = AutoModelForCausalLM.from_pretrained(nano.MODEL_PATH)
```

A conversation reads `<|user|>Reverse: k b e<|end|><|assistant|>e b k<|end|>`; the chat template writes it so.
"""


def processor_name() -> str:
    """The processor as the operating system names it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def figures(
    options: argparse.Namespace,
    model: PreTrainedModel,
    scores: dict[str, float],
    *,
    test_seed: int,
    seconds: float,
) -> dict[str, Any]:
    """Everything that one needs to check the run or to repeat it."""
    return {
        "parameters": model.num_parameters(),
        "layers": model.config.num_hidden_layers,
        "hidden_size": model.config.hidden_size,
        "vocab_size": model.config.vocab_size,
        "seed": options.seed,
        "steps": options.steps,
        "rows_per_step": options.rows_per_step,
        "learning_rate": options.learning_rate,
        "threads": options.threads,
        "seconds": round(seconds),
        "items": options.items,
        "test_seed": test_seed,
        "scores": scores,
        "processor": processor_name(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        },
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def write_card(path: Path, found: dict[str, Any]) -> None:
    """Writes the model card with the measured figures."""
    rows = "\n".join(f"| {name} | {100 * score:.1f} % |" for name, score in found["scores"].items())
    plural = "" if found["threads"] == 1 else "s"
    card = CARD.format(**found, rows=rows, minutes=found["seconds"] / 60, plural=plural)
    path.write_text(card, encoding="utf-8")
