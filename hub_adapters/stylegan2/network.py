"""The StyleGAN2 generator in plain PyTorch, parameter for parameter the official one.

Names, shapes, gains and constants follow the generator of stylegan2-ada-pytorch (and the StyleGAN2 classes of
stylegan3), so that an official state dict loads without renaming and draws the same pictures. Layers that the
official code runs in float16 run in float32 here, as under its `force_fp32`.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, and
"Training Generative Adversarial Networks with Limited Data", NeurIPS 2020.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from guide_plugin import AdapterError
from hub_adapters.stylegan2.layers import (
    BINOMIAL_FILTER,
    FullyConnected,
    NoiseMode,
    ResidualSkip,
    SynthesisLayer,
    ToRGB,
    normal,
    upsample_2x,
)

Architecture = Literal["skip", "resnet", "orig"]


class Drawing(NamedTuple):
    """A picture `[n, img_channels, R, R]` and the feature maps `[n, C, R, R]` that its last block drew it from."""

    image: Tensor
    features: Tensor


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


class SynthesisBlock(nn.Module):
    """All layers of one resolution; the first block starts from a learned constant.

    Args:
        up: whether its input has half this resolution (a super-resolution may have a block that keeps it).
    """

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
        up: bool = True,
    ) -> None:
        super().__init__()
        self.is_first, self.architecture, self.up = in_channels == 0, architecture, up
        self.register_buffer("resample_filter", BINOMIAL_FILTER.clone())
        if self.is_first:
            self.const = nn.Parameter(normal(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, up, clamp)
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
        if image is not None and self.up:
            image = upsample_2x(image)
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
        first, *others = self._blocks_with_codes(ws)
        x, image = first[0](None, None, first[1], noise_mode, rng)
        for block, codes in others:
            x, image = block(x, image, codes, noise_mode, rng)
        return Drawing(image, x)

    def _blocks_with_codes(self, ws: Tensor) -> Iterator[tuple[nn.Module, Tensor]]:
        """Pair each block with its own codes; a block's colour layer shares the next block's first code."""
        start = 0
        for r in self.block_resolutions:
            block = self.get_submodule(f"b{r}")
            num_conv = 1 if r == 4 else 2
            yield block, ws[:, start : start + num_conv + 1]
            start += num_conv


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


def default_buffers(generator: Generator, present: Container[str]) -> dict[str, Tensor]:
    """Return what a new generator has in the buffers that are not `present`; its noise is the same every time."""
    rng = torch.Generator().manual_seed(0)
    made: dict[str, Callable[[torch.Size], Tensor]] = {
        "resample_filter": lambda _: BINOMIAL_FILTER.clone(),
        "noise_const": lambda shape: torch.randn(shape, generator=rng),
        "w_avg": lambda shape: torch.zeros(shape),
    }
    return {
        name: made[name.rpartition(".")[2]](buffer.shape)
        for name, buffer in generator.named_buffers()
        if name not in present
    }


def check_filters(network: nn.Module, file: str) -> None:
    """Refuse a network that was trained with another resampling kernel than the official one: it is built in here."""
    for name, buffer in network.named_buffers():
        if name.endswith("resample_filter") and not torch.allclose(buffer.cpu(), BINOMIAL_FILTER, atol=1e-6):
            raise AdapterError(f"{file}: tensor {name} is another resampling kernel than [1, 3, 3, 1].")


@torch.no_grad()
def mean_code(generator: Generator, n: int = 4096, part: int = 128) -> Tensor:
    """Return the mean over `n` mapped codes [w_dim], the same every time; `part` of them are in memory at once."""
    rng = torch.Generator().manual_seed(0)
    mapping = generator.mapping
    total = torch.zeros_like(mapping.w_avg)
    for _ in range(n // part):
        total += mapping(torch.randn(part, mapping.z_dim, generator=rng).to(total.device))[:, 0].sum(dim=0)
    return total / n
