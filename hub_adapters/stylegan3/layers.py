"""StyleGAN3's layers: Fourier features, modulated convolutions with a filtered nonlinearity, colour.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021, section 3 and appendices B and C.
As in our StyleGAN2, styles and demodulation factors scale a convolution's input and output instead of its weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hub_adapters.stylegan2.layers import LRELU_GAIN, LRELU_SLOPE, FullyConnected, ModulatedConv, normal
from hub_adapters.stylegan3.filters import design_lowpass, downsample, upsample


@dataclass(frozen=True)
class Signal:
    """The continuous signal that feature maps `[n, channels, size, size]` are samples of.

    `sampling_rate`, `cutoff` and the `half_width` of the transition band above it are in cycles per picture;
    `size` counts the samples of the picture and of the margin around it.
    """

    sampling_rate: int
    cutoff: float
    half_width: float
    size: int
    channels: int


class FourierInput(nn.Module):
    """Waves of fixed random frequency, moved and turned as the first code says, mixed by a learned matrix.

    The buffer `transform` [3, 3] moves the picture for the user: it maps points of the drawn picture, whose sides have
    length 1 and whose centre is the origin, to points of the unmoved one. The identity changes nothing.
    """

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, w_dim: int, signal: Signal) -> None:
        super().__init__()
        self.signal = signal
        self.weight = nn.Parameter(normal(signal.channels, signal.channels))
        self.affine = FullyConnected(w_dim, 4)
        self.affine.weight = nn.Parameter(torch.zeros(4, w_dim))
        self.affine.bias = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        direction = normal(signal.channels, 2)
        radius = direction.norm(dim=1, keepdim=True)
        within_disc = direction / radius * torch.exp(-radius.square() / 4)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", within_disc * signal.cutoff)
        self.register_buffer("phases", torch.rand(signal.channels) - 0.5)

    def forward(self, w: Tensor) -> Tensor:
        """Draw the first feature maps [n, channels, size, size] for codes `w` [n, w_dim]."""
        signal = self.signal
        placement = self._motion(w) @ self.transform
        phases = self.phases + (self.freqs @ placement[:, :, 2:]).squeeze(2)
        freqs = self.freqs @ placement[:, :, :2]
        # The user's transform may raise frequencies: fade them out before they alias.
        headroom = signal.sampling_rate / 2 - signal.cutoff
        amplitudes = (1 - (freqs.norm(dim=2) - signal.cutoff) / headroom).clamp(0, 1)
        samples = torch.arange(signal.size, device=w.device, dtype=w.dtype)
        position = (samples - (signal.size - 1) / 2) / signal.sampling_rate
        along_x = freqs[:, :, 0, None, None] * position
        along_y = freqs[:, :, 1, None, None] * position[:, None]
        waves = torch.sin((along_x + along_y + phases[:, :, None, None]) * (2 * math.pi))
        weight = self.weight / math.sqrt(signal.channels)
        return F.conv2d(waves * amplitudes[:, :, None, None], weight[:, :, None, None])

    def _motion(self, w: Tensor) -> Tensor:
        """Return the learned translation and rotation, inverted, as the upper rows [n, 2, 3] of a matrix."""
        motion = self.affine(w)
        cosine, sine, x, y = (motion / motion[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        rotation = torch.stack([cosine, -sine, sine, cosine], dim=1).unflatten(1, (2, 2))
        translation = torch.stack([x, y], dim=1).unsqueeze(2)
        return torch.cat([rotation, -rotation @ translation], dim=2)


class SynthesisLayer(ModulatedConv):
    """Modulated convolution, then leaky ReLU at a higher sampling rate, so that what it adds can be filtered out.

    `magnitude_ema` is the mean square of the input, as training saw it; `radial` asks for a rotation-invariant
    down-sampling filter.
    """

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(
        self,
        w_dim: int,
        source: Signal,
        target: Signal,
        conv_kernel: int,
        filter_size: int,
        lrelu_upsampling: int,
        radial: bool,
        clamp: float | None,
    ) -> None:
        super().__init__(source.channels, target.channels, conv_kernel, w_dim)
        self.clamp = clamp
        rate = max(source.sampling_rate, target.sampling_rate) * lrelu_upsampling
        self.up_factor = rate // source.sampling_rate
        self.down_factor = rate // target.sampling_rate
        up_taps = filter_size * self.up_factor if self.up_factor > 1 else 1
        down_taps = filter_size * self.down_factor if self.down_factor > 1 else 1
        up = design_lowpass(up_taps, source.cutoff, 2 * source.half_width, rate) if up_taps > 1 else None
        down = design_lowpass(down_taps, target.cutoff, 2 * target.half_width, rate, radial) if down_taps > 1 else None
        self.register_buffer("magnitude_ema", torch.ones(()))
        self.register_buffer("up_filter", up)
        self.register_buffer("down_filter", down)
        # What the high rate must hold so that `target.size` samples remain, less what the convolution (whose padding
        # grows the picture) provides; split so that both signals keep their centre.
        needed = (target.size - 1) * self.down_factor + up_taps + down_taps - 1
        padding = needed - (source.size + conv_kernel - 1) * self.up_factor
        before = (padding + self.up_factor) // 2
        self.padding = (before, padding - before)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Turn `x` [n, *source] into [n, *target] under codes `w` [n, w_dim]."""
        style = self.affine(w)
        energy = self.weight.square().sum(dim=(2, 3))
        # The official code first scales weights and styles to unit mean square, which cancels but for its 1e-8; styles
        # over the whole batch there, per code here, so that a picture does not depend on its neighbours.
        smallest = 1e-8 * style.square().mean(dim=1, keepdim=True) * self.weight.square().mean(dim=(1, 2, 3))
        demodulation = (style.square() @ energy.T + smallest).rsqrt()
        x = x * (style * self.magnitude_ema.rsqrt())[:, :, None, None]
        x = F.conv2d(x, self.weight, padding=self.weight.shape[2] - 1)
        # Leaky ReLU commutes with a positive gain, which costs less here than at the high rate.
        bias = (self.bias * LRELU_GAIN).view(1, -1, 1, 1)
        x = torch.addcmul(bias, x, (demodulation * LRELU_GAIN)[:, :, None, None])
        x = upsample(x, self.up_filter, self.up_factor, self.padding)
        x = F.leaky_relu(x, LRELU_SLOPE)
        if self.clamp is not None:
            x = x.clamp(-self.clamp, self.clamp)
        return downsample(x, self.down_filter, self.down_factor)


class ToRGB(ModulatedConv):
    """Modulated 1×1 convolution from features to colour, without demodulation, filters or nonlinearity."""

    magnitude_ema: Tensor

    def __init__(self, w_dim: int, in_channels: int, img_channels: int, clamp: float | None) -> None:
        super().__init__(in_channels, img_channels, 1, w_dim)
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.register_buffer("magnitude_ema", torch.ones(()))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Draw colours [n, img_channels, h, w] from features `x` [n, in_channels, h, w]."""
        style = self.affine(w) * (self.weight_gain * self.magnitude_ema.rsqrt())
        x = F.conv2d(x * style[:, :, None, None], self.weight, self.bias)
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
