"""Small disturbances of a picture that change nobody's face.

A recogniser's gradient, followed on clean pictures, leads to pictures that fool the recogniser and not the eye. What
survives a small shift, blur or change of contrast is in the face.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.operator import Embedder

SCALE, SHIFT, BLUR, CONTRAST = 0.06, 0.05, 0.8, 0.1


@dataclass(frozen=True)
class Jitter:
    """One disturbance of each of n pictures: half are mirrored, all are scaled, shifted, blurred, and change contrast.

    Attributes:
        frame: affine maps of the picture's coordinates [n, 2, 3].
        blur: share of a 3×3 mean [n, 1, 1, 1] in [0, 0.8]; half of them have none.
        contrast: factors [n, 1, 1, 1] within 10 % of 1.
    """

    frame: Tensor
    blur: Tensor
    contrast: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return disturbed pictures [n, 3, H, W]."""
        grid = F.affine_grid(self.frame, list(images.shape), align_corners=False)
        seen = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
        soft = F.avg_pool2d(F.pad(seen, (1,) * 4, mode="replicate"), 3, 1)
        return seen.lerp(soft, self.blur) * self.contrast

    def rows(self, chosen: slice) -> Jitter:
        return Jitter(self.frame[chosen], self.blur[chosen], self.contrast[chosen])


def draw_jitter(n: int, rng: torch.Generator, device: torch.device) -> Jitter:
    """Draw a disturbance for each of `n` pictures."""
    mirrored = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    scale = 1 + SCALE * (2 * torch.rand(n, generator=rng) - 1)
    frame = torch.zeros(n, 2, 3)
    frame[:, 0, 0], frame[:, 1, 1] = mirrored * scale, scale
    frame[:, :, 2] = SHIFT * (2 * torch.rand(n, 2, generator=rng) - 1)
    blurred = torch.rand(n, 1, 1, 1, generator=rng) < 0.5
    blur = BLUR * torch.rand(n, 1, 1, 1, generator=rng) * blurred
    contrast = 1 + CONTRAST * (2 * torch.rand(n, 1, 1, 1, generator=rng) - 1)
    return Jitter(*(part.to(device, non_blocking=True) for part in (frame, blur, contrast)))


def under_jitter(recogniser: Embedder, rng: torch.Generator) -> Embedder:
    """Return a recogniser that sees what a search draws under jitter, and pictures that are given as they are.

    A picture is drawn by a search if a gradient is asked for it.
    """

    def embed(images: Tensor) -> Tensor:
        return recogniser(draw_jitter(len(images), rng, images.device)(images) if images.requires_grad else images)

    return embed
