"""The same people drawn by several models, as one picture."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

CELL = 128
MARGIN = 12
LABEL = 28
INK, PAPER = (30, 30, 30), (255, 255, 255)


def to_image(pixels: Tensor) -> Image.Image:
    """Turn one picture [3, H, W] in [-1, 1] into 8-bit RGB."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(levels.permute(1, 2, 0).cpu().numpy())


def contact_sheet(before: Tensor, after: Tensor) -> Image.Image:
    """Draw bystanders [n, 3, H, W] before, after, and what changed, 4 times enlarged around white."""
    change = (1 - 4 * (after - before).abs()).clamp(-1, 1)
    return sheet({"before": before, "after": after, "change, four times enlarged": change})


def sheet(rows: Mapping[str, Tensor]) -> Image.Image:
    """Draw one row of pictures [n, 3, H, W] below each label, the same n in all."""
    across = max(len(pictures) for pictures in rows.values())
    image = Image.new("RGB", (2 * MARGIN + CELL * across, len(rows) * (CELL + LABEL) + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    for i, (label, pictures) in enumerate(rows.items()):
        top = i * (CELL + LABEL)
        draw.text((MARGIN, top + 6), label, INK, ImageFont.load_default(16))
        for j, picture in enumerate(pictures):
            cell = to_image(picture).resize((CELL, CELL), Image.Resampling.BICUBIC)
            image.paste(cell, (MARGIN + j * CELL, top + LABEL))
    return image


def png(image: Image.Image) -> bytes:
    """Return a picture as a PNG file without metadata."""
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
