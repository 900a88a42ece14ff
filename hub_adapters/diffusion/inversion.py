"""Textual inversion: from pictures of people to the tokens that stand for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hub_adapters.diffusion.sampling import prediction_target

if TYPE_CHECKING:
    from hub_adapters.diffusion.text_to_image import TextToImage

BATCH, LR = 8, 0.08
KEPT = 0.99
"""Codes are as far from the mean as this share of random people at most."""


def textual_inversion(
    model: TextToImage,
    latents: Tensor,
    start: Tensor,
    steps: int,
    rng: torch.Generator,
    on_step: Callable[[int], None],
) -> Tensor:
    """Return the codes [n, code width] of the people in latents [n, C, H, W], from codes `start` on.

    Every step looks at each picture at `BATCH` noise levels, under a random training template that names the person.
    """
    mean = model.mean_latent()
    _, spread, axes = torch.linalg.svd(model.people - mean, full_matrices=False)
    known = spread > spread.max() * 1e-4
    axes = axes[known] * (spread[known] / len(model.people) ** 0.5)[:, None]
    lengths = torch.randn(4096, len(axes), generator=torch.Generator().manual_seed(0)).norm(dim=1)
    radius = lengths.quantile(KEPT).item()
    named = (model.spoken[0].place[: model.trained_templates] >= 0).nonzero()[:, 0]
    u = ((start - mean) @ torch.linalg.pinv(axes)).detach().requires_grad_(True)
    optimiser = torch.optim.Adam([u], lr=LR)
    alphas = model.pipeline.scheduler.alphas_cumprod.to(latents.device)
    many = latents.repeat_interleave(BATCH, dim=0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = LR * min(1.0, 4 * (1 - step / steps))
        t = torch.randint(len(alphas), (BATCH,), generator=rng).repeat(len(latents)).to(latents.device)
        noise = torch.randn(BATCH, *latents.shape[1:], generator=rng).repeat(len(latents), 1, 1, 1).to(latents.device)
        template = named[torch.randint(len(named), (BATCH,), generator=rng).to(named.device)].repeat(len(latents))
        told = model.conditions((mean + u @ axes).repeat_interleave(BATCH, dim=0), template)
        alpha = alphas[t].view(-1, 1, 1, 1)
        predicted = model.predict(alpha.sqrt() * many + (1 - alpha).sqrt() * noise, t, told)
        wanted = prediction_target(model.pipeline.scheduler.config.prediction_type, many, noise, alpha)
        optimiser.zero_grad()
        (predicted - wanted).square().flatten(1).mean(dim=1).sum().backward()
        optimiser.step()
        with torch.no_grad():
            u.mul_((radius / u.norm(dim=1, keepdim=True).clamp_min(1e-6)).clamp(max=1))
        on_step(step + 1)
    return (mean + u @ axes).detach()
