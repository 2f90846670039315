"""The run folder: everything a run leaves behind, written so that a kill at any instant loses nothing.

What needs NumPy (`arrays`) is imported by its own name, for the command line starts through this room.
"""

from forgetless.rundir.files import (
    atomic_write,
    cache_folder,
    canonical_json,
    content_hash,
    disk_errors,
    file_hash,
    folder_bytes,
    free_bytes,
    hash_folder,
    replace_folder,
    text_hash,
)
from forgetless.rundir.manifest import manifest
from forgetless.rundir.run import RunFolder, open_run, read_events
from forgetless.rundir.scores import ScoreStore

__all__ = [
    "RunFolder",
    "ScoreStore",
    "atomic_write",
    "cache_folder",
    "canonical_json",
    "content_hash",
    "disk_errors",
    "file_hash",
    "folder_bytes",
    "free_bytes",
    "hash_folder",
    "manifest",
    "open_run",
    "read_events",
    "replace_folder",
    "text_hash",
]
