"""Perceptual distance: how different two pictures look to a frozen convolutional network.

Source: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018 (LPIPS).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvPerceptual(nn.Module):
    """LPIPS over a plain stack of 3×3 convolutions with ReLU, 2×2 max-pooling before all but the first.

    Weights: `convs.i.weight`, `convs.i.bias`, per-channel weights `lins.i` ≥ 0, and the input normalisation
    `(x - shift) / scale`, both [1, 3, 1, 1].
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        sizes = [3, *widths]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1) for before, after in zip(sizes, widths, strict=False)
        )
        self.lins = nn.ParameterList(nn.Parameter(torch.ones(width)) for width in widths)
        self.register_buffer("shift", torch.zeros(1, 3, 1, 1))
        self.register_buffer("scale", torch.ones(1, 3, 1, 1))

    @classmethod
    def from_state_dict(cls, state: dict[str, Tensor]) -> ConvPerceptual:
        """Build the network whose weights these are, its widths read from their shapes."""
        count = sum(key.startswith("lins.") for key in state)
        network = cls([state[f"lins.{i}"].shape[0] for i in range(count)])
        network.load_state_dict(state)
        return network

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the channel-normalised, weighted feature maps; their squared differences sum to the distance.

        Args:
            images: [n, 3, H, W] in [-1, 1].
        """
        maps = []
        x = (images - self.shift) / self.scale
        for i, (conv, lin) in enumerate(zip(self.convs, self.lins, strict=True)):
            if i:
                x = F.max_pool2d(x, 2)
            x = F.relu(conv(x))
            norm = (x.square().sum(dim=1, keepdim=True) + 1e-20).sqrt()  # the root's slope at 0 would make NaN gradients
            maps.append(x * (lin.sqrt().view(1, -1, 1, 1) / norm))
        return maps


def feature_distance(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Return the LPIPS distance [n] between two pictures' `features`: squared difference, mean over space, sum."""
    return torch.stack([(x - y).square().sum(dim=1).mean(dim=(1, 2)) for x, y in zip(a, b, strict=True)]).sum(dim=0)
