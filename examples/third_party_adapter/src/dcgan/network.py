"""A small DCGAN: transposed convolutions, each doubling the picture's side.

Source: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
2016.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn


class Drawing(NamedTuple):
    """Pictures [n, 3, S, S] in [-1, 1], and the features [n, C, S/2, S/2] that their colours were made from."""

    image: Tensor
    features: Tensor


class Generator(nn.Module):
    """Codes [n, code_size] to pictures of side 4·2^len(widths)."""

    def __init__(self, code_size: int, widths: list[int]) -> None:
        super().__init__()
        self.project = _block(code_size, widths[0], stride=1, padding=0)
        self.blocks = nn.Sequential(*(_block(before, after, stride=2, padding=1) for before, after in pairwise(widths)))
        self.colours = nn.ConvTranspose2d(widths[-1], 3, kernel_size=4, stride=2, padding=1)

    def forward(self, codes: Tensor) -> Drawing:
        features = self.blocks(self.project(codes[:, :, None, None]))
        return Drawing(self.colours(features).tanh().float(), features)


def _block(before: int, after: int, stride: int, padding: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, kernel_size=4, stride=stride, padding=padding, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    )
