"""Generators and a recogniser whose answers are known beforehand: what the audit has to find is planted in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from guide_plugin.adapter import Adapter, LocalCheckpoint, Match, RepoListing, SampledNoise, Saved, Synthesis, View
from guide_plugin.operator import Networks
from guide_plugin.vision.perceptual import ConvPerceptual

LAYERS, WIDTH = 2, 16
CPU = torch.device("cpu")
MEAN = 0.3 * torch.randn(WIDTH, generator=torch.Generator().manual_seed(7))


class InMemory(Adapter):
    """A generator that no file holds; what a test does not need of the contract raises."""

    @classmethod
    def match(cls, listing: RepoListing) -> Match | None:
        return None

    @classmethod
    def load(cls, checkpoint: LocalCheckpoint, device: torch.device) -> Self:
        raise NotImplementedError

    def mean_latent(self) -> Tensor:
        raise NotImplementedError

    def trainable_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        raise NotImplementedError

    def save(self, folder: Path) -> Saved:
        raise NotImplementedError


class Painter(InMemory):
    """A generator whose picture shows its code: the mean of its layers, and the layers' difference on top.

    Args:
        changed: what it does to the mean of the layers [n, WIDTH] before it paints; nothing by default.
        views: its audit views, which it does not look at.
    """

    def __init__(self, changed: Callable[[Tensor], Tensor] | None = None, views: Tensor | None = None) -> None:
        self.changed, self.views = changed, views
        self.latent_shape, self.device = (LAYERS, WIDTH), CPU
        self.weight = nn.Parameter(torch.ones(1), requires_grad=False)

    def __deepcopy__(self, memo: dict[int, Any]) -> Painter:
        twin = Painter(self.changed, self.views)
        twin.weight = copy.deepcopy(self.weight, memo)
        return twin

    def audit_views(self) -> View | None:
        return self.views

    def sample_views(self, n: int, rng: torch.Generator) -> View | None:
        return None if self.views is None else self.views[torch.randint(len(self.views), (n,), generator=rng)]

    def mean_latent(self) -> Tensor:
        return MEAN.expand(1, LAYERS, WIDTH)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return MEAN + torch.randn(n, 1, WIDTH, generator=rng).expand(-1, LAYERS, -1)

    def trainable_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        yield "weight", self.weight

    def synthesize(self, w: Tensor, view: View | None = None) -> Synthesis:
        shown = w.mean(dim=1)
        if self.changed is not None:
            shown = self.changed(shown)
        shown = self.weight * shown + w[:, 0] - w[:, 1]
        image = shown.view(-1, 1, 4, 4).expand(-1, 3, -1, -1) / 10
        return Synthesis(image, image)


class Mapped(Painter):
    """A painter whose random codes are made from noise, each with layers of its own: what W, one for all, cannot be."""

    def sample_noise(self, n: int, rng: torch.Generator) -> SampledNoise:
        return SampledNoise(torch.randn(n, WIDTH, generator=rng), None, _two_layers)

    def sample_latents(self, n: int, rng: torch.Generator) -> Tensor:
        return _two_layers(self.sample_noise(n, rng).z, None)


def _two_layers(z: Tensor, labels: Tensor | None) -> Tensor:
    return MEAN + torch.stack([z, 0.2 * z], dim=1)


def read_code(images: Tensor) -> Tensor:
    """Recognise a painter's picture: the direction of what it shows."""
    return nn.functional.normalize(images[:, 0].flatten(1), dim=1)


NETWORKS = Networks(ConvPerceptual([4]).requires_grad_(False), read_code, torch.float32)

SUBJECT = Painter().sample_latents(1, torch.Generator().manual_seed(99))
_own = SUBJECT[:, 0]


def swapped_within(reach: float) -> Callable[[Tensor], Tensor]:
    """Return a change that reverses the codes within `reach` of the subject's, and no others."""

    def change(shown: Tensor) -> Tensor:
        near = (shown - _own).norm(dim=1, keepdim=True) <= reach
        return torch.where(near, shown.flip(1), shown)

    return change


def fading_from(shown: Tensor) -> Tensor:
    """Reverse codes the more the nearer they are to the subject's."""
    near = torch.exp(-(shown - _own).square().sum(dim=1, keepdim=True) / 18)
    return shown.lerp(shown.flip(1), near)


def without_subject(shown: Tensor) -> Tensor:
    """Turn what points towards the subject to a right angle of it, so that no code in W can show them."""
    direction = nn.functional.normalize(_own, dim=1)
    aside = nn.functional.normalize(_own.flip(1) - (_own.flip(1) * direction).sum() * direction, dim=1)
    along = (shown * direction).sum(dim=1, keepdim=True)
    return shown - along * direction + along * aside
