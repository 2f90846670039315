"""Fetch the public data that a recipe names, from where it is published, to where the recipe looks for it.

    python scripts/fetch_data.py recipes/banking77-smollm2.yaml

Files that are there already are left alone. A file that is not, byte for byte, the one that the project was measured on
is kept all the same, and that is said.

BANKING77: PolyAI, CC BY 4.0. GSM8K: OpenAI, MIT. MMLU: Hendrycks et al., MIT. CommonsenseQA: Talmor et al., MIT.
IFEval: Google Research, Apache-2.0. Dolly: a sample of Databricks' dolly-15k, CC BY-SA 3.0; OpenFunctions: Gorilla,
Apache-2.0, both as kept by the authors of SDFT. CMMLU: Li et al., CC BY-NC-SA 4.0.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import yaml

_GITHUB = "https://raw.githubusercontent.com"
_SDFT = f"{_GITHUB}/sail-sg/sdft/10a06038c188df0f601d10e5ddab3dc8e19330e5/data"
_GSM8K = f"{_GITHUB}/openai/grade-school-math/master/grade_school_math/data"
_BANKING77 = f"{_GITHUB}/PolyAI-LDN/task-specific-datasets/master/banking_data"
_CMMLU = f"{_GITHUB}/haonan-li/CMMLU/5b17e8b71d07ffac0d5d6f11c325a1e356b6be4b/data"
_SECONDS = 60


class Source(NamedTuple):
    """Where a file or folder is published, how what came is made into it, and the hash of the file."""

    url: str
    sha256: str | None = None
    make: Callable[[Path, Path], object] = shutil.copyfile


def one_line_an_item(downloaded: Path, target: Path) -> None:
    """CommonsenseQA as published in; on each line question, choices and the index of the right one out."""
    with downloaded.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8", newline="\n") as file:
        for line in lines:
            published = json.loads(line)
            choices = {choice["label"]: choice["text"] for choice in published["question"]["choices"]}
            item = {
                "id": published["id"],
                "question": published["question"]["stem"],
                "choices": list(choices.values()),
                "answer": list(choices).index(published["answerKey"]),
            }
            file.write(json.dumps(item) + "\n")


def validation_part(downloaded: Path, target: Path) -> None:
    """MMLU's archive in; a folder with the questions of its validation part out, a file for each subject."""
    target.mkdir()
    with tarfile.open(downloaded) as archive:
        for member in archive:
            place = PurePosixPath(member.name)
            if member.isfile() and place.parent.name == "val" and place.suffix == ".csv":
                content = archive.extractfile(member)
                assert content is not None, "a file has a content"
                (target / place.name).write_bytes(content.read())


SOURCES = {
    "banking77/train.csv": Source(
        f"{_BANKING77}/train.csv", "b06e26ac675513959a63135f11b94ea7786ed02da65db93a5650d8838cbc664b"
    ),
    "banking77/test.csv": Source(
        f"{_BANKING77}/test.csv", "d12d6e3bc4c3103966ae786dc435913c0c563dfa328f5a3646d0e62cfeeb474d"
    ),
    "openfunctions/train.json": Source(
        f"{_SDFT}/openfunction/openfunction_train.json",
        "dd5452215e59e6bb9376748a4e1e92ec97b76c30aeb007542262b99c671aeddf",
    ),
    "openfunctions/test.json": Source(
        f"{_SDFT}/openfunction/openfunction_test.json",
        "c3ef32e80daae56d9851bc41112496bf025bd2dcc5b13ef57b5beeb44af5a76f",
    ),
    "dolly/train.json": Source(
        f"{_SDFT}/dolly/dolly_train.json", "b6ff1d8e53a551307eab4089e9c07936e3aa34cf65c916d6994cffedab0c6563"
    ),
    "gsm8k/train.jsonl": Source(
        f"{_GSM8K}/train.jsonl", "17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465"
    ),
    "gsm8k/test.jsonl": Source(
        f"{_GSM8K}/test.jsonl", "3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14"
    ),
    "ifeval/test.jsonl": Source(
        f"{_GITHUB}/google-research/google-research/master/instruction_following_eval/data/input_data.jsonl",
        "60c9f4294e2c7bbeefd7f65fa596657bae021a41a63d2ba4549476c0e96eccb0",
    ),
    "commonsenseqa/validation.jsonl": Source(
        "https://s3.amazonaws.com/commonsensqa/dev_rand_split.jsonl",
        "ab5fd4a166ccbaf06f0df68846abfea15516c742f0dea7009837f9026bc4dbcb",
        one_line_an_item,
    ),
    "mmlu/val": Source("https://people.eecs.berkeley.edu/~hendrycks/data.tar", make=validation_part),
    "cmmlu/test/elementary_chinese.csv": Source(
        f"{_CMMLU}/test/elementary_chinese.csv", "6b01b98f8e5d9423095adfef329974e3b1f48a02bd7e92d202d7c46912bbb798"
    ),
    "cmmlu/test/chinese_history.csv": Source(
        f"{_CMMLU}/test/chinese_history.csv", "1f7b977f5e3ff67eb5a910c3adce74c725fccb7ab286ef97e266eeffbbc51644"
    ),
}
"""By the end of the path under which a recipe names it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    recipe: Path = parser.parse_args().recipe
    for target, source in wanted(recipe).items():
        if not target.exists():
            fetch(source, target)
        print(target)


def wanted(recipe: Path) -> dict[Path, Source]:
    """The files and folders of a recipe that are published somewhere, by where the recipe looks for them."""
    named = dict.fromkeys(files_of(yaml.safe_load(recipe.read_text(encoding="utf-8"))))
    return {
        (recipe.parent / file).resolve(): source
        for file in named
        for end, source in SOURCES.items()
        if PurePosixPath(file).as_posix().endswith(f"/{end}")
    }


def fetch(source: Source, target: Path) -> None:
    """Download beside the target, make what the recipe reads of it, and only then give it its name."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetching-") as folder:
        downloaded, made = Path(folder, "downloaded"), Path(folder, "made")
        try:
            with urllib.request.urlopen(source.url, timeout=_SECONDS) as answer, downloaded.open("wb") as file:
                shutil.copyfileobj(answer, file)
        except urllib.error.URLError as error:
            sys.exit(f"{source.url}: {error.reason}; put the file at {target} by hand, or try again")
        source.make(downloaded, made)
        if source.sha256 is not None and (found := _hash(made)) != source.sha256:
            print(f"note: {target} is not the file that figures were measured on ({found})", file=sys.stderr)
        made.replace(target)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def files_of(part: Any) -> Iterator[str]:
    """Every entry of every `files` in a recipe."""
    if isinstance(part, dict):
        yield from part["files"] if isinstance(part.get("files"), list) else ()
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from files_of(inner)


if __name__ == "__main__":
    main()
