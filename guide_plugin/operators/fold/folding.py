"""The fold itself, and who stands in the subject's place: people, on the way to whom the likeness is gone.

Let s(w) be how like the subject the original's picture at a code is. Wanted is `s_student(w) = fold(s(w))`: unchanged
up to s0, and falling again above it. The picture wanted at w is therefore the original's at the first code on the
straight line from w to a near person unlike the subject, where the likeness has come down to that. No gradient of a
recogniser is followed: a picture that it leads to fools the recogniser and not the eye.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from guide_plugin.latent.search import White

BISECTIONS = 4
"""How often the way to a person is halved: a target is found to a sixteenth of it."""

LEAST_SHARE = 0.15
"""Of the way; a target nearer than that is the same person by another number."""


def fold(s: Tensor, s0: Tensor | float, kappa: float) -> Tensor:
    """Return s up to `s0`, and `s0 - kappa · (s - s0)` above it: continuous, and never more than `s0`."""
    return torch.where(s <= s0, s, s0 - kappa * (s - s0))


@dataclass(frozen=True)
class Anchors:
    """People who may stand in the subject's place.

    Attributes:
        space: white coordinates, in which people are near or far.
        codes: theirs [m, *latent_shape].
    """

    space: White
    codes: Tensor

    def nearest(self, codes: Tensor) -> Tensor:
        """Return for each code [n, *latent_shape] the nearest of these people [n, *latent_shape]."""
        here, there = (self.space.broadcast(w).flatten(1) for w in (codes, self.codes))
        return self.codes[torch.cdist(here, there).argmin(dim=1)]


@torch.no_grad()
def targets_of(
    codes: Tensor, anchors: Anchors, wanted: Tensor, similarity: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return for each code the one whose picture is to take its place, and whether there is such a one [n] bool.

    Args:
        codes: [n, *latent_shape].
        wanted: how like each person the target may be at most [n, P].
        similarity: codes [n, *latent_shape] to how like each person the original's pictures of them are [n, P].
    """
    ends = anchors.nearest(codes)
    shape = (-1, *[1] * (codes.dim() - 1))
    low = torch.full((len(codes),), LEAST_SHARE, device=codes.device)
    high = torch.ones_like(low)
    found = (similarity(ends) <= wanted).all(dim=1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        gone = (similarity(codes.lerp(ends, middle.view(shape))) <= wanted).all(dim=1)
        low, high = torch.where(gone, low, middle), torch.where(gone, middle, high)
    return codes.lerp(ends, high.view(shape)), found
