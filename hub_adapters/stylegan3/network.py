"""The StyleGAN3 generator (configs T and R) in plain PyTorch, parameter for parameter the official one.

Names, shapes, gains and constants follow the generator of stylegan3, so that an official state dict loads without
renaming and draws the same pictures. Layers that the official code runs in float16 run in float32 here, as under its
`force_fp32`; the running means of input magnitudes (`magnitude_ema`) are read and never updated.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from hub_adapters.stylegan2.network import Drawing, Mapping
from hub_adapters.stylegan3.layers import FourierInput, Signal, SynthesisLayer, ToRGB


def plan_signals(
    img_resolution: int,
    img_channels: int,
    channel_base: int,
    channel_max: int,
    num_layers: int,
    num_critical: int,
    first_cutoff: float,
    first_stopband: float,
    last_stopband_rel: float,
    margin_size: int,
) -> list[Signal]:
    """Plan what each of the `num_layers` layers and the colour layer after them puts out (paper, section 3.2).

    Cutoff and stopband grow geometrically up to the last `num_critical` layers, which are sampled critically: their
    cutoff is half the resolution. Frequencies are in cycles per picture; `last_stopband_rel` is relative to the cutoff.
    Raises `ValueError` where no layer, or every layer, would be critical.
    """
    if not 1 <= num_critical < num_layers:
        raise ValueError(f"num_critical must lie between 1 and num_layers − 1 = {num_layers - 1}, not {num_critical}")
    last_cutoff = img_resolution / 2
    last_stopband = last_cutoff * last_stopband_rel
    signals = []
    for i in range(num_layers + 1):
        progress = min(i / (num_layers - num_critical), 1)
        cutoff = first_cutoff * (last_cutoff / first_cutoff) ** progress
        stopband = first_stopband * (last_stopband / first_stopband) ** progress
        sampling_rate = 2 ** math.ceil(math.log2(min(2 * stopband, img_resolution)))
        signals.append(
            Signal(
                sampling_rate=sampling_rate,
                cutoff=cutoff,
                half_width=max(stopband, sampling_rate / 2) - cutoff,
                size=img_resolution if i >= num_layers - 1 else sampling_rate + 2 * margin_size,
                channels=img_channels if i == num_layers else round(min(channel_base / 2 / cutoff, channel_max)),
            )
        )
    return signals


class Synthesis(nn.Module):
    """The synthesis network: codes `ws` [n, num_ws, w_dim] to a picture and the features it was drawn from.

    `signals` are what the layers put out; the first is also what the Fourier features put in. Features are the colour
    layer's input, [n, C, R, R].
    """

    def __init__(
        self,
        w_dim: int,
        signals: list[Signal],
        num_critical: int,
        conv_kernel: int,
        use_radial_filters: bool,
        filter_size: int,
        lrelu_upsampling: int,
        conv_clamp: float | None,
        output_scale: float,
    ) -> None:
        super().__init__()
        *layers, colour = signals
        self.output_scale = output_scale
        self.num_ws = len(signals) + 1
        self.input = FourierInput(w_dim, layers[0])
        self.layer_names = [f"L{i}_{signal.size}_{signal.channels}" for i, signal in enumerate(signals)]
        source = layers[0]
        for i, target in enumerate(layers):
            # Critical layers have no room for the wider transition band of a radial filter.
            radial = use_radial_filters and i < len(layers) - num_critical
            layer = SynthesisLayer(
                w_dim, source, target, conv_kernel, filter_size, lrelu_upsampling, radial, conv_clamp
            )
            self.add_module(self.layer_names[i], layer)
            source = target
        self.add_module(self.layer_names[-1], ToRGB(w_dim, source.channels, colour.channels, conv_clamp))

    def forward(self, ws: Tensor) -> Drawing:
        first, *others, last = ws.unbind(dim=1)
        x = self.input(first)
        for name, w in zip(self.layer_names[:-1], others, strict=True):
            x = self.get_submodule(name)(x, w)
        image = self.get_submodule(self.layer_names[-1])(x, last)
        return Drawing(image * self.output_scale, x)


class Generator(nn.Module):
    """A StyleGAN3 generator: `mapping` (z, c → w) and `synthesis` (w → picture), pictures nominally in [-1, 1].

    `img_resolution` is a power of two ≥ 16; a layer has `channel_base / (2·cutoff)` channels, at most `channel_max`.
    The defaults are config T; config R has `conv_kernel` 1, `use_radial_filters` and twice the channels.
    """

    def __init__(
        self,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        img_resolution: int,
        img_channels: int = 3,
        mapping_layers: int = 2,
        mapping_lr_multiplier: float = 0.01,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_layers: int = 14,
        num_critical: int = 2,
        first_cutoff: float = 2.0,
        first_stopband: float = 2**2.1,
        last_stopband_rel: float = 2**0.3,
        margin_size: int = 10,
        output_scale: float = 0.25,
        conv_kernel: int = 3,
        use_radial_filters: bool = False,
        filter_size: int = 6,
        lrelu_upsampling: int = 2,
        conv_clamp: float | None = 256.0,
    ) -> None:
        super().__init__()
        signals = plan_signals(
            img_resolution,
            img_channels,
            channel_base,
            channel_max,
            num_layers,
            num_critical,
            first_cutoff,
            first_stopband,
            last_stopband_rel,
            margin_size,
        )
        self.synthesis = Synthesis(
            w_dim,
            signals,
            num_critical,
            conv_kernel,
            use_radial_filters,
            filter_size,
            lrelu_upsampling,
            conv_clamp,
            output_scale,
        )
        self.mapping = Mapping(z_dim, c_dim, w_dim, self.synthesis.num_ws, mapping_layers, mapping_lr_multiplier)

    def forward(self, z: Tensor, c: Tensor | None = None, psi: float = 1.0) -> Tensor:
        return self.synthesis(self.mapping(z, c, psi)).image
