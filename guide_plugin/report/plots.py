"""Where similarities lie: histograms and marks over one axis, every row labelled where it stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from guide_plugin.report import svg
from guide_plugin.report.findings import BINS, Distribution
from guide_plugin.report.numbers import MINUS

LABEL, HILL, TRACK, GAP, AXIS = 17, 46, 16, 10, 38
LEFT, WIDTH = 2, 96


@dataclass(frozen=True)
class Hill:
    """A histogram, as high as it may be, whatever its sample."""

    label: str
    values: Distribution
    style: str = "hill"


@dataclass(frozen=True)
class Marks:
    """One thing before (hollow) and after (filled)."""

    label: str
    before: float | None
    after: float


@dataclass(frozen=True)
class Upright:
    """A line down through all rows."""

    label: str
    value: float
    style: str = "threshold"


def strip(name: str, title: str, description: str, rows: list[Hill | Marks], rules: list[Upright]) -> Markup:
    """Draw rows over one axis of similarity.

    Args:
        name: unique on the page.
        description: what the picture shows, for those who do not see it.
    """
    rules = [rule for rule in rules if math.isfinite(rule.value)]
    low = _lowest(rows, rules)
    place = _Scale(low)
    top = LABEL * len(rules) + 6
    parts: list[Markup] = []
    y: float = top
    for row in rows:
        drawn, height = _hill(row, low, y) if isinstance(row, Hill) else _marks(row, place, y)
        parts += drawn
        y += height + GAP
    bottom = y - GAP + 6
    lines = []
    for i, rule in enumerate(rules):
        x = place(rule.value)
        label = LABEL * i + 12
        lines.append(svg.line(_percent(x), label + 5, _percent(x), bottom, rule.style))
        lines.append(svg.text(_percent(x), label, rule.label, "rule", _anchor(x)))
    return svg.picture(name, bottom + AXIS, title, description, lines + parts + _axis(low, place, bottom))


def _hill(row: Hill, low: float, y: float) -> tuple[list[Markup], float]:
    first = round((low + 1) / 2 * BINS)
    counts = row.values.counts[first:]
    top = max(counts, default=0)
    data = ""
    if top:
        heights = [max(count / top, 0.04) if count else 0.0 for count in counts]
        steps = "".join(f"V{svg.number(100 - 100 * height)}h1" for height in heights)
        data = f"M0 100{steps}V100Z"
    hill = svg.stretched(f"{LEFT}%", y + LABEL, f"{WIDTH}%", HILL, (BINS - first, 100), [(row.style, data)])
    return [hill, svg.text("0", y + 12, row.label, "label")], LABEL + HILL


def _marks(row: Marks, place: _Scale, y: float) -> tuple[list[Markup], float]:
    middle = y + LABEL + TRACK / 2
    parts = [svg.text("0", y + 12, row.label, "label"), svg.line("0", middle, "100%", middle, "track")]
    known = [value for value in (row.before, row.after) if value is not None and math.isfinite(value)]
    if len(known) == 2:
        parts.append(svg.line(_percent(place(known[0])), middle, _percent(place(known[1])), middle, "way"))
    if row.before is not None and math.isfinite(row.before):
        parts.append(svg.dot(_percent(place(row.before)), middle, "before"))
    if math.isfinite(row.after):
        parts.append(svg.dot(_percent(place(row.after)), middle, "after"))
    return parts, LABEL + TRACK


def _axis(low: float, place: _Scale, y: float) -> list[Markup]:
    parts = [svg.line("0", y, "100%", y, "axis")]
    for value in svg.ticks(low, 1, 7):
        x = place(value)
        parts.append(svg.line(_percent(x), y, _percent(x), y + 5, "axis"))
        label = f"{abs(value):.2g}"
        parts.append(svg.text(_percent(x), y + 18, f"{MINUS}{label}" if value < -1e-9 else label, "tick", "middle"))
    parts.append(svg.text("0", y + 34, "← somebody else", "tick"))
    parts.append(svg.text("100%", y + 34, "the same face →", "tick", "end"))
    return parts


class _Scale:
    def __init__(self, low: float) -> None:
        self.low = low

    def __call__(self, value: float) -> float:
        return LEFT + WIDTH * (max(self.low, min(1, value)) - self.low) / (1 - self.low)


def _lowest(rows: list[Hill | Marks], rules: list[Upright]) -> float:
    """Return a multiple of 0.1 below everything that is drawn, at most 0."""
    values = [rule.value for rule in rules]
    for row in rows:
        if isinstance(row, Marks):
            values += [value for value in (row.before, row.after) if value is not None]
        else:
            filled = [i for i, count in enumerate(row.values.counts) if count]
            values += [2 * filled[0] / BINS - 1] if filled else []
    lowest = min((value for value in values if math.isfinite(value)), default=0.0)
    return max(-1.0, min(0.0, math.floor(lowest * 10 + 1e-9) / 10))


def _percent(x: float) -> str:
    return f"{svg.number(x)}%"


def _anchor(x: float) -> str:
    return "end" if x > 60 else "start" if x < 40 else "middle"
