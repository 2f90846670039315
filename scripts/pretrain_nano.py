"""Pretrains nano, the embedded model, from nothing to the files in `src/forgetless/nano/model/`.

Usage:
    python scripts/pretrain_nano.py --steps 3200 --threads 2 --state runs/nano

The run is seeded, and killed at any step it resumes from its last checkpoint: step `s` reads the texts that the seed
and `s` determine. On two cores it takes well under two hours. At the end it measures every ability on fresh items and
writes the model card and `bench/results/nano_pretraining.json`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from nano_card import figures, write_card
from nano_corpus import WeightedRow, step_lines, tokenizer_lines, weighted_rows
from nano_measure import ability_scores
from nano_tokenizer import train_tokenizer
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from forgetless import nano

ROOT = Path(__file__).resolve().parents[1]
MAX_LENGTH = 256
CHUNKS_PER_STEP = 3
TEST_SEED = 20_000
log = logging.getLogger("pretrain_nano")


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3200)
    parser.add_argument("--rows-per-step", type=int, default=160)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--warmup-steps", type=int, default=100)
    parser.add_argument("--decay-share", type=float, default=0.5, help="share of the steps at the end that decays")
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--vocab-size", type=int, default=1152)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--measure-every", type=int, default=500)
    parser.add_argument("--items", type=int, default=2000, help="items per ability of the final measurement")
    parser.add_argument("--state", type=Path, default=ROOT / "runs" / "nano_pretraining")
    parser.add_argument("--model", type=Path, default=nano.MODEL_PATH)
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results" / "nano_pretraining.json")
    return parser.parse_args()


def tokenizer_for(options: argparse.Namespace) -> PreTrainedTokenizerFast:
    """The tokenizer of this run: trained at the first start, read back after that."""
    folder = options.state / "tokenizer"
    if not folder.exists():
        lines = tokenizer_lines(options.seed, 20_000)
        tokenizer = train_tokenizer(lines, vocab_size=options.vocab_size, model_max_length=MAX_LENGTH)
        tokenizer.save_pretrained(folder.with_suffix(".partial"))
        folder.with_suffix(".partial").rename(folder)
    return AutoTokenizer.from_pretrained(folder)


def new_model(options: argparse.Namespace, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A freshly initialised model of the asked size."""
    torch.manual_seed(options.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=options.hidden_size,
        intermediate_size=2 * options.hidden_size,
        num_hidden_layers=options.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def learning_rate(options: argparse.Namespace, step: int) -> float:
    """Linear warm-up, a plateau, and a linear decay to zero over the last `decay_share` of the steps."""
    warm = min(1.0, (step + 1) / options.warmup_steps)
    decay = min(1.0, (options.steps - step) / max(1.0, options.decay_share * options.steps))
    return float(options.learning_rate * min(warm, decay))


def padded(rows: list[WeightedRow], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and loss weights of shape [rows, longest], padded on the right with weight 0."""
    longest = max(len(row.ids) for row in rows)
    ids, weights = torch.full((len(rows), longest), pad), torch.zeros(len(rows), longest)
    for position, row in enumerate(rows):
        ids[position, : len(row.ids)] = torch.from_numpy(row.ids)
        weights[position, : len(row.weights)] = torch.from_numpy(row.weights)
    return ids, weights


class Optimizers:
    """Muon for the matrices inside the layers, AdamW for the embedding and the norms.

    Muon's updates are scaled to AdamW's (`match_rms_adamw`), and take twice its learning rate.
    """

    def __init__(self, model: LlamaForCausalLM) -> None:
        embedding = model.get_input_embeddings().weight
        matrices = [p for p in model.parameters() if p.dim() > 1 and p is not embedding]
        others = [embedding, *(p for p in model.parameters() if p.dim() <= 1)]
        self.adamw = torch.optim.AdamW(others, lr=0.0, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
        self.muon = torch.optim.Muon(matrices, lr=0.0, weight_decay=0.02, adjust_lr_fn="match_rms_adamw")

    def step(self, rate: float) -> None:
        """Moves the weights along their gradients and clears these."""
        for optimizer, scale in ((self.adamw, 1.0), (self.muon, 2.0)):
            for group in optimizer.param_groups:
                group["lr"] = scale * rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """The state of both optimizers."""
        return {"adamw": self.adamw.state_dict(), "muon": self.muon.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes up the state of both optimizers again."""
        self.adamw.load_state_dict(state["adamw"])
        self.muon.load_state_dict(state["muon"])


def backward(model: LlamaForCausalLM, rows: list[WeightedRow], pad: int) -> float:
    """Gradients of the mean weighted loss of the rows, in chunks of like length; returns the loss in nats."""
    rows = sorted(rows, key=lambda row: len(row.ids))
    total = float(sum(row.weights[1:].sum() for row in rows))
    size = -(-len(rows) // CHUNKS_PER_STEP)
    summed = 0.0
    for start in range(0, len(rows), size):
        ids, weights = padded(rows[start : start + size], pad)
        # Causal attention and padding on the right: no row can see its padding, so no mask is needed.
        logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
        losses = cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        loss = (losses * weights[:, 1:].flatten()).sum() / total
        loss.backward()
        summed += loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    return summed


def save_state(path: Path, model: LlamaForCausalLM, optimizers: Optimizers, step: int, spent: float) -> None:
    """Writes everything that a resumed run needs, in one atomic move."""
    partial = path.with_suffix(".partial")
    state = {"model": model.state_dict(), "optimizers": optimizers.state_dict(), "step": step, "seconds": spent}
    torch.save(state, partial)
    os.replace(partial, path)


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes the model as `from_pretrained` reads it; weights in half precision, to be computed in single."""
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    halves = {k: v.half().contiguous() for k, v in model.state_dict().items() if k != "lm_head.weight"}
    save_file(halves, partial / "model.safetensors", metadata={"format": "pt"})
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(partial.iterdir()):
        file.chmod(0o644)
        os.replace(file, folder / file.name)
    partial.rmdir()


def main() -> None:
    """Trains from the last checkpoint, or from nothing, to the last step; measures and writes the card."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = arguments()
    torch.set_num_threads(options.threads)
    options.state.mkdir(parents=True, exist_ok=True)
    tokenizer = tokenizer_for(options)
    model = new_model(options, tokenizer)
    optimizers = Optimizers(model)
    path, first, spent = options.state / "state.pt", 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state["model"])
        optimizers.load_state_dict(state["optimizers"])
        first, spent = state["step"], state["seconds"]
    log.info("parameters: %d, vocabulary: %d, first step: %d", model.num_parameters(), len(tokenizer), first)
    started = time.monotonic() - spent
    for step in range(first, options.steps):
        model.train()
        rows = weighted_rows(tokenizer, step_lines(options.seed, step, options.rows_per_step))
        loss = backward(model, rows, tokenizer.pad_token_id)
        optimizers.step(learning_rate(options, step))
        done = step + 1
        if done % 50 == 0:
            seconds = time.monotonic() - started
            tokens = sum(len(row.ids) for row in rows)
            log.info("step %d loss %.4f seconds %.0f tokens %d", done, loss, seconds, tokens)
        if done % options.save_every == 0 or done == options.steps:
            save_state(path, model, optimizers, done, time.monotonic() - started)
        if done % options.measure_every == 0 and done < options.steps:
            log.info("step %d scores %s", done, json.dumps(ability_scores(model, tokenizer, n=100, seed=TEST_SEED - 1)))
            export(model, tokenizer, options.model)
    finish(options, model, tokenizer, time.monotonic() - started)


def finish(
    options: argparse.Namespace, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, seconds: float
) -> None:
    """Exports the model, measures the exported files, and writes the figures and the model card."""
    export(model, tokenizer, options.model)
    reloaded = LlamaForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    scores = ability_scores(reloaded, tokenizer, n=options.items, seed=TEST_SEED)
    log.info("final scores %s", json.dumps(scores))
    found = figures(options, reloaded, scores, test_seed=TEST_SEED, seconds=seconds)
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    write_card(options.model / "README.md", found)


if __name__ == "__main__":
    main()
