"""What a check of an adapter came to, clause by clause, as a record and as text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

Result = Literal["passed", "failed", "skipped", "not run"]

AS_EXPECTED = "as expected"

SIGNS: dict[Result, str] = {"passed": "✓", "failed": "✗", "skipped": "–", "not run": "–"}


@dataclass(frozen=True)
class CheckResult:
    """What became of one clause.

    Attributes:
        name: the clause's.
        result: "skipped" where this machine cannot look at it, "not run" where it builds on one that failed.
        expected: what the contract asks.
        found: what there was instead, or why nothing was looked at.
        matters: what a user suffers where the clause is broken.
        mend: what the adapter's author can do.
    """

    name: str
    result: Result
    expected: str
    found: str
    matters: str
    mend: str

    def __str__(self) -> str:
        line = f"{SIGNS[self.result]} {self.name}"
        if self.result == "failed":
            told = {"expected": self.expected, "found": self.found, "matters": self.matters, "mend": self.mend}
            return "\n".join([line, *(f"    {word:<9} {sentence}" for word, sentence in told.items())])
        if self.result == "passed":
            return line if self.found == AS_EXPECTED else f"{line}: {self.found}"
        return f"{line}: {self.result}, {self.found}"


@dataclass(frozen=True)
class CheckReport:
    """What became of every clause, in the order in which they were looked at; as a string, a list for people."""

    adapter: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether no clause failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of the broken clauses."""
        return tuple(result.name for result in self.results if result.result == "failed")

    def __str__(self) -> str:
        counts = Counter(result.result for result in self.results)
        summary = ", ".join(f"{counts[result]} {result}" for result in SIGNS if counts[result])
        return "\n".join([*map(str, self.results), f"{self.adapter}: {summary}"])
