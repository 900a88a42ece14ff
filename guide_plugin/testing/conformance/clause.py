"""A clause of the adapter contract: what is expected, why, how to mend it, and a look at whether it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guide_plugin.testing.conformance.bench import Bench

    Look = Callable[[Bench], str | None]


class Broken(Exception):
    """The clause is not kept; the message says what was found."""


class NotHere(Exception):
    """The clause cannot be looked at here; the message says why."""


@dataclass(frozen=True)
class Clause:
    """One clause.

    Attributes:
        name: as reports show it.
        expected: what the contract asks, one sentence.
        matters: what a user suffers where it is broken, one sentence.
        mend: what an author can do, one sentence.
        look: raises `Broken` or `NotHere`, or an exception of the adapter's own, which counts as broken; may return
            what was found where "as expected" says too little.
        needs: clauses without which this one says nothing.
    """

    name: str
    expected: str
    matters: str
    mend: str
    look: Look
    needs: tuple[Clause, ...]


def clause(*, expected: str, matters: str, mend: str, needs: tuple[Clause, ...] = ()) -> Callable[[Look], Clause]:
    """Turn a look into the clause of its name."""

    def named(look: Look) -> Clause:
        return Clause(look.__name__.replace("_", "-"), expected, matters, mend, look, needs)

    return named


def broken_if(is_broken: bool, found: str) -> None:
    """Raise `Broken` with what was found, or do nothing."""
    if is_broken:
        raise Broken(found)
