"""How like a person a picture is to the recogniser that trains, under jitter.

A similarity that does not survive a small shift, blur or change of contrast is one that fools the network and not the
eye: no target and no search is judged by one picture as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.operator import Embedder
from guide_plugin.vision.jitter import draw_jitter


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
