"""The StyleGAN2 generator in plain PyTorch, parameter for parameter the official one.

Names, shapes, gains and constants follow the generator of stylegan2-ada-pytorch (and the StyleGAN2 classes of
stylegan3), so that an official state dict loads without renaming and draws the same pictures. Layers that the
official code runs in float16 run in float32 here, as under its `force_fp32`.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, and
"Training Generative Adversarial Networks with Limited Data", NeurIPS 2020.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NoiseMode = Literal["const", "random", "none"]
Architecture = Literal["skip", "resnet", "orig"]

LRELU_SLOPE = 0.2
LRELU_GAIN = math.sqrt(2)


class Drawing(NamedTuple):
    """A picture `[n, img_channels, R, R]` and the feature maps `[n, C, R, R]` that its last block drew it from."""

    image: Tensor
    features: Tensor


def binomial_filter() -> Tensor:
    """Return the normalised 4×4 resampling kernel, the outer product of (1, 3, 3, 1)."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def filter_2d(x: Tensor, kernel: Tensor, padding: tuple[int, int], gain: float = 1.0) -> Tensor:
    """Convolve every channel of `x` [n, c, h, w] with `kernel`, zero-padded by (before, after) on both axes."""
    before, after = padding
    channels = x.shape[1]
    weight = (kernel.flip(0, 1) * gain).to(x.dtype).expand(channels, 1, -1, -1)
    if before == after:
        return F.conv2d(x, weight, padding=before, groups=channels)
    return F.conv2d(F.pad(x, (before, after, before, after)), weight, groups=channels)


def upsample_2x(x: Tensor, kernel: Tensor) -> Tensor:
    """Double the resolution of `x` [n, c, h, w]: zero insertion, then the resampling kernel."""
    n, channels, height, width = x.shape
    spread = x.new_zeros(n, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = x
    return filter_2d(spread.reshape(n, channels, 2 * height, 2 * width), kernel, (2, 1), gain=4)


def leaky_relu(x: Tensor, bias: Tensor, gain: float, clamp: float | None) -> Tensor:
    """Add the per-channel bias, apply leaky ReLU, scale by √2·`gain`, clamp to ±`clamp`·`gain`."""
    x = F.leaky_relu(x + bias.view(1, -1, 1, 1), LRELU_SLOPE) * (LRELU_GAIN * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


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
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.activate = activate
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return F.leaky_relu(x, LRELU_SLOPE) * LRELU_GAIN if self.activate else x


def normalize_second_moment(x: Tensor) -> Tensor:
    """Scale each row of `x` [n, d] to unit mean square."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


class Mapping(nn.Module):
    """The mapping network: `z` [n, z_dim] and labels `c` [n, c_dim] to codes `w` [n, num_ws, w_dim]."""

    w_avg: Tensor

    def __init__(self, z_dim: int, c_dim: int, w_dim: int, num_ws: int, num_layers: int, lr_multiplier: float) -> None:
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws, self.num_layers = z_dim, c_dim, num_ws, num_layers
        if c_dim:
            self.embed = FullyConnected(c_dim, w_dim)
        sizes = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * num_layers
        for i in range(num_layers):
            self.add_module(f"fc{i}", FullyConnected(sizes[i], sizes[i + 1], True, lr_multiplier))
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
        """Map `z`, pulling the first `cutoff` (default: all) layers' codes towards `w_avg` by truncation `psi`."""
        x = normalize_second_moment(z)
        if self.c_dim:
            if c is None:
                raise ValueError(f"this generator is conditional: labels [n, {self.c_dim}] are needed")
            x = torch.cat([x, normalize_second_moment(self.embed(c))], dim=1)
        for i in range(self.num_layers):
            x = self.get_submodule(f"fc{i}")(x)
        w = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if psi != 1:
            truncated = self.w_avg.lerp(w[:, :cutoff], psi)
            w = truncated if cutoff is None else torch.cat([truncated, w[:, cutoff:]], dim=1)
        return w


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by a style; the official layers' common part.

    Scaling the activations instead of the weights gives the same result, and one ordinary convolution serves
    a whole batch of different styles.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, w_dim: int) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
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
        self.register_buffer("resample_filter", binomial_filter())
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, w: Tensor, noise_mode: NoiseMode, rng: torch.Generator | None, gain: float = 1.0
    ) -> Tensor:
        style = self.affine(w)
        demodulation = (style.square() @ self.weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up:
            x = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            x = filter_2d(x, self.resample_filter, (1, 1), gain=4)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        x = x * demodulation[:, :, None, None].to(x.dtype)
        if noise_mode == "const":
            x = x + self.noise_const * self.noise_strength
        elif noise_mode == "random":
            shape = (x.shape[0], 1, self.resolution, self.resolution)
            x = x + torch.randn(shape, generator=rng, device=x.device) * self.noise_strength
        return leaky_relu(x, self.bias, gain, self.clamp)


class ToRGB(ModulatedConv):
    """Modulated 1×1 convolution from features to colour, without demodulation."""

    def __init__(self, in_channels: int, img_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__(in_channels, img_channels, 1, w_dim)
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.weight_gain
        x = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight)
        x = x + self.bias.view(1, -1, 1, 1)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class ResidualSkip(nn.Module):
    """The 1×1 convolution and 2× up-sampling that bypass a block of the `resnet` architecture."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.register_buffer("resample_filter", binomial_filter())

    def forward(self, x: Tensor) -> Tensor:
        return upsample_2x(F.conv2d(x, self.weight * self.weight_gain), self.resample_filter)


class SynthesisBlock(nn.Module):
    """All layers of one resolution; the first block starts from a learned constant."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        img_channels: int,
        is_last: bool,
        architecture: Architecture,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.is_first, self.architecture = in_channels == 0, architecture
        self.register_buffer("resample_filter", binomial_filter())
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, True, clamp)
            if architecture == "resnet":
                self.skip = ResidualSkip(in_channels, out_channels)
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, False, clamp)
        self.has_torgb = is_last or architecture == "skip"
        if self.has_torgb:
            self.torgb = ToRGB(out_channels, img_channels, w_dim, clamp)
        self.num_conv = 1 if self.is_first else 2

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise_mode: NoiseMode, rng: torch.Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """Draw from features `x` and the picture so far; `ws` [n, num_conv + 1, w_dim] are this block's codes."""
        if x is None:
            x = self.const.expand(ws.shape[0], -1, -1, -1)
            x = self.conv1(x, ws[:, 0], noise_mode, rng)
        elif self.architecture == "resnet":
            bypass = self.skip(x) * math.sqrt(0.5)
            x = self.conv0(x, ws[:, 0], noise_mode, rng)
            x = bypass + self.conv1(x, ws[:, 1], noise_mode, rng, gain=math.sqrt(0.5))
        else:
            x = self.conv0(x, ws[:, 0], noise_mode, rng)
            x = self.conv1(x, ws[:, 1], noise_mode, rng)
        if image is not None:
            image = upsample_2x(image, self.resample_filter)
        if self.has_torgb:
            colour = self.torgb(x, ws[:, self.num_conv]).float()
            image = colour if image is None else image + colour
        return x, image


