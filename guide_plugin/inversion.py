"""From a picture to the code that draws it, by optimisation, with no weights beyond the run's own networks.

The code is sought in coordinates in which the generator's random codes are white, so that one learning rate fits every
latent space, and each layer of it is kept within the radius that 99 % of random codes stay in: both are measured on
the generator, so there is no weight to choose between "looks like the photo" and "is a code the generator knows".
First one code for all layers is sought (W), then every layer's own (W+); or else the noise that a generator's mapping
network makes codes from (Z).

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", CVPR 2020, appendix D (optimisation and
its learning-rate ramp); Zhu et al., "Improved StyleGAN Embedding: Where are the Good Latents?", 2020 (white
coordinates).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.latent.distribution import measure_distribution
from guide_plugin.latent.scene import Eyes, InversionSettings, Scene, Told
from guide_plugin.latent.search import Noise, White
from guide_plugin.operator import Embedder, Losses, PerceptualFeatures

PIXELS = 32 * 64 * 64
FEWEST, MOST = 8, 32


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
        guided: whether the networks of the loss led there; False where the backbone has a way of its own.
    """

    code: Tensor
    losses: dict[str, Tensor]
    similarity: Tensor
    seconds: float
    judged: tuple[int, ...]
    curve: Tensor
    guided: bool


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
    if settings.broadcast is None:
        settings = replace(settings, broadcast=0.5 if start is None else 0.0)
    first = (adapter.mean_latent() if start is None else start).expand(len(images), *adapter.latent_shape)
    space: list[White] = []

    def find(scene: Scene, chosen: slice, told: Told) -> tuple[Tensor, bool]:
        code = adapter.invert(scene.images, scene.view, first[chosen], settings.steps, rng, lambda step: told(step, {}))
        if code is not None:
            return code, False
        if not space:
            space.append(White(measure_distribution(adapter, rng), adapter.latent_shape))
        return scene.search(first[chosen], space[0], told), True

    return _batch_by_batch(adapter, images, view, Eyes(perceptual, recogniser, judge), settings, find, on_step)


def invert_to_noise(
    adapter: Adapter,
    images: Tensor,
    perceptual: PerceptualFeatures,
    recogniser: Embedder,
    judge: Embedder,
    noise: Noise,
    settings: InversionSettings | None = None,
    view: View | None = None,
    on_step: Callable[[int, int, Losses], None] = lambda step, steps, losses: None,
) -> Inversion:
    """Find noise whose codes draw these pictures: the search over Z, what random codes are made from.

    Args:
        noise: where each search starts, a row for each picture, and the map from noise to codes.
        images, perceptual, recogniser, judge, view, on_step: as for `invert`.

    Raises:
        UsageError: the loss became NaN or Inf.
    """
    settings = settings or InversionSettings()

    def find(scene: Scene, chosen: slice, told: Told) -> tuple[Tensor, bool]:
        space = noise.rows(chosen)
        u = scene.seek(space, space.source.z, 0, settings.steps, told)
        with torch.no_grad():
            return space.codes(u), True

    return _batch_by_batch(adapter, images, view, Eyes(perceptual, recogniser, judge), settings, find, on_step)


def _batch_by_batch(
    adapter: Adapter,
    images: Tensor,
    view: View | None,
    eyes: Eyes,
    settings: InversionSettings,
    find: Callable[[Scene, slice, Told], tuple[Tensor, bool]],
    on_step: Callable[[int, int, Losses], None],
) -> Inversion:
    """Have `find` look for the codes of a few pictures at a time; it says too whether the networks led it."""
    begun = time.perf_counter()
    if view is None:
        views = adapter.audit_views()
        view = None if views is None else views[len(views) // 2][None]
    if view is not None:
        view = view.expand(len(images), *view.shape[1:])
    with torch.no_grad():
        side = adapter.synthesize(adapter.mean_latent(), None if view is None else view[:1]).image.shape[-2:]
    images = images.to(adapter.device)
    if images.shape[-2:] != side:
        images = F.interpolate(images, side, mode="bilinear", antialias=True).clamp(-1, 1)
    size = settings.batch or max(FEWEST, min(MOST, PIXELS // side.numel()))
    batches = [slice(first, first + size) for first in range(0, len(images), size)]
    found: list[tuple[Tensor, bool, dict[str, Tensor], dict[int, Tensor]]] = []
    for number, chosen in enumerate(batches):

        def told(step: int, losses: Losses, before: int = number * settings.steps) -> None:
            on_step(before + step, len(batches) * settings.steps, losses)

        scene = Scene(adapter, eyes, images[chosen], None if view is None else view[chosen], settings)
        code, guided = find(scene, chosen, told)
        with torch.no_grad():
            drawn = scene.draw(code)
            scene.look(settings.steps, drawn)
            found.append((code, guided, scene.losses(drawn), scene.curve))
    codes, leads, losses, curves = zip(*found, strict=True)
    curve = torch.stack([torch.cat([part[step] for part in curves]) for step in curves[0]], dim=1)
    return Inversion(
        code=torch.cat(codes),
        losses={name: torch.cat([part[name] for part in losses]).cpu() for name in losses[0]},
        similarity=curve[:, -1],
        judged=tuple(curves[0]),
        curve=curve,
        seconds=time.perf_counter() - begun,
        guided=all(leads),
    )
