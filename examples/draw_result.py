"""Draw what a run did: the subject before and after, and bystanders before and after.

The picture shows the subject. It is meant for people who do not exist, as in the demo model.

    python examples/draw_result.py examples/models/synthetic-faces RUN picture.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from guide_plugin import LocalCheckpoint
from guide_plugin.report.contact_sheet import to_image
from guide_plugin.subject import read_code
from hub_adapters.checkpoints.model import CONFIG, WEIGHTS
from hub_adapters.stylegan2.adapter import StyleGAN2

CELL, GAP, LABEL = 112, 6, 30
BYSTANDERS = 7


def load(folder: Path) -> StyleGAN2:
    return StyleGAN2.load(LocalCheckpoint(folder, (CONFIG, WEIGHTS)), torch.device("cpu"))


@torch.no_grad()
def draw(before: Path, run: Path) -> Image.Image:
    """Return two rows, before and after: the subject first, then bystanders."""
    original, redacted = load(before), load(run / "model")
    subject = read_code(run / "private" / "subject.safetensors", original.latent_shape)
    others = original.sample_latents(BYSTANDERS, torch.Generator().manual_seed(4))
    codes = torch.cat([subject, others])
    left = 2 * CELL // 3
    gap_after_subject = 4 * GAP
    width = left + len(codes) * (CELL + GAP) + gap_after_subject
    sheet = Image.new("RGB", (width, LABEL + 2 * (CELL + GAP)), "white")
    write, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    write.text((left, 6), "the subject", "black", font)
    write.text((left + CELL + GAP + gap_after_subject, 6), "everybody else", "black", font)
    for row, (name, model) in enumerate({"before": original, "after": redacted}.items()):
        top = LABEL + row * (CELL + GAP)
        write.text((4, top + CELL // 2 - 8), name, "black", font)
        for i, picture in enumerate(model.synthesize(codes).image):
            cell = to_image(picture).resize((CELL, CELL), Image.Resampling.LANCZOS)
            sheet.paste(cell, (left + i * (CELL + GAP) + (gap_after_subject if i else 0), top))
    return sheet


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2])).save(sys.argv[3], optimize=True)
