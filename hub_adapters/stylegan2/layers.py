"""StyleGAN2's layers: resampling, equalised linear layers, modulated convolutions.

Scaling a convolution's input and output by styles and demodulation factors gives the same result as scaling its
weights: a batch of different styles shares one ordinary convolution, a single picture is spared the passes over it.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, section 2.2, and the
operators of stylegan2-ada-pytorch.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NoiseMode = Literal["const", "random", "none"]

LRELU_SLOPE = 0.2
LRELU_GAIN = math.sqrt(2)


BINOMIAL_FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 64
"""The normalised 4×4 resampling kernel."""


def normal(*shape: int) -> Tensor:
    """Return initial weights from N(0, 1); on the meta device, where the same takes much longer, only their shape."""
    weights = torch.empty(shape)
    return weights if weights.is_meta else weights.normal_()


def blur(x: Tensor) -> Tensor:
    """Smooth every channel of a transposed convolution's result [n, c, h + 1, w + 1] with the resampling kernel."""
    channels = x.shape[1]
    weight = (BINOMIAL_FILTER * 4).to(x).expand(channels, 1, -1, -1)
    return F.conv2d(x, weight, padding=1, groups=channels)


def upsample_2x(x: Tensor) -> Tensor:
    """Double the resolution of `x` [n, c, h, w] with the resampling kernel, beyond whose borders there is zero.

    Zero insertion followed by this kernel is bilinear interpolation.
    """
    return F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear")[..., 2:-2, 2:-2]


class FullyConnected(nn.Module):
    """A linear layer with equalised learning rate, and leaky ReLU where `activate` is set."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        activate: bool = False,
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        weight = normal(out_features, in_features)
        self.weight = nn.Parameter(weight if lr_multiplier == 1 else weight / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.activate = activate
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(x, LRELU_SLOPE) * LRELU_GAIN if self.activate else x


class ModulatedConv(nn.Module):
    """What every convolution with styled input channels consists of."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, w_dim: int) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(normal(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels))


class SynthesisLayer(ModulatedConv):
    """Modulated and demodulated 3×3 convolution (2× up-sampling where `up` is set), noise, leaky ReLU."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool, clamp: float | None
    ) -> None:
        super().__init__(in_channels, out_channels, 3, w_dim)
        self.resolution, self.up, self.clamp = resolution, up, clamp
        self.register_buffer("resample_filter", BINOMIAL_FILTER.clone())
        self.register_buffer("noise_const", normal(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: NoiseMode, rng: torch.Generator | None, gain: float = 1.0
    ) -> Tensor:
        style = self.affine(w)
        demodulation = (style.square() @ self.weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
        gain_in_all = LRELU_GAIN * gain  # a leaky ReLU commutes with positive factors
        scale = demodulation * gain_in_all
        if len(style) == 1:
            x = self.convolve(x, self.weight * style.view(1, -1, 1, 1) * scale.view(-1, 1, 1, 1))
            x = x + self.bias.view(1, -1, 1, 1).to(x.dtype) * gain_in_all
        else:
            x = self.convolve(x * style[:, :, None, None].to(x.dtype), self.weight)
            shift = self.bias.view(1, -1, 1, 1) * gain_in_all
            x = torch.addcmul(shift.to(x.dtype), x, scale[:, :, None, None].to(x.dtype))
        if noise_mode == "const":
            x = x + (self.noise_const * (self.noise_strength * gain_in_all)).to(x.dtype)
        elif noise_mode == "random":
            shape = (x.shape[0], 1, self.resolution, self.resolution)
            x = x + torch.randn(shape, generator=rng, device=x.device) * (self.noise_strength * gain_in_all)
        x = F.leaky_relu(x, LRELU_SLOPE)
        return x if self.clamp is None else F.hardtanh(x, -self.clamp * gain, self.clamp * gain)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        """Convolve, to twice the resolution where `up` is set."""
        if self.up:
            return blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return F.conv2d(x, weight, padding=1)


class ToRGB(ModulatedConv):
    """Modulated 1×1 convolution from features to colour, without demodulation."""

    def __init__(self, in_channels: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__(in_channels, img_channels, 1, w_dim)
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.weight_gain
        if len(style) == 1:
            x = F.conv2d(x, self.weight * style.view(1, -1, 1, 1))
        else:
            x = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight)
        x = x + self.bias.view(1, -1, 1, 1).to(x.dtype)
        return x if self.clamp is None else F.hardtanh(x, -self.clamp, self.clamp)


class ResidualSkip(nn.Module):
    """The 1×1 convolution and 2× up-sampling that bypass a block of the `resnet` architecture."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(out_channels, in_channels, 1, 1))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.register_buffer("resample_filter", BINOMIAL_FILTER.clone())

    def forward(self, x: Tensor) -> Tensor:
        return upsample_2x(F.conv2d(x, self.weight * self.weight_gain))
