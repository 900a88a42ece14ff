"""Small curves that stand side by side: how a number went, step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from guide_plugin.report import svg

TOP, HEIGHT, FOOT, LEFT = 24, 120, 22, 30
WIDTH = 66  # per cent; the labels stand to the right
LETTER = 15
MOST_POINTS = 150
MOST_LETTERS = 34


@dataclass(frozen=True)
class Curve:
    """One line; `label` stands at its end, `style` is "before", "after" or "thin"."""

    values: Sequence[float]
    style: str
    label: str = ""


@dataclass(frozen=True)
class Range:
    """What the vertical axis spans, and a line across it."""

    low: float
    high: float
    across: float | None = None
    across_label: str = "threshold"


def small_plot(
    name: str, title: str, description: str, x: Sequence[float], x_ends: tuple[str, str], curves: list[Curve], y: Range
) -> Markup:
    """Draw curves over `x`, their names at their ends.

    Args:
        name: unique on the page.
        x_ends: what is written under the ends of the horizontal axis.
    """
    parts = [svg.text("0", 12, title if len(title) <= MOST_LETTERS else f"{title[: MOST_LETTERS - 1]}…", "label")]
    paths = [("grid", f"M0 {svg.number(_up(tick, y))}H1000") for tick in svg.ticks(y.low, y.high, 4)]
    if y.across is not None and math.isfinite(y.across):
        paths.append(("threshold", f"M0 {svg.number(_up(y.across, y))}H1000"))
    paths += [(f"curve {curve.style}", _path(x, curve.values, y)) for curve in curves]
    parts.append(svg.stretched(str(LEFT), TOP, f"{WIDTH}%", HEIGHT, (1000, HEIGHT), paths))
    for tick in svg.ticks(y.low, y.high, 4):
        label = f"{tick:.3g}".replace("-", "\u2212")
        parts.append(svg.text(str(LEFT - 5), TOP + _up(tick, y) + 4, label, "tick", "end"))
    parts += [svg.text(str(LEFT), TOP + HEIGHT + 16, x_ends[0], "tick")]
    parts += [
        svg.shifted(f"{WIDTH}%", [svg.text(str(LEFT), TOP + HEIGHT + 16, x_ends[1], "tick", "end"), *_ends(curves, y)])
    ]
    return svg.picture(name, TOP + HEIGHT + FOOT, title, description, parts)


def _ends(curves: list[Curve], y: Range) -> list[Markup]:
    named = [(curve.label, curve.values[-1], f"end {curve.style}") for curve in curves if curve.label and curve.values]
    if y.across is not None:
        named.append((y.across_label, y.across, "end"))
    named = [end for end in named if math.isfinite(end[1])]
    places = svg.apart([TOP + _up(value, y) for _, value, _ in named], LETTER, TOP, TOP + HEIGHT)
    return [
        svg.text(str(LEFT + 6), place + 4, label, style) for (label, _, style), place in zip(named, places, strict=True)
    ]


def _path(x: Sequence[float], values: Sequence[float], y: Range) -> str:
    if not values:
        return ""
    span = (x[-1] - x[0]) or 1
    points = [
        f"{svg.number(1000 * (at - x[0]) / span)} {svg.number(_up(value, y))}"
        for at, value in zip(x, values, strict=True)
        if math.isfinite(value)
    ]
    if len(points) == 1:
        return f"M{points[0]}h12"
    return "M" + "L".join(points) if points else ""


def thinned(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return at most `MOST_POINTS` steps and the means of the values from each to the next."""
    width = max(1, math.ceil(len(values) / MOST_POINTS))
    blocks = [values[start : start + width] for start in range(0, len(values), width)]
    return [float(i * width) for i in range(len(blocks))], [sum(block) / len(block) for block in blocks]


def _up(value: float, y: Range) -> float:
    share = (value - y.low) / ((y.high - y.low) or 1)
    return HEIGHT * (1 - max(0.0, min(1.0, share)))
