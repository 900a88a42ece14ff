"""How closely plugins are watched: which are loaded, and what becomes of their errors and of a silent gate."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass

from guide_plugin.errors import UsageError

PLUGINS, TRACE, STRICT, GATE_TIMEOUT = (
    "UNLEARN_PLUGINS",
    "UNLEARN_TRACE_HOOKS",
    "UNLEARN_STRICT_PLUGINS",
    "UNLEARN_GATE_TIMEOUT",
)
"""The environment variables that say what the code does not, so that a release pipeline can."""


@dataclass(frozen=True)
class Supervision:
    """How a host treats its plugins.

    Attributes:
        only: names of the third-party plugins to load; None for all that are installed.
        trace: whether each call is logged on standard error.
        strict: whether a plugin's error ends what is being done.
        gate_timeout: seconds after which a gate that has not answered refuses.
    """

    only: frozenset[str] | None = None
    trace: bool = False
    strict: bool = False
    gate_timeout: float = 600.0


def supervision(
    only: Iterable[str] | None = None,
    trace: bool | None = None,
    strict: bool | None = None,
    gate_timeout: float | None = None,
) -> Supervision:
    """Take each value from the environment where it is None, and the default where that is silent too.

    Raises:
        UsageError: a value is none that can be used.
    """
    seconds = _seconds() if gate_timeout is None else gate_timeout
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(f"A gate cannot be given {seconds} seconds.", "Give a positive number of seconds.")
    said = os.environ.get(PLUGINS, "")
    allowed = only if only is not None else names(said) if said else None
    return Supervision(
        only=None if allowed is None else frozenset(allowed),
        trace=flag(TRACE) if trace is None else trace,
        strict=flag(STRICT) if strict is None else strict,
        gate_timeout=seconds,
    )


def names(text: str) -> list[str]:
    """Read "none", or names with commas between them."""
    listed = [name.strip() for name in text.split(",") if name.strip()]
    return [] if listed == ["none"] else listed


def flag(variable: str) -> bool:
    """Read an environment variable that is 1 or 0."""
    said = os.environ.get(variable, "").lower()
    if said not in ("", "0", "1", "false", "true"):
        raise UsageError(f"{variable} is neither 0 nor 1.", "Set it to 1, or unset it.")
    return said in ("1", "true")


def _seconds() -> float:
    said = os.environ.get(GATE_TIMEOUT, "")
    try:
        return float(said) if said else Supervision.gate_timeout
    except ValueError:
        raise UsageError(f"{GATE_TIMEOUT} is no number.", "Set it to seconds, or unset it.") from None
