"""What a trace of hook calls may say: kinds and shapes, never a path, a sentence, or a number of a picture or code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any


def traced(plugin: str, hook: str, arguments: Mapping[str, Any], seconds: float, outcome: str) -> str:
    """Return one call as one line."""
    told = ", ".join(f"{name}={described(value)}" for name, value in arguments.items())
    return f"hook {plugin} {hook}({told}) -> {outcome} in {seconds:.4f} s"


def described(value: object) -> str:
    """Say what a value is. Only what is named here is shown; of anything else, its type.

    Numbers are shown where they stand alone, as a step does: a list of them may be a code.
    """
    if value is None or isinstance(value, (bool, int)):
        return repr(value)
    kind = type(value).__name__
    if isinstance(value, PurePath):
        return "path"
    if isinstance(value, type):
        return "class"
    if is_dataclass(value):
        return f"{kind}({', '.join(f'{field.name}={_inside(getattr(value, field.name))}' for field in fields(value))})"
    if isinstance(value, Mapping) and value and all(hasattr(inner, "dtype") for inner in value.values()):
        return f"{{{', '.join(f'{name}: {_inside(inner)}' for name, inner in value.items())}}}"
    return _inside(value)


def _inside(value: object) -> str:
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, PurePath):
        return "path"
    if isinstance(value, (str, bytes, list, tuple, set, frozenset, Mapping)):
        return f"{kind} of {len(value)}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{kind}{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if hasattr(value, "size") and hasattr(value, "mode"):  # a PIL picture
        return f"{kind}{list(value.size)} {value.mode}"
    return kind
