"""How far the student is from where it should be: GUIDE's distance and its sum over codes.

Source: Seo et al., CVPR 2024, section 3.3 (latent target unlearning) and its released settings.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from guide_plugin.adapter import Synthesis
from guide_plugin.operator import Networks
from guide_plugin.vision.perceptual import feature_distance


class Look(NamedTuple):
    """What the frozen networks see in a batch of n pictures, of which the first k are compared in full.

    Attributes:
        features: the backbone's features of the first k pictures [k, …].
        perceptual: the perceptual network's feature maps of all pictures, each [n, …].
        embedding: the recogniser's unit embeddings of the first k pictures [k, D].
    """

    features: Tensor
    perceptual: list[Tensor]
    embedding: Tensor


def look(synthesis: Synthesis, networks: Networks, k: int) -> Look:
    """Show pictures to the frozen networks, each picture once; the first k to the recogniser too."""
    return Look(
        synthesis.features[:k],
        networks.perceptual.features(synthesis.image),
        networks.recogniser(synthesis.image[:k]) if k else synthesis.image.new_zeros(0, 1),
    )


def join(a: Look, b: Look) -> Look:
    """Return the look at `a`'s pictures followed by `b`'s; all of `a`'s must be compared in full."""
    return Look(
        torch.cat([a.features, b.features]),
        [torch.cat(levels) for levels in zip(a.perceptual, b.perceptual, strict=True)],
        torch.cat([a.embedding, b.embedding]),
    )


class Distance(NamedTuple):
    """The parts of `D(a→b)` per picture, unweighted: LPIPS [n], and of the first k pictures also 1 - cosine and MSE.

    The published global loss compares its pictures with LPIPS alone; that is why they come after the first k.
    """

    mse: Tensor
    lpips: Tensor
    id: Tensor

    def total(self, weights: Weights) -> Tensor:
        """Return the scalar `Σ 1e-2·MSE(features) + LPIPS + 0.1·(1 - cos)` over all pictures."""
        return (
            weights.features * self.mse.sum() + weights.perceptual * self.lpips.sum() + weights.identity * self.id.sum()
        )


class Weights(NamedTuple):
    """What each part of the distance counts for; the paper's numbers."""

    features: float = 1e-2
    perceptual: float = 1.0
    identity: float = 0.1


def distance(student: Look, teacher: Look) -> Distance:
    """Measure how far the student's pictures are from the teacher's, picture by picture."""
    difference = student.features.float() - teacher.features.float()
    return Distance(
        mse=difference.square().flatten(1).mean(dim=1),
        lpips=feature_distance(student.perceptual, teacher.perceptual),
        id=1 - (student.embedding.float() * teacher.embedding.float()).sum(dim=1),
    )
