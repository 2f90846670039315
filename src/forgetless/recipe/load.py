"""A YAML file in, a validated `Recipe` out, with errors that say which line of thought to change.

Unknown keys are answered with the nearest valid name. Relative paths in the recipe are relative to its own folder,
so a recipe can be run from anywhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from forgetless.errors import RecipeError
from forgetless.recipe.data import EndpointSettings
from forgetless.recipe.schema import ComparisonRecipe, Recipe

R = TypeVar("R", bound=BaseModel)
Q = TypeVar("Q", Recipe, ComparisonRecipe)


def load_recipe(path: Path | str) -> Recipe:
    """Read and validate a recipe.

    Raises:
        RecipeError: The file is missing, is not YAML, or does not validate.
    """
    return placed(parse_recipe(read_yaml(Path(path)), origin=str(path)), Path(path))


def load_comparison(path: Path | str) -> Recipe | ComparisonRecipe:
    """Read what to ask two finished models: a whole recipe, or only its `keep`, `domain` and `evaluation`.

    Raises:
        RecipeError: As `load_recipe`.
    """
    data = read_yaml(Path(path))
    if isinstance(data, dict) and "sources" in data:
        asked = {key: value for key, value in data.items() if key != "sweep"}
        return placed(validate(Recipe, asked, str(path)), Path(path))
    return placed(validate(ComparisonRecipe, data, str(path)), Path(path))


def placed(recipe: Q, path: Path) -> Q:
    """The recipe, with its relative paths starting from where the file at `path` stands."""
    recipe._folder = path.resolve().parent
    return recipe


def read_yaml(path: Path) -> Any:
    """What a YAML file says.

    Raises:
        RecipeError: It cannot be read, or is not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(
            field="recipe",
            value=path,
            rule="there is no such file",
            way_out="check the path; `forgetless demo` needs none",
        ) from None
    except UnicodeDecodeError as error:
        raise RecipeError(
            field="recipe", value=path, rule=f"is not UTF-8 text ({error.reason})", way_out="save the file as UTF-8"
        ) from None
    except OSError as error:
        raise RecipeError(
            field="recipe", value=path, rule=str(error.strerror), way_out="give the path of a readable YAML file"
        ) from None
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        raise RecipeError(
            field="recipe",
            value=path,
            rule=f"is not valid YAML: {error}",
            way_out="mend the line that the message names",
        ) from None


def parse_recipe(data: Any, *, origin: str = "recipe") -> Recipe:
    """Validate the content of a recipe; `origin` is named in errors.

    Raises:
        RecipeError: The first thing that is wrong, with its field and value.
    """
    if isinstance(data, dict) and "sweep" in data:
        raise RecipeError(
            field="sweep",
            value="(given)",
            rule=f"{origin} describes many runs, of which only `forgetless sweep` finds the best",
            way_out="run `forgetless sweep`, or leave `sweep` out for the one run that the rest describes",
        )
    return validate(Recipe, data, origin)


def dump_recipe(recipe: Recipe | ComparisonRecipe) -> str:
    """The resolved recipe as YAML, every default written out."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def validate(kind: type[R], data: Any, origin: str) -> R:
    """The settings that `data` is; `origin` is named in errors.

    Raises:
        RecipeError: The first thing that is wrong, with its field and value.
    """
    if not isinstance(data, dict):
        raise RecipeError(
            field=origin,
            value=data,
            rule="a recipe is a mapping of settings",
            way_out="start from a file in `recipes/`",
        )
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise _explain(kind, _most_telling(error.errors(include_url=False)), origin) from None


class _Loader(yaml.SafeLoader):
    """Plain YAML, in which a key may be written only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.YAMLError(
                    f"braces open a mapping here; put a text that holds them in quotes{key.start_mark}"
                )
            if key.value in seen:
                raise yaml.YAMLError(f"the key `{key.value}` is written twice{key.start_mark}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _most_telling(errors: Sequence[Any]) -> Any:
    """A misspelt key explains what is missing; a choice that was not meant explains nothing."""
    return min(errors, key=lambda e: (e["type"] != "extra_forbidden", e["type"] == "literal_error"))


def _explain(recipe: type[BaseModel], error: Any, origin: str) -> RecipeError:
    where = ".".join(_as_written(error["loc"])) or origin
    kind, value = error["type"], error.get("input")
    if kind == "extra_forbidden":
        key = str(error["loc"][-1])
        near = difflib.get_close_matches(key, names_at(recipe, error["loc"][:-1]), n=1, cutoff=0.5)
        way_out = f"did you mean `{near[0]}`?" if near else "remove it; the recipe reference lists every key"
        return RecipeError(
            field=where, value=_shown(where, value), rule="is not a key that a recipe knows", way_out=way_out
        )
    if kind == "missing":
        return RecipeError(
            field=where, value="(not given)", rule="is required", way_out=f"add `{error['loc'][-1]}:` to {origin}"
        )
    rule = str(error["msg"]).removeprefix("Value error, ")
    shown = "(see rule)" if isinstance(value, dict) else value
    way_out = f"change `{where}` in {origin}" if error["loc"] else f"change {origin}"
    if kind == "list_type" and not isinstance(value, dict):
        rule, way_out = "must be a list", f"write it in brackets, as in `{error['loc'][-1]}: [{value}]`"
    if kind == "string_type" and isinstance(value, dict):
        way_out = f"put the text in quotes; without them YAML reads its braces as a mapping (in {origin})"
    return RecipeError(field=where, value=_shown(where, shown), rule=rule, way_out=way_out)


def _shown(where: str, value: object) -> object:
    """A refused value, unless it could be a key: one in the place of its variable's name, or inside an address."""
    open_to_see = EndpointSettings.model_fields.keys() - {"api_key_env"}
    if where.startswith("endpoints.") and ("@" in str(value) or where.rpartition(".")[2] not in open_to_see):
        return "(not shown)"
    return value


def names_at(recipe: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The keys that may stand at a place of a recipe."""
    models = [recipe]
    for part in location:
        named = [
            inner for m in models if part in m.model_fields for inner in _models_in(m.model_fields[part].annotation)
        ]
        tagged = [m for m in models if "type" in m.model_fields and part in get_args(m.model_fields["type"].annotation)]
        models = named or tagged or models
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _as_written(location: Sequence[int | str]) -> Iterator[str]:
    """The path of a field as the YAML has it: pydantic names the chosen member of a union after the field as well."""
    before: int | str = ""
    for part in location:
        if before not in ("task", "prompts") or not isinstance(part, str) or part in ("type", "files"):
            yield str(part)
        before = part
