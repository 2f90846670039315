"""The demo's figures as the README shows them: runs `forgetless demo`, writes the JSON, prints the table.

python bench/demo.py                     # given prompts
python bench/demo.py --prompts self
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from results import write_result

ARMS = ("plain", "plain_low_lr", "forgetless")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", choices=["given", "self"], default="given")
    parser.add_argument("--read", type=Path, help="take the figures that a demo wrote by --json instead of running one")
    arguments = parser.parse_args()
    figures = json.loads(arguments.read.read_text()) if arguments.read else run(arguments.prompts)
    print(table(figures))
    name = "demo" if arguments.prompts == "given" else "demo_self_prompts"
    write_result(name, figures | {"prompts": arguments.prompts}, seed=0)


def run(prompts: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, "-c", "from forgetless.cli import main; main()", "demo"]
        options = ["--prompts", prompts, "--output", f"{folder}/demo", "--json", str(path)]
        subprocess.run(command + options, check=True)
        return json.loads(path.read_text())


def table(figures: dict[str, Any]) -> str:
    """Scores in percent with verdicts, as a Markdown table."""
    rows = ["| | base | " + " | ".join(ARMS) + " |", "|---|---|" + "---|" * len(ARMS)]
    rows.append(f"| **domain** | {pct(figures['base']['domain'])} | " + " | ".join(
        f"**{pct(figures[arm]['domain'])}**" for arm in ARMS) + " |")  # fmt: skip
    for name, base in figures["base"]["abilities"].items():
        found = [figures[arm]["abilities"][name] for arm in ARMS]
        cells = " | ".join(f"{pct(v['score'])} {v['outcome']}" for v in found)
        rows.append(f"| {name} | {pct(base['score'])} | {cells} |")
    certified = [figures[arm]["certified"] for arm in ARMS]
    rows.append("| certified at a | | " + " | ".join(f"{c['a']:g}" for c in certified) + " |")
    rows.append("| domain there | | " + " | ".join(pct(c["domain"]) for c in certified) + " |")
    return "\n".join(rows)


def pct(score: float | None) -> str:
    return "–" if score is None else f"{100 * score:.1f}"


if __name__ == "__main__":
    main()
