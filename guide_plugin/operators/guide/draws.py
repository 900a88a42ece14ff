"""The random part of a step, so that a step can be repeated with given draws."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.operators.guide.aliases import fresh_aliases
from guide_plugin.operators.guide.settings import GuideSettings


@dataclass(frozen=True)
class Draws:
    """The random part of one step.

    Attributes:
        w_r: random codes that give the neighbours their directions [neighbours, *latent_shape].
        alpha: how far each neighbour goes [neighbours], U(0, alpha_max).
        w_g: codes that must stay in place [bystanders, *latent_shape]: random ones, then lookalikes of the subject.
        view: one view [1, …] that all pictures of the step share, or None.
        aliases: other codes of the subject [aliases_per_step, *latent_shape]; None without them.
    """

    w_r: Tensor
    alpha: Tensor
    w_g: Tensor
    view: View | None
    aliases: Tensor | None = None


@dataclass
class Sampler:
    """Draws the random part of each step.

    Attributes:
        alpha_max: how far a neighbour goes at most.
        aliases: known codes of the subject [k, *latent_shape], if there are several.
        lookalikes: codes of people like the subject [k, *latent_shape], if they are asked for.
    """

    teacher: Adapter
    settings: GuideSettings
    rng: torch.Generator
    alpha_max: float
    aliases: Tensor | None
    lookalikes: Tensor | None

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
            w_g=self.bystanders(),
            view=self.teacher.sample_views(1, self.rng),
            aliases=None if self.aliases is None else fresh_aliases(self.aliases, s.aliases_per_step, self.rng),
        )

    def bystanders(self) -> Tensor:
        s = self.settings
        if self.lookalikes is None:
            return self.teacher.sample_latents(s.bystanders, self.rng)
        random = self.teacher.sample_latents(s.bystanders - s.lookalikes, self.rng)
        chosen = torch.randint(len(self.lookalikes), (s.lookalikes,), generator=self.rng)
        return torch.cat([random, self.lookalikes[chosen.to(random.device)]])
