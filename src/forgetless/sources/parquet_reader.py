"""Parquet in, records out, a thousand rows at a time. A record stands at `path:row`, rows counted from 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from forgetless.errors import DataError
from forgetless.sources.record import Record

_BATCH_ROWS = 1024


def read_parquet(path: Path) -> Iterator[Record]:
    """One record for every row; nested columns become lists and mappings.

    Raises:
        DataError: The file is not Parquet, or is broken. Raised while reading, too.
    """
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                for fields in batch.to_pylist():
                    number += 1
                    yield Record(f"{path}:{number}", fields)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(
            field=str(path),
            value=f"row {number + 1:,}",
            rule=f"cannot be read as Parquet: {str(error).strip()}",
            way_out="write the file again",
        ) from None
