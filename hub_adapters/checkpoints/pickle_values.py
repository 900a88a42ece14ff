"""What a pickle can hold for us: data, places in the file, and names of things that are never looked up."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Global(NamedTuple):
    """A global that the pickle names; nothing is ever imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return "".join(c if c.isprintable() else "?" for c in f"{self.module}.{self.name}"[:200])


class Place(NamedTuple):
    """A byte string in the file: where it starts and how long it is."""

    start: int
    length: int


class LongText(NamedTuple):
    """A text left where it lies, behind its length in four bytes: source code, or bytes that protocol 2 has no
    other way to write, as Latin-1 characters in UTF-8."""

    start: int
    length: int

    def decode(self, data: memoryview) -> bytearray:
        """Return the bytes that protocol 2 wrote as this text of the file."""
        return bytearray(str(data[self.start : self.start + self.length], "utf-8"), "latin1")


@dataclass
class Instance:
    """An object that the pickle wants built: its class, the arguments, and the state that would be set."""

    cls: Global
    arguments: tuple[Any, ...]
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)


Handler = Callable[..., Any]
"""Takes the call's arguments, returns data."""

READING_ERRORS = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, struct.error)
"""What reading bytes that mean nothing can raise."""


_KEYS = frozenset({str, int, float, bool, type(None)})


def check_keys(keys: Iterable[Any]) -> None:
    """Refuse containers as keys: hashing tuples of shared tuples takes for ever, deep ones take all of the C stack."""
    if not all(type(key) in _KEYS for key in keys):
        raise TypeError("key")


def make_dict(pairs: Any = ()) -> dict[Any, Any]:
    """Stand in for `collections.OrderedDict`."""
    check_keys(key for key, _ in pairs)
    return dict(pairs)


def make_set(items: Any = ()) -> set[Any]:
    """Stand in for `builtins.set`."""
    check_keys(items)
    return set(items)
