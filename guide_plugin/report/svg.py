"""The few SVG pieces that the plots share.

Plots are as wide as their column while their text keeps its size: horizontal places are percentages, vertical ones
pixels, and curves lie in an inner picture that is stretched without its strokes.
"""

from __future__ import annotations

import itertools
import math

from markupsafe import Markup, escape


def picture(name: str, height: float, title: str, description: str, parts: list[Markup]) -> Markup:
    """Return an inline picture that names and describes itself to those who do not see it.

    Args:
        name: unique on the page.
    """
    head = Markup(
        '<svg class="plot" role="img" width="100%" height="{height}" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{title}</title><desc id="{name}-desc">{description}</desc>'
    )
    return head.format(name=name, height=number(height), title=title, description=description) + _joined(
        parts, "</svg>"
    )


def text(x: str, y: float, words: str, style: str = "", anchor: str = "start") -> Markup:
    """Return a text, `x` with its unit."""
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        x, number(y), style, anchor, words
    )


def line(x1: str, y1: float, x2: str, y2: float, style: str) -> Markup:
    """Return a straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>').format(x1, number(y1), x2, number(y2), style)


def dot(x: str, y: float, style: str) -> Markup:
    """Return a round mark."""
    return Markup('<circle cx="{}" cy="{}" r="5" class="{}"/>').format(x, number(y), style)


def stretched(
    x: str, y: float, width: str, height: float, view: tuple[float, float], paths: list[tuple[str, str]]
) -> Markup:
    """Return paths (style and data) in coordinates `view`, stretched over a rectangle."""
    head = Markup(
        '<svg x="{}" y="{}" width="{}" height="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" overflow="visible">'
    ).format(x, number(y), width, number(height), number(view[0]), number(view[1]))
    drawn = [Markup('<path class="{}" d="{}"/>').format(style, data) for style, data in paths if data]
    return head + _joined(drawn, "</svg>")


def shifted(x: str, parts: list[Markup]) -> Markup:
    """Return parts moved right, so that their own pixels add to a percentage."""
    return Markup('<svg x="{}" overflow="visible">').format(x) + _joined(parts, "</svg>")


def number(value: float) -> str:
    """Return a coordinate, short."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def apart(places: list[float], distance: float, low: float, high: float) -> list[float]:
    """Move labels in [low, high] until neighbours are `distance` apart, in their order and not far."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = dict(enumerate(places))
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + distance)
    for i, index in enumerate(reversed(order)):
        moved[index] = max(low, min(moved[index], high - i * distance))
        if i:
            moved[index] = min(moved[index], moved[order[len(order) - i]] - distance)
    return [moved[i] for i in range(len(places))]


def ticks(low: float, high: float, at_most: int) -> list[float]:
    """Return round numbers from low to high."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    unit = 10 ** math.floor(math.log10(span))
    step = next(s * unit for s in (0.1, 0.2, 0.25, 0.5, 1, 2, 5) if span / (s * unit) <= at_most)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _joined(parts: list[Markup], end: str) -> Markup:
    return escape("").join(parts) + Markup(end)
