"""Draw how the share of one person's pairs that are known falls while fewer strangers are let through."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from PIL import Image, ImageDraw, ImageFont

from .pairs import Pairs

RATES = torch.logspace(-5, -1, 81, dtype=torch.float64)
"""Shares of strangers' pairs above the line, from left to right."""

WIDTH, HEIGHT, LEFT, TOP, BOTTOM, KEY = 430, 300, 56, 34, 44, 20
COLOURS = ("#1b6ca8", "#d1602d", "#2e8b57", "#7a4fa3", "#b59a1a", "#555555")
GREY, SMALL, LARGE = "#cccccc", 12, 15


def curves(panels: Mapping[str, Mapping[str, Pairs]]) -> Image.Image:
    """Draw a panel for each network, and in it a line for each source of pictures."""
    shares = {name: {source: known(seen) for source, seen in sources.items()} for name, sources in panels.items()}
    lowest = min(min(values) for sources in shares.values() for values in sources.values())
    floor = min(0.9, math.floor(10 * lowest) / 10)
    names = list(next(iter(shares.values())))
    sheet = Image.new("RGB", (len(shares) * (LEFT + WIDTH) + 20, TOP + HEIGHT + BOTTOM + KEY * len(names)), "white")
    for i, (name, sources) in enumerate(shares.items()):
        _panel(ImageDraw.Draw(sheet), i * (LEFT + WIDTH) + LEFT, name, list(sources.values()), floor)
    write, small = ImageDraw.Draw(sheet), ImageFont.load_default(SMALL)
    for i, source in enumerate(names):
        y = TOP + HEIGHT + BOTTOM + KEY * i
        write.line([(LEFT, y + 8), (LEFT + 24, y + 8)], COLOURS[i % len(COLOURS)], 3)
        write.text((LEFT + 32, y), source, "black", small)
    return sheet


def known(seen: Pairs) -> list[float]:
    """Return the share of one person's pairs above the line at each of `RATES`."""
    lines = seen.strangers.double().quantile(1 - RATES)
    above = len(seen.same) - torch.searchsorted(seen.same.double().sort().values, lines, right=True)
    return (above / len(seen.same)).tolist()


def _panel(write: ImageDraw.ImageDraw, left: int, name: str, curves: list[list[float]], floor: float) -> None:
    small, first, last = ImageFont.load_default(SMALL), math.log10(RATES[0]), math.log10(RATES[-1])

    def place(rate: float, share: float) -> tuple[float, float]:
        x = left + (math.log10(rate) - first) / (last - first) * (WIDTH - 20)
        return x, TOP + (1 - share) / (1 - floor) * HEIGHT

    write.text((left, 8), f"{name}: share of one person's pairs above the line", "black", ImageFont.load_default(LARGE))
    for power in range(round(first), round(last) + 1):
        (x, top), (_, bottom) = place(10.0**power, 1), place(10.0**power, floor)
        write.line([(x, top), (x, bottom)], GREY)
        write.text((x, bottom + 4), f"1e{power}", "black", small, anchor="ma")
    middle = left + (WIDTH - 20) // 2
    write.text((middle, TOP + HEIGHT + 22), "strangers' pairs above the line", "black", small, anchor="ma")
    steps = round((1 - floor) / (0.02 if floor >= 0.9 else 0.1))
    for share in (floor + i * (1 - floor) / steps for i in range(steps + 1)):
        (x, y), (end, _) = place(RATES[0].item(), share), place(RATES[-1].item(), share)
        write.line([(x, y), (end, y)], GREY)
        write.text((x - 6, y), f"{share:.2f}", "black", small, anchor="rm")
    for i, shares in enumerate(curves):
        points = [place(rate, share) for rate, share in zip(RATES.tolist(), shares, strict=True)]
        write.line(points, COLOURS[i % len(COLOURS)], 2)
