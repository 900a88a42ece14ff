"""Where a generator's random codes lie: white coordinates, and a radius to stay within."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter

FITTED, HELD_OUT = 4096, 1024
KEPT = 0.99
CHUNK = 256


@dataclass(frozen=True)
class CodeDistribution:
    """How a generator's random codes lie around their mean, layer by layer of width D, in k white coordinates.

    Attributes:
        mean: [D].
        scaled_axes: principal axes, each as long as one standard deviation along it [k, D]; None where random codes
            are white as they are.
        to_white: its pseudo-inverse [D, k]; None likewise.
        radius: the length in white coordinates that 99 % of random codes not used for the axes stay below.
    """

    mean: Tensor
    scaled_axes: Tensor | None
    to_white: Tensor | None
    radius: float

    def white(self, w: Tensor) -> Tensor:
        """Turn layers [..., D] into white coordinates [..., k]."""
        return w - self.mean if self.to_white is None else (w - self.mean) @ self.to_white

    def code(self, u: Tensor) -> Tensor:
        """Turn white coordinates [..., k] into layers [..., D]."""
        return self.mean + (u if self.scaled_axes is None else u @ self.scaled_axes)

    def spread(self, u: Tensor, shape: torch.Size) -> Tensor:
        """Turn white coordinates [n, 1 or layers, k] into codes of this shape [n, ..., D]."""
        return self.code(u).expand(-1, math.prod(shape[1:-1]), -1).reshape(shape)

    def white_layers(self, w: Tensor) -> Tensor:
        """Turn codes [n, ..., D] into white coordinates within the radius [n, layers, k]."""
        return self.within(self.white(w.reshape(len(w), -1, w.shape[-1])))

    def within(self, u: Tensor) -> Tensor:
        """Return white coordinates [..., k], those beyond the radius drawn back to it."""
        return u * (self.radius / u.norm(dim=-1, keepdim=True)).clamp(max=1)


@torch.no_grad()
def measure_distribution(adapter: Adapter, rng: torch.Generator) -> CodeDistribution:
    """Measure mean, axes and radius on random codes; layers that a generator draws apart count by their mean."""
    width = adapter.latent_shape[-1]
    if adapter.standard_normal:
        lengths = torch.cat([adapter.sample_latents(CHUNK, rng) for _ in range(HELD_OUT // CHUNK)]).norm(dim=1)
        return CodeDistribution(adapter.mean_latent()[0], None, None, lengths.quantile(KEPT).item())
    draws = [adapter.sample_latents(CHUNK, rng) for _ in range((FITTED + HELD_OUT) // CHUNK)]
    layers = torch.cat([draw.reshape(CHUNK, -1, width).mean(dim=1).double().cpu() for draw in draws])
    fitted, held_out = layers[:FITTED], layers[FITTED:]
    mean = fitted.mean(dim=0)
    variances, axes = torch.linalg.eigh((fitted - mean).T @ (fitted - mean) / (FITTED - 1))
    known = variances > variances.max() * 1e-8
    deviations, axes = variances[known].sqrt(), axes[:, known]
    radius = ((held_out - mean) @ (axes / deviations)).norm(dim=1).quantile(KEPT).item()
    device = adapter.device
    return CodeDistribution(
        mean=mean.float().to(device),
        scaled_axes=(axes * deviations).T.float().contiguous().to(device),
        to_white=(axes / deviations).float().contiguous().to(device),
        radius=radius,
    )
