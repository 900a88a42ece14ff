"""A few pictures that codes are sought for: what the networks see in them, and how unlike them a drawing is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.errors import UsageError
from guide_plugin.latent.search import Space, White, descend
from guide_plugin.operator import Embedder, Losses, PerceptualFeatures
from guide_plugin.vision.perceptual import feature_distance

Told = Callable[[int, Losses], None]
"""Hears how many steps of a batch are done, and the loss's parts."""


@dataclass(frozen=True)
class InversionSettings:
    """How to look for a code.

    Attributes:
        steps: optimiser steps in all; with 0 the start is only measured.
        broadcast: share of them that seek one code for all layers; by default half, none where an encoder guessed.
        lr: Adam's highest learning rate, in standard deviations of random codes.
        pixels, perceptual, identity: what each part of the loss counts for.
        batch: pictures at once; by default from 8 to 32, as many as make up 32 pictures of 64×64.
        judged_every: after how many steps the judge looks at where the search is; 0 for only at the end.
    """

    steps: int = 200
    broadcast: float | None = None
    lr: float = 0.1
    pixels: float = 1.0
    perceptual: float = 1.0
    identity: float = 0.1
    batch: int | None = None
    judged_every: int = 0


@dataclass(frozen=True)
class Eyes:
    """The networks that look at pictures: two that lead the search, and one that judges it."""

    perceptual: PerceptualFeatures
    recogniser: Embedder
    judge: Embedder


class Scene:
    """A batch of pictures, what the networks see in them, and the search for their codes."""

    def __init__(
        self, adapter: Adapter, eyes: Eyes, images: Tensor, view: View | None, settings: InversionSettings
    ) -> None:
        self.adapter, self.eyes, self.images, self.view, self.settings = adapter, eyes, images, view, settings
        self.curve: dict[int, Tensor] = {}
        with torch.no_grad():
            self.features = eyes.perceptual.features(images)
            self.embedding = eyes.recogniser(images)
            self.judged = eyes.judge(images).float()

    def draw(self, code: Tensor) -> Tensor:
        return self.adapter.synthesize(code, self.view).image

    def losses(self, drawn: Tensor) -> dict[str, Tensor]:
        """Return the loss's parts, unweighted, of each picture [n]."""
        return {
            "pixels": (drawn - self.images).square().flatten(1).mean(dim=1),
            "perceptual": feature_distance(self.eyes.perceptual.features(drawn), self.features),
            "identity": 1 - (self.eyes.recogniser(drawn) * self.embedding).sum(dim=1),
        }

    @torch.no_grad()
    def look(self, step: int, drawn: Tensor) -> None:
        """Have the judge compare what was drawn after `step` steps with the pictures."""
        self.curve[step] = (self.judged * self.eyes.judge(drawn.detach()).float()).sum(dim=1).cpu()

    def seek(self, space: Space, u: Tensor, begin: int, end: int, told: Told) -> Tensor:
        """Return the coordinates in a space that the steps from `begin` to `end` lead to from `u` on."""

        def loss(code: Tensor, step: int) -> Tensor:
            return self.loss(code, begin + step, told)

        return descend(space, u, end - begin, self.settings.lr, loss)

    def search(self, first: Tensor, space: White, told: Told) -> Tensor:
        """Return the codes [n, *latent_shape] that Adam finds from `first` on, in W and then in W+."""
        steps = self.settings.steps
        if steps == 0:
            return first
        u = space.distribution.white_layers(first)
        layers = u.shape[1]
        in_w = round((self.settings.broadcast or 0) * steps) if layers > 1 else 0
        if in_w:
            u = self.seek(space, u.mean(dim=1, keepdim=True), 0, in_w, told)
        if in_w < steps:
            u = self.seek(space, u.expand(-1, layers, -1), in_w, steps, told)
        return space.codes(u)

    def loss(self, code: Tensor, step: int, told: Told) -> Tensor:
        """Return the weighted loss of codes, summed over pictures; the judge looks in between where it is to."""
        drawn, every = self.draw(code), self.settings.judged_every
        if every and step % every == 0:
            self.look(step, drawn)
        parts = self.losses(drawn)
        total = torch.stack([getattr(self.settings, name) * part for name, part in parts.items()]).sum()
        if not total.isfinite():
            raise UsageError("The search for a picture's code came to NaN or Inf.", "Check the model.")
        told(step + 1, {**{name: part.detach().mean() for name, part in parts.items()}, "total": total.detach()})
        return total
