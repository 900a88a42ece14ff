"""The smallest network that has all that the adapter contract speaks of: a mapping, features, views, constant noise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

Z_DIM, W_DIM, CHANNELS, SIDE = 4, 8, 6, 8


class ToyNetwork(nn.Module):
    """Codes [n, 8] to features [n, 6, 4, 4] and pictures [n, 3, 8, 8]; a view [n, 2] shifts colours up and across."""

    w_avg: Tensor
    noise: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.mapping = nn.Linear(Z_DIM, W_DIM)
        self.synthesis = nn.ModuleDict({"block": nn.Linear(W_DIM, CHANNELS * 16), "rgb": nn.Conv2d(CHANNELS, 3, 1)})
        self.register_buffer("w_avg", torch.zeros(W_DIM))
        self.register_buffer("noise", 0.1 * torch.randn(4, 4))

    def features(self, w: Tensor) -> Tensor:
        return self.synthesis["block"](w).reshape(-1, CHANNELS, 4, 4).tanh() + self.noise

    def picture(self, features: Tensor, view: Tensor) -> Tensor:
        ramp = torch.linspace(-1, 1, 4, device=features.device)
        shift = view[:, :1, None] * ramp[None, :, None] + view[:, 1:, None] * ramp[None, None]
        colours = self.synthesis["rgb"](features + shift[:, None]).tanh()
        return nn.functional.interpolate(colours.float(), scale_factor=2)


def random_network() -> ToyNetwork:
    """Build a network with seeded weights, whose mean code is that of its codes."""
    torch.manual_seed(0)
    network = ToyNetwork().eval().requires_grad_(False)
    network.w_avg.copy_(network.mapping.bias)  # of codes that are linear in normal numbers
    return network
