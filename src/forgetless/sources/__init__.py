"""Sources: files and hub datasets of any usual shape in, rows out; what cannot be used is rejected with a reason."""

from forgetless.sources.exclusion import remove_items
from forgetless.sources.files import resolve_files
from forgetless.sources.formats import detect_format
from forgetless.sources.load import LoadedSource, load_source, reject_line
from forgetless.sources.overlap import SPACELESS, asked_keys, last_answer, prompt_key
from forgetless.sources.quotes import Quotes
from forgetless.sources.readers import read_records
from forgetless.sources.record import Record, Reject, preview
from forgetless.sources.rows import Rows, as_rows
from forgetless.sources.shapes import detect_shape, row_from_record
from forgetless.sources.streams import record_streams
from forgetless.sources.templates import columns_used, fill, is_text

__all__ = [
    "SPACELESS",
    "LoadedSource",
    "Quotes",
    "Record",
    "Reject",
    "Rows",
    "as_rows",
    "asked_keys",
    "columns_used",
    "detect_format",
    "detect_shape",
    "fill",
    "is_text",
    "last_answer",
    "load_source",
    "preview",
    "prompt_key",
    "read_records",
    "record_streams",
    "reject_line",
    "remove_items",
    "resolve_files",
    "row_from_record",
]
