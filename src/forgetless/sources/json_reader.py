"""JSON in, records out: one object on each line, or a whole file that holds one list of objects.

A list is checked as a whole and then walked element by element, so that every record knows its line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from forgetless.errors import DataError
from forgetless.sources.record import Record, Reject, preview

CONVERSATION_KEYS = ("messages", "conversations", "conversation")
"""Fields whose list is one conversation, and not a list of records."""


def read_jsonl(file: TextIO, path: Path) -> Iterator[Record | Reject]:
    """One record for every line that is not blank; a line that is no JSON object is a reject."""
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        origin = f"{path}:{number}"
        try:
            yield _as_record(json.loads(line.rstrip("\n")), origin)
        except json.JSONDecodeError as error:
            yield Reject(origin, f"broken JSON at column {error.colno}: {error.msg}", preview(line))
        except (ValueError, RecursionError) as error:
            yield Reject(origin, f"JSON that cannot be read: {error}", preview(line))


def read_json(file: TextIO, path: Path) -> Iterator[Record | Reject]:
    """One record for every element of the one list that a file holds, at the top or under one key.

    A file that is a single conversation (`{"messages": [...]}`) is one record.

    Raises:
        DataError: The file is not JSON, or does not hold exactly one list.
    """
    text = file.read()
    start = _list_start(_parse(text, path), text, path)
    if start is None:
        yield Record(f"{path}:1", json.loads(text))
        return
    for line, value in _list_elements(text, start):
        yield _as_record(value, f"{path}:{line}")


def is_json(text: str) -> bool:
    """Whether a text is JSON as it stands."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _as_record(value: Any, origin: str) -> Record | Reject:
    if isinstance(value, dict):
        return Record(origin, value)
    return Reject(origin, "is not an object with named fields", preview(value))


def _parse(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            field=str(path),
            value=f"line {error.lineno:,}, column {error.colno:,}",
            rule=f"broken JSON: {error.msg}",
            way_out="mend the file at this place; if it has one object on each line, set `format: jsonl`",
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            field=str(path), value=path, rule=f"JSON that cannot be read: {error}", way_out="write it as JSONL"
        ) from None


def _list_start(whole: Any, text: str, path: Path) -> int | None:
    """Where the list of records opens in the text; `None` if the whole file is one record."""
    if isinstance(whole, list):
        return text.index("[")
    lists = [key for key, value in whole.items() if isinstance(value, list)] if isinstance(whole, dict) else []
    if not {*CONVERSATION_KEYS}.isdisjoint(lists):
        return None
    if len(lists) == 1:
        return _value_start(text, lists[0])
    found = f"lists under {', '.join(f'`{key}`' for key in lists)}" if lists else "no list"
    raise DataError(
        field=str(path),
        value=path,
        rule=f"a JSON file holds one list of records, but this one has {found}",
        way_out="write the records as one list, or as JSONL with one object on each line",
    )


# From here on the text is known to be valid JSON, so every search ends before the text does.


def _value_start(text: str, wanted: str) -> int:
    """Where the value of a key opens in the text of a JSON object."""
    decoder, position, found = json.JSONDecoder(), text.index("{") + 1, -1
    while text[position := _skip_space(text, position)] != "}":
        key, position = decoder.raw_decode(text, position)
        start = _skip_space(text, _skip_space(text, position) + 1)
        _, position = decoder.raw_decode(text, start)
        # A key that stands twice means its last value, as in any JSON reader.
        found = start if key == wanted else found
        position = _skip_comma(text, position)
    return found


def _list_elements(text: str, start: int) -> Iterator[tuple[int, Any]]:
    """Line number and value of every element of the list that opens at `start`."""
    decoder, position, counted = json.JSONDecoder(), start + 1, 0
    line = 1
    while text[position := _skip_space(text, position)] != "]":
        line += text.count("\n", counted, position)
        counted = position
        value, position = decoder.raw_decode(text, position)
        yield line, value
        position = _skip_comma(text, position)


def _skip_space(text: str, position: int) -> int:
    while text[position] in " \t\n\r":
        position += 1
    return position


def _skip_comma(text: str, position: int) -> int:
    position = _skip_space(text, position)
    return position + (text[position] == ",")
