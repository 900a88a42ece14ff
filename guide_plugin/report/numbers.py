"""Numbers as the page prints them: one way for each kind, with a true minus sign."""

from __future__ import annotations

import math
import re
from typing import Any

MINUS = "\u2212"
NONE = "not measured"


def three(value: float | None) -> str:
    """Return a similarity or distance with three decimals; what rounds to zero has no sign."""
    return _fixed(value, 3)


def two(value: float | None) -> str:
    """Return a number with two decimals."""
    return _fixed(value, 2)


def share(value: float | None) -> str:
    """Return a share in [0, 1] as a percentage with two significant digits."""
    if value is None or not math.isfinite(value):
        return _fixed(value, 2)
    percent = 100 * value
    if percent == 0 or percent >= 9.95:
        return f"{percent:.0f}\u00a0%"
    return f"{percent:.{max(0, 1 - math.floor(math.log10(percent)))}f}".rstrip("0").rstrip(".") + "\u00a0%"


def count(value: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def plain(value: Any) -> str:
    """Return a setting or fact of any type for a table."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return str(value).replace("-", MINUS)
    if isinstance(value, float):
        return _four(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    return str(value)


def minus(text: str) -> str:
    """Give the numbers in a sentence their minus sign; hyphens in words and ranges stay."""
    return re.sub(r"(?<![\w.)-])-(?=\.?\d)", MINUS, text)


def _four(value: float) -> str:
    if not math.isfinite(value):
        return "not a number"
    text = f"{value:.4g}"
    if "e-0" in text and abs(value) >= 1e-7:
        text = f"{value:.8f}".rstrip("0")
    return text.replace("-", MINUS)


def _fixed(value: float | None, decimals: int) -> str:
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not a number"
    text = f"{value:.{decimals}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)
