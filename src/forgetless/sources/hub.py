"""A split of a dataset on the Hugging Face hub in, records out, streamed: nothing is kept on the disk.

A local folder in the hub's layout is read by the same way. A record stands at `owner/name/split:row`, rows counted
from 1 over the whole split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from forgetless.errors import DataError
from forgetless.recipe import RecordSettings
from forgetless.sources.record import Record

_HUB_ID = re.compile(r"\w[\w.-]*/[\w.-]+")
_SPLIT = re.compile(r"(.+?)(?:\[(\d*):(\d*)\])?")


def hub_name(settings: RecordSettings) -> str:
    """What the split is called in origins: `owner/name/subset/split`."""
    return "/".join(part for part in (settings.hub, settings.subset, settings.split) if part)


def read_hub(settings: RecordSettings, *, folder: Path, field: str) -> Iterator[Record]:
    """The records of one split, in its order.

    Args:
        settings: `hub`, `subset`, `split` (which may be cut: `train[100:200]`) and `revision`.
        folder: The folder of the recipe, which a local folder is relative to.
        field: Where the records are set in the recipe, for errors.

    Raises:
        DataError: There is no such dataset, subset or split, the hub cannot be reached, or the data is broken. Raised
            while reading, too.
    """
    import datasets

    place = _place(settings, folder=folder, field=field)
    split, first, last = _cut(settings.split or "train")
    name = hub_name(settings)
    try:
        stream = datasets.load_dataset(
            place, name=settings.subset, split=split, revision=settings.revision, streaming=True
        ).decode(False)
        stream = stream.skip(first) if first else stream
        stream = stream if last is None else stream.take(max(last - first, 0))
        for number, fields in enumerate(stream, start=first + 1):
            yield Record(f"{name}:{number}", dict(fields))
    except (datasets.exceptions.DatasetsError, OSError, ValueError, RuntimeError) as error:
        raise _unreadable(error, name, field) from error


def _place(settings: RecordSettings, *, folder: Path, field: str) -> str:
    """The local folder, or the id on the hub."""
    name = settings.hub or ""
    local = folder / Path(name).expanduser()
    if local.is_dir():
        if settings.revision is not None:
            raise DataError(
                field=f"{field}.revision",
                value=settings.revision,
                rule=f"is for the hub, and `{name}` is a folder here",
                way_out="leave `revision:` out",
            )
        return str(local.resolve())
    if local.is_file() or not _HUB_ID.fullmatch(name):
        raise DataError(
            field=f"{field}.hub",
            value=name,
            rule="is a file" if local.is_file() else f"is neither `owner/name` nor a folder ({local})",
            way_out=f"write `files: [{name}]`"
            if local.is_file()
            else "write the name as the dataset's page on the hub shows it; files are named under `files:`",
        )
    return name


def _cut(split: str) -> tuple[str, int, int | None]:
    """Name, first row and the row after the last of `name[first:last]`."""
    match = _SPLIT.fullmatch(split)
    assert match is not None
    return match[1], int(match[2] or 0), int(match[3]) if match[3] else None


def _unreadable(error: Exception, name: str, field: str) -> DataError:
    if isinstance(error, ConnectionError):
        way_out = "go online, or fetch the dataset's files where there is a network and name them under `files:`"
    elif isinstance(error, FileNotFoundError):
        way_out = "check the name; a gated or private dataset needs a login (`hf auth login`)"
    else:
        way_out = "mend the entry if the message says so; else fetch the files and name them under `files:`"
    rule = " ".join(str(error).split()) or type(error).__name__
    return DataError(field=f"{field}.hub", value=name, rule=rule, way_out=way_out)
