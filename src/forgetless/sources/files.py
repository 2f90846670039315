"""Names as a recipe writes them in, existing files out: names of files, folders, glob patterns.

A missing file is answered with the nearest name in its folder.
"""

from __future__ import annotations

import difflib
import glob
from collections.abc import Sequence
from pathlib import Path

from forgetless.errors import DataError
from forgetless.sources.formats import format_by_name

_NO_DATA = frozenset({"", "readme", "license", "licence"})


def resolve_files(patterns: Sequence[str], *, folder: Path, field: str) -> list[Path]:
    """The files that names, folders and glob patterns stand for, in the order given, those of one entry sorted by name.

    Args:
        patterns: Names of files, names of folders (the data files directly in them, all of one format), or glob
            patterns (`**` reaches into subfolders), relative to `folder` or absolute.
        folder: The folder of the recipe.
        field: The recipe field, for errors.

    Raises:
        DataError: A name stands for no file, for an empty file, or for a folder without data or of several formats.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        for path in _matches(pattern, folder=folder, field=field):
            if path.stat().st_size == 0:
                raise DataError(
                    field=field,
                    value=path,
                    rule="the file is empty (0 bytes)",
                    way_out="write it again, or leave it out",
                )
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _matches(pattern: str, *, folder: Path, field: str) -> list[Path]:
    path = folder / Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return _data_files(path, pattern, field=field)
    if glob.has_magic(pattern):
        matches = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
        if files := [match for match in matches if match.is_file()]:
            return files
        raise DataError(
            field=field,
            value=pattern,
            rule=f"matches no file below {folder}",
            way_out="check the pattern and the folder",
        )
    raise _missing(path, pattern, folder=folder, field=field)


def _data_files(path: Path, pattern: str, *, field: str) -> list[Path]:
    """The data files directly in a folder; hidden files, a README and a licence are none."""
    files: dict[str, list[Path]] = {}
    for file in sorted(path.iterdir()):
        file_format = format_by_name(file)
        if file_format is not None and file.is_file() and file.name.partition(".")[0].lower() not in _NO_DATA:
            files.setdefault(file_format, []).append(file)
    if len(files) == 1:
        return next(iter(files.values()))
    rule, example = "is a folder without data", Path(pattern) / "**/*.parquet"
    if files:
        rule = f"is a folder with files of several formats: {', '.join(files)}"
        example = Path(pattern) / f"*{next(iter(files.values()))[0].suffix}"
    raise DataError(field=field, value=pattern, rule=rule, way_out=f"name the files by a pattern, as in `{example}`")


def _missing(path: Path, pattern: str, *, folder: Path, field: str) -> DataError:
    neighbours = sorted(p.name for p in path.parent.iterdir() if p.is_file()) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, neighbours, n=1, cutoff=0.6)
    way_out = f"did you mean `{Path(pattern).with_name(near[0])}`?" if near else f"paths are relative to {folder}"
    return DataError(field=field, value=pattern, rule="there is no such file", way_out=way_out)
