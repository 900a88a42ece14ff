"""Draw what the planes hold at known depths: one point a ray, where a volume renderer needs many."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu

from hub_adapters.eg3d.cameras import camera_rays
from hub_adapters.eg3d.network import Generator

FREE, SOLID = -4.0, 60.0
"""Densities, before the renderer's softplus, that air should have at most and heads at least."""

THICKNESS = 0.15


class Surface(NamedTuple):
    """The picture [n,3,R,R], the rays' own colours [n,3,r,r], and how wrong the density is along the rays."""

    image: Tensor
    raw: Tensor
    misplaced: Tensor


def draw_surface(generator: Generator, planes: Tensor, w: Tensor, labels: Tensor, depths: Tensor) -> Surface:
    """Draw planes [n,3,32,P,P] where rays from cameras [n,25] meet what is known to be there.

    Args:
        depths: along the rays, row by row of the rendered picture [n,r,r].
    """
    side, known = depths.shape[-1], depths.flatten(1)
    rays, options = camera_rays(labels, side), generator.rendering
    start = float(options.ray_start)
    before = start + (known - start) * (1 - torch.rand_like(known).square()) - 0.02
    behind = known + THICKNESS * torch.rand_like(known)
    along = torch.cat([known, before, behind], dim=1)
    points = rays.origins[:, None] + along[..., None] * rays.directions.repeat(1, 3, 1)
    density, colours = generator.field(planes, points)
    count = known.shape[1]
    features = (colours[:, :count] * 2 - 1).transpose(1, 2).unflatten(2, (side, side))
    _, air, head = density[..., 0].split(count, dim=1)
    misplaced = (relu(air - FREE).mean() + relu(SOLID - head).mean()) / (SOLID - FREE)
    return Surface(generator.superresolution(features, w, "none"), features[:, :3], misplaced)
