"""A comparison as the terminal shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from guide_plugin.comparison.record import Comparison, MethodRun
from guide_plugin.report.numbers import plain
from guide_plugin.report.verdict_words import subject_kind

TITLE = "similarity to the original's picture"
GAP = 3


def comparison_lines(comparison: Comparison, record: Path, picture: Path) -> str:
    """Return the table, a column per method, and below it how each was set and why it is refused."""
    runs = comparison.methods
    grid = [[TITLE, "before", *(run.method for run in runs)]]
    for row in comparison.rows:
        after = (row.after.get(run.method) for run in runs)
        grid.append([row.label, _before(row.before.values()), *("" if x is None else f"{x:.3f}" for x in after)])
    grid.append(["seconds of training, all steps", "", *(f"{run.seconds:.0f}" for run in runs)])
    grid.append(["verdict", "", *("refused" if run.refused_by_gates else run.verdict for run in runs)])
    facts = [fact for run in runs for fact in _about(run)]
    facts.append(("subject", subject_kind(comparison.subject_kind)))
    facts.append(("networks", f"{comparison.trainer} trained, {comparison.judge} judged"))
    facts += [("record", str(record)), ("picture", str(picture))]
    width = max(len(name) for name, _ in facts) + GAP
    return "\n".join(["", *aligned(grid), "", *(f"{name:<{width}}{text}" for name, text in facts)])


def aligned(grid: list[list[str]]) -> Iterator[str]:
    """Yield the lines of a table, its first column to the left, the others to the right."""
    first, *others = (max(map(len, column)) for column in zip(*grid, strict=True))
    for label, *cells in grid:
        right = (cell.rjust(GAP + width) for cell, width in zip(cells, others, strict=True))
        yield (label.ljust(first) + "".join(right)).rstrip()


def _before(values: Iterable[float]) -> str:
    """Return what the audits found of the original: one number, or from which to which where they differ."""
    ends = sorted({f"{value:.3f}" for value in values}, key=float)
    return "" if not ends else ends[0] if len(ends) == 1 else f"{ends[0]} to {ends[-1]}"


def _about(run: MethodRun) -> Iterator[tuple[str, str]]:
    settings = [f"{key} {plain(value)}" for key, value in run.settings.items() if key != "steps"]
    yield run.method, f"{run.steps} steps, {', '.join(settings) or 'its defaults'}"
    if run.refusals:
        yield "", f"refused: {'; '.join(run.refusals)}"
