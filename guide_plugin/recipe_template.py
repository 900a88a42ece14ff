"""A recipe file to begin with: every option there is, described, with its default or an example."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from guide_plugin.recipe import Method
from guide_plugin.recipe_tables import SETTINGS, table_of, tables

WIDTH = 100
EXAMPLE = "  # for example"
HEAD = """\
A recipe for `unlearn --config FILE`; with --dry-run beside it, everything is checked and nothing is done.

Every option is here. Those that begin with "# " are not set: take the mark away to set one. Until then it has the \
value shown, or what the model's owner suggests; one that says "for example" has none. Paths are relative to this \
file. Options on the command line have the last word.
"""


def recipe_template(settings: type[BaseModel]) -> str:
    """Return a recipe file with every option; with its line `hub` filled in it is valid, and asks for the defaults.

    Args:
        settings: of the default operator.
    """
    blocks: list[str] = [_comment(paragraph) for paragraph in HEAD.split("\n\n")]
    for name, part in tables():
        about = inspect.getdoc(part) or ""
        blocks += _table(name, about, part) if name else _options(part)
        if SETTINGS.startswith(f"{name}.") and name:
            about = f"{Method.model_fields['settings'].description} These are those of {Method().operator}."
            blocks += _table(SETTINGS, about, settings)
    return "\n\n".join(blocks) + "\n"


def _table(name: str, about: str, part: type[BaseModel]) -> list[str]:
    return [f"\n[{name}]\n{_comment(about)}", *_options(part)]


def _options(part: type[BaseModel]) -> Iterator[str]:
    for name, field in part.model_fields.items():
        if table_of(field) is None and field.annotation != dict[str, Any]:
            mark = "" if field.is_required() else "# "
            yield f"{_comment(_about(field))}\n{mark}{name} = {_value(field)}{EXAMPLE if field.examples else ''}"


def _about(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _value(field: FieldInfo) -> str:
    """Return the option's example, else its default, as TOML; JSON writes texts, numbers and lists of them the same."""
    if field.is_required():
        return '""'
    value = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
    return json.dumps(value, ensure_ascii=False, default=str)


def _comment(text: str) -> str:
    wrapped = textwrap.wrap(" ".join(text.split()), WIDTH - 2, break_on_hyphens=False)
    return "\n".join(f"# {line}" for line in wrapped)
