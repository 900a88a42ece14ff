"""The bench to look at: everybody's faces before and after, and below them what was brought back against the threshold.

The picture shows the people who were unlearned. It is meant for people who do not exist, as in the demo model.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from guide_plugin.adapter import LocalCheckpoint
from guide_plugin.comparison.pictures import draw
from guide_plugin.plan import Plan, load_model
from guide_plugin.report.contact_sheet import CELL, INK, MARGIN, PAPER, sheet
from guide_plugin.report.svg import ticks
from guide_plugin.run_dir import RunDir
from guide_plugin.subject import Case

from .bench_figures import Figures

FACES = ("before", "after", "the best search", "somebody else", "after")
LOW, HIGH = -0.2, 1.0
"""The ends of the chart's axis of similarity."""
ROW, HEAD, NAME, AXIS = 22, 24, 130, 560
GONE, BACK, GREY = (30, 110, 70), (190, 40, 30), (185, 185, 185)


def picture(plan: Plan, runs: list[tuple[RunDir, Figures]]) -> Image.Image:
    """Return one picture of all runs that are done: a row of faces each, and the chart."""
    rows = {_label(figures): faces(plan, run, i) for i, (run, figures) in enumerate(runs)}
    parts = [_heads(), sheet(rows)] if rows else []
    return stacked([*parts, chart([figures for _, figures in runs])])


@torch.no_grad()
def faces(plan: Plan, run: RunDir, bystander: int) -> Tensor:
    """Return the pictures [5, 3, H, W] that `FACES` names, in [-1, 1]; white where no evidence was kept.

    Args:
        bystander: which one of those whom pictures of runs show; the runs of a bench show the same ones.
    """
    told, tensors = run.read_recipe()
    case = Case.from_tensors(tensors, told, plan.teacher.device)
    redacted = load_model(type(plan.teacher), LocalCheckpoint(run.model(), plan.claim.files), plan.teacher.device)
    before, after = (draw(model, plan, case) for model in (plan.teacher, redacted))
    found = best_search(run)
    return torch.stack(
        [before[0], after[0], torch.ones_like(after[0]) if found is None else found, before[1], after[1]]
    )


def best_search(run: RunDir) -> Tensor | None:
    """Return the picture [3, H, W] that the best search ended at; None where the run kept no evidence."""
    page = run.folder / "private" / "evidence.html"
    if not page.is_file():
        return None
    found = re.search(r'src="data:image/png;base64,([^"]+)"[^>]*alt="brought back', page.read_text("utf-8"))
    if found is None:
        return None
    levels = np.array(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGB"))
    return torch.from_numpy(levels).permute(2, 0, 1) / 127.5 - 1


def chart(rows: list[Figures]) -> Image.Image:
    """Draw what searches over W (discs) and Z (rings) brought back of everybody, and the thresholds (bars)."""
    bottom = HEAD + ROW * len(rows)
    image = Image.new("RGB", (MARGIN + NAME + AXIS + 2 * MARGIN, bottom + 2 * ROW), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    pen.text((MARGIN, 4), "brought back: disc by W, ring by Z; bar: from here on the same person", INK, font)
    for value in ticks(LOW, HIGH, 7):
        pen.line([(_x(value), HEAD), (_x(value), bottom)], (230, 230, 230))
        pen.text((_x(value), bottom + 4), f"{value:.1f}", INK, font, anchor="ma")
    for i, row in enumerate(rows):
        top = HEAD + ROW * i
        middle = top + ROW // 2
        pen.text((MARGIN, middle), row.name, INK, font, anchor="lm")
        pen.line([(_x(LOW), middle), (_x(HIGH), middle)], GREY)
        if row.threshold is None:
            continue
        pen.line([(_x(row.threshold), top + 3), (_x(row.threshold), top + ROW - 3)], INK, 3)
        for values, filled in (((row.w, row.holdout_w), True), ((row.z, row.holdout_z), False)):
            for value in values:
                if value is not None:
                    _mark(pen, _x(value), middle, GONE if value < row.threshold else BACK, filled)
    return image


def stacked(parts: Iterable[Image.Image]) -> Image.Image:
    """Put pictures below each other."""
    parts = list(parts)
    image = Image.new("RGB", (max(part.width for part in parts), sum(part.height for part in parts)), PAPER)
    top = 0
    for part in parts:
        image.paste(part, (0, top))
        top += part.height
    return image


def _heads() -> Image.Image:
    image = Image.new("RGB", (2 * MARGIN + CELL * len(FACES), HEAD), PAPER)
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    for i, name in enumerate(FACES):
        pen.text((MARGIN + CELL * i, 6), name, INK, font)
    return image


def _label(row: Figures) -> str:
    if row.brought_back is None or row.threshold is None:
        return f"{row.name}: {row.verdict}"
    return f"{row.name}: {row.verdict}, brought back {row.brought_back:.2f}, threshold {row.threshold:.2f}"


def _x(similarity: float) -> float:
    return MARGIN + NAME + AXIS * (min(max(similarity, LOW), HIGH) - LOW) / (HIGH - LOW)


def _mark(pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int], filled: bool) -> None:
    pen.ellipse([x - 5, y - 5, x + 5, y + 5], colour if filled else None, colour, 2)
