"""Where a ray is sampled: stratified depths, then more of them where the density is.

Whatever is random is handed in as plain tensors. Source: Mildenhall et al., "NeRF", ECCV 2020, section 5.2, and the
renderer of Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from hub_adapters.eg3d.cameras import Rays

MIDDLE = 0.5
"""The jitter of a renderer that draws nothing."""


def box_limits(rays: Rays, side: float) -> tuple[Tensor, Tensor]:
    """Return the depths [n, M, 1] at which rays enter and leave the box of this side around the origin.

    Rays that miss it get the least entry and the greatest *entry* of all others, as in the official renderer.
    """
    first, second = ((limit - rays.origins[:, None]) / rays.directions for limit in (-side / 2, side / 2))
    start = torch.minimum(first, second).amax(dim=-1, keepdim=True)
    end = torch.maximum(first, second).amin(dim=-1, keepdim=True)
    hit = start <= end
    known = start[hit & (end > start)]
    start, end = start.where(hit, -1.0), end.where(hit, -2.0)
    if len(known):
        miss = ~(end > start)
        start, end = start.where(~miss, known.min()), end.where(~miss, known.max())
    return start, end


def stratified_depths(
    start: float | Tensor, end: float | Tensor, count: int, jitter: float | Tensor, disparity: bool = False
) -> Tensor:
    """Return `count` depths per ray, each `jitter` of a step behind an evenly spaced one.

    Args:
        start, end: numbers, or [..., 1] per ray.
        jitter: in [0, 1), a number or [..., count] per ray.
        disparity: space them evenly in 1/depth; the last one then lies behind `end`.
    """
    device = next((x.device for x in (jitter, start) if isinstance(x, Tensor)), None)
    steps = (torch.linspace(0, 1, count, device=device) + jitter / (count - 1)).to(torch.float32)
    if disparity:
        return 1 / (1 / start * (1 - steps) + 1 / end * steps)
    return start + steps * (end - start)


def importance_depths(depths: Tensor, weights: Tensor, u: Tensor) -> Tensor:
    """Draw depths from the distribution that the coarse samples' weights describe, by inverting its cumulative sum.

    Args:
        depths: the coarse depths [m, S]; they ascend.
        weights: how much the spans between them contribute [m, S - 1].
        u: numbers in [0, 1] [m, N], or [N] for all rays.
    """
    blurred = F.avg_pool1d(F.max_pool1d(weights[:, None], 2, 1, padding=1), 2, 1)[:, 0] + 0.01
    bins = (depths[:, :-1] + depths[:, 1:]) / 2
    density = blurred[:, 1:-1] + 1e-5
    cumulative = F.pad((density / density.sum(dim=1, keepdim=True)).cumsum(dim=1), (1, 0))
    u = u.expand(len(depths), u.shape[-1]).contiguous()
    found = torch.searchsorted(cumulative, u, right=True)
    below, above = (found - 1).clamp_min(0), found.clamp_max(density.shape[1])
    low, high = cumulative.gather(1, below), cumulative.gather(1, above)
    span = high - low
    share = (u - low) / span.where(span >= 1e-5, 1.0)
    left = bins.gather(1, below)
    return left + share * (bins.gather(1, above) - left)
