"""One file of samples in, the answers in it out, by filter and by number of the document.

A line is one document's answer through one filter; a task with two filters has two lines for each document. What is
kept of a line is what a verdict and a reader need, for prompts with their examples are long and files have many.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from forgetless.errors import DataError

LONGEST_PROMPT: Final = 2000
"""Characters kept of a prompt: its end, where the question stands."""

_FIELDS: Final = {
    "doc_id": int, "doc_hash": str, "prompt_hash": str, "filter": str, "metrics": list, "arguments": dict,
}  # fmt: skip

_PARTS: Final = {"metrics": str, "arguments": dict}


@dataclass(frozen=True, slots=True)
class Logged:
    """One document's answer through one filter.

    Attributes:
        doc_id: Its number among the documents of the task.
        doc_hash: A hash of the document.
        prompt_hash: A hash of the first text that the model was asked, examples and chat template included.
        values: What each metric gives, as it was logged.
        choices: How many choices there are; 0 where the model writes its answer.
        prompt: The end of that text.
        target: The right answer, as the task has it.
        output: What the model said; of choices, each with its log-likelihood, the likeliest first.
        read_as: What the filter made of it, where that is something else.
    """

    doc_id: int
    doc_hash: str
    prompt_hash: str
    values: Mapping[str, Any]
    choices: int
    prompt: str
    target: str
    output: str
    read_as: str


def read_samples(path: Path) -> dict[str, dict[int, Logged]]:
    """The samples of a file: by filter, in the order of the file, and by `doc_id`.

    Raises:
        DataError: A line is no sample of lm-eval, with `path:line`; a document stands there twice; there is none.
    """
    found: dict[str, dict[int, Logged]] = {}
    for where, sample in _lines(path):
        missing = [name for name, kind in _FIELDS.items() if not isinstance(sample.get(name), kind)]
        missing += [name for name, kind in _PARTS.items() if name not in missing and not _all(sample[name], kind)]
        if missing:
            raise DataError(
                field=where,
                value=", ".join(missing),
                rule="this is no sample as lm-evaluation-harness logs it: a field is missing or of another type",
                way_out="give a file that lm-eval 0.4.13 or newer has written with `--log_samples`",
            )
        of_filter = found.setdefault(sample["filter"], {})
        if sample["doc_id"] in of_filter:
            raise DataError(
                field=where,
                value=sample["doc_id"],
                rule=f"document {sample['doc_id']} stands in the file twice (filter `{sample['filter']}`)",
                way_out="give the samples of one evaluation",
            )
        of_filter[sample["doc_id"]] = _logged(sample)
    if not found:
        raise DataError(field="samples", value=path, rule="holds no sample", way_out="run lm-eval again")
    return found


def _all(parts: Sequence[Any] | Mapping[str, Any], kind: type) -> bool:
    values = parts.values() if isinstance(parts, Mapping) else parts
    return all(isinstance(value, kind) for value in values)


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path}:{number}", _parsed(line, f"{path}:{number}")
    except OSError as error:
        raise DataError(
            field="samples",
            value=path,
            rule=f"cannot be read: {error.strerror}",
            way_out="give a file that can be read",
        ) from error


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        sample = json.loads(line)
    except ValueError as error:
        raise DataError(
            field=where,
            value=line[:120].decode("utf-8", "replace").rstrip(),
            rule=f"this line is no JSON: {error}",
            way_out="a file whose writing was broken off has to be written again: run lm-eval again",
        ) from error
    if not isinstance(sample, dict):
        raise DataError(
            field=where, value=sample, rule="a sample is a JSON object", way_out="give a file that lm-eval has written"
        )
    return sample


def _logged(sample: Mapping[str, Any]) -> Logged:
    asked = [(request.get("arg_0"), request.get("arg_1")) for request in sample["arguments"].values()]
    answers = list(sample.get("filtered_resps") or ())
    if "acc_mutual_info" in sample["metrics"]:
        # The second half asks the same choices without a question.
        asked = asked[: len(asked) // 2]
    choices = _choices(asked)
    said = _text(_innermost(sample.get("resps")))
    read_as = "" if choices else _text(_innermost(answers))
    prompt = _text(asked[0][0]) if asked else ""
    return Logged(
        doc_id=sample["doc_id"],
        doc_hash=sample["doc_hash"],
        prompt_hash=sample["prompt_hash"],
        values={name: sample.get(name) for name in sample["metrics"]},
        choices=len(choices),
        prompt=prompt if len(prompt) <= LONGEST_PROMPT else f"… {prompt[-LONGEST_PROMPT:]}",
        target=_named_choice(_text(sample.get("target")), choices),
        output=_likeliest(choices, answers) if choices else said,
        read_as="" if read_as == said else read_as,
    )


def _choices(asked: Sequence[tuple[Any, Any]]) -> tuple[str, ...]:
    """The texts between which likelihoods choose: what follows the question or, where that is always the same, what
    stands before it; none where the model writes."""
    if len(asked) < 2 or not all(isinstance(after, str) for _, after in asked):
        return ()
    befores, afters = zip(*asked, strict=True)
    return tuple(map(_text, afters if len(set(afters)) > 1 else befores))


def _named_choice(target: str, choices: Sequence[str]) -> str:
    """The text of the right choice, where the target is its place among them."""
    is_place = target.isdecimal() and target not in {choice.strip() for choice in choices}
    return choices[int(target)].strip() if is_place and int(target) < len(choices) else target


def _likeliest(choices: Sequence[str], answers: Sequence[Any]) -> str:
    try:
        likelihoods = [float(answer[0]) for answer in answers]
    except (TypeError, ValueError, IndexError, KeyError):
        return ""
    ranked = sorted(zip(likelihoods, choices, strict=False), key=lambda pair: -pair[0])
    return "\n".join(f"{likelihood:8.2f}  {choice.strip()}" for likelihood, choice in ranked)


def _innermost(answers: Any) -> Any:
    """The first answer of the first request, out of however many lists it was put into."""
    while isinstance(answers, list) and answers:
        answers = answers[0]
    return answers


def _text(value: Any) -> str:
    if value is None or value == []:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
