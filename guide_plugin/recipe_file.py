"""A recipe in a TOML file: read it, take its paths from its own folder, say in one sentence what is wrong with it."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from guide_plugin.errors import UsageError
from guide_plugin.network_file import NetworkFile
from guide_plugin.plugins import PluginHost
from guide_plugin.recipe import MODEL, NETWORK, Recipe
from guide_plugin.recipe_tables import table_of, told

ON_THE_HUB = re.compile(r"\w[\w.-]*/[\w.-]+(@[\w./-]+)?")


def read_recipe(path: Path | str, said: Mapping[str, Any] | None = None, host: PluginHost | None = None) -> Recipe:
    """Read a recipe from a TOML file, its tables named as the parts of `Recipe`.

    Relative paths in it are relative to its folder: photos, codes, weights, a model that lies there.

    Args:
        said: what has the last word, key by key, as values of a recipe.
        host: the plugins, whose operators know which of their settings are files; by default the installed ones.

    Raises:
        UsageError: there is no such file, it is no TOML, or a key in it is unknown or has a wrong value.
    """
    path, said = Path(path), said or {}
    folder = path.parent.resolve()
    written = _toml(path)
    try:
        written = _placed(Recipe, written, folder)
    except UsageError as error:
        raise UsageError(f"{path}: {error.problem}", error.remedy) from None
    recipe = _validated(path, written, said)
    settings = recipe.method.settings and written.get("method", {}).get("settings")
    operator = _settings_of(recipe.method.operator, host) if settings else None
    if operator is not None:
        written["method"]["settings"] = _placed(operator, settings, folder)
        _check_settings(path, operator, written["method"]["settings"])
        recipe = _validated(path, written, said)
    return recipe


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise UsageError(
            f"There is no recipe {path}.", f"`unlearn init {shlex.quote(str(path))}` writes one to begin with."
        ) from None
    except OSError as error:
        raise UsageError(f"The recipe {path} cannot be read: {error.strerror}.", "Give a TOML file.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The recipe {path} is not valid TOML: {error}.", "Correct it there.") from None


def _placed(part: type[BaseModel], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the values with every path in them taken from `folder`; what has a wrong type stays as it is."""

    def place(value: Any, field: FieldInfo) -> Any:
        below = table_of(field)
        if isinstance(value, dict) and below:
            return _placed(below, value, folder)
        if isinstance(value, list):
            return [place(item, field) for item in value]
        if not isinstance(value, str) or not value:
            return value
        if _holds(field, MODEL):
            beside = _beside(value, folder)
            return value if ON_THE_HUB.fullmatch(value) and not beside.exists() else str(beside)
        if _holds(field, NETWORK):
            network = NetworkFile.parse(value)
            return str(network.at(_beside(str(network.file), folder))) if network.file else value
        return str(_beside(value, folder)) if _holds(field, Path) else value

    placed = {}
    for key, value in values.items():
        try:
            placed[key] = place(value, part.model_fields[key]) if key in part.model_fields else value
        except UsageError as error:
            raise UsageError(f"{key}: {error.problem}", error.remedy) from None
    return placed


def _holds(field: FieldInfo, kind: object) -> bool:
    """Say whether `kind`, a type or a mark in `Annotated`, is anywhere in the field's type."""

    def mentions(annotation: Any) -> bool:
        return bool(annotation == kind) or any(map(mentions, get_args(annotation)))

    return kind in field.metadata or mentions(field.annotation)


def _beside(text: str, folder: Path) -> Path:
    """Return the path as seen from `folder`, which has no links in it, so that ".." is its parent for sure."""
    path = Path(text).expanduser() if text.startswith("~/") else Path(text)
    while path.parts[:1] == ("..",):
        path, folder = Path(*path.parts[1:]), folder.parent
    return folder / path


def _merged(written: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(written)
    for key, value in said.items():
        below = written.get(key, {})
        if not isinstance(value, dict):
            both[key] = value
        elif isinstance(below, dict):
            both[key] = _merged(below, value)
    return both


def _settings_of(operator: str, host: PluginHost | None) -> type[BaseModel] | None:
    """Return the model of an operator's settings; None where it cannot be had, which the plan tells better."""
    try:
        return (host or PluginHost()).operator(operator).load().Settings
    except Exception:
        return None


def _validated(path: Path, written: dict[str, Any], said: Mapping[str, Any]) -> Recipe:
    try:
        return Recipe.model_validate(_merged(written, said))
    except ValidationError as error:
        raise told(error.errors(include_input=False)[0], path, said) from None


def _check_settings(path: Path, kind: type[BaseModel], settings: dict[str, Any]) -> None:
    """Look at each setting by itself: what they have to be together, the plan knows from all who set some."""
    try:
        kind.model_validate(settings)
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            if problem["loc"] and problem["type"] != "missing":
                raise told({**problem, "loc": ("method", "settings", *problem["loc"])}, path, {}, kind) from None
