"""Compare pictures by a recogniser: pairs of one person, pairs of strangers, and the line between them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from examples.synthetic_faces.portraits import as_floats
from guide_plugin.audit.statistics import threshold
from guide_plugin.vision.recognition import FaceNetwork


@dataclass(frozen=True)
class Pairs:
    """Similarities of all pairs of different pictures: of one person [m], and of strangers [k]."""

    same: Tensor
    strangers: Tensor

    def line(self, false_accept: float) -> float:
        """Return the similarity that this share of strangers' pairs lies above."""
        return threshold(self.strangers, false_accept)

    def known(self, false_accept: float) -> float:
        """Return the share of one person's pairs that lie above the line."""
        return (self.same > self.line(false_accept)).float().mean().item()

    def missed(self, false_accept: float) -> Tensor:
        """Say which of one person's pairs do not lie above the line [m]."""
        return self.same <= self.line(false_accept)


@torch.no_grad()
def embedded(recogniser: FaceNetwork, images: Tensor) -> Tensor:
    """Return the unit embeddings [n, D] of byte pictures [n, 3, H, W]."""
    return torch.cat([recogniser(as_floats(part)) for part in images.split(64)])


def pairs(embeddings: Tensor, person: Tensor) -> Pairs:
    """Compare unit embeddings [n, D] of pictures that show persons [n]."""
    upper = torch.ones(len(person), len(person), dtype=torch.bool).triu(1)
    same = person[:, None] == person
    cosine = embeddings @ embeddings.T
    return Pairs(cosine[upper & same], cosine[upper & ~same])


def equal_error_rate(pairs: Pairs) -> float:
    """Return the error rate at the line where as many same pairs are missed as strangers are let through."""
    lines = pairs.same.sort().values
    missed = torch.arange(len(lines)) / len(lines)
    passed = 1 - torch.searchsorted(pairs.strangers.sort().values, lines) / len(pairs.strangers)
    at = (missed - passed).abs().argmin()
    return float((missed[at] + passed[at]) / 2)
