"""The random part of a step, so that a step can be repeated with given draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operators.guide.settings import GuideSettings


@dataclass(frozen=True)
class Draws:
    """The random part of one step.

    Attributes:
        w_r: random codes that give the neighbours their directions [neighbours, *latent_shape].
        alpha: how far each neighbour goes [neighbours], U(0, alpha_max).
        w_g: random codes that must stay in place [bystanders, *latent_shape].
        view: one view [1, …] that all pictures of the step share, or None.
    """

    w_r: Tensor
    alpha: Tensor
    w_g: Tensor
    view: View | None


@dataclass
class Sampler:
    """Draws the random part of each step.

    Attributes:
        alpha_max: how far a neighbour goes at most.
    """

    teacher: Adapter
    settings: GuideSettings
    rng: torch.Generator
    alpha_max: float

    @torch.no_grad()
    def draw(self) -> Draws:
        """Draw everything random of one step."""
        s, device = self.settings, self.teacher.device
        dtype = torch.float64 if s.reproduce_published else torch.float32
        return Draws(
            w_r=self.teacher.sample_latents(s.neighbours, self.rng),
            alpha=(self.alpha_max * torch.rand(s.neighbours, generator=self.rng, dtype=dtype)).to(
                device, non_blocking=True
            ),
            w_g=self.teacher.sample_latents(s.bystanders, self.rng),
            view=self.teacher.sample_views(1, self.rng),
        )
