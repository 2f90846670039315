"""What `forgetless tasks` prints: tables of what there is, items with their answers, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from forgetless.recipe import BUNDLES

if TYPE_CHECKING:
    from rich.table import Table

    from forgetless.guard import Trial

_TYPES: Final = {
    "choice": "multiple choice by likelihood, over files or hub data sets of yours",
    "generation": "greedy answers matched with a reference, over files or hub data sets of yours",
    "python": "programs that must pass their tests in a sandbox, over files such as HumanEval's",
    "preference": "which answer a judge behind an endpoint prefers, the model's or the base's",
    "answer_probability": "how likely the reference answer is, over files or hub data sets of yours",
    "template_leak": "prompts of yours not answered in the domain's template",
    "held_out": "the domain's own rows, held out of training",
    "ready": "the sets above; `forgetless tasks show NAME`",
    "lm_eval": "lm-evaluation-harness by name; `forgetless tasks list lm_eval` lists them (pip extra `lm-eval`)",
    "reasoning_gym": "fresh puzzles; `forgetless tasks list reasoning_gym` lists them (pip extra `reasoning-gym`)",
}


def ready_sets_table(sets: Mapping[str, Mapping[str, Any]]) -> Table:
    """The ready sets with margin, items and tokens."""
    table = _table("Ready sets: write their names under `keep`")
    for column in ("set", "kind", "asks whether a model"):
        table.add_column(column)
    for column in ("margin", "items", "read", "written"):
        table.add_column(column, justify="right")
    for name, told in sets.items():
        needs = f" (needs {told['needs']})" if told["needs"] else ""
        written = f"{told['tokens_written']:,}" if told["tokens_written"] else ""
        table.add_row(name, told["kind"], told["about"] + needs, f"{told['margin_points']:g}", f"{told['items']:,}",
                      f"{told['tokens_read']:,}", written)  # fmt: skip
    table.caption = "margin: points; items: for the certificate; read, written: about so many tokens an item, at most\n"
    table.caption += "\n".join(f"{bundle}: {', '.join(members)}" for bundle, members in BUNDLES.items())
    return table


def task_types_table(generators: Sequence[str]) -> Table:
    """Every `type` that a task of a recipe may have."""
    table = _table("Types of tasks: write them under `keep.NAME.task.type`")
    table.add_column("type")
    table.add_column("asks")
    for name, about in {**_TYPES, "procedural": f"fresh items of {', '.join(generators)}"}.items():
        table.add_row(name, about)
    return table


def item_lines(number: int, item: Mapping[str, Any]) -> str:
    """One item for people: the prompt, the choices with the right one in brackets, and the answer if there is one."""
    lines = [f"{number}. " + str(item["prompt"]).replace("\n", "\n   ")]
    if item["subject"]:
        lines.append(f"   kind: {item['subject']}")
    if item["choices"]:
        right = (f"[{choice}]" if choice == item["expected"] else choice for choice in item["choices"])
        lines.append("   choices: " + " | ".join(right))
    elif item["expected"]:
        lines.append(f"   expected: {item['expected']}")
    if "score" in item:
        answer = str(item["answer"]).replace("\n", "\n   ")
        lines += [f"   answer: {answer}"] if answer else []
        lines.append("   score: unknown" if item["score"] is None else f"   score: {item['score']:.3g}")
    return "\n".join(lines) + "\n"


def trials_table(trials: Sequence[tuple[Trial, float]], *, by_subject: bool) -> Table:
    """Scores of a model with the seconds that they took."""
    table = _table("Score in %, and what an answerer that knows nothing gets")
    table.add_column("task")
    for column in ("score", "chance", "items", "seconds"):
        table.add_column(column, justify="right")
    table.add_column("for a recipe")
    for trial, seconds in trials:
        score = "unknown" if trial.score is None else f"{100 * trial.score:.1f}"
        table.add_row(trial.name, score, f"{100 * trial.chance:.1f}", str(trial.n), f"{seconds:.1f}", trial.said)
        for subject, mean in trial.subjects.items() if by_subject else ():
            table.add_row(f"  {subject}", f"{100 * mean:.1f}")
    return table


def _table(title: str) -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", caption_justify="left")
