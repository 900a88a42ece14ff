"""A recipe's tables and keys as its file has them: which there are, where a key belongs, what is wrong with one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from guide_plugin.errors import UsageError
from guide_plugin.recipe import Recipe, problem_key, problem_message

SETTINGS = "method.settings"
IN_TOML = {
    "tuple_type": "it takes a list in square brackets",
    "model_type": "it is a table, its keys stand below a line [{key}]",
    "dict_type": "it is a table, its keys stand below a line [{key}]",
}
"""What pydantic says in Python's words, by its type of error."""


def tables(part: type[BaseModel] = Recipe, name: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the tables of a recipe, the whole file first: a table's name as TOML writes it, and the model of its keys.

    The operator's settings are not among them: only the operator knows those.
    """
    yield name, part
    for key, field in part.model_fields.items():
        below = table_of(field)
        if below:
            yield from tables(below, f"{name}.{key}" if name else key)


def table_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of the keys below a field that is a table, None where it is a single option."""
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def told(
    problem: Mapping[str, Any], file: Path, said: Mapping[str, Any], settings: type[BaseModel] | None = None
) -> UsageError:
    """Turn one of pydantic's complaints about a recipe into an error that names file, table and key, never the value.

    Args:
        said: what came from elsewhere than the file; a complaint about that does not name the file.
        settings: the keys of `[method.settings]`, where they are known.
    """
    key = problem_key(problem)
    if problem["type"] in ("missing", "string_too_short") and key == "hub":
        return UsageError(
            f"{file} names no model.", 'Write it into the line hub = "…" at the top of the file, or give --hub.'
        )
    if problem["type"] == "extra_forbidden":
        table, _, name = key.rpartition(".")
        place = f" in [{table}]" if table else ""
        return UsageError(f"{file}: there is no option {name}{place}.", _where(name, table, settings))
    message = IN_TOML.get(problem["type"], problem_message(problem)).format(key=key)
    source, remedy = _source(problem["loc"], file, said)
    return UsageError(f"{source}: {f'{key}: ' if key else ''}{message}.", remedy)


def _where(name: str, table: str, settings: type[BaseModel] | None) -> str:
    """Say where a key belongs that is unknown in its table, or what it may have been meant to be."""
    keys = {title: list(part.model_fields) for title, part in tables()}
    if settings:
        keys[SETTINGS] = list(settings.model_fields)
    homes = [f"in [{title}]" if title else "at the top, above all tables" for title in keys if name in keys[title]]
    if homes:
        return f"It belongs {' or '.join(homes)}."
    meant = difflib.get_close_matches(name, keys.get(table, []), n=1)
    if meant:
        return f"Did you mean {meant[0]}?"
    if table == "method":
        return f"Options of the operator itself belong in [{SETTINGS}]."
    return f"Known there: {', '.join(keys.get(table, []))}."


def _source(location: tuple[Any, ...], file: Path, said: Mapping[str, Any]) -> tuple[str, str]:
    """Return who said what is wrong, the file or the options beside it or both, and what to do."""
    found: Any = said
    for key in location:
        if isinstance(found, Mapping):
            found = found.get(key)
    if not found:
        return str(file), "Correct it there; `unlearn init` writes a recipe that shows every option."
    if isinstance(found, Mapping):
        return f"{file} with the options beside it", "Correct one or the other."
    return "The options", "See `unlearn --help`."
