"""A draft in, the recipe as text out: commented in English or Chinese, and checked by the recipe's own schema."""

from __future__ import annotations

import functools
import json
import textwrap
from pathlib import Path
from typing import Any, Final, Literal, get_args

import jinja2
import yaml

from forgetless.drafting.decisions import Draft
from forgetless.recipe import BUNDLES, FileSettings, parse_recipe
from forgetless.sources import LoadedSource

CommentLanguage = Literal["en", "zh"]
COMMENT_LANGUAGES: Final[tuple[str, ...]] = get_args(CommentLanguage)

_FOLDER: Final = Path(__file__).parent


def write_recipe(draft: Draft, *, folder: Path, file_name: str, language: CommentLanguage) -> str:
    """The recipe as YAML.

    Args:
        draft: Every value.
        folder: Where the recipe will stand; paths below it are written relative to it.
        file_name: What the recipe will be called.
        language: Of the comments.
    """
    phrases = _phrases()[language]

    def say(key: str, **values: Any) -> str:
        # A comment is one line, whatever is put into it.
        return " ".join(phrases[key].format(**{"recipe": file_name, **values}).split())

    n = draft.look.parameters
    parameters = say("parameters", n=_rounded(n)) if n is not None else say("parameters_unknown")
    text = _template().render(
        draft=draft,
        say=say,
        q=_quoted,
        percent=lambda share: f"{100 * share:.0f} %",
        members=lambda name: ", ".join(BUNDLES.get(name, ())),
        model_path=_path(draft.model, folder),
        data_path=_path(str(draft.data.path), folder),
        describe=draft.data.source.describe(),
        form=textwrap.shorten(draft.data.form.description, 100, placeholder=" ...") if draft.data.form else "",
        usual_rejects=FileSettings.model_fields["max_rejected_percent"].default,
        first_reject=_first_reject(draft.data.source),
        domain_share=1 - draft.replay_share,
        parameters=parameters,
        rate=f"{draft.learning_rate:.1e}".replace("e-0", "e-"),
        rows=f"{len(draft.data.rows):,}",
    )
    parse_recipe(yaml.safe_load(text), origin=file_name)
    return text


def _first_reject(source: LoadedSource) -> str:
    return f"{Path(source.rejects[0].origin).name}: {source.rejects[0].reason}" if source.rejects else ""


def _path(path: str, folder: Path) -> str:
    """A local path relative to the recipe where it lies below it, else absolute; a hub id as it is."""
    if not Path(path).exists():
        return path
    whole, root = Path(path).resolve(), folder.resolve()
    return (whole.relative_to(root) if whole.is_relative_to(root) else whole).as_posix()


def _quoted(text: str) -> str:
    """Text as YAML in double quotes, which is what JSON writes."""
    return json.dumps(text, ensure_ascii=False)


def _rounded(n: int) -> str:
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if n >= size:
            return f"{n / size:.3g} {unit}"
    return str(n)


@functools.cache
def _phrases() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((_FOLDER / "comments.yaml").read_text(encoding="utf-8"))
    return found


def _template() -> jinja2.Template:
    # The text is YAML and no page, so nothing is to be escaped.
    environment = jinja2.Environment(autoescape=False, undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string((_FOLDER / "recipe.yaml.j2").read_text(encoding="utf-8"))
