"""How sharp a picture is at the resolution it has, whatever its contrast."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def sharpness(image: Tensor) -> float:
    """Return the ratio of detail in the finest octave of a picture [3, H, W] to detail in the next one.

    Sides are 4 pixels or more. The ratio is about 1 for edges as sharp as pixels allow and falls towards 0 with blur;
    contrast and brightness cancel. Noise and the rims of strong compression count as detail. A picture without any
    detail has 0.
    """
    height, width = (4 * (side // 4) for side in image.shape[-2:])
    grey = image[:, :height, :width].mean(dim=0)[None, None]
    half = F.avg_pool2d(grey, 2)
    finest = grey - _enlarged(half)
    coarser = half - _enlarged(F.avg_pool2d(half, 2))
    energy = coarser.std().item()
    return finest.std().item() / energy if energy > 1e-6 else 0.0


def _enlarged(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
