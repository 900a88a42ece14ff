"""How like a person a picture is to the recogniser that trains, under jitter.

A similarity that does not survive a small shift, blur or change of contrast is one that fools the network and not the
eye: no target and no search is judged by one picture as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from guide_plugin.operator import Embedder

SCALE, SHIFT, BLUR, CONTRAST = 0.06, 0.05, 0.8, 0.1


@dataclass(frozen=True)
class Jitter:
    """One disturbance of each of n pictures: half are mirrored, all are scaled, shifted, blurred, and change contrast.

    Attributes:
        frame: affine maps of the picture's coordinates [n, 2, 3].
        blur: share of a 3×3 mean [n, 1, 1, 1] in [0, 0.8]; half of them have none.
        contrast: factors [n, 1, 1, 1] within 10 % of 1.
    """

    frame: Tensor
    blur: Tensor
    contrast: Tensor

    def __call__(self, images: Tensor) -> Tensor:
        """Return disturbed pictures [n, 3, H, W]."""
        grid = F.affine_grid(self.frame, list(images.shape), align_corners=False)
        seen = F.grid_sample(images.float(), grid, padding_mode="border", align_corners=False)
        soft = F.avg_pool2d(F.pad(seen, (1,) * 4, mode="replicate"), 3, 1)
        return seen.lerp(soft, self.blur) * self.contrast

    def rows(self, chosen: slice) -> Jitter:
        return Jitter(self.frame[chosen], self.blur[chosen], self.contrast[chosen])


def draw_jitter(n: int, rng: torch.Generator, device: torch.device) -> Jitter:
    """Draw a disturbance for each of `n` pictures."""
    mirrored = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    scale = 1 + SCALE * (2 * torch.rand(n, generator=rng) - 1)
    frame = torch.zeros(n, 2, 3)
    frame[:, 0, 0], frame[:, 1, 1] = mirrored * scale, scale
    frame[:, :, 2] = SHIFT * (2 * torch.rand(n, 2, generator=rng) - 1)
    blurred = torch.rand(n, 1, 1, 1, generator=rng) < 0.5
    blur = BLUR * torch.rand(n, 1, 1, 1, generator=rng) * blurred
    contrast = 1 + CONTRAST * (2 * torch.rand(n, 1, 1, 1, generator=rng) - 1)
    return Jitter(*(part.to(device, non_blocking=True) for part in (frame, blur, contrast)))


@dataclass(frozen=True)
class Likeness:
    """How like each of P persons pictures are.

    Attributes:
        recogniser: images [n, 3, H, W] to unit embeddings [n, D].
        known: unit embeddings that the persons are known by [K, D].
        persons: whose each of them is [K], from 0 to P - 1.
    """

    recogniser: Embedder
    known: Tensor
    persons: Tensor

    def of(self, embeddings: Tensor) -> Tensor:
        """Return the similarity [n, P] of unit embeddings [n, D] to each person: to what is most alike of theirs."""
        cosine = embeddings.float() @ self.known.T
        people = int(self.persons.max()) + 1
        return torch.stack([cosine[:, self.persons == person].amax(dim=1) for person in range(people)], dim=1)

    def plain(self, images: Tensor) -> Tensor:
        """Return the similarity [n, P] of pictures as they are."""
        return self.of(self.recogniser(images))

    def jittered(self, images: Tensor, rng: torch.Generator, times: int = 1) -> Tensor:
        """Return the similarity [n, P] of pictures [n, 3, H, W], the mean over `times` disturbances."""
        seen = [self.plain(draw_jitter(len(images), rng, images.device)(images)) for _ in range(times)]
        return torch.stack(seen).mean(dim=0)


def known_by(recogniser: Embedder, pictures: list[Tensor]) -> Likeness:
    """Return the likeness to persons, each known by pictures [k, 3, H, W] and their mirror images."""
    embeddings = [recogniser(torch.cat([images, images.flip(3)])).float() for images in pictures]
    persons = [torch.full((len(seen),), person, device=seen.device) for person, seen in enumerate(embeddings)]
    return Likeness(recogniser, torch.cat(embeddings), torch.cat(persons))
