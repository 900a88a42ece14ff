"""MS-SSIM: how alike two pictures are in structure and contrast, at several scales, without any recogniser.

Source: Wang, Simoncelli and Bovik, "Multi-Scale Structural Similarity for Image Quality Assessment", Asilomar 2003, as
torchmetrics computes it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from guide_plugin.vision.torchvision_on_cpu import make_torchvision_importable

BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weights of the five scales, from fine to coarse (section 3.2); as printed they sum to 1.0001."""
WINDOW = 11
"""The side in pixels of the Gaussian window at every scale."""


def scales(side: int) -> int:
    """Return at how many scales a picture with this shorter side can be compared, 5 at most; 0 where at none.

    A window has to fit into the coarsest scale, each being half the one before; and torchmetrics asks that it fits into
    the side divided by the square of one less than the number of scales, which is more at four of them.
    """
    room = (max(2 ** (n - 1), (n - 1) ** 2) for n in range(1, len(BETAS) + 1))
    fitting = [n for n, times in enumerate(room, 1) if side // times >= WINDOW]
    return max(fitting, default=0)


def weights(n: int) -> tuple[float, ...]:
    """Return the weights of the `n` finest scales, divided by their sum so that it is 1 again."""
    return tuple(beta / sum(BETAS[:n]) for beta in BETAS[:n])


@torch.no_grad()
def ms_ssim(a: Tensor, b: Tensor) -> Tensor | None:
    """Return the MS-SSIM [n] of pictures [n, 3, H, W] in [-1, 1], 1 for equal ones; None where they are too small.

    Pictures too small for five scales are compared at as many of the finest as fit: 3 at 64 pixels, 4 at 128. Numbers
    of another count of scales are no comparison. What falls below 0 at a scale counts as 0. Values are brought to
    [0, 1] first: the luminance term is made for such.
    """
    n = scales(min(a.shape[-2:]))
    if n == 0:
        return None
    make_torchvision_importable()
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    found: Tensor = multiscale_structural_similarity_index_measure(
        (a.float() + 1) / 2,
        (b.float() + 1) / 2,
        kernel_size=WINDOW,
        reduction="none",
        data_range=1.0,
        betas=weights(n),
        normalize="relu",
    )
    return found.reshape(len(a))
