"""Bilinear interpolation of tri-planes on a CPU, three to four times faster than `grid_sample` with its gradient.

A point's features are a weighted sum of twelve rows of a table, four pixels on each of three planes: an embedding bag.
The gradient of a pixel is a weighted sum over the points that it lies next to: an embedding bag again, once those are
sorted by pixel. `grid_sample` scatters into memory channel by channel instead.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

PLANES, CORNERS = 3, 4


def sample_planes_on_cpu(planes: Tensor, places: Tensor) -> Tensor:
    """Interpolate planes [3, C, H, W] at `places` [P, 3, 2] in [-1, 1], and sum over the planes: [P, C].

    Planes in channels_last are not copied.
    """
    _, channels, height, width = planes.shape
    rows, weights = corners(places, height, width)
    return _WeightedRows.apply(planes.permute(0, 2, 3, 1).reshape(-1, channels), rows, weights)


@torch.no_grad()
def corners(places: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return which rows of a table [3 · H · W, C] a place lies between, and their weights, both [P, 12]."""
    size = places.new_tensor([width, height])
    at = places * (size / 2) + (size - 1) / 2
    low = at.nan_to_num_(nan=-9.0).floor()  # nowhere: not a number has no row
    share = at - low
    pixel = torch.stack([low, low + 1], dim=-1)
    weight = torch.stack([1 - share, share], dim=-1)
    weight = weight.where((pixel >= 0) & (pixel < size[:, None]), 0.0)
    x, y = pixel.clamp_(min=0).clamp_(max=size[:, None] - 1).to(torch.int32).unbind(dim=2)
    plane = torch.arange(PLANES, dtype=torch.int32)[:, None, None] * (height * width)
    rows = y[..., :, None] * width + x[..., None, :] + plane
    weights = weight[:, :, 1, :, None] * weight[:, :, 0, None, :]
    return rows.view(len(places), -1), weights.view(len(places), -1)


class _WeightedRows(torch.autograd.Function):
    """`table` [R, C], `rows` and `weights` [P, K] → weighted sums of rows [P, C], with a gradient for the table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.length = len(table)
        return F.embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        rows, weights = ctx.saved_tensors
        order = rows.flatten().argsort()
        counts = torch.bincount(rows.flatten(), minlength=ctx.length)
        starts = F.pad(counts.cumsum(dim=0)[:-1], (1, 0))
        points = order // rows.shape[1]
        mine = weights.flatten()[order]
        return (
            F.embedding_bag(points, gradient.contiguous(), starts, per_sample_weights=mine, mode="sum"),
            None,
            None,
        )
