"""Low-pass filters: their design, and resampling with them.

Source: Karras et al., "Alias-Free Generative Adversarial Networks", NeurIPS 2021, sections 3.1 and 3.2 and
appendix C; Kaiser's window and its rule for the attenuation that a filter of given length and transition band
reaches: Oppenheim and Schafer, "Discrete-Time Signal Processing", section 7.6.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


def kaiser_beta(num_taps: int, width: float) -> float:
    """Return the Kaiser window's β for a transition band of `width`, given as a fraction of the Nyquist frequency."""
    attenuation = 2.285 * (num_taps - 1) * math.pi * width + 7.95  # dB
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def design_lowpass(num_taps: int, cutoff: float, width: float, sampling_rate: float, radial: bool = False) -> Tensor:
    """Design a Kaiser-windowed low-pass filter of unit gain at frequency zero.

    `cutoff`, the full `width` of the transition band and `sampling_rate` share one unit (cycles per picture here);
    `num_taps` is even. Returns `[num_taps]`, one factor of a separable filter, or, where `radial` is set, the
    jinc filter `[num_taps, num_taps]` whose response depends on the length of the frequency vector alone.
    """
    window = np.kaiser(num_taps, kaiser_beta(num_taps, 2 * width / sampling_rate))
    position = (np.arange(num_taps) - (num_taps - 1) / 2) / sampling_rate
    if radial:
        radius = torch.from_numpy(np.hypot(position[:, None], position[None, :]))
        jinc = torch.special.bessel_j1(2 * math.pi * cutoff * radius) / (math.pi * radius)
        taps = jinc.numpy() * np.outer(window, window)
    else:
        taps = np.sinc(2 * cutoff * position) * window
    return torch.tensor(taps / taps.sum(), dtype=torch.float32)


def upsample(x: Tensor, taps: Tensor | None, factor: int, padding: tuple[int, int]) -> Tensor:
    """Raise the sampling rate of `x` [n, c, h, w] by `factor`: zeros between samples, then the filter `taps` [t].

    Both axes get `padding` (before, after; negative numbers crop), counted in samples of the new rate, and the filter
    is applied where it lies inside the padded picture: the result has `h·factor + before + after − (t − 1)` rows.
    """
    length = 1 if taps is None else len(taps)
    crop = (length - 1 - padding[0], length - factor - padding[1])  # of the whole response, which starts at sample 0
    inside = 0
    if taps is not None:
        inside = max(min(crop), 0)
        channels = x.shape[1]
        kernel = (taps * factor).expand(channels, 1, 1, -1)
        x = F.conv_transpose2d(x, kernel, stride=(1, factor), padding=(0, inside), groups=channels)
        x = F.conv_transpose2d(x, kernel.mT, stride=(factor, 1), padding=(inside, 0), groups=channels)
    before, after = inside - crop[0], inside - crop[1]
    return F.pad(x, (before, after, before, after)) if before or after else x


def downsample(x: Tensor, taps: Tensor | None, factor: int) -> Tensor:
    """Filter `x` [n, c, h, w] with `taps` [t] or [t, t] where they lie inside it; keep every `factor`-th sample."""
    if taps is None:
        return x[:, :, ::factor, ::factor]
    channels = x.shape[1]
    if taps.ndim == 2:
        kernel = taps.flip(0, 1).expand(channels, 1, -1, -1)
        return F.conv2d(x, kernel, stride=factor, groups=channels)
    kernel = taps.flip(0).expand(channels, 1, 1, -1)
    x = F.conv2d(x, kernel, stride=(1, factor), groups=channels)
    return F.conv2d(x, kernel.mT, stride=(factor, 1), groups=channels)
