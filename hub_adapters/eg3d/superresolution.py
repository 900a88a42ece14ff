"""The super-resolution: two StyleGAN2 blocks from 32 rendered channels to the picture.

Source: Chan et al., "Efficient Geometry-aware 3D Generative Adversarial Networks", CVPR 2022, section 3.4; the
official modules of the same names.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from hub_adapters.eg3d.field import CHANNELS
from hub_adapters.stylegan2.layers import BINOMIAL_FILTER, NoiseMode
from hub_adapters.stylegan2.network import SynthesisBlock


class Layout(NamedTuple):
    """What tells the modules apart.

    Attributes:
        scale: how many times the side of the picture is that of the module's input, 2 or 4.
        channels: of the two blocks.
        shrinks: whether rendered features larger than the input are resized to it too; smaller ones always are.
    """

    scale: int
    channels: tuple[int, int]
    shrinks: bool = True
    has_filter: bool = True


LAYOUTS = {
    "SuperresolutionHybrid2X": Layout(2, (128, 64)),
    "SuperresolutionHybrid4X": Layout(2, (128, 64), shrinks=False),
    "SuperresolutionHybrid8X": Layout(4, (128, 64)),
    "SuperresolutionHybrid8XDC": Layout(4, (256, 128), has_filter=False),
    "small2x": Layout(2, (48, 32)),  # ours, no official module: the first one in a width for small pictures
}


class SuperResolution(nn.Module):
    """Draw a picture [n, 3, R, R] from rendered features [n, 32, r, r], whose first three channels are RGB.

    The first block doubles the resolution where the picture is four times the input, and keeps it where it is twice.
    """

    def __init__(self, kind: str, resolution: int, w_dim: int, antialias: bool, clamp: float | None) -> None:
        super().__init__()
        self.layout, self.antialias = LAYOUTS[kind], antialias
        self.input_resolution = resolution // self.layout.scale
        first, second = self.layout.channels
        up = self.layout.scale == 4
        self.block0 = SynthesisBlock(CHANNELS, first, w_dim, resolution // 2, 3, False, "skip", clamp, up=up)
        self.block1 = SynthesisBlock(first, second, w_dim, resolution, 3, True, "skip", clamp)
        if self.layout.has_filter:
            self.register_buffer("resample_filter", BINOMIAL_FILTER.clone())  # in the official files, and of no use

    def forward(self, features: Tensor, ws: Tensor, noise_mode: NoiseMode) -> Tensor:
        """Draw with the last of the codes `ws` [n, num_ws, w_dim]."""
        codes = ws[:, -1:].expand(-1, 3, -1)
        size = self.input_resolution
        if features.shape[-1] < size or (self.layout.shrinks and features.shape[-1] > size):
            features = F.interpolate(features, (size, size), mode="bilinear", antialias=self.antialias)
        x, image = self.block0(features, features[:, :3], codes, noise_mode, None)
        _, image = self.block1(x, image, codes, noise_mode, None)
        return image
