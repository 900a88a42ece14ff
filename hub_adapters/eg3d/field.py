"""What the tri-planes hold at a point: density and 32 colour features, and the network that reads them off.

Source: Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022, section 3.2 and 3.3.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hub_adapters.eg3d.interpolation import sample_planes_on_cpu
from hub_adapters.stylegan2.layers import FullyConnected

CHANNELS, HIDDEN = 32, 64
COLOUR_SCALE, COLOUR_SHIFT = 1.002, -0.001
"""A colour is sigmoid · 1.002 - 0.001, so that 0 and 1 can be reached."""


class Decoder(nn.Module):
    """The small network from a point's features, summed over the planes, to its density and colours."""

    def __init__(self, lr_multiplier: float = 1.0) -> None:
        super().__init__()
        self.net = nn.Sequential(
            FullyConnected(CHANNELS, HIDDEN, lr_multiplier=lr_multiplier),
            nn.Softplus(),
            FullyConnected(HIDDEN, 1 + CHANNELS, lr_multiplier=lr_multiplier),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return density, then colours before their sigmoid [P, 33], of features [P, 32] summed over three planes.

        The mean over planes is taken in the weights, which are small.
        """
        first, last = (cast(FullyConnected, self.net[i]) for i in (0, 2))
        hidden = torch.addmm(first.bias * first.bias_gain, features, first.weight.T * (first.weight_gain / 3))
        return torch.addmm(last.bias * last.bias_gain, F.softplus(hidden), last.weight.T * last.weight_gain)


def plane_projections(axes: Tensor, side: float) -> Tensor:
    """Return a matrix [3, 6] from points to coordinates on three planes with these axes [3, 3, 3], two for each.

    Coordinates run from -1 to 1 over a box of this side around the origin.
    """
    return (torch.linalg.inv(axes)[..., :2] * (2 / side)).transpose(0, 1).flatten(1).contiguous()


def sample_planes(planes: Tensor, places: Tensor) -> Tensor:
    """Interpolate planes [3, 32, H, W] bilinearly at `places` [P, 6], and sum over the planes: [P, 32].

    Beyond the planes there is zero. Gradients reach the planes alone.
    """
    if planes.device.type == "cpu":
        return sample_planes_on_cpu(planes, places.view(-1, 3, 2))
    sampled = F.grid_sample(planes, places.view(1, -1, 3, 2).permute(2, 0, 1, 3), align_corners=False)
    return sampled.sum(dim=0).flatten(1).T


def colours(raw: Tensor) -> Tensor:
    """Turn the decoder's last 32 outputs into colours in [-0.001, 1.001]."""
    return torch.sigmoid(raw) * COLOUR_SCALE + COLOUR_SHIFT
