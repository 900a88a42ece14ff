"""The searches that live beside the training: what an attacker would find in the student as it is now.

A third of them climb the likeness under jitter, the others seek the code that draws a picture of the subject, as the
audit's attack does. They live on from round to round, and a quarter begins anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.adapter import Adapter, View
from guide_plugin.latent.search import Noise, Space, White, descend
from guide_plugin.operator import PerceptualFeatures, Subject
from guide_plugin.operators.fold.crowd import drawn
from guide_plugin.operators.fold.likeness import Likeness
from guide_plugin.vision.perceptual import feature_distance

LR = 0.1
CLIMBING = 1 / 3
RESTARTED = 0.25
LOOKED_AT_EVERY = 5
AT_THE_MEAN, AT_THE_SUBJECT = 0.25, 0.25
"""Shares of searches over W that begin at the mean code and around the subject's codes; the others at random ones."""
AROUND = 0.5
"""How far towards random people those around the subject's codes begin, at most."""
IDENTITY = 0.1


@dataclass(frozen=True)
class Wanted:
    """What the searches are after: pictures of the subjects [k, 3, H, W], whose each is [k], and the views they show.

    Attributes:
        codes: the subjects' codes [c, *latent_shape], one or several of each.
    """

    images: Tensor
    persons: Tensor
    views: View | None
    codes: Tensor


@torch.no_grad()
def wanted_of(subjects: Sequence[Subject], original: Adapter, view: View | None) -> Wanted:
    """Return the subjects' photos, or for one without any the original's picture of their code in a view [1, …]."""
    images, persons, views, codes = [], [], [], []
    for person, one in enumerate(subjects):
        images.append(drawn(original, one.code, view) if one.photos is None else one.photos.images)
        persons += [person] * len(images[-1])
        seen = view if one.photos is None or one.photos.views is None else one.photos.views
        if seen is not None:
            views.append(seen.expand(len(images[-1]), *seen.shape[1:]))
        codes += [one.code] if one.further_codes is None else [one.code, one.further_codes]
    return Wanted(
        images=torch.cat(images),
        persons=torch.tensor(persons, device=original.device),
        views=torch.cat(views) if views else None,
        codes=torch.cat(codes),
    )


@dataclass(frozen=True)
class Hunt:
    """Everything that a search needs beside its space: whom it is after, and who looks at the pictures on the way."""

    wanted: Wanted
    likeness: Likeness
    perceptual: PerceptualFeatures
    rng: torch.Generator

    def on(self, model: Adapter, space: Space, u: Tensor, picture: Tensor, climbs: Tensor, steps: int) -> list[Tensor]:
        """Search from the coordinates `u` [n, …] on; return codes met on the way, and last the coordinates it ends at.

        Args:
            picture: which of the subjects' pictures each search is after [n].
            climbs: whether it climbs the likeness, instead of comparing pictures [n] bool.
        """
        images, person = self.wanted.images[picture], self.wanted.persons[picture]
        view = None if self.wanted.views is None else self.wanted.views[picture]
        with torch.no_grad():
            features = self.perceptual.features(images)
        met = []

        def loss(codes: Tensor, step: int) -> Tensor:
            if step % LOOKED_AT_EVERY == 0:
                met.append(codes.detach())
            image = model.synthesize(codes, view).image
            alike = self.likeness.jittered(image, self.rng).gather(1, person[:, None])[:, 0]
            apart = (image - images).square().flatten(1).mean(dim=1)
            apart = apart + feature_distance(self.perceptual.features(image), features) + IDENTITY * (1 - alike)
            return torch.where(climbs, -alike, apart).sum()

        end = descend(space, u, steps, LR, loss, rate=lambda done: 1.0)
        return [*met, end]


class LivingSearches:
    """Searches over one space that stand at the coordinates `u` [n, …]; `start` draws where new ones begin."""

    def __init__(self, space: Space, start: Callable[[int], Tensor], u: Tensor) -> None:
        self.space, self.start, self.u = space, start, u

    @property
    def climbing(self) -> int:
        """How many of the searches, the first ones, climb the likeness; the others seek a picture."""
        return round(CLIMBING * len(self.u))

    def run(self, hunt: Hunt, model: Adapter, steps: int, batch: int) -> tuple[Tensor, Tensor]:
        """Go on for so many steps; return the codes met on the way [m, *latent_shape], and where all stand [n, …]."""
        n, pictures = len(self.u), len(hunt.wanted.images)
        met, ends = [], []
        for chosen in torch.arange(n, device=self.u.device).split(batch):
            space = self.space.rows(chosen) if isinstance(self.space, Noise) else self.space
            climbs = chosen < self.climbing
            *seen, self.u[chosen] = hunt.on(model, space, self.u[chosen], chosen % pictures, climbs, steps)
            met += seen
            with torch.no_grad():
                ends.append(space.codes(self.u[chosen]))
        return torch.cat([*met, *ends]), torch.cat(ends)

    def restart(self, share: float, rng: torch.Generator) -> None:
        """Begin a share of the searches anew."""
        anew = (torch.rand(len(self.u), generator=rng) < share).to(self.u.device)
        self.u = torch.where(anew.view(-1, *[1] * (self.u.dim() - 1)), self.start(len(self.u)), self.u)


def over_w(space: White, generator: Adapter, codes: Tensor, n: int, rng: torch.Generator) -> LivingSearches:
    """Return `n` searches over one code for all layers, beginning at the mean, around `codes`, and at random."""

    @torch.no_grad()
    def start(n: int) -> Tensor:
        random = generator.sample_latents(n, rng)
        shape = (-1, *[1] * (codes.dim() - 1))
        share = (AROUND * torch.rand(n, generator=rng)).to(codes).view(shape)
        around = codes[torch.randint(len(codes), (n,), generator=rng).to(codes.device)].lerp(random, share)
        kind = torch.rand(n, generator=rng).to(codes).view(shape)
        begin = torch.where(kind < AT_THE_MEAN + AT_THE_SUBJECT, around, random)
        return space.broadcast(torch.where(kind < AT_THE_MEAN, generator.mean_latent(), begin))

    return LivingSearches(space, start, start(n))


def over_z(radius: float, generator: Adapter, n: int, rng: torch.Generator) -> LivingSearches:
    """Return `n` searches over the noise that the generator makes codes from."""
    source = generator.sample_noise(n, rng)
    assert source is not None

    def start(n: int) -> Tensor:
        return torch.randn(n, source.z.shape[1], generator=rng).to(source.z)

    return LivingSearches(Noise(source, radius), start, source.z)
