"""Markdown made of strings that may come from anywhere: they stay text, on one line."""

from __future__ import annotations

import re
from collections.abc import Iterable


def prose(text: str) -> str:
    """Return text in which nothing is markup."""
    return re.sub(r"([\\`*_\[\]<>&~#])", r"\\\1", _line(text))


def code(text: str) -> str:
    """Return text as a code span."""
    return f"`{_line(text).replace('`', chr(39)) or ' '}`"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return the lines of a table; its cells are Markdown already."""
    titles = list(head)
    return [_row(titles), _row("---" for _ in titles), *(_row(row) for row in rows)]


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _line(text: str) -> str:
    return " ".join(text.split())
