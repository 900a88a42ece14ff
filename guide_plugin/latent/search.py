"""The one descent that seeks a code, whoever seeks: an audit's attack, a photo's inversion, a training's searches.

It goes over a space: W, one code for all layers, or W+, one for each, within the radius of random codes; or Z, what the
generator's own mapping network makes codes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, SampledNoise
from guide_plugin.latent.distribution import CodeDistribution

RISE, FALL = 0.05, 0.25
KEPT, MEASURED = 0.99, 4096


class Space(Protocol):
    """Coordinates in which random codes have a spread of 1 along every axis, and what they mean."""

    def codes(self, u: Tensor) -> Tensor:
        """Turn coordinates [n, …] into codes [n, *latent_shape]."""

    def within(self, u: Tensor) -> Tensor:
        """Return coordinates [n, …], those beyond what random codes reach drawn back to it."""


@dataclass(frozen=True)
class White:
    """W or W+: white coordinates [n, 1 or layers, k] of codes, each layer within the radius of random codes."""

    distribution: CodeDistribution
    latent_shape: tuple[int, ...]

    def codes(self, u: Tensor) -> Tensor:
        return self.distribution.spread(u, torch.Size((len(u), *self.latent_shape)))

    def within(self, u: Tensor) -> Tensor:
        return self.distribution.within(u)

    def broadcast(self, codes: Tensor) -> Tensor:
        """Return the coordinates [n, 1, k] of codes [n, *latent_shape], one for all layers: their mean."""
        return self.distribution.white_layers(codes).mean(dim=1, keepdim=True)


@dataclass(frozen=True)
class Noise:
    """Z: the standard normal numbers [n, z_dim] that codes are made from, no longer than 99 % of random ones.

    Attributes:
        source: what the adapter's `sample_noise` gave for as many rows; only its labels and its map are used.
    """

    source: SampledNoise
    radius: float

    def codes(self, u: Tensor) -> Tensor:
        return self.source.to_codes(u, self.source.labels)

    def within(self, u: Tensor) -> Tensor:
        return u * (self.radius / u.norm(dim=1, keepdim=True)).clamp(max=1)

    def rows(self, chosen: slice | Tensor) -> Noise:
        """Return the same for some of the rows."""
        z, labels, to_codes = self.source
        return Noise(SampledNoise(z[chosen], None if labels is None else labels[chosen], to_codes), self.radius)


def noise_radius(adapter: Adapter, rng: torch.Generator) -> float | None:
    """Return the length that 99 % of `adapter`'s noise stays below; None where its codes are not made from noise."""
    source = adapter.sample_noise(MEASURED, rng)
    return None if source is None else source.z.norm(dim=1).quantile(KEPT).item()


def ramp(done: float) -> float:
    """Return the share of the learning rate at this share of the steps: up in the first 5 %, down in the last 25 %.

    Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, appendix D.
    """
    rise, fall = min(1.0, done / RISE), min(1.0, (1 - done) / FALL)
    return rise * (0.5 - 0.5 * math.cos(math.pi * fall))


def descend(
    space: Space,
    u: Tensor,
    steps: int,
    lr: float,
    loss: Callable[[Tensor, int], Tensor],
    rate: Callable[[float], float] = ramp,
) -> Tensor:
    """Take steps with Adam from the coordinates `u` [n, …] on, each drawn back to where random codes lie.

    Args:
        lr: the highest learning rate, in standard deviations of random codes.
        loss: of the codes [n, *latent_shape], with the number of the step; returns a scalar.
        rate: the share of `lr` at a share of the steps.
    """
    u = u.clone().requires_grad_(True)
    optimiser = torch.optim.Adam([u], lr=lr)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = lr * rate((step + 0.5) / steps)
        (u.grad,) = torch.autograd.grad(loss(space.codes(u), step), u)  # a model that is searched learns nothing
        optimiser.step()
        with torch.no_grad():
            u.copy_(space.within(u))
    return u.detach()