class Synthesis(nn.Module):
    """The synthesis network: codes `ws` [n, num_ws, w_dim] to a picture and the features it was drawn from."""

    def __init__(
        self,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channel_base: int,
        channel_max: int,
        architecture: Architecture,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.block_resolutions = [2**i for i in range(2, int(math.log2(img_resolution)) + 1)]
        channels = {r: min(channel_base // r, channel_max) for r in self.block_resolutions}
        self.num_ws = 1
        for r in self.block_resolutions:
            block = SynthesisBlock(
                channels[r // 2] if r > 4 else 0,
                channels[r],
                w_dim,
                r,
                img_channels,
                r == img_resolution,
                architecture,
                conv_clamp,
            )
            self.add_module(f"b{r}", block)
            self.num_ws += block.num_conv

    def forward(self, ws: Tensor, noise_mode: NoiseMode = "const", rng: torch.Generator | None = None) -> Drawing:
        x: Tensor | None = None
        image: Tensor | None = None
        start = 0
        for r in self.block_resolutions:
            block = self.get_submodule(f"b{r}")
            x, image = block(x, image, ws[:, start : start + block.num_conv + 1], noise_mode, rng)
            start += block.num_conv
        assert x is not None and image is not None  # the last block always draws
        return Drawing(image, x)


class Generator(nn.Module):
    """A StyleGAN2 generator: `mapping` (z, c → w) and `synthesis` (w → picture), pictures nominally in [-1, 1].

    `img_resolution` is a power of two ≥ 4; block widths are `min(channel_base // resolution, channel_max)`.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        mapping_layers: int = 8,
        mapping_lr_multiplier: float = 0.01,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: Architecture = "skip",
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.synthesis = Synthesis(
            w_dim, img_resolution, img_channels, channel_base, channel_max, architecture, conv_clamp
        )
        self.mapping = Mapping(z_dim, c_dim, w_dim, self.synthesis.num_ws, mapping_layers, mapping_lr_multiplier)

    def forward(self, z: Tensor, c: Tensor | None = None, psi: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, c, psi)).image
