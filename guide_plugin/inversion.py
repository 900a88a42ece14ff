"""From a picture to the code that draws it, by optimisation, with no weights beyond the run's own networks.

The code is sought in coordinates in which the generator's random codes are white, so that one learning rate fits every
latent space, and each layer of it is kept within the radius that 99 % of random codes stay in: both are measured on
the generator, so there is no weight to choose between "looks like the photo" and "is a code the generator knows".
First one code for all layers is sought (W), then every layer's own (W+).

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, appendix D (optimisation and
its learning-rate ramp); Zhu et al., "Improved StyleGAN Embedding: Where are the Good Latents?", 2020 (white
coordinates).
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.errors import UsageError
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.search import White, descend
from guide_plugin.operator import Embedder, Losses, PerceptualFeatures
from guide_plugin.vision.perceptual import feature_distance


@dataclass(frozen=True)
class InversionSettings:
    """How to look for a code.

    Attributes:
        steps: optimiser steps in all; with 0 the start is only measured.
        broadcast: share of them that seek one code for all layers; by default half, none where an encoder guessed.
        lr: Adam's highest learning rate, in standard deviations of random codes.
        pixels, perceptual, identity: what each part of the loss counts for.
        batch: pictures at once.
        judged_every: after how many steps the judge looks at where the search is; 0 for only at the end.
    """

    steps: int = 200
    broadcast: float | None = None
    lr: float = 0.1
    pixels: float = 1.0
    perceptual: float = 1.0
    identity: float = 0.1
    batch: int = 8
    judged_every: int = 0


@dataclass(frozen=True)
class Inversion:
    """What was found for n pictures, on the adapter's device unless said otherwise.

    Attributes:
        code: [n, *latent_shape].
        losses: the loss's parts by name, unweighted, [n] each on the CPU: "pixels" (mean squared difference of values
            in [-1, 1]), "perceptual", "identity" (1 - cosine).
        similarity: the judge's cosine between each picture and its reconstruction [n], on the CPU.
        seconds: wall-clock time of the search.
        judged: after how many steps the judge looked, the end included.
        curve: the similarity it found then [n, len(judged)], on the CPU.
    """

    code: Tensor
    losses: dict[str, Tensor]
    similarity: Tensor
    seconds: float
    judged: tuple[int, ...]
    curve: Tensor


def invert(
    adapter: Adapter,
    images: Tensor,
    perceptual: PerceptualFeatures,
    recogniser: Embedder,
    judge: Embedder,
    rng: torch.Generator,
    settings: InversionSettings | None = None,
    view: View | None = None,
    start: Tensor | None = None,
    on_step: Callable[[int, int, Losses], None] = lambda step, steps, losses: None,
) -> Inversion:
    """Find the codes that draw these pictures.

    Args:
        images: [n, 3, H, W] in [-1, 1], cropped as the backbone's training pictures are; brought to its size.
        perceptual, recogniser: the networks of the loss.
        judge: the recogniser that measures the result; better another one.
        rng: the CPU generator for the codes that the distribution is measured on.
        view: the views that the pictures show, one for all [1, …] or one each [n, …]; by default the middle audit
            view where the backbone has views.
        start: an encoder's guess [n, *latent_shape]; by default the mean code.
        on_step: told the steps done, the steps in all, and the loss's parts.

    Raises:
        UsageError: the loss became NaN or Inf.
    """
    settings = settings or InversionSettings()
    begun = time.perf_counter()
    space: White | None = None
    if view is None:
        views = adapter.audit_views()
        view = None if views is None else views[len(views) // 2][None]
    if view is not None:
        view = view.expand(len(images), *view.shape[1:])
    first = (adapter.mean_latent() if start is None else start).expand(len(images), *adapter.latent_shape)
    batches = [slice(begin, begin + settings.batch) for begin in range(0, len(images), settings.batch)]
    if settings.broadcast is None:
        settings = replace(settings, broadcast=0.5 if start is None else 0.0)
    found: list[tuple[Tensor, dict[str, Tensor], dict[int, Tensor]]] = []
    for number, chosen in enumerate(batches):

        def told(step: int, losses: Losses, before: int = number * settings.steps) -> None:
            on_step(before + step, len(batches) * settings.steps, losses)

        scene = _Scene(
            adapter, images[chosen], None if view is None else view[chosen], perceptual, recogniser, judge, settings
        )
        code = adapter.invert(
            scene.images, scene.view, first[chosen], settings.steps, rng, functools.partial(told, losses={})
        )
        if code is None:
            space = space or White(measure_distribution(adapter, rng), adapter.latent_shape)
            code = scene.search(first[chosen], space, told)
        with torch.no_grad():
            drawn = scene.draw(code)
            scene.look(settings.steps, drawn)
            found.append((code, scene.losses(drawn), scene.curve))
    codes, losses, curves = zip(*found, strict=True)
    curve = torch.stack([torch.cat([part[step] for part in curves]) for step in curves[0]], dim=1)
    return Inversion(
        code=torch.cat(codes),
        losses={name: torch.cat([part[name] for part in losses]).cpu() for name in losses[0]},
        similarity=curve[:, -1],
        judged=tuple(curves[0]),
        curve=curve,
        seconds=time.perf_counter() - begun,
    )


class _Scene:
    """A batch of pictures, what the networks see in them, and the search for their codes."""

    def __init__(
        self,
        adapter: Adapter,
        images: Tensor,
        view: View | None,
        perceptual: PerceptualFeatures,
        recogniser: Embedder,
        judge: Embedder,
        settings: InversionSettings,
    ) -> None:
        self.adapter, self.view, self.settings = adapter, view, settings
        self.perceptual, self.recogniser, self.judge = perceptual, recogniser, judge
        self.curve: dict[int, Tensor] = {}
        with torch.no_grad():
            side = self.draw(adapter.mean_latent().expand(len(images), *adapter.latent_shape)).shape[-2:]
            self.images = images.to(adapter.device)
            if self.images.shape[-2:] != side:
                self.images = F.interpolate(self.images, side, mode="bilinear", antialias=True).clamp(-1, 1)
            self.features = perceptual.features(self.images)
            self.embedding = recogniser(self.images)
            self.judged = judge(self.images).float()

    def draw(self, code: Tensor) -> Tensor:
        return self.adapter.synthesize(code, self.view).image

    def losses(self, drawn: Tensor) -> dict[str, Tensor]:
        """Return the loss's parts, unweighted, of each picture [n]."""
        return {
            "pixels": (drawn - self.images).square().flatten(1).mean(dim=1),
            "perceptual": feature_distance(self.perceptual.features(drawn), self.features),
            "identity": 1 - (self.recogniser(drawn) * self.embedding).sum(dim=1),
        }

    @torch.no_grad()
    def look(self, step: int, drawn: Tensor) -> None:
        """Have the judge compare what was drawn after `step` steps with the pictures."""
        self.curve[step] = (self.judged * self.judge(drawn.detach()).float()).sum(dim=1).cpu()

    def search(self, first: Tensor, space: White, told: Callable[[int, Losses], None]) -> Tensor:
        """Return the codes [n, *latent_shape] that Adam finds from `first` on."""
        steps = self.settings.steps
        if steps == 0:
            return first
        u = space.distribution.white_layers(first)
        layers = u.shape[1]
        in_w = round((self.settings.broadcast or 0) * steps) if layers > 1 else 0

        def seek(u: Tensor, begin: int, end: int) -> Tensor:
            def loss(code: Tensor, step: int) -> Tensor:
                return self.loss(code, begin + step, told)

            return descend(space, u, end - begin, self.settings.lr, loss)

        if in_w:
            u = seek(u.mean(dim=1, keepdim=True), 0, in_w)
        if in_w < steps:
            u = seek(u.expand(-1, layers, -1), in_w, steps)
        return space.codes(u)

    def loss(self, code: Tensor, step: int, told: Callable[[int, Losses], None]) -> Tensor:
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
