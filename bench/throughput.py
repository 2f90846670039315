"""What does it cost to hold a model? Tokens per second and peak memory of training steps, arm against arm.

Arms, all on packed rows of the same length and the same number of them in a batch:

    trl         TRL's SFTTrainer on the domain rows, through its own packing and collator
    plain       forgetless without a KL term, on the same rows: TRL's own loss, with its fused output layer
    cached      forgetless with a share of replay, held to the base by top-k predictions on disk
    live        the same, the base read in every step (full fine-tuning: a second copy of it)
    lora_plain  as plain, with an adapter
    lora_live   as live, with an adapter, over the same weights as the base
    published   the published way: TRL with a second full model, the logits of both, KL on every token
    plain_own_head, lora_plain_own_head
                as plain and lora_plain, with the output layer that the arms with KL have: what holding costs is told
                against both

Each measurement is a process of its own. The arms take turns for several rounds, and the medians over the rounds are
compared; of the seconds in which the base reads replay before the first step, which later rounds find on the disk, the
most. Prints a table and writes bench/results/throughput.json. Rows are random tokens, which speed does not depend on.
One packed row goes through the model at once in all arms: of several, TRL makes one long row, and its attention costs
more.

    python bench/throughput.py
    python bench/throughput.py --models tiny --rounds 1 --steps 2 --length 64 --name throughput_tiny
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results import write_result

ROOT = Path(__file__).parents[1]
SMOLLM2 = ROOT / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"
ARMS = (
    "trl",
    "plain",
    "plain_own_head",
    "cached",
    "live",
    "lora_plain",
    "lora_plain_own_head",
    "lora_live",
    "published",
)
MODELS = ("smollm2", "wide", "tiny")
RATIOS = {
    "plain_to_trl": ("plain", "trl"),
    "cached_to_plain": ("cached", "plain"),
    "live_to_plain": ("live", "plain"),
    "lora_live_to_lora_plain": ("lora_live", "lora_plain"),
    "plain_own_head_to_plain": ("plain_own_head", "plain"),
    "cached_to_plain_own_head": ("cached", "plain_own_head"),
    "live_to_plain_own_head": ("live", "plain_own_head"),
    "lora_live_to_lora_plain_own_head": ("lora_live", "lora_plain_own_head"),
    "cached_to_published": ("cached", "published"),
    "live_to_published": ("live", "published"),
}
"""Each ratio is the first arm's figure over the second's."""

WARM_UP_STEPS = 2
DOCUMENTS = 400
SHAPES: dict[str, dict[str, int]] = {
    "wide": {"vocab_size": 150_000, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6},
    "tiny": {"vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """What all arms of one model have alike."""

    model: str
    steps: int
    batch_rows: int
    accumulate: int
    length: int
    replay_share: float
    top_k: int
    seed: int
    device: str
    precision: str


class Clock:
    """The time and the tokens at the end of every step; the first steps are left out."""

    def __init__(self, device: Any) -> None:
        from forgetless.models import PeakMemory

        self._device = device
        self._peak = PeakMemory(device)
        self._ends: list[tuple[float, int]] = []
        self.peak_bytes = 0

    def tick(self, tokens: int) -> None:
        """A step has ended, with so many tokens in the run so far."""
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self._ends.append((time.perf_counter(), tokens))
        self.peak_bytes = self._peak.bytes

    def figures(self) -> dict[str, float]:
        """Tokens per second, seconds of a step, and the most that was held."""
        (start, before), (end, after) = self._ends[WARM_UP_STEPS - 1], self._ends[-1]
        steps = len(self._ends) - WARM_UP_STEPS
        return {
            "tokens_per_second": (after - before) / (end - start),
            "step_seconds": (end - start) / steps,
            "tokens_per_step": (after - before) / steps,
            "peak_bytes": self.peak_bytes,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["smollm2", "wide"])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4, help="timed, after the warm-up")
    parser.add_argument("--batch-rows", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=2, help="batches of a step")
    parser.add_argument("--length", type=int, default=512, help="tokens of a packed row")
    parser.add_argument("--replay-share", type=float, default=0.2)
    parser.add_argument("--top-k", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--name", default="throughput", help="of the file in bench/results")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    settings = [
        Setting(model, arguments.steps, arguments.batch_rows, arguments.accumulate, arguments.length,
                arguments.replay_share, arguments.top_k, arguments.seed, arguments.device, arguments.precision)
        for model in arguments.models
    ]  # fmt: skip
    if arguments.one:
        print(json.dumps(measure(arguments.one, settings[0])))
        return
    figures: dict[str, Any] = {"rounds": arguments.rounds, "models": {}, "ratios": {}}
    with tempfile.TemporaryDirectory() as cache:
        for setting in settings:
            found = in_turns(setting, arguments.arms, arguments.rounds, Path(cache))
            figures["models"][setting.model] = {"setting": setting, "arms": found}
            figures["ratios"][setting.model] = ratios(found)
            print(table(setting.model, found, figures["ratios"][setting.model]))
    print(f"written to {write_result(arguments.name, figures, seed=arguments.seed)}")


def in_turns(setting: Setting, arms: list[str], rounds: int, cache: Path) -> dict[str, dict[str, Any]]:
    """Every arm in every round, A B A B; the median of each figure, with all of them beside it."""
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    for done in range(rounds):
        for arm in arms:
            print(f"{setting.model}, round {done + 1} of {rounds}: {arm}", file=sys.stderr, flush=True)
            found[arm].append(in_own_process(arm, setting, cache))
    return {
        arm: {name: statistics.median(one[name] for one in all_rounds) for name in all_rounds[0]}
        | {
            "reading_seconds": max(one["reading_seconds"] for one in all_rounds),
            "all_tokens_per_second": [one["tokens_per_second"] for one in all_rounds],
        }
        for arm, all_rounds in found.items()
    }


def in_own_process(arm: str, setting: Setting, cache: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--one", arm, "--models", setting.model, "--steps", setting.steps,
               "--batch-rows", setting.batch_rows, "--accumulate", setting.accumulate, "--length", setting.length,
               "--top-k", setting.top_k, "--replay-share", setting.replay_share, "--seed", setting.seed,
               "--device", setting.device, "--precision", setting.precision]  # fmt: skip
    environment = os.environ | {"FORGETLESS_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*map(str, command)], check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def ratios(found: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    return {
        name: {figure: found[over][figure] / found[under][figure] for figure in ("tokens_per_second", "peak_bytes")}
        for name, (over, under) in RATIOS.items()
        if over in found and under in found
    }


def table(model: str, found: dict[str, dict[str, Any]], compared: dict[str, dict[str, float]]) -> str:
    lines = [f"\n{model}", "| arm | tokens/s | peak memory | before the first step |", "|---|---|---|---|"]
    for arm, figures in found.items():
        before = f"{figures['reading_seconds']:.0f} s" if figures["reading_seconds"] > 1.0 else ""
        speed, peak = f"{figures['tokens_per_second']:,.0f}", f"{figures['peak_bytes'] / 1e6:,.0f} MB"
        lines.append(f"| {arm} | {speed} | {peak} | {before} |")
    lines += ["", "| ratio | tokens/s | peak memory |", "|---|---|---|"]
    lines += [f"| {n} | {r['tokens_per_second']:.2f} | {r['peak_bytes']:.2f} |" for n, r in compared.items()]
    return "\n".join(lines)


def measure(arm: str, setting: Setting) -> dict[str, float]:
    """One arm, once, in this process."""
    base = load(setting)
    with tempfile.TemporaryDirectory() as folder:
        if arm in ("trl", "published"):
            return by_trl(base, setting, Path(folder), held=arm == "published")
        return by_forgetless(arm, base, setting, Path(folder))


def load(setting: Setting) -> Any:
    from forgetless.models import LoadedModel, load_model, weights_hash
    from forgetless.recipe import ModelSettings

    if setting.model == "smollm2":
        return load_model(ModelSettings(path=str(SMOLLM2), device=setting.device), folder=ROOT)
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    from forgetless import nano
    from forgetless.models.place import choose_device
    from forgetless.tokens import ChatFormat

    torch.manual_seed(setting.seed)
    config = LlamaConfig(**SHAPES[setting.model], num_attention_heads=4, tie_word_embeddings=True, pad_token_id=0,
                         bos_token_id=None, eos_token_id=1, max_position_embeddings=setting.length)  # fmt: skip
    model = LlamaForCausalLM(config).eval().to(choose_device(setting.device))
    format = ChatFormat(AutoTokenizer.from_pretrained(nano.MODEL_PATH))
    return LoadedModel(model, format, weights_hash(model), setting.model)


def training_settings(arm: str, setting: Setting) -> Any:
    from forgetless.recipe import TrainingSettings

    held = arm in ("cached", "live", "lora_live")
    return TrainingSettings.model_validate(
        {
            "method": "lora" if arm.startswith("lora") else "full",
            "kl_weight": 1.0 if held else 0.0,
            "kl_reference": "cached" if arm == "cached" else "live",
            "kl_top_k": setting.top_k if arm == "cached" else None,
            "steps": setting.steps + WARM_UP_STEPS,
            "batch_rows": setting.batch_rows,
            "accumulate_batches": setting.accumulate,
            "max_length_tokens": setting.length,
            "precision": setting.precision,
        }
    )


def documents(count: int, setting: Setting, vocabulary: int, *, seed: int) -> Documents:
    """Random rows of an eighth of a packed row to a whole one, of which the second half is an answer."""
    import numpy as np

    from forgetless.tokens import Encoded

    draw, made = np.random.default_rng(seed), []
    for number in range(count):
        ids = draw.integers(2, vocabulary, int(draw.integers(setting.length // 8, setting.length + 1))).tolist()
        answer = len(ids) // 2
        made.append(Encoded(ids, [-100] * answer + ids[answer:], f"row-{seed}-{number}", "source"))
    return Documents(made)


class Documents(tuple[Any, ...]):
    """Documents that are there already, one of each row."""

    __slots__ = ()

    def numbers(self) -> range:
        """The numbers of all documents."""
        return range(len(self))


def by_forgetless(arm: str, base: Any, setting: Setting, folder: Path) -> dict[str, float]:
    import numpy as np

    from forgetless.mixture import MixturePlan, MixtureStream, StreamSpec
    from forgetless.rundir import cache_folder
    from forgetless.training import Blend, fit
    from forgetless.training.prepare import prepare

    settings = training_settings(arm, setting)
    vocabulary = base.model.config.vocab_size
    shares = {"domain": 1.0 - setting.replay_share, "replay": setting.replay_share}
    if settings.kl_weight == 0.0:
        shares = {"domain": 1.0}
    rows = [documents(DOCUMENTS, setting, vocabulary, seed=setting.seed + i) for i in range(len(shares))]
    specs = [
        StreamSpec.known(kind, kind, share, np.array([len(d.input_ids) for d in some]), f"{setting} {kind}")
        for (kind, share), some in zip(shares.items(), rows, strict=True)
    ]
    stream = MixtureStream(specs, seed=setting.seed, bin_tokens=setting.length, bins_per_batch=setting.batch_rows)
    blended = Blend(MixturePlan(settings.steps, 0, 0, ()), stream, tuple(rows), {})
    started = time.perf_counter()
    prepare(base, blended, settings, cache=cache_folder() / "reference")
    reading = time.perf_counter() - started
    clock = Clock(base.model.device)
    if arm.endswith("own_head"):
        sys.modules["forgetless.training.fit"].replaces_stock_loss = lambda settings, kinds: True
    fit(
        base,
        blended,
        settings=settings,
        output=folder,
        every_steps=settings.steps,
        on_evaluate=lambda model, step, tokens: None,
        on_step=lambda done, total: clock.tick(sum(stream.tokens().values())),
        seed=setting.seed,
    )
    return clock.figures() | {"reading_seconds": reading}


def by_trl(base: Any, setting: Setting, folder: Path, *, held: bool) -> dict[str, float]:
    """TRL as it comes: its packing, its collator, its loss; or the published KL on top of it."""
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl import SFTTrainer

    from forgetless.training.arguments import sft_config

    settings = training_settings("trl", setting)
    rows = documents(DOCUMENTS, setting, base.model.config.vocab_size, seed=setting.seed)
    config = sft_config(settings, steps=settings.steps, every_steps=settings.steps, folder=folder, seed=setting.seed,
                        device=base.model.device.type)  # fmt: skip
    config.packing, config.padding_free, config.max_length = True, True, setting.length
    config.dataset_kwargs, config.remove_unused_columns = None, True
    clock, seen = Clock(base.model.device), [0]

    class Ticks(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick(seen[0])

    trainer_class = with_full_kl(base.model) if held else SFTTrainer
    data = Dataset.from_list([{"input_ids": d.input_ids, "labels": d.labels} for d in rows])
    trainer = trainer_class(model=base.model.float().train(), args=config, train_dataset=data,
                            processing_class=base.format.tokenizer, callbacks=[Ticks()])  # fmt: skip
    trainer.data_collator = counted(trainer.data_collator, seen)
    trainer.train()
    return clock.figures() | {"reading_seconds": 0.0}


def counted(collate: Callable[[Any], dict[str, Any]], seen: list[int]) -> Callable[[Any], dict[str, Any]]:
    """The collator, with the tokens of its rows added up; one batch of look-ahead is the same at every step."""

    def collated(rows: Any) -> dict[str, Any]:
        seen[0] += sum(len(row["input_ids"]) for row in rows)
        return collate(rows)

    return collated


def with_full_kl(model: Any) -> Any:
    """TRL's trainer with a second model, and KL over the whole logits of every token."""
    import copy

    import torch
    from torch.nn import functional
    from trl import SFTTrainer

    reference = copy.deepcopy(model).requires_grad_(False).eval()

    class Published(SFTTrainer):
        def compute_loss(self, model: Any, inputs: Any, *_: Any, **__: Any) -> Any:
            labels = inputs.pop("labels")[:, 1:]
            logits = model(**inputs, use_cache=False).logits[:, :-1].float()
            with torch.no_grad(), self.accelerator.autocast():
                target = reference(**inputs, use_cache=False).logits[:, :-1].float()
            known = labels != -100
            loss = functional.cross_entropy(logits[known], labels[known])
            kl = functional.kl_div(logits.log_softmax(-1), target.log_softmax(-1), log_target=True, reduction="none")
            return loss + kl.sum(dim=-1).mean()

    return Published


if __name__ == "__main__":
    main()
