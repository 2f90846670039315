"""A chat template by its file or its name.

TRL ships the chat templates of many models as files. They are read as data, from where the package lies, so that no
room but `training` imports it.
"""

from __future__ import annotations

import difflib
from importlib.util import find_spec
from pathlib import Path

from forgetless.errors import ModelError

_SUFFIX = ".jinja"


def named_template(name: str, *, folder: Path) -> str:
    """The source of a chat template.

    Args:
        name: A Jinja file, or the name of a shipped template.
        folder: What a relative path is relative to.

    Raises:
        ModelError: It is neither, or the file cannot be read.
    """
    path = folder / Path(name).expanduser()
    if not path.is_file():
        shipped = shipped_templates()
        if name not in shipped:
            raise _unknown(name, shipped)
        path = shipped[name]
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            field="model.template",
            value=path,
            rule=f"cannot be read as text: {error}",
            way_out="name a Jinja file in UTF-8",
        ) from None


def shipped_templates() -> dict[str, Path]:
    """The chat templates that TRL ships, by name."""
    package = find_spec("trl")
    places = package.submodule_search_locations if package else None
    files = (path for place in places or () for path in Path(place, "chat_templates").glob(f"*{_SUFFIX}"))
    return {path.name.removesuffix(_SUFFIX): path for path in sorted(files)}


def _unknown(name: str, shipped: dict[str, Path]) -> ModelError:
    near = difflib.get_close_matches(name, shipped, n=1)
    return ModelError(
        field="model.template",
        value=name,
        rule="is neither a file nor the name of a shipped chat template",
        way_out=f"did you mean `{near[0]}`?" if near else f"the shipped ones are {', '.join(shipped)}",
    )
